import test from "ava";
import { errorCode } from "../_support/database.ts";
import type { Row } from "../wallet/_wallet.ts";
import { holdsOf, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const { place, capture, cancel, expire, figures } = holdsOf(hot);

test.serial("the same key places one hold, and captures once", async (t) => {
  for (const slots of [undefined, 2]) {
    const account = await hot.account({ funds: 100, ...(slots && { slots }) });
    const key = { idempotency_key: "k" };
    const hold = await place(account, 50, key);
    t.is((await place(account, "50.00", key)).id, hold.id);
    t.is(await errorCode(place(account, 51, key)), "SB005");
    t.is(await errorCode(place(account, 50, { ...key, expires_in: "1 day" })), "SB005");
    if (slots) t.is(await errorCode(hot.submit(account, 50, "debit", key)), "SB005");

    const part = { amount: 20, keep_rest: true };
    await capture(hold, { ...part, ...key });
    t.like(await capture(hold, { ...part, ...key }), { status: "HELD", captured_amount: "20" });
    t.is(await errorCode(capture(hold, { amount: 21, keep_rest: true, ...key })), "SB005");
    t.like(await capture(hold, { ...part, idempotency_key: "l" }), { captured_amount: "40" });
    await cancel(hold);
    // As it is now, not an error: the capture did happen.
    t.like(await capture(hold, { ...part, ...key }), { status: "VOIDED", captured_amount: "40" });
    t.deepEqual(await figures(account), [60, 0, 60]);
  }
});

test.serial("bad holds are refused by code, and nothing is held", async (t) => {
  const closed = await hot.account();
  await hot.call("admin", "close_account", { account_id: closed });
  for (const slots of [undefined, 2]) {
    const account = await hot.account({ funds: 100, ...(slots && { slots }) });
    const limited = await hot.account();
    const dollars = await hot.account({ currency: "USD", minBalance: null });
    const cases: [string, unknown, Row][] = [
      ["SB002", null, {}],
      ["SB002", 0, {}],
      ["SB002", -1, {}],
      ["SB002", "NaN", {}],
      ["SB002", "Infinity", {}],
      ["SB004", "1e15", {}],
      ["SB003", "1.001", {}],
      ["SB003", "250.000", {}],
      ["SB008", 1, { description: "a\u0007" }],
      ["SB009", 1, { description: "" }],
      ["SB009", 1, { metadata: { text: "x".repeat(8000) } }],
      ["SB010", 1, { expires_in: "0 seconds" }],
      ["SB010", 1, { expires_in: "-1 day" }],
      ["SB010", 1, { expires_in: "11 years" }],
      ["SB009", 1, { idempotency_key: "" }],
      ["SB101", 1, { account_id: "999999" }],
      ["SB101", 1, { account_id: null }],
      ["SB101", 1, { counter_account_id: "999999" }],
      ["SB104", 1, { counter_account_id: dollars }],
      ["SB203", 1, { counter_account_id: limited }],
      ["SB203", 1, { counter_account_id: closed }],
      ["SB203", 1, { counter_account_id: account }],
      ["SB102", 1, { account_id: closed }],
      ["SB001", "100.01", {}],
    ];
    for (const [code, amount, extra] of cases) {
      t.is(await errorCode(place(account, amount, extra)), code, JSON.stringify([amount, extra]));
    }
    t.deepEqual(await figures(account), [100, 0, 100]);
  }
});

test.serial(
  "bad captures, voids and expiries are refused by code, and nothing moves",
  async (t) => {
    const unknown = { id: "00000000-0000-7000-8000-000000000000" };
    for (const slots of [undefined, 2]) {
      const account = await hot.account({ funds: 100, ...(slots && { slots }) });
      const hold = await place(account, 10);
      for (const [code, amount] of [
        ["SB002", 0],
        ["SB002", "NaN"],
        ["SB002", "Infinity"],
        ["SB003", "0.001"],
        ["SB206", "10.01"],
      ] as [string, unknown][]) {
        t.is(await errorCode(capture(hold, { amount })), code, String(amount));
      }
      t.is(await errorCode(cancel(hold, { reason: "" })), "SB009");
      t.is(await errorCode(cancel(hold, { reason: "a\u0001b" })), "SB008");
      t.deepEqual(await figures(account), [100, 10, 90]);
    }
    t.is(await errorCode(capture(unknown)), "SB204");
    t.is(await errorCode(capture({ id: null })), "SB204");
    t.is(await errorCode(cancel(unknown)), "SB204");
    for (const row_limit of [0, -1, null, 100_001]) {
      t.is(await errorCode(expire({ row_limit })), "SB010");
    }
  },
);
