import test from "ava";
import { errorCode } from "../_support/database.ts";
import { outcomes } from "../wallet/_wallet.ts";
import { type AccountPlan, holdsOf, many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const { place, capture, cancel, expire, stored, figures } = holdsOf(hot);

const kinds: [string, AccountPlan][] = [
  ["an immediate account", {}],
  ["a hot account", { slots: 4 }],
  ["an immediate asset", { type: "asset" }],
  ["a hot asset", { type: "asset", slots: 4 }],
  ["a hot account that waits for settlement", { slots: 4, isPendingAvailable: false }],
];

for (const [name, kind] of kinds) {
  const open = () => hot.account({ funds: 100, ...kind });

  test.serial(`on ${name} a hold lowers what is available, not the balance`, async (t) => {
    const account = await open();
    const hold = await place(account, "60.50", { description: "Table 4", metadata: { table: 4 } });
    t.like(hold, {
      status: "HELD",
      amount: "60.5",
      open_amount: "60.5",
      captured_amount: "0",
      description: "Table 4",
      metadata: { table: 4 },
      source: "place_hold",
      created_by: "admin",
      closed_at: null,
    });
    t.deepEqual(await figures(account), [100, 60.5, 39.5]);
    t.is(await errorCode(place(account, "39.51")), "SB001");
    t.is(await errorCode(place(account, "39.50")), "none");
    t.deepEqual(await figures(account), [100, 100, 0]);
  });

  test.serial(
    `on ${name} a capture takes all of a hold, or a part and releases the rest`,
    async (t) => {
      const account = await open();
      const [whole, part] = [await place(account, 30), await place(account, 40)];
      t.like(await capture(whole), { status: "CAPTURED", open_amount: "0", captured_amount: "30" });
      t.deepEqual(await figures(account), [70, 40, 30]);
      t.like(await capture(part, { amount: 10 }), {
        status: "CAPTURED",
        amount: "40",
        open_amount: "0",
        captured_amount: "10",
      });
      t.deepEqual(await figures(account), [60, 0, 60]);
      t.is(await hot.posted(account), "60");
      t.is(await errorCode(place(account, 60)), "none");
    },
  );

  test.serial(`on ${name} the rest of a hold stays for another capture when asked`, async (t) => {
    const account = await open();
    const hold = await place(account, 50);
    const kept = { keep_rest: true };
    t.like(await capture(hold, { amount: 20, ...kept }), {
      status: "HELD",
      open_amount: "30",
      captured_amount: "20",
      closed_at: null,
    });
    t.deepEqual(await figures(account), [80, 30, 50]);
    t.is(await errorCode(capture(hold, { amount: "30.01" })), "SB206");
    await capture(hold, { amount: 5, ...kept });
    t.deepEqual(await figures(account), [75, 25, 50]);
    // All of the rest: there is nothing left to keep.
    t.like(await capture(hold, kept), { status: "CAPTURED", captured_amount: "50" });
    t.deepEqual(await figures(account), [50, 0, 50]);
  });

  test.serial(`on ${name} what a voided hold still holds is available again`, async (t) => {
    const account = await open();
    const hold = await place(account, 50);
    await capture(hold, { amount: 20, keep_rest: true });
    t.like(await cancel(hold, { reason: "Left" }), {
      status: "VOIDED",
      open_amount: "0",
      captured_amount: "20",
      close_reason: "Left",
    });
    t.deepEqual(await figures(account), [80, 0, 80]);
    t.is(await errorCode(place(account, 80)), "none");
  });

  test.serial(`on ${name} holds expire when their time has come, and not before`, async (t) => {
    const account = await open();
    const late = await place(account, 10, { expires_in: "1 microsecond" });
    const early = await place(account, 20, { expires_in: "1 hour" });
    const expired = await expire();
    t.deepEqual(
      expired.map(({ id }) => id),
      [late.id],
    );
    t.like(expired[0], { status: "EXPIRED", open_amount: "0", close_reason: "Expired" });
    t.like(await stored(early), { status: "HELD", open_amount: "20" });
    t.deepEqual(await expire(), []);
    t.deepEqual(await figures(account), [100, 20, 80]);
  });

  test.serial(`on ${name} a hold that has ended can be neither captured nor voided`, async (t) => {
    const account = await open();
    const captured = await place(account, 1);
    const voided = await place(account, 1);
    const expired = await place(account, 1, { expires_in: "1 microsecond" });
    await capture(captured);
    await cancel(voided);
    await expire();
    for (const hold of [captured, voided, expired]) {
      t.is(await errorCode(capture(hold)), "SB205");
      t.is(await errorCode(capture(hold, { amount: 5 })), "SB205");
      t.is(await errorCode(cancel(hold)), "SB205");
    }
    t.deepEqual(await figures(account), [99, 0, 99]);
  });

  test.serial(`on ${name} forty captures and voids of one hold at once are one`, async (t) => {
    const account = await open();
    const hold = await place(account, 60);
    const result = await outcomes(
      many(40, (index) => (index % 2 === 0 ? capture(hold, { amount: 30 }) : cancel(hold))),
    );
    t.deepEqual(result, { none: 1, SB205: 39 });
    const { captured_amount } = await stored(hold);
    t.deepEqual(await figures(account), [
      100 - Number(captured_amount),
      0,
      100 - Number(captured_amount),
    ]);
  });

  test.serial(`on ${name} holds and transactions at once take no more than there is`, async (t) => {
    const account = await open();
    const counter = await hot.account({ minBalance: null });
    const isAsset = kind.type === "asset";
    const take = (index: number) => {
      if (index % 2 === 0) return place(account, 3);
      if (kind.slots !== undefined) return hot.submit(account, 3, isAsset ? "credit" : "debit");
      return hot.call("admin", "transfer", {
        debit_account_id: isAsset ? counter : account,
        credit_account_id: isAsset ? account : counter,
        amount: 3,
      });
    };
    t.deepEqual(await outcomes(many(50, take)), { none: 33, SB001: 17 });
    t.is(Number((await hot.balances(account)).available_balance), 1);
  });
}

test.serial("captures of part after part at once never exceed the hold", async (t) => {
  const account = await hot.account({ funds: 100, slots: 4 });
  const hold = await place(account, 10);
  const result = await outcomes(many(30, () => capture(hold, { amount: 3, keep_rest: true })));
  t.deepEqual(result, { none: 3, SB206: 27 });
  t.deepEqual(await figures(account), [91, 1, 90]);
});

test.serial("what is captured goes to the hold's counter account", async (t) => {
  for (const slots of [undefined, 2]) {
    const counter = await hot.account({ type: "revenue", minBalance: null });
    const account = await hot.account({ funds: 100, ...(slots && { slots }) });
    const hold = await place(account, 40, { counter_account_id: counter });
    await capture(hold, { amount: 15 });
    await hot.settle();
    t.is(await hot.posted(counter), "15");
  }
});

test.serial("a hold outlives that its account becomes hot or immediate", async (t) => {
  const account = await hot.account({ funds: 100 });
  const [first, second] = [await place(account, 40), await place(account, 30)];
  await hot.call("admin", "make_account_hot", { account_id: account, slots: 4 });
  t.deepEqual(await figures(account), [100, 70, 30]);
  await capture(first, { amount: 10, keep_rest: true });
  await hot.call("admin", "make_account_immediate", { account_id: account });
  t.deepEqual(await figures(account), [90, 60, 30]);
  await capture(first);
  await cancel(second);
  t.deepEqual(await figures(account), [60, 0, 60]);
});

test.serial("a hold whose counter account was closed cannot be captured at once", async (t) => {
  const counter = await hot.account({ minBalance: null });
  const account = await hot.account({ funds: 100 });
  const hold = await place(account, 10, { counter_account_id: counter });
  await hot.call("admin", "close_account", { account_id: counter });
  t.is(await errorCode(capture(hold)), "SB102");
  await cancel(hold);
  t.deepEqual(await figures(account), [100, 0, 100]);
});
