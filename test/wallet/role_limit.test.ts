import test from "ava";
import { asAdmin, asPerson, errorCode } from "../_support/database.ts";
import { openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
const { pool } = wallet;
test.after.always(() => wallet.close());

const set = (name: string, value: number) =>
  asAdmin(pool, (client) => client.query("select saldo.set_setting($1, $2)", [name, `${value}`]));
test.before(async () => {
  await set("top_up_max_amount", 1000);
  await set("top_up_day_amount", 1500);
  await set("refund_max_amount", 300);
  await set("refund_day_amount", 400);
  await set("adjust_max_amount", 500);
  await set("adjust_day_amount", 600);
});

/** Runs a statement as a person of a role; its rows. */
const as = (role: string, person: string, text: string, values: unknown[] = []) =>
  asPerson(pool, role, person, async (client) => (await client.query<Row>(text, values)).rows);

const topUp = (role: string, person: string, member: Row, amount: number, key?: string) =>
  as(role, person, "select * from saldo.top_up($1, $2, $3)", [member["id"], amount, key ?? null]);

const codeOf = (promise: Promise<unknown>) => errorCode(promise);

test("a cashier tops up, sells and pays back, and sees no account", async (t) => {
  const member = await wallet.member(500);
  const product = await wallet.product(200, 5);
  await topUp("saldo_cashier", "ayu", member, 100);
  const [sold] = await as(
    "saldo_cashier",
    "ayu",
    "select * from saldo.purchase_with_balance_deduction($1, $2, 200)",
    [member.id, product.id],
  );
  t.is(sold?.["created_by"], "ayu");
  const [paidBack] = await as(
    "saldo_cashier",
    "ayu",
    "select * from saldo.refund_purchase($1, 'broken')",
    [sold?.["id"]],
  );
  t.is(paidBack?.["status"], "refunded");
  t.is((await wallet.balance(member)).balance, "600");
  t.is((await as("saldo_cashier", "ayu", "select from saldo.member")).length > 0, true);
  for (const forbidden of [
    "select from saldo.account",
    "select from saldo.journal_line",
    "select saldo.adjust_balance(1, 1, 'x')",
    "select saldo.create_customer('c', 'C')",
    "select saldo.set_setting('top_up_max_amount', '9')",
    "select saldo.create_service_token('admin', 'x')",
  ]) {
    t.is(await codeOf(as("saldo_cashier", "ayu", forbidden)), "42501", forbidden);
  }
});

test("a call and a day have a limit, and each person a day of their own", async (t) => {
  const member = await wallet.member(1);
  t.is(await codeOf(topUp("saldo_cashier", "budi", member, 1001)), "SB660");
  await topUp("saldo_cashier", "budi", member, 1000, "one");
  t.is(await codeOf(topUp("saldo_cashier", "budi", member, 501)), "SB661");
  // A retry moves nothing, and is none of the day.
  await topUp("saldo_cashier", "budi", member, 1000, "one");
  await topUp("saldo_cashier", "budi", member, 500);
  t.is(await codeOf(topUp("saldo_cashier", "budi", member, 1)), "SB661");
  await topUp("saldo_cashier", "citra", member, 1000);
  await topUp("saldo_admin", "root", member, 100_000);
  t.is((await wallet.balance(member)).balance, "102501");
  const { rows } = await pool.query(
    "select amount from saldo.limit_use where person = 'budi' and action = 'top_up'",
  );
  t.deepEqual(rows, [{ amount: "1500" }]);
});

test("refunds in parts add up to the limit of the day", async (t) => {
  const member = await wallet.member(2000);
  const bought = await wallet.buy(member, await wallet.product(1000));
  const payBack = (amount: number) =>
    as("saldo_cashier", "dewi", "select saldo.refund_purchase($1, 'x', amount => $2)", [
      bought["id"],
      amount,
    ]);
  t.is(await codeOf(payBack(301)), "SB660");
  await payBack(300);
  t.is(await codeOf(payBack(101)), "SB661");
  await payBack(100);
});

test("calls that come at once do not pass the limit of the day together", async (t) => {
  const members = await Promise.all([1, 2, 3, 4].map(() => wallet.member(1)));
  const codes = await Promise.all(
    members.map((member) => codeOf(topUp("saldo_cashier", "eka", member, 600))),
  );
  t.deepEqual(codes.sort(), ["SB661", "SB661", "none", "none"]);
});

test("an accountant adjusts within limits, and reads everything", async (t) => {
  const member = await wallet.member(1000);
  const adjust = (balance: number) =>
    as("saldo_accountant", "fitri", "select saldo.adjust_balance($1, $2, 'counted')", [
      member.account_id,
      balance,
    ]);
  t.is(await codeOf(adjust(99_999_999_999)), "SB660");
  await adjust(600);
  t.is(await codeOf(adjust(900)), "SB661");
  const [total] = await as(
    "saldo_accountant",
    "fitri",
    "select is_valid from saldo.balance_sheet_totals()",
  );
  t.true(total?.["is_valid"]);
  t.is(await codeOf(as("saldo_accountant", "fitri", "select saldo.auto_heal(false)")), "42501");
});

test("a role composed of two may what both may, within the limits of each", async (t) => {
  const member = await wallet.member(1);
  const client = await pool.connect();
  const codeHere = async (text: string, values: unknown[] = []) => {
    await client.query("savepoint here");
    const code = await codeOf(client.query(text, values));
    await client.query(code === "none" ? "release here" : "rollback to here");
    return code;
  };
  try {
    await client.query(`begin;
      create role front_desk_of_test in role saldo_cashier, saldo_biller;
      set local role front_desk_of_test;
      set local saldo.subject = 'gita'`);
    t.is(await codeHere("select saldo.create_customer('front', 'Front')"), "none");
    t.is(await codeHere("select saldo.top_up($1, 900)", [member.id]), "none");
    t.is(await codeHere("select saldo.top_up($1, 601)", [member.id]), "SB661");
    t.is(await codeHere("select saldo.post_entries('[]')"), "42501");
    await client.query("reset role; grant saldo_admin to front_desk_of_test");
    await client.query("set local role front_desk_of_test");
    t.is(await codeHere("select saldo.top_up($1, 5000)", [member.id]), "none");
  } finally {
    await client.query("rollback");
    client.release();
  }
});

test("a role of one's own with single functions has limits as well", async (t) => {
  const member = await wallet.member(0);
  const role = `kiosk_${process.pid}_${Date.now()}`;
  await wallet.root(`create role ${role}; grant usage on schema saldo, saldo_private to ${role};
    grant execute on function saldo.top_up to ${role}`);
  try {
    t.is(await codeOf(topUp(role, "kiosk", member, 1001)), "SB660");
    await topUp(role, "kiosk", member, 1000);
    t.is(await codeOf(topUp(role, "kiosk", member, 501)), "SB661");
  } finally {
    await wallet.root(`drop owned by ${role}; drop role ${role}`);
  }
});

test("an entry of a person does not pass for a top-up or a purchase", async (t) => {
  const member = await wallet.member(500);
  for (const source of ["top_up", "purchase", "refund", " top_up "]) {
    const entry = {
      description: "As if",
      source,
      lines: [
        { account_code: "cash:IDR", debit: "5" },
        { account_id: member.account_id, credit: "5" },
      ],
    };
    const post = "select * from saldo.post_entries($1)";
    t.is(
      await codeOf(as("saldo_accountant", "ayu", post, [JSON.stringify([entry])])),
      "SB010",
      source,
    );
  }
});
