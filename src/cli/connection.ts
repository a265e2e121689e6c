import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "pg";
import type { ServerAddress } from "../auth/console_link.ts";
import { readConfig } from "../config.ts";
import { GuestClient } from "../database/own_client.ts";
import { StartError } from "../start_error.ts";

// A server's secret is no concern of the command line.
const readSettings = (environment: NodeJS.ProcessEnv) =>
  readConfig({ ...environment, NODE_ENV: undefined });

/** Where browsers reach the server of this environment. */
export function serverAddress(environment: NodeJS.ProcessEnv): ServerAddress {
  return readSettings(environment);
}

/** DATABASE_URL, or the address of the PostgreSQL that a Saldo runs in the data folder. */
export async function databaseUrl(environment: NodeJS.ProcessEnv): Promise<string> {
  const config = readSettings(environment);
  return config.databaseUrl ?? (await runningUrl(config.dataFolder));
}

/** Connects to the database of databaseUrl(). */
export async function connect(environment: NodeJS.ProcessEnv): Promise<Client> {
  const config = readSettings(environment);
  const connectionString = await databaseUrl(environment);
  const client = new GuestClient({
    connectionString,
    application_name: "saldo cli",
    connectionTimeoutMillis: 10_000,
  });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  try {
    await client.connect();
    const { rows } = await client.query<{ is_ready: boolean }>(
      "select to_regprocedure('saldo.import_readings(jsonb, boolean)') is not null as is_ready",
    );
    if (!rows[0]?.is_ready) {
      throw new StartError("The database has not this version of Saldo: run npx saldo migrate.");
    }
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    if (error instanceof StartError) throw error;
    const { message, code } = error as Error & { code?: string };
    const reason = message || code;
    throw new StartError(
      config.databaseUrl
        ? `DATABASE_URL does not work: ${reason}.`
        : `The PostgreSQL of ${config.dataFolder} does not answer (${reason}): run npx saldo start.`,
    );
  }
}

async function runningUrl(folder: string): Promise<string> {
  try {
    return (await readFile(join(folder, "database-url"), "utf8")).trim();
  } catch {
    throw new StartError(
      `There is no database: set DATABASE_URL, or run npx saldo start (it keeps its own in ${folder}).`,
    );
  }
}
