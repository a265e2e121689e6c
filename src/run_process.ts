import { join } from "node:path";
import { makeConsoleLink } from "./auth/console_link.ts";
import { signToken } from "./auth/token.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { OwnClient } from "./database/own_client.ts";
import { GRAPHIQL_PATH } from "./graphql/preset.ts";
import { makeLog } from "./log.ts";
import { shellWord } from "./shell_word.ts";
import { type Parts, type Running, start } from "./start.ts";
import { StartError } from "./start_error.ts";

const partsByName: Readonly<Record<string, Parts>> = {
  all: { http: true, jobs: true },
  server: { http: true, jobs: false },
  worker: { http: false, jobs: true },
};

// A terminal and a program that passes signals on give the same one twice.
const sameSignalMs = 500;

/**
 * Runs parts by the environment's settings until a signal or the end of one of them. Resolves with
 * the exit code: 0 after a signal, 1 when it cannot start or a part breaks.
 */
export async function runProcess(name: string): Promise<number> {
  try {
    const config = readConfig(process.env);
    const parts = partsByName[name];
    if (parts === undefined) throw new ConfigError("Say nothing, server or worker.");
    return await runUntilEnd(config, parts);
  } catch (error) {
    const isExplained = error instanceof ConfigError || error instanceof StartError;
    process.stderr.write(
      isExplained
        ? `${error.message}\n`
        : `Saldo could not start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return 1;
  }
}

async function runUntilEnd(config: Config, parts: Parts): Promise<number> {
  const log = makeLog(config.logLevel);
  const starting = start(config, parts, log);
  const signalled = firstSignal();
  // A start under way is finished first: half a start would leave PostgreSQL behind.
  const running = await starting;
  if (config.environment === "development") await tellHowToUse(config, running);
  const end = await Promise.race([
    signalled.then((reason) => ({ reason, code: 0 })),
    running.broken.then((reason) => ({ reason, code: 1 })),
  ]);
  log[end.code === 0 ? "info" : "error"]("stopping", { reason: end.reason });
  await running.stop();
  log.info("stopped");
  return end.code;
}

/** Resolves with the first signal to stop; a second one ends the process at once. */
function firstSignal(): Promise<string> {
  return new Promise((done) => {
    let firstAt: number | undefined;
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.on(signal, () => {
        firstAt ??= Date.now();
        if (Date.now() - firstAt > sameSignalMs) process.exit(130);
        done(signal);
      });
    }
  });
}

/** A link that signs in once, within ten minutes; none on a standby, which keeps no sessions. */
async function consoleLink(config: Config, running: Running): Promise<string | undefined> {
  const owner = new OwnClient({ connectionString: running.databaseUrl });
  owner.on("error", () => {}); // a lost connection fails the query that was under way
  await owner.connect();
  try {
    const { rows } = await owner.query<{ is_standby: boolean }>(
      "select pg_is_in_recovery() as is_standby",
    );
    if (rows[0]?.is_standby) return undefined;
    const port = Number(new URL(running.address).port || 80);
    return await makeConsoleLink(
      owner,
      { role: "admin", subject: "developer" },
      { ...config, port },
    );
  } finally {
    await owner.end();
  }
}

async function tellHowToUse(config: Config, running: Running): Promise<void> {
  if (running.address !== "") {
    const link = await consoleLink(config, running);
    if (link !== undefined) process.stdout.write(`\nConsole      ${link}\n`);
  }
  if (running.jwtSecret !== undefined) {
    const token = await signToken(running.jwtSecret, { sub: "developer", role: "admin" }, "12h");
    process.stdout.write(
      `GraphiQL     ${running.address}${GRAPHIQL_PATH}\nAdmin token  ${token}\n` +
        `             (header Authorization: Bearer ..., valid for 12 hours)\n`,
    );
  }
  if (running.isEmbedded) {
    const file = join(config.dataFolder, "database-url");
    process.stdout.write(`psql         psql "$(cat ${shellWord(file)})"\n\n`);
  }
}
