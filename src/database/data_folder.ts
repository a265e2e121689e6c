import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, realpath, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StartError } from "../start_error.ts";

/** The system user that PostgreSQL runs as; empty: the user that started Saldo. */
export interface Identity {
  name?: string;
  uid?: number;
  gid?: number;
}

/** The folder that a Saldo keeps its things in. */
export interface DataFolder {
  root: string;
  identity: Identity;
}

/**
 * Makes the folder where there is none, and changes nothing of one that is there: another Saldo may
 * be running on it, or it may be another user's.
 *
 * @throws StartError for a folder that cannot be used, or not by this user
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  let root = resolve(folder);
  try {
    const ifThere = (error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    };
    await mkdir(dirname(root), { recursive: true }).catch(ifThere);
    await mkdir(root, { mode: 0o700 }).catch(ifThere);
    // The same folder by another way is the same folder.
    root = await realpath(root);
    const identity = postgresIdentity();
    await requireEnterable(dirname(root), identity, "choose another SALDO_DATA_DIR");
    await requireOwnCluster(root, identity);
    return { root, identity };
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw await unusable(root, error as NodeJS.ErrnoException);
  }
}

/** Closes the folder to other users; it must have been taken before. */
export async function closeDataFolder({ root, identity }: DataFolder): Promise<void> {
  try {
    if (identity.gid === undefined) {
      await chmod(root, 0o700);
    } else {
      await chown(root, 0, identity.gid);
      await chmod(root, 0o710);
    }
  } catch (error) {
    throw await unusable(root, error as NodeJS.ErrnoException);
  }
}

/** PostgreSQL starts for nobody but the owner of its cluster. */
async function requireOwnCluster(root: string, { uid }: Identity): Promise<void> {
  const cluster = await stat(join(root, "postgres", "data")).catch((error) => {
    if (["ENOENT", "ENOTDIR"].includes(error.code)) return undefined;
    throw error;
  });
  const mine = uid ?? process.getuid?.();
  if (cluster === undefined || mine === undefined || cluster.uid === mine) return;
  throw new StartError(
    `The PostgreSQL in the data folder ${root} belongs to ${userOf(cluster.uid)}: start Saldo as ` +
      "that user, or choose another SALDO_DATA_DIR. Nothing was changed.",
  );
}

/** Why a folder cannot be used; one of another user's can be, by that user or when given back. */
async function unusable(root: string, { code }: NodeJS.ErrnoException): Promise<StartError> {
  const folder = await stat(root).catch(() => undefined);
  const mine = process.getuid?.();
  if (folder === undefined || mine === undefined || [folder.uid, 0].includes(mine)) {
    return new StartError(
      `The data folder ${root} cannot be used (${code}): choose another SALDO_DATA_DIR.`,
    );
  }
  return new StartError(
    `The data folder ${root} belongs to ${userOf(folder.uid)}: start Saldo as that user, or, where ` +
      `its PostgreSQL is yours, let root say \`chown -R ${mine} ${root}\`.`,
  );
}

function userOf(uid: number): string {
  try {
    return execFileSync("id", ["-un", String(uid)], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return `user ${uid}`;
  }
}

/** PostgreSQL refuses to run as root; it then runs as the system's user for it, or as nobody. */
function postgresIdentity(): Identity {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = ["-u", "-g"].map((flag) =>
        Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: "pipe" })),
      );
      return { name, uid, gid };
    } catch {
      // The system has no such user: the next one.
    }
  }
  throw new StartError(
    "As root Saldo runs PostgreSQL as user postgres or nobody, and this system has neither: " +
      "start Saldo as an ordinary user.",
  );
}

/** Refuses a folder that the user who runs PostgreSQL cannot reach. */
export async function requireEnterable(
  folder: string,
  { name, uid, gid }: Identity,
  remedy: string,
): Promise<void> {
  if (uid === undefined) return;
  for (let each = folder; ; each = dirname(each)) {
    const { mode, uid: owner, gid: group } = await stat(each);
    const needed = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001;
    if ((mode & needed) === 0) {
      throw new StartError(
        `As root Saldo runs PostgreSQL as user ${name}, who may not enter ${each}: ${remedy}, or ` +
          "start Saldo as an ordinary user.",
      );
    }
    if (each === dirname(each)) return;
  }
}

/** Writes a file that nobody but its owner reads. */
export async function writePrivate(
  file: string,
  text: string,
  { uid, gid }: Identity = {},
): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  await chmod(file, 0o600);
  if (uid !== undefined && gid !== undefined) await chown(file, uid, gid);
}

const SQLITE_BUSY = 5;

/** A folder belongs to one launcher as long as that lives. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes the folder for this process. The lock is that of SQLite on an empty database, which is a
 * lock of the kernel on every platform: it ends with the process, however that dies, which no pid
 * file can promise, and it outlives a PostgreSQL that restarts its sessions.
 */
export async function lockDataFolder(root: string): Promise<FolderLock | undefined> {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(root, "launcher.lock"));
    database.exec("pragma locking_mode = exclusive; begin exclusive");
  } catch (error) {
    database?.close();
    const { errcode } = error as { errcode?: number };
    if (errcode === SQLITE_BUSY) return undefined;
    throw await unusable(root, { ...(error as Error), code: `SQLite ${errcode}` });
  }
  const taken = database;
  return { release: () => taken.close() };
}
