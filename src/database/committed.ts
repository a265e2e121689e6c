import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client, DatabaseError } from "pg";
import { migrationsFolder } from "../paths.ts";
import { StartError } from "../start_error.ts";
import { SqlFileError } from "./apply_logic.ts";
import { inPatientTransaction, type Patience } from "./patience.ts";
import { type SqlStatement, statementsOf } from "./sql_statements.ts";

/*
 * The committed migrations, as graphile-migrate writes and notes them. They are run here, on the
 * session that holds the lock: one that is killed leaves no second one at work.
 */

/**
 * The earlier chain of migrations, which had copies of all functions. A database at its last one
 * has what our first migration makes, and goes on with our second.
 */
const formerChain = {
  last: "000005.sql",
  hash: "sha1:119303bcdb968cf6840c7e0b296eab70a430bf7e",
  commit: "9b95880",
};

/** A committed migration. */
export interface Migration {
  /** File below migrations/committed/. */
  file: string;
  /** As it is noted in the database: 000007.sql. */
  name: string;
  hash: string;
  previousHash: string | null;
  /** Its statements, and the line of the file on which they begin. */
  body: string;
  line: number;
}

/** Names of the committed migrations in order, as they are noted in the database. */
export async function committedNames(): Promise<string[]> {
  return (await committedFiles()).map((file) => `${file.slice(0, 6)}.sql`);
}

async function committedFiles(): Promise<string[]> {
  const files = await readdir(join(migrationsFolder, "committed"));
  return files.filter((file) => /^\d{6}(-.*)?\.sql$/.test(file)).sort();
}

/** Reads the committed migrations; refuses a chain in which something was changed or is missing. */
export async function readCommitted(): Promise<Migration[]> {
  const migrations: Migration[] = [];
  for (const file of await committedFiles()) {
    const text = await readFile(join(migrationsFolder, "committed", file), "utf8");
    const migration = parseMigration(file, text);
    const previous = migrations.at(-1)?.hash ?? null;
    if (migration.previousHash !== previous || migration.hash !== hashOf(migration)) {
      throw new StartError(
        `migrations/committed/${file} is not as it was committed: a committed migration never ` +
          "changes; what is to change is a new one.",
      );
    }
    migrations.push(migration);
  }
  return migrations;
}

/** A migration from its text: lines of headers, an empty one, statements. */
export function parseMigration(file: string, text: string): Migration {
  const head = /^(?:--! [A-Z][^\n]*\n)*\n*/.exec(text)?.[0] ?? "";
  const header = (name: string) => new RegExp(`^--! ${name}: (\\S+)$`, "m").exec(head)?.[1];
  const previous = header("Previous");
  return {
    file,
    name: `${file.slice(0, 6)}.sql`,
    hash: header("Hash") ?? "",
    previousHash: previous === undefined || previous === "-" ? null : previous,
    body: `${text.slice(head.length).trim()}\n`,
    line: head.split("\n").length,
  };
}

/** The hash that graphile-migrate gives a migration: of the one before and its own statements. */
export function hashOf({ previousHash, body }: Pick<Migration, "previousHash" | "body">): string {
  const text = `${`${previousHash ?? ""}\n${body.trim()}`.trim()}\n`;
  return `sha1:${createHash("sha1").update(text).digest("hex")}`;
}

/** Runs the committed migrations that are not in the database; returns their names. */
export async function runCommitted(client: Client, patience: Patience): Promise<string[]> {
  const migrations = await readCommitted();
  await client.query(notes);
  await takeOver(client, migrations[0]);
  const newest = (await applied(client)).at(-1)?.filename ?? "";
  const missing = migrations.filter(({ name }) => name > newest);
  for (const migration of missing) await run(client, migration, patience);
  return missing.map(({ name }) => name);
}

/** As graphile-migrate makes them, which writes the next migrations. */
const notes = `
  create schema if not exists graphile_migrate;
  create table if not exists graphile_migrate.migrations (
    hash text primary key,
    previous_hash text references graphile_migrate.migrations,
    filename text not null,
    date timestamptz not null default now()
  );
  create table if not exists graphile_migrate.current (
    filename text primary key default 'current.sql',
    content text not null,
    date timestamptz not null default now()
  )`;

async function run(client: Client, migration: Migration, patience: Patience): Promise<void> {
  const { file, line, body } = migration;
  await inPatientTransaction(client, patience, async () => {
    await runFile(client, { file: `migrations/committed/${file}`, line, text: body });
    await note(client, migration);
  });
}

/** Runs a file's statements, and is the login again after them; an error names file and line. */
export async function runFile(client: Client, file: SqlStatement): Promise<void> {
  try {
    await client.query(file.text);
    // Not `reset`, which is the role that the login was given.
    await client.query("set role none");
  } catch (error) {
    if ((error as DatabaseError).code === undefined) throw error;
    throw new SqlFileError(file, error as DatabaseError);
  }
}

async function note(client: Client, migration: Omit<Migration, "body" | "line" | "file">) {
  await client.query(
    `insert into graphile_migrate.migrations (hash, previous_hash, filename)
    values ($1, $2, $3)`,
    [migration.hash, migration.previousHash, migration.name],
  );
}

interface Applied {
  filename: string;
  hash: string;
}

async function applied(client: Client): Promise<Applied[]> {
  const { rows } = await client.query<{ exists: boolean }>(
    "select to_regclass('graphile_migrate.migrations') is not null as exists",
  );
  if (!rows[0]?.exists) return [];
  const noted = await client.query<Applied>(
    "select filename, hash from graphile_migrate.migrations order by filename",
  );
  return noted.rows;
}

/**
 * Refuses a database whose migrations are not ours: a newer Saldo's, which these functions do not
 * know, or one that the former chain has not brought to its end.
 */
export async function refuseUnknown(client: Client): Promise<void> {
  const known = await committedNames();
  const all = await applied(client);
  const newer = all.find(({ filename }) => filename > (known.at(-1) ?? ""));
  if (newer) {
    throw new StartError(
      `The database was migrated by a newer Saldo (${newer.filename}): start that one, or a ` +
        "newer one still.",
    );
  }
  const newest = all.at(-1);
  if (!newest || known.includes(newest.filename) || newest.hash === formerChain.hash) return;
  throw new StartError(
    `The database stands at ${newest.filename} of an older Saldo: start Saldo 0.1.0 of commit ` +
      `${formerChain.commit} on it once, which brings it to ${formerChain.last}, then this one.`,
  );
}

/** A database at the end of the former chain has what our first migration makes: it is noted so. */
async function takeOver(client: Client, first: Migration | undefined): Promise<void> {
  if (first === undefined || (await applied(client)).at(-1)?.hash !== formerChain.hash) return;
  await note(client, { ...first, previousHash: formerChain.hash });
}

/** Whether the database has come from the former chain. */
export async function isTakenOver(client: Client): Promise<boolean> {
  return (await applied(client)).some(({ hash }) => hash === formerChain.hash);
}

/** The migration that is being written, migrations/current.sql: "" when it is only comments. */
export async function readCurrent(): Promise<string> {
  const text = await readFile(join(migrationsFolder, "current.sql"), "utf8").catch(() => "");
  return statementsOf("migrations/current.sql", text).length > 0 ? text : "";
}

/** Runs the migration that is being written; it can be run again and again. */
export async function runCurrent(client: Client, patience: Patience): Promise<void> {
  const text = await readCurrent();
  if (text === "") return;
  await inPatientTransaction(client, patience, async () => {
    await client.query("set local role saldo_owner");
    await runFile(client, { file: "migrations/current.sql", line: 1, text });
  });
}
