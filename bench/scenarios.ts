import type { Client } from "pg";
import type { Scenario } from "./driver.ts";

const accounts = 1000;
const members = 1000;
const batch = 1000;

/**
 * The ceiling: what an application that only notes its transactions would do, one plain row into
 * one table with a primary key and an index by account, committed durably.
 */
export const ceiling: Scenario = {
  name: "plain INSERT of one row",
  sql: `insert into bench_transaction (account_id, debit, credit, description)
    values (:account::bigint, 100, 0, 'Transfer')`,
  variables: { account: [1, accounts] },
  unitsPerCall: 1,
};

/** One transfer between two of a thousand accounts. */
export const transfer: Scenario = {
  name: "transfer",
  sql: `select id from saldo.transfer(:first::bigint,
    ((:first::int + :distance::int - 1) % ${accounts} + 1)::bigint, 100)`,
  variables: { first: [1, accounts], distance: [1, accounts - 1] },
  unitsPerCall: 1,
};

/** A thousand transfers in one call. */
export const transferMany: Scenario = {
  name: `transfer_many of ${batch}, 4 connections`,
  sql: `select count(*) from saldo.transfer_many((
    select array_agg((g % ${accounts} + 1, (g + :distance::int) % ${accounts} + 1, 100, null, null,
      null)::saldo.transfer_request)
    from generate_series(1, ${batch}) as g))`,
  variables: { distance: [1, accounts - 1] },
  unitsPerCall: batch,
  // Every batch locks all the accounts, so batches wait for each other however many connections
  // there are; with 32 the waiting ones also keep dead row versions from being pruned.
  connections: 4,
  goal: 1.5,
};

/** A purchase by one of a thousand members in one shop. */
export const purchase: Scenario = {
  name: "purchase_with_balance_deduction",
  sql: `select id from saldo.purchase_with_balance_deduction(:member::bigint,
    (select id from saldo.product where code = 'bench'), 100)`,
  variables: { member: [1, members] },
  unitsPerCall: 1,
  goal: 0.25,
};

/** Makes what the scenarios work on, through the public functions only. */
export async function prepare(client: Client): Promise<void> {
  await client.query(`
    create table bench_transaction (
      id bigint generated always as identity primary key,
      account_id bigint not null,
      debit numeric not null,
      credit numeric not null,
      description text not null,
      created_at timestamptz not null default now()
    );
    create index on bench_transaction (account_id, created_at);
  `);
  await client.query(
    `select count(saldo.open_account('bench' || g, 'Bench ' || g, 'asset'))
    from generate_series(1, $1) as g`,
    [accounts],
  );
  await client.query(
    `select count(saldo.create_member('bench' || g, 'Bench ' || g))
    from generate_series(1, $1) as g`,
    [members],
  );
  await client.query("select count(saldo.top_up(id, 1000000000)) from saldo.member");
  await client.query("select saldo.create_product('bench', 'Bench', 100)");
}

/** Adds lines through transfer_many until the journal has at least so many. */
export async function growJournal(clients: Client[], lines: number): Promise<void> {
  const [first] = clients;
  if (first === undefined) throw new Error("growJournal needs a connection");
  const { rows } = await first.query<{ count: string }>("select count(*) from saldo.journal_line");
  const calls = Math.ceil((lines - Number(rows[0]?.count)) / (2 * batch));
  await Promise.all(
    clients.map(async (client, index) => {
      for (let call = index; call < calls; call += clients.length) {
        await client.query(
          transferMany.sql.replace(":distance::int", String(1 + (call % (accounts - 1)))),
        );
      }
    }),
  );
}
