import test from "ava";
import { errorCode } from "../_support/database.ts";
import { outcomes } from "../wallet/_wallet.ts";
import { many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());

test.serial("a debit is answered at once with a pending row, and its funds are gone", async (t) => {
  const account = await hot.account({ funds: 1000, slots: 4 });
  const row = await hot.submit(account, "400.50", "debit", { metadata: { order: 7 } });
  t.like(row, {
    account_id: account,
    amount: "400.5",
    direction: "debit",
    created_by: "admin",
    idempotency_key: null,
    hold_id: null,
    metadata: { order: 7 },
  });
  const [status] = await hot.root(
    "select saldo.sub_balance_status(s) as status from saldo.sub_balance as s where id = $1",
    [row.id],
  );
  t.is(status?.status, "PENDING");
  t.like(await hot.balances(account), {
    settled_balance: "1000",
    pending_debit: "400.5",
    available_balance: "599.5",
    pending_count: "1",
  });
  t.is(await hot.posted(account), "1000");
});

test.serial("the clearing account of the currency is the other side by default", async (t) => {
  const rupiah = await hot.account({ slots: 1 });
  const dollar = await hot.account({ slots: 1, currency: "USD" });
  const codes = [];
  for (const account of [rupiah, dollar]) {
    const row = await hot.submit(account, 1, "credit");
    const [counter] = await hot.root("select code, mode from saldo.account where id = $1", [
      row.counter_account_id,
    ]);
    codes.push(counter);
  }
  t.deepEqual(codes, [
    { code: "clearing:IDR", mode: "hot" },
    { code: "clearing:USD", mode: "hot" },
  ]);
});

test.serial("a counter account that is named gets the other side", async (t) => {
  const account = await hot.account({ funds: 10, slots: 2 });
  const counter = await hot.account({ type: "revenue", minBalance: null });
  const row = await hot.submit(account, 4, "debit", { counter_account_id: counter });
  t.is(row.counter_account_id, counter);
  await hot.settle();
  t.is(await hot.posted(account), "6");
  t.is(await hot.posted(counter), "4");
});

test.serial("funds are taken down to min_balance, and not a cent further", async (t) => {
  const account = await hot.account({ funds: 100, minBalance: 30, slots: 3 });
  t.is(await errorCode(hot.submit(account, "70.01", "debit")), "SB001");
  t.is(await errorCode(hot.submit(account, 70, "debit")), "none");
  t.is(await errorCode(hot.submit(account, "0.01", "debit")), "SB001");
  t.like(await hot.balances(account), { available_balance: "30", pending_count: "1" });
});

test.serial("a negative minimum is a credit line", async (t) => {
  const account = await hot.account({ minBalance: -50, slots: 2 });
  t.is(await errorCode(hot.submit(account, 50, "debit")), "none");
  t.is(await errorCode(hot.submit(account, "0.01", "debit")), "SB001");
  t.like(await hot.balances(account), { available_balance: "-50" });
});

test.serial("an account without a minimum is never short of funds", async (t) => {
  const account = await hot.account({ minBalance: null, slots: 2 });
  await hot.submit(account, "999999999999999.99", "debit");
  t.like(await hot.balances(account), { available_balance: "-999999999999999.99" });
});

test.serial("of an asset the credits take, and the debits give", async (t) => {
  const account = await hot.account({ type: "asset", funds: 10, slots: 2 });
  t.is(await errorCode(hot.submit(account, "10.01", "credit")), "SB001");
  await hot.submit(account, 5, "debit");
  t.is(await errorCode(hot.submit(account, 15, "credit")), "none");
  t.like(await hot.balances(account), { available_balance: "0", pending_count: "2" });
});

test.serial(
  "the same key with the same content is one row, whatever became of the account",
  async (t) => {
    const account = await hot.account({ funds: 10, slots: 2 });
    const extra = { idempotency_key: "order-1", metadata: { a: 1 } };
    const first = await hot.submit(account, 10, "debit", extra);
    // The same number written in another way is the same content.
    t.is((await hot.submit(account, "10.00", "debit", extra)).id, first.id);
    await hot.settle();
    t.is((await hot.submit(account, 10, "debit", extra)).id, first.id);
    await hot.call("admin", "make_account_immediate", { account_id: account });
    t.is((await hot.submit(account, 10, "debit", extra)).id, first.id);
    t.is(await hot.posted(account), "0");
  },
);

test.serial("the same key with another content is refused, and keys are per account", async (t) => {
  const [account, other] = [
    await hot.account({ funds: 10, slots: 2 }),
    await hot.account({ funds: 10, slots: 2 }),
  ];
  const counter = await hot.account({ minBalance: null });
  const key = { idempotency_key: "k" };
  await hot.submit(account, 1, "debit", key);
  const others: [unknown, string, object][] = [
    [2, "debit", {}],
    [1, "credit", {}],
    [1, "debit", { metadata: {} }],
    [1, "debit", { counter_account_id: counter }],
  ];
  for (const [amount, direction, extra] of others) {
    t.is(
      await errorCode(hot.submit(account, amount, direction, { ...key, ...extra })),
      "SB005",
      JSON.stringify([amount, direction, extra]),
    );
  }
  t.is(await errorCode(hot.submit(other, 2, "debit", key)), "none");
  t.like(await hot.balances(account), { pending_debit: "1", pending_count: "1" });
});

test.serial("a refused request leaves no trace: its key may be tried again", async (t) => {
  const account = await hot.account({ slots: 2 });
  const key = { idempotency_key: "again" };
  t.is(await errorCode(hot.submit(account, 5, "debit", key)), "SB001");
  await hot.submit(account, 5, "credit");
  t.is(await errorCode(hot.submit(account, 5, "debit", key)), "none");
  t.like(await hot.balances(account), { available_balance: "0", pending_count: "2" });
});

test.serial("forty senders of one key make one row", async (t) => {
  const account = await hot.account({ funds: 100, slots: 8 });
  const ids = await Promise.all(
    many(40, async () => (await hot.submit(account, 7, "debit", { idempotency_key: "one" })).id),
  );
  t.is(new Set(ids).size, 1);
  t.like(await hot.balances(account), { pending_debit: "7", pending_count: "1" });
});

test.serial("rows of a slot are numbered without a gap, also when writers give up", async (t) => {
  const account = await hot.account({ minBalance: null, slots: 3 });
  const write = async (index: number) => {
    const session = await hot.session();
    await session.call("submit_transaction", {
      account_id: account,
      amount: 1,
      direction: "debit",
    });
    await session.end(index % 3 === 0 ? "rollback" : "commit");
  };
  t.deepEqual(await outcomes(many(30, write)), { none: 30 });
  const gaps = await hot.root(
    `select slot_no from saldo.sub_balance where account_id = $1
    group by slot_no having min(seq) <> 1 or max(seq) <> count(*)`,
    [account],
  );
  t.deepEqual(gaps, []);
  t.like(await hot.balances(account), { pending_debit: "20", pending_count: "20" });
});

test.serial("every rule is clean after all of this", async (t) => {
  t.deepEqual(await hot.findings(), []);
});

test.serial("a key that is forgotten is told of before anything that came since", async (t) => {
  const account = await hot.account({ funds: 1000, slots: 4 });
  const keyed = (key: string, amount: number) =>
    hot.submit(account, amount, "debit", { idempotency_key: key });
  const forget = () =>
    hot.root("delete from saldo_private.idempotency_record where scope = $1", [
      `account:${account}`,
    ]);
  await keyed("first", 3);
  await forget();
  const before = await hot.balances(account);
  // By the index of the keys, with the slot that it took given back.
  t.is(await errorCode(keyed("first", 3)), "SB022");
  t.deepEqual(await hot.balances(account), before);
  await keyed("rest", 997);
  await forget();
  t.is(await errorCode(keyed("first", 3)), "SB022", "not SB001: the funds are gone");
  await hot.call("admin", "freeze_account", { account_id: account, reason: "Looked into" });
  t.is(await errorCode(keyed("first", 3)), "SB022", "not SB121: it is frozen");
  t.is(await errorCode(keyed("other", 3)), "SB121");
});
