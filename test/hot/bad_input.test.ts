import test from "ava";
import { errorCode } from "../_support/database.ts";
import type { Actor, Row } from "../wallet/_wallet.ts";
import { openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

test.serial("bad submissions are refused by code, and nothing moves", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  const immediate = await hot.account({ funds: 100 });
  const dollars = await hot.account({ currency: "USD", minBalance: null });
  const closed = await hot.account({ minBalance: null });
  await hot.call("admin", "close_account", { account_id: closed });
  const before = await hot.balances(account);
  const cases: [string, Row][] = [
    ["SB002", { amount: null }],
    ["SB002", { amount: 0 }],
    ["SB002", { amount: "0.00" }],
    ["SB002", { amount: -1 }],
    ["SB002", { amount: "NaN" }],
    ["SB002", { amount: "Infinity" }],
    ["SB002", { amount: "-Infinity" }],
    ["22P02", { amount: "ten" }],
    ["SB004", { amount: "1e15" }],
    ["SB004", { amount: `1${"0".repeat(1000)}` }],
    ["SB003", { amount: "1.001" }],
    ["SB003", { amount: "0.001" }],
    ["SB003", { amount: "250.000" }],
    ["SB010", { direction: null }],
    ["22P02", { direction: "DEBIT" }],
    ["SB010", { account_id: null }],
    ["SB101", { account_id: "999999" }],
    ["SB101", { account_id: -1 }],
    ["22003", { account_id: "99999999999999999999" }],
    ["SB201", { account_id: immediate }],
    ["SB201", { account_id: closed }],
    ["SB101", { counter_account_id: "999999" }],
    ["SB104", { counter_account_id: dollars }],
    ["SB203", { counter_account_id: closed }],
    ["SB203", { counter_account_id: immediate }],
    ["SB203", { counter_account_id: account }],
    ["SB009", { metadata: { text: "x".repeat(8000) } }],
    ["SB009", { idempotency_key: "" }],
    ["SB009", { idempotency_key: "   " }],
    ["SB009", { idempotency_key: "k".repeat(201) }],
    ["SB008", { idempotency_key: "a\u0007b" }],
    ["SB001", { amount: "100.01" }],
  ];
  for (const [code, extra] of cases) {
    const args = { account_id: account, amount: 1, direction: "debit", ...extra };
    const answer = hot.call("admin", "submit_transaction", args);
    t.is(await errorCode(answer), code, JSON.stringify(extra).slice(0, 90));
  }
  t.deepEqual(await hot.balances(account), before);
});

test.serial("metadata of nearly 8,000 bytes, and of any form, is kept as it is", async (t) => {
  const account = await hot.account({ minBalance: null, slots: 2 });
  for (const metadata of [{ text: "x".repeat(7980) }, [1, { a: null }], "text", 7, { "": "é𝄞" }]) {
    const row = await hot.submit(account, 1, "debit", { metadata: JSON.stringify(metadata) });
    t.deepEqual(row.metadata, metadata);
  }
});

test.serial("the checks come in the documented order", async (t) => {
  const immediate = await hot.account();
  const account = await hot.account({ slots: 2 });
  const all = {
    account_id: immediate,
    amount: "-1.001",
    direction: null,
    metadata: { text: "x".repeat(8000) },
    idempotency_key: "",
    counter_account_id: "999999",
  };
  const fixes: [string, Row][] = [
    ["SB002", { amount: "1000000000000000.001" }],
    ["SB004", { amount: "1.001" }],
    ["SB003", { amount: 1 }],
    ["SB010", { direction: "debit" }],
    ["SB009", { metadata: null, idempotency_key: "a\u0007" }],
    ["SB008", { idempotency_key: null }],
    ["SB201", { account_id: account }],
    ["SB101", { counter_account_id: account }],
    ["SB203", { counter_account_id: null }],
    ["SB001", { direction: "credit" }],
  ];
  let args: Row = all;
  for (const [code, fix] of fixes) {
    t.is(await errorCode(hot.call("admin", "submit_transaction", args)), code);
    args = { ...args, ...fix };
  }
  t.is(await errorCode(hot.call("admin", "submit_transaction", args)), "none");
});

test.serial("a snapshot of the beginning never gives funds away twice", async (t) => {
  for (const level of ["repeatable read", "serializable"]) {
    const account = await hot.account({ funds: 100, slots: 1 });
    const session = await hot.session(level);
    await session.client.query("select");
    await session.client.query("select from saldo.account limit 1");
    t.is(await errorCode(hot.submit(account, 60, "debit")), "none");
    const args = { account_id: account, amount: 60, direction: "debit" };
    // Its snapshot still shows all the funds: the row is not the one that it saw.
    t.is(await errorCode(session.call("submit_transaction", args)), "40001");
    await session.end("rollback");

    const alone = await hot.session(level);
    t.is(await errorCode(alone.call("submit_transaction", { ...args, amount: 40 })), "none");
    await alone.end("commit");
    t.like(await hot.balances(account), { available_balance: "0", pending_count: "2" });
  }
});

test.serial("what must see the latest is refused at a stricter isolation level", async (t) => {
  const account = await hot.account({ funds: 100, slots: 4 });
  for (const level of ["repeatable read", "serializable"]) {
    // No single slot covers it: the funds of all would have to be gathered.
    const args = { account_id: account, amount: 100, direction: "debit" };
    const gather = await hot.session(level);
    t.is(await errorCode(gather.call("submit_transaction", args)), "SB020");
    await gather.end("rollback");
    await hot.truncateSlots();
    const rebuild = await hot.session(level);
    t.is(await errorCode(rebuild.call("submit_transaction", { ...args, amount: 1 })), "SB020");
    await rebuild.end("rollback");
    await hot.call("admin", "make_account_hot", { account_id: account, slots: 4 });
  }
  t.like(await hot.balances(account), { available_balance: "100" });
});

test.serial("only administrators move money; others are told so", async (t) => {
  const member = await hot.member(100);
  const account_id = member.account_id;
  await hot.call("admin", "make_account_hot", { account_id, slots: 2 });
  const hold = await hot.call("admin", "place_hold", { account_id, amount: 10 });
  const calls: [string, Row][] = [
    ["submit_transaction", { account_id, amount: 1, direction: "credit" }],
    ["submit_transactions", { transactions: null }],
    ["place_hold", { account_id, amount: 1 }],
    ["capture_hold", { hold_id: hold.id }],
    ["void_hold", { hold_id: hold.id }],
    ["expire_holds", {}],
    ["settle_sub_balances", {}],
    ["make_account_hot", { account_id }],
    ["make_account_immediate", { account_id }],
  ];
  const actors: Actor[] = ["anonymous", "operator", { memberId: member.id }];
  for (const actor of actors) {
    for (const [name, args] of calls) {
      const code = await errorCode(hot.call(actor, name, args));
      t.is(code, "42501", `${name} as ${JSON.stringify(actor)}`);
    }
  }
  for (const actor of actors) {
    for (const table of ["sub_balance", "hold", "settlement", "settlement_range", "account"]) {
      const code = await errorCode(hot.query(actor, `delete from saldo.${table}`));
      t.is(code, "42501", `${table} as ${JSON.stringify(actor)}`);
    }
    t.is(await errorCode(hot.query(actor, "truncate saldo_private.account_slot")), "42501");
  }
  t.is(await errorCode(hot.query("anonymous", "select from saldo.sub_balance")), "42501");
  t.like(await hot.balances(account_id), { available_balance: "90", held: "10" });
});

test.serial("rows and records are never changed, not even by a superuser in passing", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  await hot.submit(account, 1, "debit");
  await hot.settle();
  for (const table of ["sub_balance", "settlement_range", "settlement_entry"]) {
    t.is(await errorCode(hot.root(`delete from saldo.${table}`)), "SB105");
    t.is(await errorCode(hot.root(`update saldo.${table} set account_id = 0`)), "SB105");
    t.is(await errorCode(hot.root(`truncate saldo.${table}`)), "SB105");
  }
});

// Its summary entry would be a finding that nothing heals.
test.serial("the clearing account is not its own counter account", async (t) => {
  await hot.submit(await hot.account({ slots: 1 }), 1, "credit");
  const [clearing] = await hot.root("select id from saldo.account where code = 'clearing:IDR'");
  const account = String(clearing?.id);
  t.is(await errorCode(hot.submit(account, 1, "debit")), "SB203");
  const [answer] = await hot.submitMany([{ account_id: account, amount: 1, direction: "debit" }]);
  t.is(answer?.error_code, "SB203");
  t.is(
    await errorCode(hot.call("admin", "place_hold", { account_id: account, amount: 1 })),
    "SB203",
  );
});
