import test from "ava";
import { openMetering } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

async function workOff() {
  for (;;) {
    const job = await metering.call("continue_rerating", { row_limit: 100 });
    if (job.id === null || job.status === "done") return;
  }
}

test("a frozen customer does not hold up a price for all, and is rated by it when released", async (t) => {
  const [frozen, stays] = [await metering.site(), await metering.site()];
  const from = { effective_from: "2025-01-01" };
  await metering.call("add_tariff_version", { price: 5, ...from });
  await metering.call("add_correction_factor", { formula: "fixed", factor: 1, ...from });
  for (const site of [frozen, stays]) {
    await metering.read(site, "2025-03-10", 10);
    await metering.read(site, "2025-04-10", 10);
  }
  const account = { account_id: frozen.customer.account_id, reason: "looked into" };
  for (const [limit, price] of [
    ["20000", 6],
    ["0", 7],
  ] as const) {
    await metering.call("freeze_account", account);
    const before = await metering.lines(frozen);
    await metering.call("set_setting", { name: "rerate_at_once_max", value: limit });
    await metering.call("add_tariff_version", { price, effective_from: `2025-0${price - 4}-01` });
    await workOff();
    t.deepEqual(await metering.lines(frozen), before);
    t.is(Number((await metering.lines(stays)).at(-1)?.price), price);
    t.deepEqual(await metering.findings(), []);

    await metering.call("unfreeze_account", account);
    await workOff();
    t.is(Number((await metering.lines(frozen)).at(-1)?.price), price);
    t.is(await metering.balance(frozen), await metering.balance(stays));
    t.deepEqual(await metering.findings(), []);
  }
});

test("a month that was locked while a customer was frozen stays as it was billed", async (t) => {
  const own = await openMetering();
  t.teardown(() => own.close());
  const site = await own.site();
  const from = { effective_from: "2025-01-01" };
  await own.call("add_tariff_version", { price: 5, ...from });
  await own.call("add_correction_factor", { formula: "fixed", factor: 1, ...from });
  await own.read(site, "2025-01-10", 10);
  await own.read(site, "2025-02-10", 10);
  const account = { account_id: site.customer.account_id, reason: "looked into" };
  await own.call("freeze_account", account);
  await own.call("add_tariff_version", { price: 6, effective_from: "2025-01-05" });
  await own.call("close_period", { month: "2025-01-01" });
  await own.call("lock_period", { fiscal_year: 2025, number: 1, reason: "audited" });
  await own.call("unfreeze_account", account);
  const prices = (await own.lines(site)).map((line) => Number(line.price));
  t.deepEqual(prices, [5, 6]);
  t.deepEqual(await own.findings(), []);
});
