import { type ChildProcess, spawn } from "node:child_process";
import { globSync, watch } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "../src/config.ts";
import { startEmbedded } from "../src/database/embedded.ts";
import { migrate } from "../src/database/migrate.ts";
import { StartError } from "../src/start_error.ts";
import { testsOf } from "./dev_tests.ts";

/**
 * `npm run dev`: Saldo as `npm start` runs it, and a watch over the sources. A saved file of sql/ is
 * applied to the running database, a saved file of src/ or tasks/ starts the server again, and the
 * tests that belong to what was saved are run. PostgreSQL keeps running through all of it.
 */

const root = fileURLToPath(new URL("../", import.meta.url));
/** Editors write a file in several steps. */
const settleMs = 100;

let server: ChildProcess | undefined;
let tests: ChildProcess | undefined;
let isStopping = false;

const say = (text: string) => process.stdout.write(`dev  ${text}\n`);

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const embedded = config.databaseUrl ? undefined : await startEmbedded(config.dataFolder);
  const databaseUrl = config.databaseUrl ?? embedded?.connectionString ?? "";
  if (embedded) say(`psql "$(cat ${join(config.dataFolder, "database-url")})"`);
  const stop = async () => {
    if (isStopping) return;
    isStopping = true;
    tests?.kill("SIGTERM");
    await endServer();
    await embedded?.stop();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, stop);
  startServer(databaseUrl);
  watchSources((files) => react(files, databaseUrl));
}

/** What was saved together is handled together, and one after the other. */
function watchSources(handle: (files: string[]) => Promise<void>): void {
  const saved = new Set<string>();
  let turn = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  for (const folder of ["sql", "src", "tasks", "test", "migrations"]) {
    watch(`${root}${folder}`, { recursive: true }, (_, name) => {
      if (name === null || !/\.(sql|ts)$/.test(name)) return;
      saved.add(`${folder}/${name}`);
      clearTimeout(timer);
      timer = setTimeout(() => {
        const files = [...saved];
        saved.clear();
        turn = turn.then(() => handle(files));
      }, settleMs);
    });
  }
  say("watching sql, migrations, src, tasks and test");
}

async function react(files: string[], databaseUrl: string): Promise<void> {
  if (isStopping) return;
  if (files.some((file) => /^(sql|migrations)\//.test(file)) && !(await apply(databaseUrl))) return;
  // The API is made of what the database holds when the server starts.
  if (files.some((file) => !file.startsWith("test/"))) {
    await endServer();
    startServer(databaseUrl);
  }
  runTests(files);
}

/** Applies sql/ as a start does; an error names the file and the line. */
async function apply(databaseUrl: string): Promise<boolean> {
  const began = performance.now();
  try {
    await migrate(databaseUrl, { mayGoBack: true });
    say(`sql/ applied in ${Math.round(performance.now() - began)} ms`);
    return true;
  } catch (error) {
    say(`sql/ not applied: ${(error as Error).message}`);
    return false;
  }
}

function startServer(databaseUrl: string): void {
  server = spawn(process.execPath, ["src/main.ts"], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, DATABASE_URL: databaseUrl },
  });
  server.once("exit", (code) => {
    if (code) say(`the server ended with ${code}; the next save starts it again`);
  });
}

async function endServer(): Promise<void> {
  const running = server;
  if (!running || running.exitCode !== null || running.signalCode !== null) return;
  const ended = new Promise((done) => running.once("exit", done));
  running.kill("SIGTERM");
  await ended;
}

/** Runs the tests of what was saved; a newer save ends a run that is under way. */
function runTests(files: string[]): void {
  const all = globSync("test/**/*.test.ts", { cwd: root });
  const chosen = [...new Set(files.flatMap((file) => testsOf(file, all)))];
  tests?.kill("SIGTERM");
  if (chosen.length === 0) return;
  say(`testing ${chosen.join(" ")}`);
  // On a server of their own: they make and drop databases by the dozen.
  const { DATABASE_URL: _, ...environment } = process.env;
  tests = spawn(process.execPath, ["test/_support/run.ts", ...chosen], {
    cwd: root,
    stdio: "inherit",
    env: environment,
  });
}

try {
  await main();
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
