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

/** Makes the folder where there is none, and closes it to other users. */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  let root = resolve(folder);
  try {
    await mkdir(root, { recursive: true });
    // The same folder by another way is the same folder.
    root = await realpath(root);
    const identity = postgresIdentity();
    if (identity.gid === undefined) {
      await chmod(root, 0o700);
    } else {
      await requireEnterable(dirname(root), identity, "choose another SALDO_DATA_DIR");
      await chown(root, 0, identity.gid);
      await chmod(root, 0o710);
    }
    return { root, identity };
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      `The data folder ${root} cannot be used (${(error as NodeJS.ErrnoException).code}): choose ` +
        "another SALDO_DATA_DIR.",
    );
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

/** A folder belongs to one launcher as long as that lives. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes the folder for this process. The lock is that of SQLite on an empty database, which is a
 * lock of the kernel on every platform: it ends with the process, however that dies, which no pid
 * file can promise, and it outlives a PostgreSQL that restarts its sessions.
 */
export function lockDataFolder(root: string): FolderLock | undefined {
  const database = new DatabaseSync(join(root, "launcher.lock"));
  try {
    database.exec("pragma locking_mode = exclusive; begin exclusive");
  } catch (error) {
    database.close();
    const isTaken = (error as { errcode?: number }).errcode === 5;
    if (isTaken) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
