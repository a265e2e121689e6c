/**
 * Saldo as a library: `import { migrate, startServer, startWorker } from "saldo"`. It runs in your
 * process under Node 22.18 or newer, and under an older one in a process of the Node that comes
 * along. The SQL itself is called with any client of PostgreSQL; `saldo/sql-types` has its types.
 */
import { ConfigError, type Environment, isNodeNewEnough, readConfig, settings } from "./config.ts";
import { type Log, makeLog } from "./log.ts";
import type { Parts } from "./start.ts";

export type { TokenRole } from "./auth/caller.ts";
export { signToken, type TokenClaims } from "./auth/token.ts";
export type { Log } from "./log.ts";
export { StartError } from "./start_error.ts";
export { ConfigError };

/**
 * Settings as the command line has them in its environment, by shorter names: `databaseUrl` is
 * DATABASE_URL, `port` is PORT, `jwtSecret` is SALDO_JWT_SECRET. What is not given comes from the
 * environment of the process, or is the default.
 */
export type SaldoSettings = {
  readonly [Key in keyof typeof settings]?: string | number | boolean | undefined;
};

/** Further options of a start. */
export interface StartOptions {
  /** Where events go; without it they are lines of JSON on standard error. */
  readonly log?: Log;
}

/** Saldo, or a part of it, that runs. */
export interface RunningSaldo {
  /** Address of the HTTP server; empty where only jobs run. */
  readonly address: string;
  /** The database with the login that owns it, also of a PostgreSQL that Saldo has started. */
  readonly databaseUrl: string;
  /** Resolves with the reason when a part breaks that the others need; stop() is up to you then. */
  readonly broken: Promise<string>;
  /** Ends it in order: running requests and jobs may finish within SALDO_SHUTDOWN_GRACE_MS. */
  stop(): Promise<void>;
}

/**
 * Brings a database up to date: roles, tables, functions. Safe to call at once from several
 * processes, and again: then nothing is left to do.
 *
 * @param databaseUrl a login that may create roles, as `postgres://user:password@host/database`
 * @throws StartError where the database is not one that Saldo can use
 */
export async function migrate(databaseUrl: string): Promise<void> {
  if (!isNodeNewEnough(process.versions.node)) {
    const { migrateInOtherNode } = await import("./other_node/parent.ts");
    return await migrateInOtherNode(databaseUrl);
  }
  const { migrate: migrateHere } = await import("./database/migrate.ts");
  const { requireDirectConnection } = await import("./database/direct_connection.ts");
  await requireDirectConnection(databaseUrl);
  await migrateHere(databaseUrl);
}

/**
 * Brings the database up to date and serves GraphQL over HTTP, without jobs: run a worker beside
 * it. Without a `databaseUrl`, given or in the environment, it starts a PostgreSQL of its own.
 *
 * @throws ConfigError for a setting that is not valid, StartError for what prevents the start
 */
export function startServer(
  settings?: SaldoSettings,
  options?: StartOptions,
): Promise<RunningSaldo> {
  return startParts({ http: true, jobs: false }, settings, options);
}

/**
 * Brings the database up to date and runs the jobs: settlement, checks, seals, alerts. Several
 * workers share the work.
 *
 * @throws ConfigError for a setting that is not valid, StartError for what prevents the start
 */
export function startWorker(
  settings?: SaldoSettings,
  options?: StartOptions,
): Promise<RunningSaldo> {
  return startParts({ http: false, jobs: true }, settings, options);
}

/**
 * Server and jobs in one, as `npx saldo start` runs them.
 *
 * @throws ConfigError for a setting that is not valid, StartError for what prevents the start
 */
export function startSaldo(
  settings?: SaldoSettings,
  options?: StartOptions,
): Promise<RunningSaldo> {
  return startParts({ http: true, jobs: true }, settings, options);
}

async function startParts(
  parts: Parts,
  given: SaldoSettings = {},
  { log }: StartOptions = {},
): Promise<RunningSaldo> {
  const environment = environmentOf(given);
  if (!isNodeNewEnough(process.versions.node)) {
    const { startInOtherNode } = await import("./other_node/parent.ts");
    // Nobody but the other Node reads settings; a level that is not valid is refused there.
    const level = (environment["LOG_LEVEL"] || "info") as "info" | "warn" | "error";
    return await startInOtherNode(environment, parts, log ?? makeLog(level));
  }
  const { start } = await import("./start.ts");
  const config = readConfig(environment);
  const running = await start(config, parts, log ?? makeLog(config.logLevel));
  const { address, databaseUrl, broken } = running;
  return { address, databaseUrl, broken, stop: () => running.stop() };
}

/** The environment of the process with what was given in its place. */
function environmentOf(given: SaldoSettings): Environment {
  const values = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const setting = settings[key as keyof typeof settings];
      if (setting === undefined) throw new ConfigError(`There is no setting ${key}.`);
      return [setting.name, String(value)];
    });
  return { ...process.env, ...Object.fromEntries(values) };
}
