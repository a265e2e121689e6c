/**
 * Statements of functions keep their plans for as long as a connection lasts. One that was planned
 * while a table had a few rows must not read all of what the table has become since: the job
 * analyze_grown_tables has it planned again.
 */
import test from "ava";
import type { PoolClient } from "pg";
import { openWallet, type Row } from "../wallet/_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

/** Rows of one table: every one of those that grow has more. */
const many = 700;

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

/** As the server hands over what it has of one caller. */
async function submitTogether(ask: Ask, more: object): Promise<string> {
  const call = { amount: "10", direction: "credit", ...more };
  const calls = Array.from({ length: 5 }, () => ({ ...call, idempotency_key: key() }));
  await ask("set role saldo_server");
  const id = await ask(
    "select (result).id from saldo_private.submissions_of_caller('saldo_admin', 'till', $1)",
    [JSON.stringify(calls)],
  );
  await ask("set role saldo_admin");
  if (id === "undefined") throw new Error("none was made");
  return id;
}

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
  submitTogether: (ask, { hot }) => submitTogether(ask, { account_id: hot }),
  submitTogetherUnusually: (ask, { hot, accounts: [, counter] }) =>
    submitTogether(ask, { account_id: hot, counter_account_id: counter }),
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
async function grow({ product, accounts }: Books): Promise<void> {
  const { root } = wallet;
  await root(
    "select count(saldo.create_member('grown ' || g, 'Member')) from generate_series(1, 200) as g",
  );
  await root(
    `select count(saldo.create_customer('grown ' || g, 'C')),
      count(saldo.open_account('hot ' || g, 'Hot', 'liability', mode => 'hot')),
      count(saldo.open_account('plain ' || g, 'Plain', 'liability'))
    from generate_series(1, 40) as g`,
  );
  await root("select count(saldo.top_up(m.id, 1000000)) from saldo.member as m");
  const each = (table: string, count: number, call: string) =>
    root(
      `select count(made) from ${table} as t, generate_series(1, ${count}) as g,
        lateral (select ${call}) as made`,
    );
  const hot = "saldo.account where code like 'hot %'";
  const plain = "saldo.account where code like 'plain %'";
  await each(
    "saldo.member",
    12,
    `saldo.purchase_with_balance_deduction(t.id, ${product.id}, 10, idempotency_key => 'grown ' || g)`,
  );
  await each("saldo.member", 3, "saldo.top_up(t.id, 1, idempotency_key => t.id || ' up ' || g)");
  await each(
    `(select id from ${plain})`,
    10,
    `saldo.transfer(t.id, ${accounts[0]}, 1, idempotency_key => t.id || ' moved ' || g)`,
  );
  await each(
    `(select id from ${hot})`,
    20,
    "saldo.submit_transaction(t.id, 20, 'credit', idempotency_key => 'grown ' || g)",
  );
  await each(
    `(select id from ${hot})`,
    20,
    "saldo.place_hold(t.id, 1, idempotency_key => 'grown hold ' || g)",
  );
  await each(
    "saldo.customer",
    20,
    "saldo.add_deposit(t.id, 1, idempotency_key => t.id || ' deposit ' || g)",
  );
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
  const analyze = () =>
    wallet.query("admin", "select name from saldo_private.analyze_grown_tables() as name");
  const analyzed = (await analyze()).map(({ name }) => name);
  for (const table of ["purchase", "hold", "journal_entry", "journal_line"]) {
    t.true(analyzed.includes(table), `${table} has grown: ${analyzed.join(", ")}`);
  }
  t.deepEqual(await analyze(), [], "nothing has grown since");
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
