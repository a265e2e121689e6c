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

test("a purchase is paid back in parts, up to its amount, and then it is refunded", async (t) => {
  const { member, purchase } = await paid();
  t.like(await refund(purchase, { amount: 50 }), {
    status: "partially_refunded",
    entry_id: purchase.entry_id,
    refund_entry_id: null,
    refund_reason: null,
  });
  t.is(await errorCode(refund(purchase, { amount: 150.01 })), "SB307");
  t.like(await refund(purchase, { amount: 100.5 }), { status: "partially_refunded" });
  t.like(await wallet.balance(member), { balance: "950.5" });
  t.deepEqual(await wallet.findings(), []);
  const last = await refund(purchase, { reason: "The rest" });
  t.like(last, { status: "refunded", refund_reason: "The rest" });
  t.like(await wallet.balance(member), { balance: "1000" });
  t.is(await errorCode(refund(purchase, { amount: 1 })), "SB305");
  const parts = await wallet.rows({ memberId: member.id }, "wallet_history", {
    member_id: member.id,
  });
  t.deepEqual(
    parts.map(({ kind, amount, balance, status }) => [kind, Number(amount), balance, status]),
    [
      ["top_up", 1000, "1000", null],
      ["purchase", -200, "800", "refunded"],
      ["refund", 50, "850", "refunded"],
      ["refund", 100.5, "950.5", "refunded"],
      ["refund", 49.5, "1000", "refunded"],
    ],
  );
  const own = await wallet.query(
    { memberId: member.id },
    "select amount from saldo.purchase_refund order by amount",
  );
  t.deepEqual(
    own.map(({ amount }) => Number(amount)),
    [49.5, 50, 100.5],
  );
  const other = await wallet.member();
  t.deepEqual(await wallet.query({ memberId: other.id }, "select from saldo.purchase_refund"), []);
  t.deepEqual(await wallet.findings(), []);
});

test("the caller says how many items are for sale again", async (t) => {
  const { member, product, purchase } = await paid(2);
  const free = async () =>
    (
      await wallet.root(
        "select code from saldo.stock_item where product_id = $1 and purchase_id is null",
        [product.id],
      )
    ).length;
  await refund(purchase, { amount: 20 });
  t.is(await free(), 0);
  const codes = () =>
    wallet.query({ memberId: member.id }, "select code from saldo.stock_item order by id");
  t.is((await codes()).length, 2);
  t.is(await errorCode(refund(purchase, { amount: 20, restock: 3 })), "SB010");
  t.is(await errorCode(refund(purchase, { amount: 20, restock: -1 })), "SB010");
  await refund(purchase, { amount: 80, restock: 1 });
  t.is(await free(), 1);
  t.is((await codes()).length, 1);
  t.deepEqual(await wallet.findings(), []);
  // The other one is used up, and is not sold again although all is paid back.
  t.like(await refund(purchase, { restock: 0 }), { status: "refunded" });
  t.is(await free(), 1);
  t.deepEqual(await wallet.findings(), []);

  const second = await paid(2);
  await refund(second.purchase, { amount: 1 });
  await refund(second.purchase);
  t.like(await wallet.buy(second.member, second.product, { quantity: 2 }), { status: "completed" });
  const third = await paid(2);
  await refund(third.purchase, { restock: 0 });
  t.is(await errorCode(wallet.buy(third.member, third.product)), "SB302");
  t.is(await errorCode(refund((await paid()).purchase, { amount: 1, restock: 1 })), "SB010");
  t.deepEqual(await wallet.findings(), []);
});

test("the same key pays a part back once, and another content is refused", async (t) => {
  const { member, purchase } = await paid();
  const retry = () => refund(purchase, { amount: 30, idempotency_key: "part-1" });
  const results = await Promise.all(Array.from({ length: 5 }, retry));
  t.true(results.every(({ status }) => status === "partially_refunded"));
  t.like(await wallet.balance(member), { balance: "830" });
  for (const other of [{ amount: 31 }, { amount: 30, restock: 0 }, {}]) {
    t.is(await errorCode(refund(purchase, { ...other, idempotency_key: "part-1" })), "SB005");
  }
  await refund(purchase, { amount: 10, idempotency_key: "part-2" });
  t.like(await wallet.balance(member), { balance: "840" });
});

test("refunds of parts at once never pay back more than the purchase", async (t) => {
  for (const isolation of ["read committed", "repeatable read", "serializable"]) {
    const { member, purchase } = await paid(2);
    const client = () => wallet.pool.connect();
    const part = async () => {
      const connection = await client();
      try {
        await connection.query(`begin isolation level ${isolation}`);
        await connection.query(
          "select saldo.refund_purchase($1, 'part', amount => 60, restock => 0)",
          [purchase.id],
        );
        await connection.query("commit");
      } catch (error) {
        await connection.query("rollback");
        throw error;
      } finally {
        connection.release();
      }
    };
    const result = await outcomes(Array.from({ length: 8 }, part));
    const done = result["none"] ?? 0;
    t.true(done >= 1 && done <= 3, JSON.stringify(result));
    if (isolation === "read committed") t.deepEqual(result, { none: 3, SB307: 5 });
    t.like(await wallet.balance(member), { balance: String(800 + 60 * done) });
    t.deepEqual(await wallet.findings(), []);
  }
});

test("a part and the whole at once pay back the purchase and no more", async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const { member, purchase } = await paid(2);
    const result = await outcomes([
      refund(purchase),
      refund(purchase, { amount: 60 }),
      refund(purchase, { amount: 70, restock: 1 }),
    ]);
    t.is((result["none"] ?? 0) >= 1, true);
    t.is((result["none"] ?? 0) + (result["SB305"] ?? 0) + (result["SB307"] ?? 0), 3);
    t.like(await wallet.balance(member), { balance: "1000" });
  }
  t.deepEqual(await wallet.findings(), []);
});

test("bad amounts of a part are refused by code, and only administrators refund", async (t) => {
  const { member, purchase } = await paid();
  t.is(await errorCode(refund(purchase, { amount: 0 })), "SB002");
  t.is(await errorCode(refund(purchase, { amount: -1 })), "SB002");
  t.is(await errorCode(refund(purchase, { amount: 1e21 })), "SB004");
  t.is(await errorCode(refund(purchase, { amount: "0.00001" })), "SB003");
  const args = { purchase_id: purchase.id, reason: "x", amount: 1 };
  for (const actor of ["operator", "anonymous", { memberId: member.id }] as const) {
    t.is(await errorCode(wallet.call(actor, "refund_purchase", args)), "42501");
  }
  t.like(await wallet.balance(member), { balance: "800" });
});

test("a refund of a part is not reversed behind the purchase's back", async (t) => {
  const { purchase } = await paid();
  await refund(purchase, { amount: 30 });
  const [part] = await wallet.root(
    "select entry_id from saldo.purchase_refund where purchase_id = $1",
    [purchase.id],
  );
  const reverse = { entry_id: part?.entry_id, reason: "Mistake" };
  t.is(await errorCode(wallet.call("admin", "reverse_entry", reverse)), "SB106");
});
