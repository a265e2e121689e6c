/** The PostgreSQL process itself: started, asked whether it is ready, and found again. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { StartError } from "../start_error.ts";
import type { Identity } from "./data_folder.ts";

const silencePatienceMs = 60_000;
// PostgreSQL 18 hangs when it is told to end while it restarts after the crash of a session. The
// immediate end, which recovery mends at the next start, is for then.
const fastEndPatienceMs = 10_000;

/** A PostgreSQL that this process started. */
export interface Postmaster {
  readonly child: ChildProcess;
  /** Resolves with its last words when it ends, for whatever reason. */
  readonly exited: Promise<string>;
}

const defaults: Record<string, string> = {
  shared_buffers: "256MB",
  max_wal_size: "2GB",
  max_connections: "200",
  jit: "off",
  log_min_messages: "warning",
};

/** Starts PostgreSQL over a cluster. */
export function launchPostmaster(
  program: string,
  cluster: string,
  { uid, gid }: Identity,
  port: number,
  settings: Record<string, string>,
): Postmaster {
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
    ["-D", cluster, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    {
      uid,
      gid,
      cwd: cluster,
      env: plainEnvironment(),
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let output = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  });
  const exited = new Promise<string>((done) => {
    child.once("error", (error) => done(error.message));
    child.once("exit", (code, signal) => {
      // The pipe may still hold its last words; its sessions may keep it open for much longer.
      setTimeout(() => done(lastWordsOf(output) || `exit ${signal ?? code}`), 50);
    });
  });
  return { child, exited };
}

/** What a log says about the end: its fatal lines, or its last one. */
function lastWordsOf(log: string): string {
  const lines = log.trim().split("\n");
  const fatal = lines.filter((line) => /\b(FATAL|PANIC|HINT):/.test(line));
  return (fatal.length > 0 ? fatal : lines.slice(-1)).join(" ");
}

/** The environment without variables that would change PostgreSQL's messages or its start. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name));
  return { ...Object.fromEntries(kept), LC_ALL: "C" };
}

/** Waits until the server answers; resolves to undefined then, or to its last words if it ends. */
export async function waitUntilReady(
  { child, exited }: Postmaster,
  connectionString: string,
): Promise<string | undefined> {
  let lastWords: string | undefined;
  void exited.then((words) => {
    lastWords = words;
  });
  let silentSince = Date.now();
  while (lastWords === undefined) {
    const code = await tryLogin(connectionString);
    if (code === "ready") return undefined;
    // Recovery after a crash takes the time that it takes; ending it would only begin it again.
    if (code === "57P03") silentSince = Date.now();
    if (code === "28P01" || Date.now() - silentSince > silencePatienceMs) {
      await endPostmaster({ child, exited });
      throw new StartError(
        code === "28P01"
          ? "The password kept in the data folder is not that of its PostgreSQL."
          : `PostgreSQL does not answer (${code}).`,
      );
    }
    await sleep(40);
  }
  return lastWords;
}

async function tryLogin(connectionString: string): Promise<string> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 5000 });
  client.on("error", () => {});
  try {
    await client.connect();
    return "ready";
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).message;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Ends it the fast way: sessions are cut, what is committed is written. */
export async function endPostmaster({ child, exited }: Postmaster): Promise<void> {
  child.kill("SIGINT");
  const timer = setTimeout(() => child.kill("SIGQUIT"), fastEndPatienceMs);
  await exited;
  clearTimeout(timer);
}

/**
 * Ends the PostgreSQL that a killed launcher left over a cluster, and waits until it is gone. Its
 * pid file stays its own affair: a PostgreSQL that finds a stale one knows what to do.
 */
export async function endOrphan(cluster: string): Promise<void> {
  const start = Date.now();
  for (;;) {
    const text = await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "");
    const pid = Number(text.split("\n")[0]);
    // The pid may have gone to another process since.
    if (!pid || !commandOf(pid).includes(cluster)) return;
    const waitedMs = Date.now() - start;
    if (waitedMs > silencePatienceMs) {
      throw new StartError(
        `The PostgreSQL of an earlier start (pid ${pid}) does not end: end it by hand.`,
      );
    }
    try {
      process.kill(pid, waitedMs > fastEndPatienceMs ? "SIGQUIT" : "SIGINT");
    } catch {
      // It ended between the two looks.
    }
    await sleep(100);
  }
}

/** The command line of a process; empty when there is none. Slim containers have no ps. */
function commandOf(pid: number): string {
  try {
    return process.platform === "linux"
      ? readFileSync(`/proc/${pid}/cmdline`, "utf8")
      : execFileSync("ps", ["-ww", "-p", String(pid), "-o", "args="], {
          encoding: "utf8",
          stdio: "pipe",
        });
  } catch {
    return "";
  }
}

/** The port if it is free; any free one for 0. */
export function portIfFree(port: number): Promise<number | undefined> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", () => done(undefined));
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" ? address?.port : undefined));
    });
  });
}
