import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet, outcomes, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const absent = "00000000-0000-7000-8000-000000000000";
const step = {
  complete: (purchase: Row, extra: Row = {}) =>
    wallet.call("admin", "complete_purchase", { purchase_id: purchase.id, ...extra }),
  fail: (purchase: Row, reason: unknown = "Not delivered") =>
    wallet.call("admin", "fail_purchase", { purchase_id: purchase.id, reason }),
  refund: (purchase: Row) =>
    wallet.call("admin", "refund_purchase", { purchase_id: purchase.id, reason: "Returned" }),
};
const freeItems = async (product: Row) =>
  (
    await wallet.root(
      "select from saldo.stock_item where product_id = $1 and purchase_id is null",
      [product.id],
    )
  ).length;

async function pending(stock?: number) {
  const member = await wallet.member(1000);
  const product = await wallet.product(100, stock);
  const purchase = await wallet.buy(member, product, { quantity: 2, hold_only: true });
  return { member, product, purchase };
}

test("completing a pending purchase turns the hold into a posting", async (t) => {
  const { member, purchase } = await pending();
  const completed = await step.complete(purchase);
  t.like(completed, { id: purchase.id, status: "completed", amount: "200" });
  t.truthy(completed.entry_id);
  t.like(await wallet.balance(member), { balance: "800", held: "0", available: "800" });
});

test("a completed purchase costs what was held, whatever the price is by now", async (t) => {
  const { member, product, purchase } = await pending();
  await wallet.call("admin", "set_product_price", { product_id: product.id, price: 999 });
  await wallet.call("admin", "set_product_active", { product_id: product.id, is_active: false });
  await step.complete(purchase);
  t.like(await wallet.balance(member), { balance: "800" });
});

test("a hold can be completed although all the rest has been spent", async (t) => {
  const { member, purchase } = await pending();
  await wallet.buy(member, await wallet.product(800));
  t.like(await wallet.balance(member), { balance: "200", held: "200", available: "0" });
  await step.complete(purchase);
  t.like(await wallet.balance(member), { balance: "0", held: "0", available: "0" });
});

test("failing a pending purchase frees hold and stock and keeps the reason", async (t) => {
  const { member, product, purchase } = await pending(3);
  t.is(await freeItems(product), 1);
  const failed = await step.fail(purchase, " Not  delivered ");
  t.like(failed, { status: "failed", failure_reason: "Not  delivered", entry_id: null });
  t.is(await freeItems(product), 3);
  t.like(await wallet.balance(member), { balance: "1000", held: "0", available: "1000" });
});

test("each state allows its own steps and no others", async (t) => {
  const allowed: Record<string, string[]> = {
    pending: ["complete", "fail"],
    completed: ["refund"],
    failed: [],
    refunded: [],
  };
  const reach: Record<string, (purchase: Row) => Promise<unknown>> = {
    pending: async () => {},
    completed: (purchase) => step.complete(purchase),
    failed: (purchase) => step.fail(purchase),
    refunded: async (purchase) => step.refund(await step.complete(purchase)),
  };
  for (const [state, steps] of Object.entries(allowed)) {
    for (const name of ["complete", "fail", "refund"] as const) {
      const { purchase } = await pending(2);
      await reach[state]?.(purchase);
      const expected = steps.includes(name) ? "none" : "SB305";
      t.is(await errorCode(step[name](purchase)), expected, `${name} when ${state}`);
    }
  }
  t.deepEqual(await wallet.findings(), []);
});

test("bad input for a step is refused by code", async (t) => {
  const { purchase } = await pending();
  t.is(await errorCode(step.complete({ id: absent })), "SB306");
  t.is(await errorCode(step.complete({ id: null })), "SB306");
  t.is(await errorCode(step.fail({ id: absent })), "SB306");
  t.is(await errorCode(step.fail(purchase, null)), "SB010");
  t.is(await errorCode(step.fail(purchase, "a\u0001")), "SB008");
  t.is(await errorCode(step.fail(purchase, " ")), "SB009");
  t.is(await errorCode(step.complete(purchase, { occurred_at: "infinity" })), "SB010");
  t.is(await errorCode(step.complete(purchase, { occurred_at: "2001-01-01" })), "SB010");
});

test("of complete and fail at once, one wins and the other is told", async (t) => {
  for (let round = 0; round < 5; round++) {
    const { member, purchase } = await pending(2);
    const result = await outcomes([step.complete(purchase), step.fail(purchase)]);
    t.deepEqual(result, { none: 1, SB305: 1 });
    t.like(await wallet.balance(member), { held: "0" });
  }
});

test("ten completions at once pay once", async (t) => {
  const { member, purchase } = await pending();
  const result = await outcomes(Array.from({ length: 10 }, () => step.complete(purchase)));
  t.deepEqual(result, { none: 1, SB305: 9 });
  t.like(await wallet.balance(member), { balance: "800", held: "0" });
});

test("a wallet with a pending purchase cannot be closed", async (t) => {
  const { member, purchase } = await pending();
  await wallet.buy(member, await wallet.product(800));
  const close = () => wallet.call("admin", "close_account", { account_id: member.account_id });
  t.is(await errorCode(close()), "SB102");
  await step.complete(purchase);
  t.is(await errorCode(close()), "none");
});
