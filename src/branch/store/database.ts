/**
 * The one file in which a till keeps everything, opened so that a commit is on the disk when it
 * returns, and by one process only.
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describeStoreError, StoreRefused } from "../till_error.ts";

/** "SLDO": tells our file from any other of SQLite. */
export const APPLICATION_ID = 0x534c444f;

// Before it, a reset of the log could damage a file: https://sqlite.org/changes.html
const SQLITE_VERSION_MIN = [3, 51, 3];

/** Opens the file and takes it for this process; the kernel gives it back however we end. */
export function openDatabase(file: string): DatabaseSync {
  requireSqlite();
  const isNew = !existsSync(file);
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: true, timeout: 0 });
  try {
    takeFile(database);
    requireOurs(database, file, isNew);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function requireSqlite(): void {
  const version = process.versions["sqlite"] ?? "0";
  const parts = version.split(".").map(Number);
  for (const [place, least] of SQLITE_VERSION_MIN.entries()) {
    const part = parts[place] ?? 0;
    if (part > least) return;
    if (part < least) {
      throw new StoreRefused(
        `This Node brings SQLite ${version}; a till needs ${SQLITE_VERSION_MIN.join(".")} or later.`,
      );
    }
  }
}

function takeFile(database: DatabaseSync): void {
  try {
    database.exec("pragma locking_mode = exclusive");
    database.exec("pragma journal_mode = wal");
    database.exec("pragma synchronous = full");
    database.exec("pragma trusted_schema = off");
    // The first write takes the lock, and it is kept until the file is closed.
    database.exec("begin immediate; commit");
  } catch (error) {
    if (/locked|busy/i.test((error as Error).message)) throw new StoreBusy();
    if (/not a database|malformed/i.test((error as Error).message)) {
      throw new StoreRefused("The store is damaged: its file is no database. Restore a copy.");
    }
    throw error;
  }
  const mode = read(database, "pragma journal_mode");
  const synchronous = read(database, "pragma synchronous");
  if (mode !== "wal" || synchronous !== 2) {
    throw new StoreRefused(
      `The disk does not let a commit be made durable (${mode}, ${synchronous}): use a local disk.`,
    );
  }
}

/** Another process has the store. */
export class StoreBusy extends Error {}

function requireOurs(database: DatabaseSync, file: string, isNew: boolean): void {
  const id = read(database, "pragma application_id");
  const tableCount = Number(read(database, "select count(*) as value from sqlite_schema"));
  if (id === APPLICATION_ID || (isNew && tableCount === 0)) return;
  // A start that was killed before its first commit leaves an empty file.
  if (id === 0 && tableCount === 0) return;
  throw new StoreRefused(`${file} is not a store of a till.`);
}

/** Refuses a store that is damaged; a till that sells into one would lose what it sells. */
export function requireWhole(database: DatabaseSync): void {
  let result: unknown;
  try {
    result = read(database, "pragma quick_check(1)");
  } catch (error) {
    result = (error as Error).message;
  }
  if (result !== "ok") {
    throw new StoreRefused(
      `The store is damaged (${result}). Keep the file, and restore the latest copy of backups/.`,
    );
  }
}

/** The one value that a query gives. */
export function read(database: DatabaseSync, sql: string): unknown {
  const row = database.prepare(sql).get();
  return row === undefined ? undefined : Object.values(row)[0];
}

/** All of the work, or nothing of it, and on the disk when this returns. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  try {
    database.exec("begin immediate");
    const result = work();
    database.exec("commit");
    return result;
  } catch (error) {
    // SQLite ends some transactions by itself, on a full disk for one.
    if (database.isTransaction) database.exec("rollback");
    throw describeStoreError(error);
  }
}
