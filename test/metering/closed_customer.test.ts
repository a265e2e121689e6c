import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

/** Pays what is owed, and closes the account. */
async function leave(site: Site) {
  await metering.call("add_deposit", {
    customer_id: site.customer.id,
    amount: -Number(await metering.balance(site)),
    occurred_at: "2025-03-20T12:00:00+07",
  });
  await metering.call("close_account", { account_id: site.customer.account_id });
}

const price = (value: number, from: string, extra = {}) =>
  metering.call("add_tariff_version", { price: value, effective_from: from, ...extra });

async function workOff() {
  for (;;) {
    const job = await metering.call("continue_rerating", { row_limit: 100 });
    if (job.id === null || job.status === "done") return;
  }
}

test("a customer who left keeps the last bill when the price changes for all", async (t) => {
  const [left, stays] = [await metering.site(), await metering.site()];
  await price(5, "2025-01-01");
  await metering.call("add_correction_factor", {
    formula: "fixed",
    factor: 1,
    effective_from: "2025-01-01",
  });
  for (const site of [left, stays]) await metering.read(site, "2025-03-10", 10);
  await leave(left);
  const before = await metering.lines(left);
  for (const [limit, value, from] of [
    ["20000", 6, "2025-03-01"],
    ["0", 7, "2025-03-02"],
  ] as const) {
    await metering.call("set_setting", { name: "rerate_at_once_max", value: limit });
    await price(value, from);
    await workOff();
    t.deepEqual(await metering.lines(left), before);
    t.is(Number((await metering.lines(stays)).at(-1)?.price), value);
    t.deepEqual(await metering.findings(), []);
    const own = { customer_id: left.customer.id };
    t.is(await errorCode(price(9, `${from}`, own)), "SB102");
  }
});
