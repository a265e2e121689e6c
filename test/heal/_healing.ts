import type { Pool } from "pg";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";

/** A row of a function or table, as the driver gives it. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
type Row = Record<string, any>;

/** Twenty asset accounts (ids 1 to 20), each but the ends with 100 in and 100 out. */
export async function openChain(connections = 10): Promise<TestDatabase> {
  const database = await openTestDatabase(connections);
  await database.pool.query(
    "select saldo.open_account('a' || g, 'A', 'asset') from generate_series(1, 20) as g",
  );
  await database.pool.query(
    "select saldo.transfer(g, g + 1, 100) from generate_series(1, 19) as g",
  );
  return database;
}

/** Runs a statement as one administrator, in a transaction; its rows. */
export async function as(
  pool: Pool,
  subject: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query(
      "select set_config('role', 'saldo_admin', true), set_config('saldo.subject', $1, true)",
      [subject],
    );
    const { rows } = await client.query<Row>(text, values);
    await client.query("commit");
    return rows;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

/** Adds to the stored debits of accounts, past the guard. */
export const drift = (pool: Pool, ids: number[], by: number | string = 7) =>
  forced(pool, (client) =>
    client.query("update saldo.account set debit_total = debit_total + $2 where id = any($1)", [
      ids,
      by,
    ]),
  );

/** Heals, and returns the run with what it did. */
export async function heal(
  pool: Pool,
  subject = "anna",
  isDryRun = false,
): Promise<Row & { actions: Row[] }> {
  const [run] = await as(pool, subject, "select * from saldo.auto_heal($1)", [isDryRun]);
  const actions = await actionsOf(pool, run?.["id"]);
  return { ...(run as Row), actions };
}

/** What was done in a run, by rule and key. */
export async function actionsOf(pool: Pool, runId: string): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    "select * from saldo.heal_action where heal_run_id = $1 order by rule, key, healed_at",
    [runId],
  );
  return rows;
}

/** The proposals, oldest first. */
export async function proposals(pool: Pool): Promise<Row[]> {
  const { rows } = await pool.query<Row>("select * from saldo.heal_proposal order by proposed_at");
  return rows;
}

/** A balance as it is stored. */
export async function balanceOf(pool: Pool, id: number | string): Promise<string> {
  const { rows } = await pool.query("select balance from saldo.account where id = $1", [id]);
  return rows[0].balance;
}
