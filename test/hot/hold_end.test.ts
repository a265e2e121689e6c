import test from "ava";
import { errorCode } from "../_support/database.ts";
import { arranged } from "../_support/faults.ts";
import type { Row } from "../wallet/_wallet.ts";
import { holdsOf, many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const { place, capture, cancel, expire, stored, figures } = holdsOf(hot);

test.serial(
  "expiry takes the oldest first, up to its limit, and leaves a hold in use alone",
  async (t) => {
    const account = await hot.account({ funds: 100, slots: 2 });
    const holds: Row[] = [];
    for (const micros of [3, 1, 2]) {
      holds.push(await place(account, 10, { expires_in: `${micros} microseconds` }));
    }
    const session = await hot.session();
    await session.call("capture_hold", { hold_id: holds[0]?.id, amount: 5 });
    t.deepEqual(
      (await expire({ row_limit: 1 })).map(({ id }) => id),
      [holds[1]?.id],
    );
    t.deepEqual(
      (await expire()).map(({ id }) => id),
      [holds[2]?.id],
    );
    await session.end("commit");
    t.deepEqual(await expire(), []);
    t.deepEqual(await figures(account), [95, 0, 95]);
  },
);

test.serial("workers that expire at once end each hold once", async (t) => {
  const accounts = await Promise.all(many(3, () => hot.account({ funds: 100, slots: 2 })));
  const immediate = await hot.account({ funds: 100 });
  for (const account of [...accounts, immediate]) {
    await Promise.all(many(10, () => place(account, 5, { expires_in: "1 microsecond" })));
  }
  const ended = (await Promise.all(many(6, () => expire({ row_limit: 20 })))).flat();
  t.is(ended.length, new Set(ended.map(({ id }) => id)).size);
  for (let rest = await expire(); rest.length > 0; rest = await expire()) ended.push(...rest);
  t.is(ended.length, 40);
  t.deepEqual(await figures(immediate), [100, 0, 100]);
});

test.serial("a hold that names no time lives as long as the setting says", async (t) => {
  await hot.call("admin", "set_setting", { name: "hold_expires_in", value: "90 minutes" });
  const hold = await place(await hot.account({ funds: 100 }), 1);
  const [row] = await hot.root(
    "select extract(epoch from expires_at - created_at)::integer as life from saldo.hold where id = $1",
    [hold.id],
  );
  // created_at is the clock's, expires_at counts from the transaction's begin.
  t.true(Math.abs(Number(row?.life) - 5400) <= 1);
});

test.serial("a pending purchase is a hold, and ends with it", async (t) => {
  const member = await hot.member(100);
  const product = await hot.product(30, 5);
  const pending = async () => hot.buy(member, product, { hold_only: true });
  const status = async (purchase: Row) =>
    (await hot.root("select status from saldo.purchase where id = $1", [purchase.id]))[0]?.status;

  const completed = await pending();
  const hold = { id: completed.hold_id };
  t.like(await stored(hold), { status: "HELD", source: "purchase", open_amount: "30" });
  t.is(await errorCode(capture(hold)), "SB305");
  t.is(await errorCode(capture(hold, { amount: 1, keep_rest: true })), "SB305");
  await hot.call("admin", "complete_purchase", { purchase_id: completed.id });
  t.like(await stored(hold), { status: "CAPTURED", captured_amount: "30" });

  const voided = await pending();
  await cancel({ id: voided.hold_id });
  t.is(await status(voided), "failed");

  const failed = await pending();
  await hot.call("admin", "fail_purchase", { purchase_id: failed.id, reason: "Late" });
  t.like(await stored({ id: failed.hold_id }), { status: "VOIDED", close_reason: "Late" });

  const overdue = await pending();
  await arranged(hot.pool, "update saldo.hold set expires_at = now() where id = $1", [
    overdue.hold_id,
  ]);
  t.is((await expire()).length, 1);
  t.is(await status(overdue), "failed");
  const free = await hot.root(
    "select from saldo.stock_item where product_id = $1 and purchase_id is null",
    [product.id],
  );
  t.is(free.length, 4);
  t.like(await hot.balance(member), { balance: "70", held: "0", available: "70" });
});
