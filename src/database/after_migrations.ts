import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "pg";
import { afterFolder } from "../paths.ts";
import { runFile } from "./committed.ts";
import { inPatientTransaction, type Patience } from "./patience.ts";

/** Names of the steps, in the order in which they are run. */
export async function afterNames(folder: string = afterFolder): Promise<string[]> {
  const files = await readdir(folder).catch(() => [] as string[]);
  return files.filter((file) => /^\d{6}-[\w-]+\.sql$/.test(file)).sort();
}

/** A new database has no data to change: the steps are noted there, and not run. */
export async function noteAfterMigrations(client: Client, folder: string): Promise<void> {
  await client.query(
    `insert into saldo_private.after_migration (name, is_run)
    select name, false from unnest($1::text[]) as name`,
    [await afterNames(folder)],
  );
}

/**
 * Runs the steps that were not run, each in a transaction of its own together with its note; returns
 * their names.
 */
export async function runAfterMigrations(
  client: Client,
  patience: Patience,
  folder: string,
): Promise<string[]> {
  const known = new Set(await knownNames(client));
  const missing = (await afterNames(folder)).filter((name) => !known.has(name));
  for (const name of missing) {
    const text = await readFile(join(folder, name), "utf8");
    await inPatientTransaction(client, patience, async () => {
      await client.query("set local role saldo_owner");
      await runFile(client, { file: `migrations/after/${name}`, line: 1, text });
      await client.query("set local role saldo_owner");
      await client.query(
        "insert into saldo_private.after_migration (name, is_run) values ($1, true)",
        [name],
      );
    });
  }
  return missing;
}

async function knownNames(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    "select name from saldo_private.after_migration",
  );
  return rows.map(({ name }) => name);
}
