import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chown, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { StartError } from "../start_error.ts";
import {
  closeDataFolder,
  type DataFolder,
  type FolderLock,
  type Identity,
  lockDataFolder,
  openDataFolder,
  writePrivate,
} from "./data_folder.ts";
import { OwnClient } from "./own_client.ts";
import { locatePrograms } from "./postgres_programs.ts";
import {
  endOrphan,
  endPostmaster,
  launchPostmaster,
  type Postmaster,
  plainEnvironment,
  portIfFree,
  waitUntilReady,
} from "./postmaster.ts";

/** A PostgreSQL of our own, in a folder of the project. */
export interface EmbeddedPostgres {
  /** Superuser login to the database `saldo`. */
  connectionString: string;
  /** Ends it the fast way and waits until it is gone. */
  stop(): Promise<void>;
  /** Resolves with its last words when the server process ends, for whatever reason. */
  exited: Promise<string>;
}

const databaseName = "saldo";
const superuser = "postgres";
const retryPatienceMs = 60_000;

/**
 * Starts PostgreSQL in the folder, making the cluster first where there is none.
 *
 * @param installedFor file of the project that the package of PostgreSQL is installed for
 */
export async function startEmbedded(
  folder: string,
  settings: Record<string, string> = {},
  installedFor: string = import.meta.url,
): Promise<EmbeddedPostgres> {
  const { root, identity } = await openDataFolder(folder);
  const lock = await takeFolder({ root, identity });
  try {
    const programs = await locatePrograms(identity, installedFor);
    const home = join(root, "postgres");
    await initialise(programs.initdb, home, identity);
    const password = (await readFile(join(home, "password"), "utf8")).trim();
    const { postmaster, port } = await startPostmaster(
      programs.postgres,
      { root, cluster: join(home, "data") },
      identity,
      { password, settings },
    );
    const connectionString = urlOf(password, port, databaseName);
    try {
      await createDatabase(urlOf(password, port, "postgres"));
      await writePrivate(join(root, "postgres-port"), String(port));
      await writePrivate(join(root, "database-url"), `${connectionString}\n`);
    } catch (error) {
      await endPostmaster(postmaster);
      throw error;
    }
    return {
      connectionString,
      exited: postmaster.exited,
      async stop() {
        await endPostmaster(postmaster);
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function urlOf(password: string, port: number, database: string): string {
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
}

/** Nothing in the folder is changed before it is taken. */
async function takeFolder({ root, identity }: DataFolder): Promise<FolderLock> {
  const pidFile = join(root, "launcher.pid");
  const lock = await lockDataFolder(root);
  if (lock === undefined) {
    throw new StartError(
      `Saldo is running already on ${root} (pid ${await readPid(pidFile)}): stop it first, or ` +
        "choose another SALDO_DATA_DIR.",
    );
  }
  try {
    await closeDataFolder({ root, identity });
    await writePrivate(pidFile, `${process.pid}\n`);
  } catch (error) {
    lock.release();
    throw error;
  }
  return lock;
}

/** A process that took the folder a moment ago may not have written its pid yet. */
async function readPid(pidFile: string): Promise<string> {
  for (let look = 0; look < 20; look += 1) {
    const pid = await readFile(pidFile, "utf8").catch(() => "");
    if (pid.trim() !== "") return pid.trim();
    await sleep(50);
  }
  return "unknown";
}

/** Makes the cluster beside its place and moves it there, so that half a cluster is never found. */
async function initialise(initdb: string, home: string, identity: Identity): Promise<void> {
  if (existsSync(home)) return;
  const draft = `${home}-draft`;
  const cluster = join(draft, "data");
  const passwordFile = join(draft, "password");
  // What a launcher left that was killed here; we hold the folder, so nobody works on it.
  await rm(draft, { recursive: true, force: true });
  for (const folder of [draft, cluster]) {
    await mkdir(folder, { mode: 0o700 });
    const { uid, gid } = identity;
    if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid);
  }
  await writePrivate(passwordFile, randomBytes(24).toString("base64url"), identity);
  try {
    await promisify(execFile)(
      initdb,
      [
        ...["-D", cluster, "-U", superuser, "-E", "UTF8", "--locale=C", "--data-checksums"],
        ...["-A", "scram-sha-256", `--pwfile=${passwordFile}`],
      ],
      { uid: identity.uid, gid: identity.gid, cwd: cluster, env: plainEnvironment() },
    );
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new StartError(`PostgreSQL could not make its cluster: ${stderr?.trim() || message}`);
  }
  await rename(draft, home);
}

/** Starts the server; tries again where the reason for a failure passes by itself. */
async function startPostmaster(
  program: string,
  { root, cluster }: { root: string; cluster: string },
  identity: Identity,
  { password, settings }: { password: string; settings: Record<string, string> },
): Promise<{ postmaster: Postmaster; port: number }> {
  const deadline = Date.now() + retryPatienceMs;
  for (;;) {
    await endOrphan(cluster);
    const port = await choosePort(root);
    const postmaster = launchPostmaster(program, cluster, identity, port, settings);
    const lastWords = await waitUntilReady(postmaster, urlOf(password, port, "postgres"));
    if (lastWords === undefined) return { postmaster, port };
    if (!isPassing(lastWords) || Date.now() > deadline) {
      throw new StartError(`PostgreSQL does not start in ${cluster}: ${lastWords}`);
    }
    await sleep(200);
  }
}

/** The sessions of a killed PostgreSQL live on for a moment, and a port may be taken meanwhile. */
function isPassing(lastWords: string): boolean {
  return /lock file|shared memory block|in use|could not (bind|create any TCP)/.test(lastWords);
}

/** The port of the last time, so that known addresses stay valid; or a free one. */
async function choosePort(root: string): Promise<number> {
  const kept = Number(await readFile(join(root, "postgres-port"), "utf8").catch(() => "0"));
  const port = (kept > 0 && (await portIfFree(kept))) || (await portIfFree(0));
  if (!port) throw new StartError("There is no free port on 127.0.0.1.");
  return port;
}

async function createDatabase(connectionString: string): Promise<void> {
  const client = new OwnClient({ connectionString });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [
      databaseName,
    ]);
    if (rowCount === 0) await client.query(`create database ${databaseName}`);
  } finally {
    await client.end();
  }
}
