import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet, outcomes, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const buy = (args: Row) => wallet.call("admin", "purchase_with_balance_deduction", args);

test("a purchase debits the wallet and credits the product's revenue", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  const purchase = await wallet.buy(member, product, { quantity: 3 });
  t.like(purchase, {
    member_id: member.id,
    product_id: product.id,
    quantity: 3,
    unit_price: "100",
    amount: "300",
    status: "completed",
    created_by: "admin",
    failure_reason: null,
  });
  const lines = await wallet.root(
    `select account_id, debit, credit from saldo.journal_line where entry_id = $1 order by line_no`,
    [purchase.entry_id],
  );
  t.deepEqual(lines, [
    { account_id: member.account_id, debit: "300", credit: "0" },
    { account_id: product.revenue_account_id, debit: "0", credit: "300" },
  ]);
  t.like(await wallet.balance(member), { balance: "700", held: "0", available: "700" });
});

test("a purchase on hold lowers what is available, and posts nothing", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(400);
  const purchase = await wallet.buy(member, product, { hold_only: true });
  t.like(purchase, { status: "pending", entry_id: null, completed_at: null });
  t.like(await wallet.balance(member), { balance: "1000", held: "400", available: "600" });
  t.is(await errorCode(wallet.buy(member, product, { quantity: 2 })), "SB001");
  t.is(await errorCode(wallet.buy(member, product, { quantity: 2, hold_only: true })), "SB001");
  t.like(await wallet.buy(member, product), { status: "completed" });
});

test("the refusal tells what is available and what is needed", async (t) => {
  const member = await wallet.member(1000);
  await wallet.buy(member, await wallet.product(300), { hold_only: true });
  const product = await wallet.product(800);
  for (const hold_only of [false, true]) {
    const error = await t.throwsAsync<Error & { detail?: string; constraint?: string }>(
      wallet.buy(member, product, { hold_only }),
    );
    t.is(error?.constraint, "insufficient_balance");
    t.regex(error?.detail ?? "", /available 700, needed 800$/);
  }
});

test("the whole balance can be spent, and not a cent more", async (t) => {
  const member = await wallet.member(100);
  t.is(await errorCode(wallet.buy(member, await wallet.product(100.01))), "SB001");
  await wallet.buy(member, await wallet.product(100));
  t.like(await wallet.balance(member), { balance: "0" });
});

test("bad input for a purchase is refused by code and changes nothing", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  const refused = (args: Row) =>
    errorCode(buy({ member_id: member.id, product_id: product.id, amount: 100, ...args }));
  for (const amount of [null, 0, -100, "NaN", "Infinity", "-Infinity"]) {
    t.is(await refused({ amount }), "SB002", String(amount));
  }
  t.is(await refused({ amount: "1e1000" }), "SB004");
  t.is(await refused({ amount: "99.999" }), "SB003");
  for (const quantity of [null, 0, -1, 1001]) {
    t.is(await refused({ quantity }), "SB010", String(quantity));
  }
  t.is(await refused({ occurred_at: "infinity" }), "SB010");
  t.is(await refused({ member_id: 999_999 }), "SB304");
  t.is(await refused({ member_id: null }), "SB304");
  t.is(await refused({ product_id: 999_999 }), "SB301");
  t.is(await refused({ product_id: null }), "SB301");
  t.is(await refused({ amount: 99 }), "SB303");
  t.is(await refused({ amount: 100, quantity: 2 }), "SB303");
  t.is(await refused({ idempotency_key: "a\u0001" }), "SB008");
  t.is(await refused({ idempotency_key: "" }), "SB009");
  t.like(await wallet.balance(member), { balance: "1000", held: "0" });
});

test("a wallet of another currency cannot buy the product, paid or on hold", async (t) => {
  const member = await wallet.call("admin", "create_member", {
    code: "euro",
    name: "Eva",
    currency: "EUR",
  });
  await wallet.call("admin", "top_up", { member_id: member.id, amount: 1000 });
  const product = await wallet.product(100);
  t.is(await errorCode(wallet.buy(member, product)), "SB104");
  t.is(await errorCode(wallet.buy(member, product, { hold_only: true })), "SB104");
});

test("a closed wallet buys nothing", async (t) => {
  const member = await wallet.member();
  const product = await wallet.product(100);
  await wallet.call("admin", "close_account", { account_id: member.account_id });
  t.is(await errorCode(wallet.buy(member, product)), "SB102");
  t.is(await errorCode(wallet.buy(member, product, { hold_only: true })), "SB102");
});

test("when several things are wrong, the first in the documented order is reported", async (t) => {
  const member = await wallet.member(10);
  const product = await wallet.product(100, 0);
  const args = { member_id: member.id, product_id: product.id, amount: 99, idempotency_key: "o" };
  t.is(await errorCode(buy({ ...args, amount: -1, member_id: 0 })), "SB002");
  t.is(await errorCode(buy({ ...args, product_id: 0, member_id: 0 })), "SB304");
  t.is(await errorCode(buy({ ...args, product_id: 0 })), "SB301");
  t.is(await errorCode(buy(args)), "SB303");
  t.is(await errorCode(buy({ ...args, amount: 100 })), "SB302");
  await wallet.rows("admin", "add_stock_items", { product_id: product.id, codes: ["1"] });
  t.is(await errorCode(buy({ ...args, amount: 100 })), "SB001");
});

test("a retry returns the first purchase, whatever has come since", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  const extra = { idempotency_key: "order-1", occurred_at: "2025-11-16T05:44:21Z" };
  const first = await wallet.buy(member, product, extra);
  await wallet.call("admin", "set_product_price", { product_id: product.id, price: 120 });
  await wallet.call("admin", "set_product_active", { product_id: product.id, is_active: false });
  const again = await wallet.buy(member, product, {
    ...extra,
    occurred_at: "2025-11-16T12:44:21+07:00",
  });
  t.deepEqual(again, first);
  t.like(await wallet.balance(member), { balance: "900" });
});

test("the same key with other content is refused", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  const key = { idempotency_key: "order-2" };
  await wallet.buy(member, product, key);
  t.is(await errorCode(wallet.buy(member, product, { ...key, quantity: 2 })), "SB005");
  t.is(await errorCode(wallet.buy(member, product, { ...key, hold_only: true })), "SB005");
  t.is(await errorCode(wallet.buy(member, await wallet.product(100), key)), "SB005");
  t.like(await wallet.balance(member), { balance: "900" });
});

test("a refused purchase leaves its key free", async (t) => {
  const member = await wallet.member(50);
  const product = await wallet.product(100);
  const key = { idempotency_key: "order-3" };
  t.is(await errorCode(wallet.buy(member, product, key)), "SB001");
  await wallet.call("admin", "top_up", { member_id: member.id, amount: 50 });
  t.like(await wallet.buy(member, product, key), { status: "completed" });
});

test("members do not meet on each other's keys", async (t) => {
  const product = await wallet.product(100);
  for (const member of [await wallet.member(1000), await wallet.member(1000)]) {
    t.like(await wallet.buy(member, product, { idempotency_key: "order-4" }), {
      member_id: member.id,
    });
  }
});

test("twenty retries at once make one purchase", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100, 5);
  const retry = () => wallet.buy(member, product, { idempotency_key: "order-5" });
  const purchases = await Promise.all(Array.from({ length: 20 }, retry));
  t.is(new Set(purchases.map((purchase) => purchase.id)).size, 1);
  t.like(await wallet.balance(member), { balance: "900" });
});

test("of two contents under one key at once, one wins and the other is told", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  const result = await outcomes(
    [1, 2].map((quantity) => wallet.buy(member, product, { quantity, idempotency_key: "order-6" })),
  );
  t.deepEqual(result, { none: 1, SB005: 1 });
});

test("a member buys for the own wallet only", async (t) => {
  const [own, other] = [await wallet.member(1000), await wallet.member(1000)];
  const product = await wallet.product(100);
  const args = { product_id: product.id, amount: 100 };
  const actor = { memberId: own.id };
  const asMember = (extra: Row) =>
    wallet.call(actor, "purchase_with_balance_deduction", { ...args, ...extra });
  t.like(await asMember({ member_id: own.id }), {
    status: "completed",
    created_by: `member ${own.id}`,
  });
  t.is(await errorCode(asMember({ member_id: other.id })), "SB007");
  t.is(await errorCode(asMember({ member_id: 999_999 })), "SB007");
  t.is(await errorCode(asMember({ member_id: own.id, occurred_at: "2025-11-16" })), "SB006");
  t.like(await wallet.balance(other), { balance: "1000" });
  for (const who of ["operator", "anonymous"] as const) {
    const call = wallet.call(who, "purchase_with_balance_deduction", {
      ...args,
      member_id: own.id,
    });
    t.is(await errorCode(call), "42501");
  }
});

test("a purchase is durable even when the login has switched that off", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  for (const hold_only of [false, true]) {
    const client = await wallet.pool.connect();
    await client.query("begin");
    await client.query("set local synchronous_commit = off");
    await client.query(
      "select from saldo.purchase_with_balance_deduction($1, $2, 100, hold_only => $3)",
      [member.id, product.id, hold_only],
    );
    const { rows } = await client.query("show synchronous_commit");
    t.is(rows[0].synchronous_commit, "on");
    await client.query("rollback");
    client.release();
  }
});
