import test from "ava";
import { asAdmin, errorCode } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";
import { openMetering, outcomes, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());
test.afterEach.always(() => metering.closeThrough(null));

const { call } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });
const tamper = (sql: string) => forced(metering.pool, (client) => client.query(sql));

/** A customer with a price, a factor, a deposit and two readings. */
async function billed(): Promise<Site> {
  const site = await metering.site({ kind: "volume" });
  await call(
    "add_correction_factor",
    own(site, { formula: "fixed", factor: 2, effective_from: "2026-01-01" }),
  );
  await call("add_tariff_version", own(site, { price: 10, effective_from: "2026-01-01" }));
  await call("add_deposit", own(site, { amount: 500, occurred_at: "2026-01-10T12:00:00+07" }));
  await metering.read(site, "2026-01-20", 3);
  await metering.read(site, "2026-02-20", 4);
  return site;
}

/** Stored totals of the customer, month by month. */
const stored = (site: Site) =>
  metering.root(
    `select to_char(month, 'YYYY-MM') as month, trim_scale(deposits) as deposits,
      trim_scale(purchases) as purchases, trim_scale(deposit_adjustments) as deposit_adjustments,
      trim_scale(purchase_adjustments) as purchase_adjustments, trim_scale(others) as others,
      trim_scale(volume_sm3) as volume_sm3, trim_scale(volume_adjustments) as volume_adjustments
    from saldo.customer_month_total where account_id = $1 order by month`,
    [site.customer.account_id],
  );
const figures = (month: string, others: Row) => ({
  month,
  deposits: "0",
  purchases: "0",
  deposit_adjustments: "0",
  purchase_adjustments: "0",
  others: "0",
  volume_sm3: "0",
  volume_adjustments: "0",
  ...others,
});

const compare = async (site: Site | null) => {
  const [row] = await metering.query(
    "operator",
    `select month_count::integer, difference_count::integer, to_jsonb(differences) as differences
    from saldo.compare_monthly_balances($1)`,
    [site?.customer.id ?? null],
  );
  return row as { month_count: number; difference_count: number; differences: Row[] };
};
const plan = (name: string, site: Site | null, args: Row = {}) =>
  metering.rows("admin", name, { customer_id: site?.customer.id ?? null, ...args });
const actions = (rows: Row[]) => rows.map(({ action }) => action);

test.serial("totals are exact after every kind of change", async (t) => {
  const site = await billed();
  const january = figures("2026-01", { deposits: "500", purchases: "60", volume_sm3: "6" });
  const february = figures("2026-02", { purchases: "80", volume_sm3: "8" });
  t.deepEqual(await stored(site), [january, february]);

  await metering.closeThrough("2026-01-31");
  await call("add_tariff_version", own(site, { price: 11, effective_from: "2026-01-15" }));
  Object.assign(february, { purchases: "88", purchase_adjustments: "6" });
  t.deepEqual(await stored(site), [january, february]);

  const late = await metering.read(site, "2026-01-25", 1);
  Object.assign(february, { purchase_adjustments: "28", volume_adjustments: "2" });
  t.deepEqual(await stored(site), [january, february]);
  await call("remove_reading", { reading_id: late.id });
  Object.assign(february, { purchase_adjustments: "6", volume_adjustments: "0" });
  t.deepEqual(await stored(site), [january, february]);

  const [deposit] = await metering.root("select id from saldo.deposit where account_id = $1", [
    site.customer.account_id,
  ]);
  await call("change_deposit", { deposit_id: deposit?.id, amount: 450 });
  Object.assign(february, { deposit_adjustments: "-50" });
  t.deepEqual(await stored(site), [january, february]);

  const [cash] = await metering.root("select id from saldo.account where code = 'cash:IDR'");
  await call("transfer", {
    debit_account_id: cash?.id,
    credit_account_id: site.customer.account_id,
    amount: 7,
    occurred_at: "2026-03-05T12:00:00+07",
  });
  const march = figures("2026-03", { others: "7" });
  t.deepEqual(await stored(site), [january, february, march]);
  t.deepEqual(await compare(site), { month_count: 3, difference_count: 0, differences: [] });
});

test.serial("a year tells the stored figures, as the lines compute them", async (t) => {
  const site = await billed();
  await metering.closeThrough("2026-01-31");
  await call("add_tariff_version", own(site, { price: 11, effective_from: "2026-01-15" }));
  const year = (basis: string) =>
    metering.query(
      "operator",
      `select to_char(y.month, 'YYYY-MM') as month, trim_scale(closing_balance) as closing,
        trim_scale(y.deposits) as deposits, trim_scale(y.purchases) as purchases,
        trim_scale(y.volume_sm3) as volume_sm3,
        y.last_calculated_at is not null as is_calculated
      from saldo.customer_year($1, 2026, $2) as y`,
      [site.customer.id, basis],
    );
  const reported = await year("reported");
  t.is(reported.length, 12);
  t.like(reported[0], { month: "2026-01", deposits: "500", purchases: "60", closing: "440" });
  t.is(reported[0]?.is_calculated, true);
  t.is(reported[5]?.is_calculated, false);
  t.is(reported[11]?.closing, await metering.balance(site));
  const restated = await year("restated");
  t.like(restated[0], { purchases: "66", closing: "434", volume_sm3: "6" });
  t.is(restated[11]?.closing, reported[11]?.closing);

  const different = await metering.root(
    `select m.month
    from saldo.customer_year($1, 2026) as m
    left join (
      select month, sum(change) as change,
        sum(change) filter (where kind = 'purchase' and origin_month is null) as purchases,
        sum(change) filter (where kind = 'deposit' and origin_month is null) as deposits
      from saldo_private.customer_movement($2, 'reported') group by month
    ) as j on j.month = m.month
    where m.closing_balance - m.opening_balance <> coalesce(j.change, 0)
      or m.purchases <> -coalesce(j.purchases, 0) or m.deposits <> coalesce(j.deposits, 0)`,
    [site.customer.id, site.customer.account_id],
  );
  t.deepEqual(different, []);
  for (const [id, of] of [
    [site.customer.id, 1],
    [site.customer.id, null],
  ]) {
    t.is(
      await errorCode(metering.rows("operator", "customer_year", { customer_id: id, year: of })),
      "SB010",
    );
  }
});

test.serial("wiped totals are initialized, by a plan that is looked at first", async (t) => {
  const site = await billed();
  const before = await stored(site);
  await tamper(
    `delete from saldo.customer_month_total where account_id = ${site.customer.account_id}`,
  );
  t.is((await compare(site)).difference_count, 2);
  const rows = await plan("initialize_monthly_balances", site);
  t.deepEqual(actions(rows), ["missing", "missing"]);
  t.is(rows[0]?.stored, null);
  t.deepEqual(await stored(site), [], "a dry run changes nothing");
  t.deepEqual(await plan("initialize_monthly_balances", site), rows, "and can be repeated");

  const apply = (plan_hash: unknown) =>
    plan("initialize_monthly_balances", site, { dry_run: false, plan_hash });
  t.is(await errorCode(apply("0".repeat(64))), "SB417");
  t.deepEqual(await apply(rows[0]?.plan_hash), rows);
  t.deepEqual(await stored(site), before);
  t.is(await errorCode(apply(rows[0]?.plan_hash)), "SB417", "it is done");
  t.deepEqual(await plan("initialize_monthly_balances", site, { dry_run: false }), []);
  t.deepEqual(await metering.findings(), []);
});

test.serial("a plan is the same one however a session writes dates", async (t) => {
  const site = await billed();
  await tamper(
    `delete from saldo.customer_month_total where account_id = ${site.customer.account_id}`,
  );
  const [row] = await plan("initialize_monthly_balances", site);
  const rows = await asAdmin(metering.pool, async (client) => {
    await client.query("set local datestyle = 'German'");
    const text = `select action::text from saldo.initialize_monthly_balances($1, false, $2)`;
    return (await client.query<Row>(text, [site.customer.id, row?.plan_hash])).rows;
  });
  t.deepEqual(actions(rows), ["missing", "missing"]);
  t.deepEqual(await metering.findings(), []);
});

test.serial("a plan whose lines have moved is refused, and nothing is written", async (t) => {
  const site = await billed();
  await tamper(
    `update saldo.customer_month_total set deposits = deposits + 1
    where account_id = ${site.customer.account_id} and month = '2026-01-01'`,
  );
  const [row] = await plan("sync_monthly_balances", site);
  t.like(row, { action: "differs" });
  t.like(row?.stored, { deposits: 501 });
  t.like(row?.derived, { deposits: 500 });
  const deposit = (amount: number) =>
    call("add_deposit", own(site, { amount, occurred_at: "2026-01-11T12:00:00+07" }));
  const first = await deposit(5);
  await call("remove_deposit", { deposit_id: first.id, reason: "The sums are what they were" });
  const before = await stored(site);
  const apply = (plan_hash: unknown) =>
    plan("sync_monthly_balances", site, { dry_run: false, plan_hash });
  t.is(await errorCode(apply(row?.plan_hash)), "SB417");
  t.deepEqual(await stored(site), before);
  const [fresh] = await plan("sync_monthly_balances", site);
  t.deepEqual(actions(await apply(fresh?.plan_hash)), ["differs"]);
  t.deepEqual(await metering.findings(), []);
});

test.serial("sync puts right what was tampered with, initialize leaves it", async (t) => {
  const site = await billed();
  const other = await billed();
  const before = await stored(site);
  const of = `account_id = ${site.customer.account_id}`;
  await tamper(
    `update saldo.customer_month_total set volume_sm3 = 99 where ${of} and month = '2026-01-01';
    delete from saldo.customer_month_total where ${of} and month = '2026-02-01';
    insert into saldo.customer_month_total (account_id, month, others)
      values (${site.customer.account_id}, '2020-01-01', 3)`,
  );
  t.deepEqual(actions((await compare(null)).differences), ["surplus", "differs", "missing"]);
  t.deepEqual(actions(await plan("initialize_monthly_balances", null)), ["missing"]);
  t.deepEqual(await plan("sync_monthly_balances", other), []);
  const applied = await plan("sync_monthly_balances", null, { dry_run: false });
  t.deepEqual(actions(applied), ["surplus", "differs", "missing"]);
  t.deepEqual(await stored(site), before);
  t.deepEqual(await metering.findings(), []);
});

test.serial("force writes what agrees as well, and says when", async (t) => {
  const site = await billed();
  const before = await stored(site);
  const written = async () =>
    metering.root(
      `select last_calculated_at > now() - interval '1 hour' as is_new
      from saldo.customer_month_total where account_id = $1`,
      [site.customer.account_id],
    );
  await tamper(
    `update saldo.customer_month_total set last_calculated_at = '2026-01-01'
    where account_id = ${site.customer.account_id}`,
  );
  t.deepEqual(await plan("sync_monthly_balances", site, { dry_run: false }), []);
  t.deepEqual(await written(), [{ is_new: false }, { is_new: false }]);
  const rows = await plan("sync_monthly_balances", site, { force: true, dry_run: false });
  t.deepEqual(actions(rows), ["same", "same"]);
  t.deepEqual(await written(), [{ is_new: true }, { is_new: true }]);
  t.deepEqual(await stored(site), before);
});

test.serial("who is not known, and who may not", async (t) => {
  for (const name of [
    "initialize_monthly_balances",
    "sync_monthly_balances",
    "compare_monthly_balances",
  ]) {
    t.is(await errorCode(metering.rows("admin", name, { customer_id: 0 })), "SB401", name);
  }
  t.is(await errorCode(metering.rows("operator", "sync_monthly_balances", {})), "42501");
  t.is(
    await errorCode(metering.pool.query("delete from saldo.customer_month_total")),
    "SB601",
    "totals are guarded",
  );
});

test.serial("the status counts what is there and what waits", async (t) => {
  const [before] = await metering.rows("operator", "metering_status", {});
  const site = await billed();
  const waiting = await metering.site({ kind: "volume" });
  const reading = await metering.read(waiting, "2026-01-20", 3);
  await call(
    "add_tariff_version",
    own(site, { price: 12, effective_from: "2026-02-01", effective_to: "2026-02-05" }),
  );
  const [after] = await metering.rows("operator", "metering_status", {});
  const grown = (name: string) => Number(after?.[name]) - Number(before?.[name]);
  t.is(grown("customer_count"), 2);
  t.is(grown("meter_count"), 2);
  t.is(grown("reading_count"), 3);
  t.is(grown("unrated_count"), 1);
  t.is(grown("provisional_count"), 0);
  t.is(grown("month_count"), 2);
  // It waits no longer than this test.
  await call("remove_reading", { reading_id: reading.id });
});

test.serial("sync beside readings and deposits: no deadlock, and exact at the end", async (t) => {
  const sites = [await billed(), await billed(), await billed()];
  const day = (index: number) => `2026-0${1 + (index % 3)}-0${1 + (index % 9)}`;
  const work = Array.from({ length: 60 }, (_, index) => {
    const site = sites[index % 3] as Site;
    if (index % 5 === 0) {
      const all = index % 10 === 0 ? null : site;
      return plan("sync_monthly_balances", all, { force: true, dry_run: false });
    }
    if (index % 5 === 1) {
      return call("add_deposit", own(site, { amount: 5, occurred_at: `${day(index)}T12:00+07` }));
    }
    return metering.read(site, `${day(index)}T0${index % 10}:${10 + (index % 50)}:00+07`, 1);
  });
  const counts = await outcomes(work);
  t.deepEqual(Object.keys(counts), ["none"]);
  t.is((await compare(null)).difference_count, 0);
  t.deepEqual(await metering.findings(), []);
});

test.serial("a rating that is reversed by hand keeps its kind", async (t) => {
  const site = await billed();
  const [entry] = await metering.root(
    `select entry_id from saldo.rated_line where account_id = $1 and month = '2026-02-01'`,
    [site.customer.account_id],
  );
  await call("reverse_entry", { entry_id: entry?.entry_id, reason: "By hand" });
  t.like((await stored(site)).at(-1), { others: "0", purchase_adjustments: "-80" });
  t.is((await compare(site)).difference_count, 0);
  t.deepEqual(
    (await metering.findings()).map(({ rule }) => rule),
    ["rule_rating_entry"],
  );
});
