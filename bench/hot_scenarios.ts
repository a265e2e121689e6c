import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { Scenario } from "./driver.ts";

const batch = 1000;

/** The hot account of a run, and an ordinary one for comparison. */
export interface HotAccounts {
  hot: string;
  locked: string;
}

/** Opens both, with funds for as many transactions as there can be. */
export async function prepareHot(client: Client): Promise<HotAccounts> {
  const open = async (code: string) => {
    const { rows } = await client.query<{ id: string }>(
      "select id from saldo.open_account($1, $1, 'liability', min_balance => 0)",
      [code],
    );
    return rows[0]?.id ?? "";
  };
  const hot = await open("hot");
  const locked = await open("locked");
  await client.query("select saldo.make_account_hot($1)", [hot]);
  await client.query("select saldo.submit_transaction($1, 900000000000000, 'credit')", [hot]);
  await client.query(
    `select saldo.transfer((select id from saldo.account where code = 'bench1'), $1,
      900000000000000)`,
    [locked],
  );
  await drain(client);
  return { hot, locked };
}

/** Single calls on one hot account. */
export const submit = ({ hot }: HotAccounts, name: string, goal?: number): Scenario => ({
  name,
  sql: `select (saldo.submit_transaction(${hot}, 100, 'debit')).id`,
  variables: {},
  unitsPerCall: 1,
  ...(goal === undefined ? {} : { goal }),
});

/** The same on an account with a row, which one transaction at a time can have. */
export const lockedRow = ({ locked }: HotAccounts): Scenario => ({
  name: "one ordinary account: transfer",
  sql: `select (saldo.transfer(${locked}, :other::bigint, 100)).id`,
  variables: { other: [2, 1000] },
  unitsPerCall: 1,
});

/** A thousand transactions in one call. */
export const submitMany = ({ hot }: HotAccounts): Scenario => ({
  name: `one hot account: submit_transactions of ${batch}, 4 connections`,
  sql: `select count(*) from saldo.submit_transactions((
    select array_agg((${hot}, 100, 'debit', null, null, null)::saldo.submit_request)
    from generate_series(1, ${batch})))`,
  variables: {},
  unitsPerCall: batch,
  connections: 4,
  goal: 3,
});

async function settleBatch(client: Client): Promise<number> {
  const { rows } = await client.query<{ settled: string | null }>(
    "select sum(row_count) as settled from saldo.settle_sub_balances()",
  );
  return Number(rows[0]?.settled ?? 0);
}

/** Settles until nothing is pending; how many rows. */
export async function drain(client: Client): Promise<number> {
  let total = 0;
  for (;;) {
    const settled = await settleBatch(client);
    if (settled === 0) return total;
    total += settled;
  }
}

/** Settles once a second on a connection of its own, as a busy worker would, until stopped. */
export async function settleMeanwhile(connectionString: string): Promise<() => Promise<void>> {
  const client = new Client({ connectionString });
  await client.connect();
  let isRunning = true;
  const loop = (async () => {
    while (isRunning) {
      // As the task does: what comes meanwhile is left to the next run.
      const { rows } = await client.query<{ pending: string }>(
        "select pending_count as pending from saldo.settlement_health()",
      );
      let left = Number(rows[0]?.pending ?? 0);
      while (left > 0) left -= await settleBatch(client);
      await sleep(1000);
    }
  })();
  return async () => {
    isRunning = false;
    await loop;
    await client.end();
  };
}

/** Submits so many rows in batches. */
export async function grow(client: Client, accounts: HotAccounts, rows: number): Promise<void> {
  for (let done = 0; done < rows; done += batch) await client.query(submitMany(accounts).sql);
}

/** Rows of a table, with the room that it and its indexes take. */
export interface Size {
  name: string;
  table: string;
  indexes: string;
}

/** Sizes of what grows or turns over. */
export async function sizes(client: Client): Promise<Size[]> {
  const { rows } = await client.query<Size>(
    `select c.relname as name, pg_size_pretty(pg_table_size(c.oid)) as table,
      pg_size_pretty(pg_indexes_size(c.oid)) as indexes
    from pg_class as c
    where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
    and c.relname in ('sub_balance', 'account_slot', 'settlement_mark', 'settlement',
      'settlement_entry', 'settlement_range', 'account_stripe')
    order by pg_total_relation_size(c.oid) desc`,
  );
  return rows;
}
