import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { compile, defaultLogger, migrate as runCommitted } from "graphile-migrate";
import { Logger, runMigrations } from "graphile-worker";
import { Client } from "pg";
import { StartError } from "./embedded.ts";
import { locks } from "./locks.ts";

const folder = fileURLToPath(new URL("../../migrations/", import.meta.url));
const silence = () => () => {};
// graphile-migrate insists on the class of its own copy of the logger.
const quietMigrate = new (defaultLogger.constructor as typeof Logger)(silence);
const quietWorker = new Logger(silence);
const versions = { min: 150_000, max: 190_000 };

/** What a migration may be told. */
export interface MigrateOptions {
  /** Also applies migrations/current.sql, the migration at hand: for development and tests. */
  withCurrent?: boolean;
  /** Stops after this committed migration: for the test of upgrades. */
  upTo?: string;
}

/**
 * Brings a database up to date: roles, the worker's schema, then the committed migrations. Servers
 * that start at once wait for each other; whoever comes second finds nothing to do.
 */
export async function migrate(
  connectionString: string,
  options: MigrateOptions = {},
): Promise<void> {
  const client = new Client({ connectionString, application_name: "saldo migrate" });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  await client.connect();
  try {
    await requireVersion(client);
    await client.query("select pg_advisory_lock($1)", [locks.migration]);
    await refuseNewer(client);
    await client.query(await readFile(`${folder}roles.sql`, "utf8"));
    await runMigrations({ connectionString, logger: quietWorker });
    await client.query("grant usage, create on schema graphile_worker to saldo_owner");
    await runCommittedUpTo(connectionString, options.upTo);
    // graphile-migrate keeps a pool for 200 ms that ends the process when its connection breaks.
    await sleep(300);
    if (options.withCurrent) await applyCurrent(client, connectionString);
  } finally {
    await client.end();
  }
}

async function runCommittedUpTo(connectionString: string, last?: string): Promise<void> {
  if (last === undefined) {
    await runCommitted(settingsOf(connectionString));
    return;
  }
  const part = await mkdtemp(join(tmpdir(), "saldo-migrations-"));
  try {
    await cp(folder, part, { recursive: true, verbatimSymlinks: false, dereference: true });
    for (const file of await readdir(join(part, "committed"))) {
      if (file > last) await rm(join(part, "committed", file));
    }
    await runCommitted(settingsOf(connectionString, part));
  } finally {
    await rm(part, { recursive: true });
  }
}

function settingsOf(connectionString: string, migrationsFolder = folder) {
  return {
    connectionString,
    migrationsFolder,
    // Its Settings name the class of its own copy of the logger.
    logger: quietMigrate as never,
  };
}

/** Whether there is a migration at hand: a current.sql that is more than comments. */
export async function readCurrent(connectionString: string): Promise<string> {
  const text = await readFile(`${folder}current.sql`, "utf8").catch(() => "");
  const hasStatements = text
    .split("\n")
    .some(
      (line) => line.trim() !== "" && (!line.startsWith("--") || line.startsWith("--!include")),
    );
  return hasStatements ? await compile(settingsOf(connectionString), text) : "";
}

async function applyCurrent(client: Client, connectionString: string): Promise<void> {
  const text = await readCurrent(connectionString);
  if (text === "") return;
  await client.query(`begin; ${text}; commit`);
}

async function requireVersion(client: Client): Promise<void> {
  const { rows } = await client.query<{ number: number; text: string }>(
    `select current_setting('server_version_num')::int as number,
      current_setting('server_version') as text`,
  );
  const version = rows[0];
  if (!version || version.number < versions.min || version.number >= versions.max) {
    throw new StartError(`Saldo needs PostgreSQL 15 to 18; this server is ${version?.text}.`);
  }
}

/** A database that a newer Saldo migrated would be served by functions that do not know it. */
async function refuseNewer(client: Client): Promise<void> {
  // It notes the number of a migration only, as 000001.sql.
  const known = (await readdir(`${folder}committed`)).map((file) => `${file.slice(0, 6)}.sql`);
  const { rows } = await client.query<{ exists: boolean }>(
    "select to_regclass('graphile_migrate.migrations') is not null as exists",
  );
  if (!rows[0]?.exists) return;
  const applied = await client.query<{ filename: string }>(
    "select filename from graphile_migrate.migrations order by filename",
  );
  const unknown = applied.rows.find(({ filename }) => !known.includes(filename));
  if (unknown) {
    throw new StartError(
      `The database was migrated by a newer Saldo (${unknown.filename}): start that one, or a ` +
        "newer one still.",
    );
  }
}
