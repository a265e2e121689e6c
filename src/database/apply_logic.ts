import { type Client, DatabaseError } from "pg";
import { StartError } from "../start_error.ts";
import * as catalogue from "./logic_catalogue.ts";
import { hashesOfParts, type Logic, type LogicStatement } from "./logic_source.ts";
import { placeOf, type SqlStatement } from "./sql_statements.ts";

/** A statement of a file that PostgreSQL refuses: file and line, then its words. */
export class SqlFileError extends StartError {
  constructor(statement: SqlStatement, error: DatabaseError) {
    const more = [error.detail, error.hint, error.where?.split("\n")[0]].filter((text) => text);
    super([`${placeOf(statement, Number(error.position))}: ${error.message}`, ...more].join("\n"));
    this.cause = error;
  }
}

/**
 * Makes the database's logic that of sql/, in the transaction at hand: what is re-runnable is run,
 * what no file makes any more is dropped, and what stands then is recorded as built. The role is
 * saldo_owner; a lock that others hold is waited for as long as lock_timeout says. Returns whether
 * the database had no logic before.
 */
export async function applyLogic(client: Client, logic: Logic): Promise<boolean> {
  // How the catalogue writes names depends on the path, which a database may have set as it likes.
  await client.query(
    "set local client_min_messages = warning; set local search_path = pg_catalog, pg_temp",
  );
  const sources = hashesOfParts(logic.statements);
  const known = await knownParts(client);
  const stale = await staleParts(client, sources, known ?? {});
  const made = functionsOf(logic.statements);
  const changed = await changedFunctions(client, made);
  const views = await makeStale(client, changed, stale);
  await clearParts(client, stale);
  await drop(client, "view", views);
  await drop(client, "routine", changed);
  await runAll(client, await catalogue.revokes(client));
  await runStatements(client, logic.statements, stale);
  await drop(client, "view", await leftoverViews(client, sources));
  await drop(client, "routine", await catalogue.leftoverFunctions(client, [...made.keys()]));
  await runAll(client, await catalogue.dropsOfLeftoverComments(client));
  await client.query("select saldo_private.record_build()");
  await remember(client, logic.hash, sources);
  return known === undefined;
}

/** What was noted of each part when the logic was applied last; undefined when it never was. */
async function knownParts(client: Client): Promise<Record<string, string> | undefined> {
  const { rows } = await client.query<{ parts: Record<string, string> }>(
    "select parts from saldo_private.applied_logic",
  );
  return rows[0]?.parts;
}

/** Parts that other statements made than those of now, or that somebody has changed since. */
async function staleParts(
  client: Client,
  sources: Map<string, string>,
  known: Record<string, string>,
): Promise<Set<string>> {
  const states = await catalogue.statesOfParts(client);
  const parts = new Set([...sources.keys(), ...states.keys()]);
  return new Set([...parts].filter((part) => known[part] !== standOf(part, sources, states)));
}

const standOf = (part: string, sources: Map<string, string>, states: Map<string, string>) =>
  `${sources.get(part) ?? ""} ${states.get(part) ?? ""}`;

async function remember(client: Client, hash: string, sources: Map<string, string>) {
  const states = await catalogue.statesOfParts(client);
  const parts = Object.fromEntries(
    [...sources.keys()].map((part) => [part, standOf(part, sources, states)]),
  );
  await client.query(
    `insert into saldo_private.replaced_logic (hash)
    select hash from saldo_private.applied_logic where hash <> $1
    on conflict (hash) do update set replaced_at = now()`,
    [hash],
  );
  await client.query("delete from saldo_private.replaced_logic where hash = $1", [hash]);
  await client.query(
    `insert into saldo_private.applied_logic (id, hash, parts, applied_at, applied_by)
    values (1, $1, $2, now(), session_user)
    on conflict (id) do update
    set hash = excluded.hash, parts = excluded.parts, applied_at = excluded.applied_at,
      applied_by = excluded.applied_by`,
    [hash, JSON.stringify(parts)],
  );
}

/** Marks Saldo's parts that use these functions or views to be made again; returns the views. */
async function makeStale(
  client: Client,
  objects: readonly string[],
  stale: Set<string>,
): Promise<string[]> {
  const views: string[] = [];
  for (const part of await catalogue.partsUsing(client, objects)) {
    stale.add(part);
    const [kind, name] = part.split(" ");
    if (kind !== "view" || !name) continue;
    stale.add(`comment ${name}`);
    views.push(name);
  }
  return views;
}

/** Tables that attempts before had no success in locking, the last one first. */
const contended = new WeakMap<Client, readonly string[]>();

/**
 * Locks tables for itself. Writers take theirs in an order of their own: who holds a table that is
 * wanted late, and wants one that is locked already, is waited for without success. So what could
 * not be had is locked first the next time, until the order is that of the writers.
 */
async function lockTables(client: Client, tables: readonly string[]): Promise<void> {
  const before = contended.get(client) ?? [];
  const order = [...new Set([...before.filter((table) => tables.includes(table)), ...tables])];
  for (const table of order) {
    try {
      await client.query(`lock table ${table} in access exclusive mode`);
    } catch (error) {
      contended.set(client, [table, ...before.filter((each) => each !== table)]);
      throw error;
    }
  }
}

/** Locks the tables whose triggers or policies change, all before anything else, and clears them. */
async function clearParts(client: Client, stale: ReadonlySet<string>): Promise<void> {
  const namesOf = (kind: string) =>
    [...stale].flatMap((part) =>
      part.startsWith(`${kind} `) ? [part.slice(kind.length + 1)] : [],
    );
  const tables = await catalogue.tablesAmong(client, namesOf("table"));
  await lockTables(client, tables);
  await runAll(client, await catalogue.dropsOfTable(client, tables));
  await runAll(client, await catalogue.dropsOfComments(client, namesOf("comment")));
}

const functionForm = /^create or replace function ((saldo\w*)\.(\w+))\(/;

/** Statements that make a function, by its schema and name. */
function functionsOf(statements: readonly LogicStatement[]): Map<string, LogicStatement> {
  return new Map(
    statements.flatMap((statement) => {
      const name = functionForm.exec(statement.text)?.[1];
      return name ? [[name, statement] as const] : [];
    }),
  );
}

/**
 * Functions whose arguments or result `create or replace` would refuse to change, or take for those
 * of another function. PostgreSQL itself reads the new ones: as drafts, which are rolled back.
 */
async function changedFunctions(
  client: Client,
  made: ReadonlyMap<string, LogicStatement>,
): Promise<string[]> {
  const names = await catalogue.standingFunctions(client, [...made.keys()]);
  if (names.length === 0) return [];
  const drafts = names.map((name, index) => {
    const statement = made.get(name) as LogicStatement;
    // The head keeps its length, so that positions of errors stay right.
    return {
      ...statement,
      text: statement.text.replace(functionForm, `create function saldo_draft.f${index + 1}(`),
    };
  });
  await client.query("savepoint drafts");
  await client.query("create schema saldo_draft; set local check_function_bodies = off");
  await runBatch(client, drafts);
  const changed = await catalogue.unreplaceable(client, "saldo_draft", names);
  await client.query("rollback to savepoint drafts; release savepoint drafts");
  return changed;
}

async function runStatements(
  client: Client,
  statements: readonly LogicStatement[],
  stale: Set<string>,
): Promise<void> {
  let batch: LogicStatement[] = [];
  for (const statement of statements) {
    const { part } = statement;
    const isView = /^create or replace view /.test(statement.text);
    if (part && !stale.has(part)) continue;
    if (isView) {
      await runBatch(client, batch);
      batch = [];
      await replaceView(client, statement, stale);
    } else {
      batch.push(statement);
    }
  }
  await runBatch(client, batch);
}

/** A view whose columns have changed is dropped first, with those of Saldo's own that use it. */
async function replaceView(client: Client, statement: LogicStatement, stale: Set<string>) {
  await client.query("savepoint replacing");
  try {
    await runBatch(client, [statement]);
  } catch (error) {
    const cause = error instanceof SqlFileError ? (error.cause as DatabaseError) : undefined;
    if (cause?.code !== "42P16") throw error; // invalid_table_definition
    await client.query("rollback to savepoint replacing");
    const name = statement.part?.slice(5) ?? "";
    await drop(client, "view", await makeStale(client, [name], stale));
    await runBatch(client, [statement]);
  }
  await client.query("release savepoint replacing");
}

async function leftoverViews(client: Client, sources: Map<string, string>): Promise<string[]> {
  const standing = await catalogue.standingViews(client);
  return standing.filter((view) => !sources.has(`view ${view}`));
}

/** Drops what is no longer made; refuses, by name, where others' objects depend on it. */
async function drop(client: Client, kind: "routine" | "view", names: readonly string[]) {
  if (names.length === 0) return;
  try {
    await client.query(`drop ${kind} ${names.join(", ")}`);
  } catch (error) {
    const { code, detail } = error as DatabaseError;
    if (code !== "2BP01") throw error; // dependent_objects_still_exist
    throw new StartError(
      `This version of Saldo changes or drops what is in use outside of it:\n${detail}\n` +
        "Drop that, start again, and recreate it where it is still needed. Nothing was changed.",
    );
  }
}

async function runAll(client: Client, statements: readonly string[]): Promise<void> {
  if (statements.length > 0) await client.query(statements.join(";\n"));
}

/** Runs statements in one go; an error is that of the statement which comes after those done. */
async function runBatch(client: Client, statements: readonly SqlStatement[]): Promise<void> {
  if (statements.length === 0) return;
  let doneCount = 0;
  const count = () => {
    doneCount += 1;
  };
  client.connection.on("commandComplete", count);
  try {
    await client.query(statements.map(({ text }) => text).join(";\n"));
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    throw new SqlFileError(...placed(statements, doneCount, error));
  } finally {
    client.connection.off("commandComplete", count);
  }
}

/** The statement of an error, and the error with its position in that statement. */
function placed(
  statements: readonly SqlStatement[],
  doneCount: number,
  error: DatabaseError,
): [SqlStatement, DatabaseError] {
  let left = Number(error.position);
  if (!left) return [statements[doneCount] as SqlStatement, error];
  // A syntax error refuses all of them before the first is run.
  for (const statement of statements) {
    const length = [...statement.text].length;
    if (left <= length + 1) {
      return [statement, Object.assign(error, { position: String(left) })];
    }
    left -= length + 2;
  }
  return [statements.at(-1) as SqlStatement, error];
}
