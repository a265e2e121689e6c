/**
 * Statements of functions keep their plans for as long as a connection lasts. One that was planned
 * while a table had a few rows must not read all of what the table has become since.
 */
import test from "ava";
import type { PoolClient } from "pg";
import { openWallet, type Row } from "../wallet/_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const grown = 800;
const many = grown / 2;

let number = 0;
const key = () => `kept ${++number}`;

/** What every call works on. */
interface Books {
  readonly member: Row & { id: string; account_id: string };
  readonly product: Row & { id: string };
  readonly hot: string;
  readonly accounts: readonly string[];
  readonly customer: string;
}

type Ask = (text: string, values?: unknown[]) => Promise<string>;
type Call = (ask: Ask, books: Books) => Promise<unknown>;

const buy: Call = (ask, { member, product }) =>
  ask("select id from saldo.purchase_with_balance_deduction($1, $2, 10, idempotency_key => $3)", [
    member.id,
    product.id,
    key(),
  ]);
const transfer: Call = (ask, { accounts: [one, other] }) =>
  ask("select id from saldo.transfer($1, $2, 10, idempotency_key => $3)", [one, other, key()]);
const topUp: Call = (ask, { member }) =>
  ask("select id from saldo.top_up($1, 10, idempotency_key => $2)", [member.id, key()]);
const hold: Call = (ask, { hot }) =>
  ask("select id from saldo.place_hold($1, 10, idempotency_key => $2)", [hot, key()]);
const deposit: Call = (ask, { customer }) =>
  ask("select id from saldo.add_deposit($1, 10, idempotency_key => $2)", [customer, key()]);

const calls: Readonly<Record<string, Call>> = {
  buy,
  transfer,
  topUp,
  hold,
  deposit,
  submit: (ask, { hot }) =>
    ask("select id from saldo.submit_transaction($1, 10, 'credit', idempotency_key => $2)", [
      hot,
      key(),
    ]),
  capture: async (ask, books) =>
    ask("select id from saldo.capture_hold($1, idempotency_key => $2)", [
      await hold(ask, books),
      key(),
    ]),
  voidHold: async (ask, books) =>
    ask("select id from saldo.void_hold($1, 'not wanted')", [await hold(ask, books)]),
  refund: async (ask, books) =>
    ask("select id from saldo.refund_purchase($1, 'broken', $2)", [await buy(ask, books), key()]),
  refundPart: async (ask, books) =>
    ask("select id from saldo.refund_purchase($1, 'worn', $2, amount => 3)", [
      await buy(ask, books),
      key(),
    ]),
  payLater: async (ask, { member, product }) => {
    const pending = await ask(
      "select id from saldo.purchase_with_balance_deduction($1, $2, 10, hold_only => true)",
      [member.id, product.id],
    );
    return ask("select id from saldo.complete_purchase($1)", [pending]);
  },
  failPurchase: async (ask, { member, product }) => {
    const pending = await ask(
      "select id from saldo.purchase_with_balance_deduction($1, $2, 10, hold_only => true)",
      [member.id, product.id],
    );
    return ask("select id from saldo.fail_purchase($1, 'no answer')", [pending]);
  },
  chargeBack: async (ask, books) =>
    ask(
      "select entry_id as id from saldo.reverse_top_up($1, 'charged back', idempotency_key => $2)",
      [await topUp(ask, books), key()],
    ),
  reverse: async (ask, books) =>
    ask("select id from saldo.reverse_entry($1, 'a mistake', $2)", [
      await transfer(ask, books),
      key(),
    ]),
  postEntry: (ask, { accounts: [one, other] }) =>
    ask("select id from saldo.post_entries($1)", [
      JSON.stringify([
        {
          description: "By hand",
          idempotency_key: key(),
          lines: [
            { account_id: Number(one), debit: 1 },
            { account_id: Number(other), credit: 1 },
          ],
        },
      ]),
    ]),
  changeDeposit: async (ask, books) =>
    ask("select id from saldo.change_deposit($1, 11)", [await deposit(ask, books)]),
  removeDeposit: async (ask, books) =>
    ask("select id from saldo.remove_deposit($1, 'a mistake')", [await deposit(ask, books)]),
  balances: (ask, { hot }) => ask("select 1 as id from saldo.balances($1)", [hot]),
  wallet: (ask, { member }) => ask("select 1 as id from saldo.wallet_balance($1)", [member.id]),
};

async function makeBooks(): Promise<Books> {
  const { root, call } = wallet;
  const member = await wallet.member(1_000_000);
  const product = await wallet.product(10);
  const open = async (code: string, args: Row = {}) =>
    String(
      (await call("admin", "open_account", { code, name: code, type: "liability", ...args })).id,
    );
  const hot = await open("hot", { mode: "hot", min_balance: 0 });
  await root("select saldo.submit_transaction($1, 1000000, 'credit')", [hot]);
  const { id } = await call("admin", "create_customer", { code: "c", name: "Customer" });
  const customer = String(id);
  return { member, product, hot, customer, accounts: [await open("one"), await open("other")] };
}

/** Makes every table that grows with use larger, past the connection that keeps its plans. */
async function grow(books: Books): Promise<void> {
  const { member, product, hot, customer, accounts } = books;
  const repeat = (text: string, values: unknown[], count = many) =>
    wallet.root(
      `select count(made) from generate_series(1, ${count}) as g, lateral (select ${text}) as made`,
      values,
    );
  await repeat(
    "saldo.purchase_with_balance_deduction($1, $2, 10, idempotency_key => 'grown ' || g)",
    [member.id, product.id],
    grown,
  );
  await repeat("saldo.top_up($1, 100, idempotency_key => 'grown top-up ' || g)", [member.id]);
  await repeat("saldo.transfer($1, $2, 1, idempotency_key => 'grown ' || g)", [...accounts]);
  await repeat(
    "saldo.submit_transaction($1, 20, 'credit', idempotency_key => 'grown ' || g)",
    [hot],
    grown,
  );
  await repeat("saldo.place_hold($1, 1, idempotency_key => 'grown hold ' || g)", [hot], grown);
  await repeat("saldo.add_deposit($1, 1, idempotency_key => 'grown ' || g)", [customer], grown);
}

test("no call reads a table whole that was small when its plans were made", async (t) => {
  t.timeout(300_000);
  const books = await makeBooks();
  // The server plans anew after it has analyzed a table, which is now and then; we look before that.
  await wallet.root(`do $$ declare r regclass; begin
    for r in select oid from pg_class where relkind = 'r' and relnamespace in
      ('saldo'::regnamespace, 'saldo_private'::regnamespace)
    loop execute format('alter table %s set (autovacuum_enabled = off)', r); end loop; end $$`);
  await wallet.root("vacuum analyze");
  const client: PoolClient = await wallet.pool.connect();
  t.teardown(() => client.release(true));
  await client.query("set role saldo_admin");
  const ask: Ask = async (text, values) => String((await client.query(text, values)).rows[0]?.id);
  for (const call of Object.values(calls)) {
    for (let count = 0; count < 7; count += 1) await call(ask, books);
  }
  await grow(books);
  /** Rows of tables that this transaction has read one after the other, so far. */
  const readWhole = async () => {
    const { rows } = await client.query<{ name: string; count: string }>(
      `select relid::regclass::text as name, seq_tup_read as count
      from pg_stat_xact_user_tables where seq_tup_read > 0`,
    );
    return new Map(rows.map(({ name, count }) => [name, Number(count)]));
  };
  const found: string[] = [];
  for (const [name, call] of Object.entries(calls)) {
    await client.query("begin");
    const before = await readWhole();
    await call(ask, books);
    for (const [table, count] of await readWhole()) {
      const rows = count - (before.get(table) ?? 0);
      if (rows >= many) found.push(`${name} reads ${rows} rows of ${table}`);
    }
    await client.query("rollback");
  }
  t.deepEqual(found, []);
});
