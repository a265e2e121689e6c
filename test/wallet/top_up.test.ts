import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet, outcomes, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const topUp = (args: Row) => wallet.call("admin", "top_up", args);

test("a top-up debits cash, credits the wallet, and keeps the time given", async (t) => {
  const member = await wallet.member();
  const entry = await topUp({
    member_id: member.id,
    amount: "500000.50",
    occurred_at: "2025-11-16 05:44:21+07",
    description: "By bank",
  });
  t.like(entry, { source: "top_up", description: "By bank", status: "posted" });
  t.is((entry.occurred_at as Date).toISOString(), "2025-11-15T22:44:21.000Z");
  const lines = await wallet.root(
    `select a.code, l.debit, l.credit
    from saldo.journal_line as l
    join saldo.account as a on a.id = l.account_id
    where l.entry_id = $1
    order by l.line_no`,
    [entry.id],
  );
  t.deepEqual(lines, [
    { code: "cash:IDR", debit: "500000.5", credit: "0" },
    { code: `wallet:${member.code}`, debit: "0", credit: "500000.5" },
  ]);
  t.like(await wallet.balance(member), { balance: "500000.5", available: "500000.5" });
});

test("bad input for a top-up is refused by code and moves nothing", async (t) => {
  const member = await wallet.member();
  const refused = (args: Row) => errorCode(topUp({ member_id: member.id, amount: 100, ...args }));
  for (const amount of [null, 0, -5, "NaN", "Infinity", "-Infinity"]) {
    t.is(await refused({ amount }), "SB002", String(amount));
  }
  t.is(await refused({ amount: "0.001" }), "SB003");
  t.is(await refused({ amount: "250.000" }), "SB003", "thousands to many who write it");
  t.is(await refused({ amount: "1e15" }), "SB004");
  t.is(await refused({ amount: "1e400" }), "SB004");
  t.is(await refused({ occurred_at: "infinity" }), "SB010");
  t.is(await refused({ occurred_at: "-infinity" }), "SB010");
  t.is(await refused({ description: "a\u0001b" }), "SB008");
  t.is(await refused({ description: "x".repeat(501) }), "SB009");
  t.is(await refused({ idempotency_key: "x".repeat(201) }), "SB009");
  t.is(await refused({ member_id: 999_999 }), "SB304");
  t.like(await wallet.balance(member), { balance: "0" });
});

test("the same key with the same content returns the first top-up", async (t) => {
  const member = await wallet.member();
  const args = {
    member_id: member.id,
    amount: 100,
    idempotency_key: "payment-1",
    occurred_at: "2025-11-16T05:44:21Z",
  };
  const first = await topUp(args);
  const again = await topUp({
    ...args,
    amount: "100.00",
    occurred_at: "2025-11-16T12:44:21+07:00",
  });
  t.is(again.id, first.id);
  t.like(await wallet.balance(member), { balance: "100" });
});

test("the same key with other content is refused, also for another member", async (t) => {
  const member = await wallet.member();
  const other = await wallet.member();
  const args = { member_id: member.id, amount: 100, idempotency_key: "payment-2" };
  await topUp(args);
  t.is(await errorCode(topUp({ ...args, amount: 200 })), "SB005");
  t.is(await errorCode(topUp({ ...args, member_id: other.id })), "SB005");
  t.like(await wallet.balance(other), { balance: "0" });
});

test("ten retries at once make one top-up", async (t) => {
  const member = await wallet.member();
  const args = { member_id: member.id, amount: 100, idempotency_key: "payment-3" };
  const result = await outcomes(Array.from({ length: 10 }, () => topUp(args)));
  t.deepEqual(result, { none: 10 });
  t.like(await wallet.balance(member), { balance: "100" });
});

test("a closed wallet takes no top-up", async (t) => {
  const member = await wallet.member();
  await wallet.call("admin", "close_account", { account_id: member.account_id });
  t.is(await errorCode(topUp({ member_id: member.id, amount: 100 })), "SB102");
});
