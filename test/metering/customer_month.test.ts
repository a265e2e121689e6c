import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });

test.afterEach.always(() => metering.closeThrough(null));

/** The worked example up to the close of June. */
async function juneSite() {
  const site = await metering.site({ kind: "volume" });
  await call(
    "add_correction_factor",
    own(site, { formula: "fixed", factor: "1.8543", effective_from: "2026-01-01" }),
  );
  await call("add_tariff_version", own(site, { price: 5000, effective_from: "2026-01-01" }));
  await metering.read(site, "2026-06-20", 1000);
  return site;
}

const month = (name: string, figures: Row) => ({
  month: name,
  opening: "0",
  deposits: "0",
  purchases: "0",
  deposit_adjustments: "0",
  purchase_adjustments: "0",
  others: "0",
  closing: "0",
  volume_sm3: "0",
  ...figures,
});

test.serial("the worked example: a price of June that comes when June is closed", async (t) => {
  const site = await juneSite();
  t.like((await metering.lines(site))[0], { volume_sm3: "1854.300", amount: "9271500" });
  const june = month("2026-06", {
    purchases: "9271500",
    closing: "-9271500",
    volume_sm3: "1854.3",
  });
  t.deepEqual(await metering.months(site, "2026-06", "2026-06"), [june]);

  await metering.closeThrough("2026-06-30");
  await call("add_tariff_version", own(site, { price: 5200, effective_from: "2026-06-01" }));
  t.deepEqual(await metering.months(site, "2026-06", "2026-07"), [
    june,
    month("2026-07", {
      opening: "-9271500",
      purchase_adjustments: "370860",
      closing: "-9642360",
    }),
  ]);
  t.deepEqual(await metering.adjustments(site, "2026-07"), [
    {
      origin_month: "2026-06",
      kind: "purchase",
      description: "adjustment for 2026-06",
      amount: "370860",
      volume_sm3: "0",
    },
  ]);
  t.deepEqual(await metering.adjustments(site, "2026-06"), []);
  t.deepEqual(await metering.months(site, "2026-06", "2026-07", "restated"), [
    { ...june, purchases: "9642360", closing: "-9642360" },
    month("2026-07", { opening: "-9642360", closing: "-9642360" }),
  ]);
  const [entry] = await metering.root(
    `select e.kind, e.description, e.posting_date::text, e.origin_month::text
    from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    where l.account_id = $1 and e.origin_month is not null`,
    [site.customer.account_id],
  );
  t.deepEqual(entry, {
    kind: "adjustment",
    description: "Adjustment for 2026-06",
    posting_date: "2026-07-01",
    origin_month: "2026-06-01",
  });
  t.deepEqual(await metering.findings(), []);
});

test.serial("a calculation is shown as it was reported, and as it is now", async (t) => {
  const site = await juneSite();
  await metering.closeThrough("2026-06-30");
  await call("add_tariff_version", own(site, { price: 5200, effective_from: "2026-06-01" }));
  const told = async (basis: string) => {
    const [row] = await metering.query(
      "operator",
      "select calculation, last_calculated_at from saldo.customer_month($1, '2026-06-01', null, $2)",
      [site.customer.id, basis],
    );
    t.true(row?.last_calculated_at instanceof Date);
    return ((row?.calculation ?? []) as Row[]).map(
      ({ price, factor, volume_m3, volume_sm3, amount }) => [
        price,
        factor,
        volume_m3,
        volume_sm3,
        amount,
      ],
    );
  };
  t.deepEqual(await told("reported"), [[5000, 1.8543, 1000, 1854.3, 9271500]]);
  t.deepEqual(await told("restated"), [[5200, 1.8543, 1000, 1854.3, 9642360]]);
});

test.serial(
  "late readings and deposits of a closed month are adjustments, also their changes",
  async (t) => {
    const site = await juneSite();
    const deposit = await call(
      "add_deposit",
      own(site, { amount: 100, occurred_at: "2026-06-05T12:00:00+07" }),
    );
    await metering.closeThrough("2026-06-30");
    const late = await metering.read(site, "2026-06-25", 100);
    await call("change_deposit", { deposit_id: deposit.id, amount: 250 });
    const second = await call("change_reading", { reading_id: late.id, volume: 50 });
    t.is(second.status, "current");
    const [june, july] = await metering.months(site, "2026-06", "2026-07");
    t.like(june, { deposits: "100", purchases: "9271500", volume_sm3: "1854.3" });
    t.like(july, {
      deposits: "0",
      purchases: "0",
      deposit_adjustments: "150",
      purchase_adjustments: "463575",
      closing: "-9734825",
      volume_sm3: "0",
    });
    t.deepEqual(await metering.adjustments(site, "2026-07"), [
      {
        origin_month: "2026-06",
        kind: "deposit",
        description: "adjustment for 2026-06",
        amount: "150",
        volume_sm3: "0",
      },
      {
        origin_month: "2026-06",
        kind: "purchase",
        description: "adjustment for 2026-06",
        amount: "463575",
        volume_sm3: "92.715",
      },
    ]);
    const [restated] = await metering.months(site, "2026-06", "2026-06", "restated");
    t.like(restated, { deposits: "250", purchases: "9735075", volume_sm3: "1947.015" });
    t.deepEqual(await metering.findings(), []);
  },
);

test.serial("an open month is put right within itself", async (t) => {
  const site = await juneSite();
  await call("add_tariff_version", own(site, { price: 5200, effective_from: "2026-06-01" }));
  const [june, july] = await metering.months(site, "2026-06", "2026-07");
  t.like(june, { purchases: "9642360", purchase_adjustments: "0" });
  t.like(july, { opening: "-9642360", closing: "-9642360" });
});

test.serial("a locked month takes nothing more, and nothing is half done", async (t) => {
  const site = await juneSite();
  await metering.root(
    `update saldo_private.book_state
    set closed_through = '2026-06-30', locked_through = '2026-06-30'`,
  );
  const before = await metering.digest();
  t.is(await errorCode(metering.read(site, "2026-06-25", 100)), "SB108");
  t.is(
    await errorCode(
      call("add_tariff_version", own(site, { price: 1, effective_from: "2026-06-01" })),
    ),
    "SB108",
  );
  t.deepEqual(await metering.digest(), before);
  await metering.root("update saldo_private.book_state set locked_through = null");
});

test.serial(
  "months without movement are there, and each opens as the last one closed",
  async (t) => {
    const site = await juneSite();
    await metering.read(site, "2026-09-10", 10);
    await call("add_deposit", own(site, { amount: 7, occurred_at: "2026-03-05T12:00:00+07" }));
    const rows = await metering.months(site, "2026-01", "2026-10");
    t.is(rows.length, 10);
    for (const [index, row] of rows.entries()) {
      if (index > 0) t.is(row.opening, rows[index - 1]?.closing);
    }
    const [october] = await metering.months(site, "2026-10", "2026-10");
    t.deepEqual(october, rows[9]);
    t.is(rows[9]?.closing, await metering.balance(site));
    t.is(await errorCode(metering.months(site, "2026-02", "2026-01")), "SB010");
    t.is(await errorCode(metering.months(site, "9999-12", "10000-01")), "SB010");
    for (const month of [null, "infinity", "5874897-12-31"]) {
      const args = { customer_id: site.customer.id, month };
      t.is(await errorCode(metering.rows("admin", "customer_adjustments", args)), "SB010");
    }
    t.is(
      await errorCode(
        metering.rows("admin", "customer_month", { customer_id: 0, from_month: "2026-01-01" }),
      ),
      "SB401",
    );
  },
);

test.serial("the business time zone decides the month of a reading", async (t) => {
  const site = await juneSite();
  await metering.read(site, "2026-06-30T23:59:59+07", 1);
  await metering.read(site, "2026-06-30T17:00:00Z", 2);
  const rows = await metering.months(site, "2026-06", "2026-07");
  t.deepEqual(
    rows.map(({ volume_sm3 }) => volume_sm3),
    ["1856.154", "3.709"],
  );
});

test.serial("what else is posted to the account is shown apart", async (t) => {
  const site = await juneSite();
  const [other] = await metering.root("select id from saldo.account where code = 'revenue:IDR'");
  await call("transfer", {
    debit_account_id: other?.id,
    credit_account_id: site.customer.account_id,
    amount: 500,
    occurred_at: "2026-06-28T12:00:00+07",
  });
  const [june] = await metering.months(site, "2026-06", "2026-06");
  t.like(june, { others: "500", closing: "-9271000" });
});

test.serial("a rating entry that is reversed by hand is found", async (t) => {
  const site = await juneSite();
  const [line] = await metering.root("select * from saldo.rated_line where account_id = $1", [
    site.customer.account_id,
  ]);
  await call("reverse_entry", { entry_id: line?.entry_id, reason: "By hand" });
  const found = await metering.findings();
  t.deepEqual(
    found.map(({ rule, difference }) => [rule, Number(difference)]),
    [["rule_rating_entry", -9_271_500]],
  );
});
