import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet, outcomes, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const refund = (purchase: Row, extra: Row = {}) =>
  wallet.call("admin", "refund_purchase", {
    purchase_id: purchase.id,
    reason: "Returned",
    ...extra,
  });

async function paid(stock?: number) {
  const member = await wallet.member(1000);
  const product = await wallet.product(100, stock);
  const purchase = await wallet.buy(member, product, { quantity: 2 });
  return { member, product, purchase };
}

test("a refund reverses the purchase's entry and frees its stock", async (t) => {
  const { member, product, purchase } = await paid(2);
  const refunded = await refund(purchase);
  t.like(refunded, { status: "refunded", entry_id: purchase.entry_id, refund_reason: "Returned" });
  const entries = await wallet.root(
    "select id, kind, status, reverses, source from saldo.journal_entry where id in ($1, $2)",
    [refunded.entry_id, refunded.refund_entry_id],
  );
  t.like(
    entries.find((entry) => entry.kind === "normal"),
    { status: "reversed", reverses: null, source: "purchase" },
  );
  t.like(
    entries.find((entry) => entry.kind === "reversal"),
    { status: "posted", reverses: purchase.entry_id, source: "refund" },
  );
  t.like(await wallet.balance(member), { balance: "1000" });
  t.like(await wallet.buy(member, product, { quantity: 2 }), { status: "completed" });
});

test("a purchase is refunded once", async (t) => {
  const { member, purchase } = await paid();
  await refund(purchase);
  t.is(await errorCode(refund(purchase)), "SB305");
  t.is(await errorCode(refund(purchase, { idempotency_key: "late" })), "SB305");
  t.like(await wallet.balance(member), { balance: "1000" });
});

test("ten refunds at once pay back once", async (t) => {
  const { member, purchase } = await paid(2);
  const result = await outcomes(Array.from({ length: 10 }, () => refund(purchase)));
  t.deepEqual(result, { none: 1, SB305: 9 });
  t.like(await wallet.balance(member), { balance: "1000" });
});

test("the same key with the same content returns the refunded purchase", async (t) => {
  const { member, purchase } = await paid();
  const retry = () => refund(purchase, { idempotency_key: "refund-1" });
  const refunds = await Promise.all(Array.from({ length: 5 }, retry));
  t.is(new Set(refunds.map((row) => row.refund_entry_id)).size, 1);
  t.like(await wallet.balance(member), { balance: "1000" });
  t.is(
    await errorCode(refund(purchase, { idempotency_key: "refund-1", reason: "Other" })),
    "SB005",
  );
});

test("bad input for a refund is refused by code", async (t) => {
  const { purchase } = await paid();
  t.is(await errorCode(refund({ id: "00000000-0000-7000-8000-000000000000" })), "SB306");
  t.is(await errorCode(refund(purchase, { reason: null })), "SB010");
  t.is(await errorCode(refund(purchase, { reason: "\u0001" })), "SB008");
  t.is(await errorCode(refund(purchase, { reason: "" })), "SB009");
  t.is(await errorCode(refund(purchase, { reason: "x".repeat(481) })), "SB009");
  t.is(await errorCode(refund(purchase, { occurred_at: "-infinity" })), "SB010");
  t.is(await errorCode(refund(purchase, { occurred_at: "2001-01-01" })), "SB010");
});

test("a refund to a closed wallet is refused", async (t) => {
  const member = await wallet.member(100);
  const purchase = await wallet.buy(member, await wallet.product(100));
  await wallet.call("admin", "close_account", { account_id: member.account_id });
  t.is(await errorCode(refund(purchase)), "SB102");
});

test("the payment of a purchase cannot be reversed behind its back", async (t) => {
  const { member, purchase } = await paid();
  const reverse = (entry_id: unknown) =>
    wallet.call("admin", "reverse_entry", { entry_id, reason: "Mistake" });
  t.is(await errorCode(reverse(purchase.entry_id)), "SB106");
  t.like(await refund(purchase), { status: "refunded" });
  t.is(await errorCode(reverse(purchase.entry_id)), "SB106");
  const [topUp] = await wallet.root(
    `select e.id from saldo.journal_entry as e join saldo.journal_line as l on l.entry_id = e.id
    where l.account_id = $1 and e.source = 'top_up'`,
    [member.account_id],
  );
  t.is(await errorCode(reverse(topUp?.id)), "none");
  t.deepEqual(await wallet.findings(), []);
});
