import test from "ava";
import { errorCode } from "../_support/database.ts";
import { type Actor, openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const topUp = (member: Row, amount: number, extra: Row = {}) =>
  wallet.call("admin", "top_up", { member_id: member.id, amount, ...extra });
const chargeBack = (entry: Row, extra: Row = {}, actor: Actor = "admin") =>
  wallet.call(actor, "reverse_top_up", { entry_id: entry.id, reason: "Bank", ...extra });
let opened = 0;
const account = (type: string, extra: Row = {}) => {
  const code = `${type}:${++opened}`;
  return wallet.call("admin", "open_account", { code, name: code, type, ...extra });
};

/** A member who topped up 100 and has spent some of it. */
async function spent(amount: number) {
  const member = await wallet.member();
  const entry = await topUp(member, 100);
  if (amount > 0) await wallet.buy(member, await wallet.product(amount));
  return { member, entry };
}
const lines = (reversal: Row) =>
  wallet.root(
    `select regexp_replace(a.code, ':.*', '') as account, l.debit, l.credit
    from saldo.journal_line as l
    join saldo.account as a on a.id = l.account_id
    where l.entry_id = $1
    order by l.line_no`,
    [reversal.entry_id],
  );

test("a top-up that is there is taken back whole, and cash has it no more", async (t) => {
  const { member, entry } = await spent(0);
  const reversal = await chargeBack(entry);
  t.like(reversal, { amount: "100", wallet_amount: "100", debt_amount: "0", loss_amount: "0" });
  t.deepEqual(await lines(reversal), [
    { account: "wallet", debit: "100", credit: "0" },
    { account: "cash", debit: "0", credit: "100" },
  ]);
  t.like(await wallet.balance(member), { balance: "0", debt: "0" });
  const [row] = await wallet.root("select debt_account_id from saldo.member where id = $1", [
    member.id,
  ]);
  t.is(row?.debt_account_id, null);
  t.deepEqual(await wallet.findings(), []);
});

test("what was spent of it is refused, owed or lost, as the administrator chooses", async (t) => {
  const refused = await spent(70);
  t.is(await errorCode(chargeBack(refused.entry)), "SB001");
  t.like(await wallet.balance(refused.member), { balance: "30", debt: "0" });

  const owed = await spent(70);
  const debt = await chargeBack(owed.entry, { shortfall: "debt" });
  t.like(debt, { wallet_amount: "30", debt_amount: "70", loss_amount: "0", loss_account_id: null });
  t.deepEqual(await lines(debt), [
    { account: "wallet", debit: "30", credit: "0" },
    { account: "debt", debit: "70", credit: "0" },
    { account: "cash", debit: "0", credit: "100" },
  ]);
  t.like(await wallet.balance(owed.member), { balance: "0", available: "0", debt: "70" });

  const lost = await spent(70);
  const expense = await account("expense");
  const loss = await chargeBack(lost.entry, { shortfall: "loss", loss_account_id: expense.id });
  t.like(loss, { wallet_amount: "30", debt_amount: "0", loss_amount: "70" });
  t.is(loss.loss_account_id, expense.id);
  t.deepEqual(await lines(loss), [
    { account: "wallet", debit: "30", credit: "0" },
    { account: "expense", debit: "70", credit: "0" },
    { account: "cash", debit: "0", credit: "100" },
  ]);
  t.like(await wallet.balance(lost.member), { balance: "0", debt: "0" });

  const gone = await spent(100);
  const whole = await chargeBack(gone.entry, { shortfall: "debt" });
  t.like(whole, { wallet_amount: "0", debt_amount: "100" });
  const history = await wallet.rows("admin", "wallet_history", { member_id: gone.member.id });
  t.like(history.at(-1), { kind: "charge_back", amount: "0", balance: "0" });
  t.deepEqual(await wallet.findings(), []);
});

test("what pending purchases hold stays theirs", async (t) => {
  const { member, entry } = await spent(0);
  const purchase = await wallet.buy(member, await wallet.product(60), { hold_only: true });
  t.like(await chargeBack(entry, { shortfall: "debt" }), {
    wallet_amount: "40",
    debt_amount: "60",
  });
  t.like(await wallet.balance(member), { balance: "60", held: "60", available: "0", debt: "60" });
  await wallet.call("admin", "complete_purchase", { purchase_id: purchase.id });
  t.like(await wallet.balance(member), { balance: "0", debt: "60" });
  t.deepEqual(await wallet.findings(), []);
});

test("the next top-ups pay the debt, with less, exactly and more than it", async (t) => {
  const { member, entry } = await spent(100);
  await chargeBack(entry, { shortfall: "debt" });
  const less = await topUp(member, 30, { idempotency_key: "pays-1" });
  t.is(less.source, "top_up");
  t.like(await wallet.balance(member), { balance: "0", debt: "70" });
  t.is((await topUp(member, 30, { idempotency_key: "pays-1" })).id, less.id);
  t.like(await wallet.balance(member), { balance: "0", debt: "70" });
  await topUp(member, 70);
  t.like(await wallet.balance(member), { balance: "0", debt: "0" });
  await topUp(member, 5);
  t.like(await wallet.balance(member), { balance: "5", debt: "0" });

  const again = await topUp(member, 20);
  await wallet.buy(member, await wallet.product(25));
  await chargeBack(again, { shortfall: "debt" });
  t.like(await wallet.balance(member), { balance: "0", debt: "20" });
  await topUp(member, "50.5" as unknown as number);
  t.like(await wallet.balance(member), { balance: "30.5", debt: "0" });

  const history = await wallet.rows("admin", "wallet_history", { member_id: member.id });
  t.deepEqual(
    history.map(({ kind, amount, balance }) => [kind, amount, balance]),
    [
      ["top_up", "100", "100"],
      ["purchase", "-100", "0"],
      ["charge_back", "0", "0"],
      ["top_up", "30", "30"],
      ["debt_payment", "-30", "0"],
      ["top_up", "70", "70"],
      ["debt_payment", "-70", "0"],
      ["top_up", "5", "5"],
      ["top_up", "20", "25"],
      ["purchase", "-25", "0"],
      ["charge_back", "0", "0"],
      ["top_up", "50.5", "50.5"],
      ["debt_payment", "-20", "30.5"],
    ],
  );
  t.deepEqual(await wallet.findings(), []);
});

test("a top-up that paid a debt may be charged back itself", async (t) => {
  const { member, entry } = await spent(100);
  await chargeBack(entry, { shortfall: "debt" });
  const second = await topUp(member, 100);
  t.like(await wallet.balance(member), { balance: "0", debt: "0" });
  await chargeBack(second, { shortfall: "debt" });
  t.like(await wallet.balance(member), { balance: "0", debt: "100" });
  t.deepEqual(await wallet.findings(), []);
});

test("a top-up is charged back once, and the same key returns what it did", async (t) => {
  const { member, entry } = await spent(40);
  const args = { shortfall: "debt", idempotency_key: "back-1" };
  const first = await chargeBack(entry, args);
  t.deepEqual(await chargeBack(entry, args), first);
  t.is(await errorCode(chargeBack(entry, { ...args, reason: "Other" })), "SB005");
  t.is(await errorCode(chargeBack(entry, { ...args, shortfall: "refuse" })), "SB005");
  t.is(await errorCode(chargeBack(entry, { shortfall: "debt" })), "SB309");
  t.like(await wallet.balance(member), { balance: "0", debt: "40" });
});

test("a refused charge-back leaves nothing, and its key is free", async (t) => {
  const { member, entry } = await spent(40);
  t.is(await errorCode(chargeBack(entry, { idempotency_key: "back-2" })), "SB001");
  await topUp(member, 40);
  t.like(await chargeBack(entry, { idempotency_key: "back-2" }), { wallet_amount: "100" });
  t.like(await wallet.balance(member), { balance: "0" });
});

test("a reversal and a charge-back never both take a top-up back", async (t) => {
  const reverse = (entry_id: unknown) =>
    errorCode(wallet.call("admin", "reverse_entry", { entry_id, reason: "Mistake" }));
  const { entry } = await spent(0);
  t.is(await reverse(entry.id), "none");
  t.is(await errorCode(chargeBack(entry, { shortfall: "debt" })), "SB309");
  const other = await spent(50);
  const reversal = await chargeBack(other.entry, { shortfall: "debt" });
  t.is(await reverse(other.entry.id), "SB106");
  t.is(await reverse(reversal.entry_id), "SB106");
  t.deepEqual(await wallet.findings(), []);
});

test("bad input is refused by code, and moves nothing", async (t) => {
  const { member, entry } = await spent(50);
  const refused = (extra: Row) => errorCode(chargeBack(entry, { shortfall: "debt", ...extra }));
  const revenue = await account("revenue");
  const foreign = await account("expense", { currency: "USD" });
  const closed = await account("expense");
  await wallet.call("admin", "close_account", { account_id: closed.id });
  const loss = (loss_account_id: unknown) => refused({ shortfall: "loss", loss_account_id });
  t.is(await refused({ reason: null }), "SB010");
  t.is(await refused({ reason: " " }), "SB009");
  t.is(await refused({ reason: "a\u0001b" }), "SB008");
  t.is(await refused({ reason: "x".repeat(481) }), "SB009");
  t.is(await refused({ shortfall: null }), "SB010");
  t.is(await refused({ shortfall: "gift" }), "22P02");
  t.is(await refused({ loss_account_id: revenue.id }), "SB010");
  t.is(await loss(null), "SB010");
  t.is(await loss(999_999), "SB101");
  t.is(await loss(revenue.id), "SB010");
  t.is(await loss(foreign.id), "SB104");
  t.is(await loss(closed.id), "SB102");
  t.is(await refused({ idempotency_key: "x".repeat(201) }), "SB009");
  t.is(await refused({ occurred_at: "infinity" }), "SB010");
  t.is(await refused({ occurred_at: "2001-01-01" }), "SB010");
  t.is(await errorCode(chargeBack({ id: null })), "SB308");
  t.is(await errorCode(chargeBack({ id: "00000000-0000-7000-8000-000000000000" })), "SB308");
  const purchase = await wallet.buy(member, await wallet.product(10));
  t.is(await errorCode(chargeBack({ id: purchase.entry_id })), "SB308");
  for (const actor of ["operator", "anonymous", { memberId: member.id }] as const) {
    t.is(await errorCode(chargeBack(entry, { shortfall: "debt" }, actor)), "42501");
  }
  t.like(await wallet.balance(member), { balance: "40", debt: "0" });
  t.deepEqual(await wallet.findings(), []);
});

test("a hot wallet, or cash that is hot, is charged back alike", async (t) => {
  const makeHot = (account_id: unknown) =>
    wallet.call("admin", "make_account_hot", { account_id, slots: 3 });
  const { member, entry } = await spent(70);
  await makeHot(member.account_id);
  t.like(await chargeBack(entry, { shortfall: "debt" }), {
    wallet_amount: "30",
    debt_amount: "70",
  });
  t.like(await wallet.balance(member), { balance: "0", available: "0", debt: "70" });
  await topUp(member, 100);
  t.like(await wallet.balance(member), { balance: "30", available: "30", debt: "0" });

  const usd = await wallet.call("admin", "create_member", {
    code: "usd",
    name: "U",
    currency: "USD",
  });
  const paid = await topUp(usd, 10);
  const [cash] = await wallet.root("select id from saldo.account where code = 'cash:USD'");
  await makeHot(cash?.id);
  await wallet.call("admin", "transfer", {
    debit_account_id: usd.account_id,
    credit_account_id: cash?.id,
    amount: 4,
  });
  t.like(await chargeBack(paid, { shortfall: "debt" }), { wallet_amount: "6", debt_amount: "4" });
  t.like(await wallet.balance(usd), { balance: "0", debt: "4" });
  t.deepEqual(await wallet.findings(), []);
});

test("a full check of books with charge-backs and paid debts is healthy", async (t) => {
  const { member, entry } = await spent(60);
  await chargeBack(entry, { shortfall: "debt", idempotency_key: "back-3" });
  await topUp(member, 25, { idempotency_key: "pays-2" });
  const [check] = await wallet.root("select * from saldo.check_balance_health()");
  const found = await wallet.root("select * from saldo.finding where check_run_id = $1", [
    check?.id,
  ]);
  t.deepEqual(found, []);
  t.is(check?.status, "healthy");
});

test("a member sees the own charge-backs and debt, and no other's", async (t) => {
  const { member, entry } = await spent(50);
  await chargeBack(entry, { shortfall: "debt" });
  const other = await wallet.member();
  const text = "select debt_amount from saldo.top_up_reversal";
  const own = { memberId: member.id };
  t.deepEqual(await wallet.query(own, text), [{ debt_amount: "50" }]);
  t.like(await wallet.call(own, "wallet_balance", { member_id: member.id }), { debt: "50" });
  t.deepEqual(await wallet.query({ memberId: other.id }, text), []);
});

test("a debt account whose code is taken, or that is closed, refuses the debt", async (t) => {
  const { member, entry } = await spent(50);
  await wallet.call("admin", "open_account", {
    code: `debt:${member.code}`,
    name: "Taken",
    type: "asset",
  });
  t.is(await errorCode(chargeBack(entry, { shortfall: "debt" })), "SB014");
  const owing = await spent(100);
  await chargeBack(owing.entry, { shortfall: "debt" });
  const second = await topUp(owing.member, 150);
  const [row] = await wallet.root("select debt_account_id from saldo.member where id = $1", [
    owing.member.id,
  ]);
  await wallet.call("admin", "close_account", { account_id: row?.debt_account_id });
  t.is(await errorCode(chargeBack(second, { shortfall: "debt" })), "SB102");
  await topUp(owing.member, 1);
  t.like(await wallet.balance(owing.member), { balance: "51", debt: "0" });
  t.deepEqual(await wallet.findings(), []);
});

test("each way in which a charge-back can differ from the journal is found", async (t) => {
  const { member, entry } = await spent(50);
  await wallet.member(1);
  const reversal = await chargeBack(entry, { shortfall: "debt" });
  await topUp(member, 20);
  const other = await spent(10);
  const faults: Record<string, [text: string, values: unknown[]]> = {
    "a record is gone": [
      "delete from saldo.top_up_reversal where entry_id = $1",
      [reversal.entry_id],
    ],
    "a record has other parts": [
      `update saldo.top_up_reversal set debt_amount = 40, wallet_amount = 60 where entry_id = $1`,
      [reversal.entry_id],
    ],
    "a record has another amount": [
      `update saldo.top_up_reversal set debt_amount = 60, amount = 110 where entry_id = $1`,
      [reversal.entry_id],
    ],
    "a record names another member": [
      "update saldo.top_up_reversal set member_id = $2 where entry_id = $1",
      [reversal.entry_id, other.member.id],
    ],
    "a record names another top-up": [
      "update saldo.top_up_reversal set top_up_entry_id = $2 where entry_id = $1",
      [reversal.entry_id, other.entry.id],
    ],
    "its lines are gone": [
      "delete from saldo.journal_line where entry_id = $1",
      [reversal.entry_id],
    ],
    "its entry has another source": [
      "update saldo.journal_entry set source = 'x' where id = $1",
      [reversal.entry_id],
    ],
    "the top-up is reversed": [
      "update saldo.journal_entry set status = 'reversed' where id = $1",
      [entry.id],
    ],
    "it gave the money to another account": [
      "update saldo.journal_line set account_id = $2 where entry_id = $1 and credit > 0",
      [reversal.entry_id, other.member.account_id],
    ],
    "the member names no account of debts": [
      "update saldo.member set debt_account_id = null where id = $1",
      [member.id],
    ],
    "another member names an account of debts": [
      `update saldo.member set debt_account_id =
        (select debt_account_id from saldo.member where id = $2) where id = $1`,
      [other.member.id, member.id],
    ],
    "a debt was paid by another member": [
      `update saldo.journal_line set account_id = $1 where debit > 0 and entry_id in
        (select id from saldo.journal_entry where source = 'debt_payment')`,
      [other.member.account_id],
    ],
  };
  for (const [name, [text, values]] of Object.entries(faults)) {
    const client = await wallet.pool.connect();
    try {
      await client.query("begin");
      await client.query("set local session_replication_role = replica");
      t.deepEqual(
        (await client.query("select * from saldo_private.rule_top_up_reversal()")).rows,
        [],
      );
      await client.query(text, values);
      const { rows } = await client.query("select * from saldo_private.rule_top_up_reversal()");
      t.true(rows.length > 0, name);
    } finally {
      await client.query("rollback");
      client.release();
    }
  }
  t.deepEqual(await wallet.findings(), []);
});
