import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { logicFolder } from "../../src/paths.ts";
import { urlOf } from "../_support/database.ts";

/** An empty database that is gone after the work. */
export async function withEmptyDatabase<T>(work: (url: string) => Promise<T>): Promise<T> {
  const name = `saldo_test_${randomBytes(6).toString("hex")}`;
  await withClient(urlOf("postgres"), (root) => root.query(`create database ${name}`));
  try {
    return await work(urlOf(name));
  } finally {
    await withClient(urlOf("postgres"), (root) => root.query(`drop database ${name} with (force)`));
  }
}

/** A session that ends with the work. */
export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A copy of sql/ that may be changed. */
export interface SqlFolder {
  path: string;
  /** Replaces words of a file; fails when they are not there. */
  replace(file: string, words: string | RegExp, by: string): Promise<void>;
  /** Adds to the end of a file. */
  append(file: string, text: string): Promise<void>;
  read(file: string): Promise<string>;
}

/** Copies sql/ for the time of the work. */
export async function withSqlFolder<T>(work: (folder: SqlFolder) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), "saldo-sql-"));
  const change = async (file: string, how: (text: string) => string) => {
    const text = await readFile(join(path, file), "utf8");
    const changed = how(text);
    if (changed === text) throw new Error(`nothing of ${file} has changed`);
    await writeFile(join(path, file), changed);
  };
  try {
    await cp(logicFolder, path, { recursive: true });
    return await work({
      path,
      replace: (file, words, by) => change(file, (text) => text.replace(words, () => by)),
      read: (file) => readFile(join(path, file), "utf8"),
      append: (file, text) => change(file, (before) => `${before}\n${text}\n`),
    });
  } finally {
    await rm(path, { recursive: true });
  }
}
