import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { compile, defaultLogger, migrate as runCommitted } from "graphile-migrate";
import type { Logger } from "graphile-worker";
import type { Client, DatabaseError } from "pg";
import { migrationsFolder } from "../paths.ts";
import { StartError } from "../start_error.ts";
import { SqlFileError } from "./apply_logic.ts";

/**
 * The chain before this one, whose functions were copies in its migrations. Its last migration left
 * what our first one makes, so that a database which stands there goes on with our second.
 */
const formerChain = {
  last: "000005.sql",
  hash: "sha1:119303bcdb968cf6840c7e0b296eab70a430bf7e",
  commit: "9b95880",
};

// graphile-migrate insists on the class of its own copy of the logger.
const quiet = new (defaultLogger.constructor as typeof Logger)(() => () => {});

/** Names of the committed migrations in order, as graphile-migrate notes them: 000007.sql. */
export async function committedNames(folder: string = migrationsFolder): Promise<string[]> {
  const files = await readdir(join(folder, "committed"));
  return files
    .filter((file) => file.endsWith(".sql"))
    .map((file) => `${file.slice(0, 6)}.sql`)
    .sort();
}

/** Runs the committed migrations that are not in the database, up to one of them where it is given. */
export async function runCommittedMigrations(
  client: Client,
  connectionString: string,
  last?: string,
): Promise<void> {
  await takeOver(client);
  if (last === undefined) await run(client, connectionString, migrationsFolder);
  else await runPart(client, connectionString, last);
  // graphile-migrate keeps a pool for 200 ms that ends the process when its connection breaks.
  await sleep(300);
}

async function run(client: Client, connectionString: string, folder: string): Promise<void> {
  try {
    await runCommitted(settingsOf(connectionString, folder));
  } catch (error) {
    throw await withPlace(client, error as DatabaseError, folder);
  }
}

async function runPart(client: Client, connectionString: string, last: string): Promise<void> {
  const part = await mkdtemp(join(tmpdir(), "saldo-migrations-"));
  try {
    await cp(migrationsFolder, part, { recursive: true });
    for (const file of await readdir(join(part, "committed"))) {
      if (file > last) await rm(join(part, "committed", file));
    }
    await run(client, connectionString, part);
  } finally {
    await rm(part, { recursive: true });
  }
}

function settingsOf(connectionString: string, folder: string) {
  // Its Settings name the class of its own copy of the logger.
  return { connectionString, migrationsFolder: folder, logger: quiet as never };
}

/** The error with file and line: it is of the first migration that is not in the database. */
async function withPlace(client: Client, error: DatabaseError, folder: string): Promise<unknown> {
  if (error.code === undefined) return error;
  const applied = await appliedNames(client);
  const files = (await readdir(join(folder, "committed"))).sort();
  const file = files.find(
    (each) => !applied.some(({ filename }) => each.startsWith(filename.slice(0, 6))),
  );
  if (file === undefined) return error;
  const text = await readFile(join(folder, "committed", file), "utf8");
  const head = /^(?:--! [^\n]*\n)*\n*/.exec(text)?.[0] ?? "";
  return new SqlFileError(
    {
      file: `migrations/committed/${file}`,
      line: head.split("\n").length,
      text: text.slice(head.length),
    },
    error,
  );
}

interface Applied {
  filename: string;
  hash: string;
}

async function appliedNames(client: Client): Promise<Applied[]> {
  const { rows } = await client.query<{ exists: boolean }>(
    "select to_regclass('graphile_migrate.migrations') is not null as exists",
  );
  if (!rows[0]?.exists) return [];
  const applied = await client.query<Applied>(
    "select filename, hash from graphile_migrate.migrations order by filename",
  );
  return applied.rows;
}

/**
 * Refuses a database whose migrations are not ours: a newer Saldo's, which these functions do not
 * know, or one that the former chain has not brought to its end.
 */
export async function refuseUnknown(client: Client): Promise<void> {
  const known = await committedNames();
  const applied = await appliedNames(client);
  const newer = applied.find(({ filename }) => filename > (known.at(-1) ?? ""));
  if (newer) {
    throw new StartError(
      `The database was migrated by a newer Saldo (${newer.filename}): start that one, or a ` +
        "newer one still.",
    );
  }
  const newest = applied.at(-1);
  if (!newest || known.includes(newest.filename) || newest.hash === formerChain.hash) return;
  throw new StartError(
    `The database stands at ${newest.filename} of an older Saldo: start Saldo 0.1.0 of commit ` +
      `${formerChain.commit} on it once, which brings it to ${formerChain.last}, then this one.`,
  );
}

/** A database at the end of the former chain has what our first migration makes: it is noted so. */
async function takeOver(client: Client): Promise<void> {
  const newest = (await appliedNames(client)).at(-1);
  if (newest?.hash !== formerChain.hash) return;
  const [first = ""] = (await readdir(join(migrationsFolder, "committed"))).sort();
  const text = await readFile(join(migrationsFolder, "committed", first), "utf8");
  await client.query(
    `insert into graphile_migrate.migrations (hash, previous_hash, filename)
    values ($1, $2, $3)`,
    [/^--! Hash: (\S+)$/m.exec(text)?.[1], formerChain.hash, `${first.slice(0, 6)}.sql`],
  );
}

/** Whether the database has come from the former chain. */
export async function isTakenOver(client: Client): Promise<boolean> {
  return (await appliedNames(client)).some(({ hash }) => hash === formerChain.hash);
}

/** The migration at hand, for development and tests: "" when current.sql is only comments. */
export async function readCurrent(connectionString: string): Promise<string> {
  const text = await readFile(join(migrationsFolder, "current.sql"), "utf8").catch(() => "");
  const hasStatements = text
    .split("\n")
    .some((line) => line.trim() !== "" && !line.startsWith("--"));
  return hasStatements ? await compile(settingsOf(connectionString, migrationsFolder), text) : "";
}
