import test from "ava";
import fc from "fast-check";
import { errorCode } from "../_support/database.ts";
import { openMetering, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call, root } = metering;
const own = (site: Site, args: Row) => ({ customer_id: site.customer.id, ...args });
const cents = (value: unknown) => BigInt(Math.round(Number(value) * 100));
const sum = (values: unknown[]) => values.reduce<bigint>((all, each) => all + cents(each), 0n);

interface Bill extends Row {
  lines: Row[];
}
const bill = async (site: Site, month: string) => {
  const [row] = await metering.query(
    "operator",
    "select to_jsonb(b) as bill from saldo.customer_bill($1, $2) as b",
    [site.customer.id, `${month}-01`],
  );
  return row?.bill as Bill;
};
const transactions = (site: Site, month: string, byPart = false) =>
  metering.query("operator", "select t.* from saldo.customer_transactions($1, $2, $3) as t", [
    site.customer.id,
    `${month}-20`,
    byPart,
  ]);

/** A site whose cubic metre costs 3, and 6 from February on; divided by days. */
async function dividedSite() {
  const site = await metering.site({ kind: "volume" });
  await call("add_correction_factor", own(site, { factor: 1, effective_from: "2025-01-01" }));
  const price = (value: number, from: string) =>
    call(
      "add_tariff_version",
      own(site, { price: value, effective_from: from, spanning: "by_days" }),
    );
  await price(3, "2025-01-01");
  await price(6, "2025-02-01");
  return site;
}

test.serial("a bill has the lines that count, in the order of date, and adds up", async (t) => {
  const site = await dividedSite();
  const january = await metering.read(site, "2025-01-21", 20);
  await metering.read(site, "2025-02-25", 5);
  await metering.read(site, "2025-02-10", 40);
  await call("add_deposit", own(site, { amount: 500, occurred_at: "2025-02-03T09:00+07" }));
  await call("change_reading", { reading_id: january.id, volume: 10 });
  const february = await bill(site, "2025-02");
  t.like(february, {
    customer_code: site.customer.code,
    opening_balance: -30,
    deposits: 500,
    total: 210,
    closing_balance: 260,
    unrated_count: 0,
  });
  t.deepEqual(
    february.lines.map((line) => [line.line_no, line.description, line.volume_sm3, line.amount]),
    [
      [1, "2025-01-22 to 2025-01-31, read on 2025-02-10", 20, 60],
      [2, "2025-02-01 to 2025-02-10, read on 2025-02-10", 20, 120],
      [3, "Reading of 2025-02-25", 5, 30],
    ],
  );
  t.deepEqual(await bill(site, "2025-05").then(({ lines, total }) => [lines, total]), [[], 0]);
});

test.serial("transactions are a row for each reading, or for each part of it", async (t) => {
  const site = await dividedSite();
  await metering.read(site, "2025-01-21", 20);
  await metering.read(site, "2025-02-10", 40);
  await call("add_deposit", own(site, { amount: 500, occurred_at: "2025-02-03T09:00+07" }));
  const rows = await transactions(site, "2025-02");
  t.deepEqual(
    rows.map(({ kind, debit, credit, balance }) => [kind, Number(debit), Number(credit), balance]),
    [
      ["deposit", 0, 500, "440"],
      ["reading", 180, 0, "260"],
    ],
  );
  const parts = await transactions(site, "2025-02", true);
  t.deepEqual(
    parts.map(({ debit }) => Number(debit)),
    [0, 60, 120],
  );
  t.is(parts.at(-1)?.balance, "260");
});

test.serial("who is not known, what is no month, and who may not", async (t) => {
  const site = await metering.site();
  for (const name of ["customer_bill", "customer_transactions"]) {
    t.is(await errorCode(call(name, { customer_id: 0, month: "2025-02-01" })), "SB401");
    t.is(await errorCode(call(name, own(site, { month: null }))), "SB010");
  }
  t.is(await errorCode(call("customers_month", { month: "infinity" })), "SB010");
  t.is(await errorCode(call("customers_year", { year: 0 })), "SB010");
  t.is(
    await errorCode(metering.query("anonymous", "select saldo.customers_month_csv('2025-02-01')")),
    "42501",
  );
});

test.serial("a plain correction needs no formula", async (t) => {
  const site = await metering.site();
  const factor = (args: Row) =>
    call("add_correction_factor", own(site, { effective_from: "2025-01-01", ...args }));
  t.like(await factor({ factor: "1.02" }), { formula: "fixed", factor: "1.02" });
  t.like(await factor({ effective_from: "2025-02-01", pressure: 0.85, temperature: 25.01 }), {
    formula: "gas_300k",
    factor: "1.8543",
  });
});

test.serial("CSV has a line for each customer and the totals, and no formula", async (t) => {
  const code = '=HYPERLINK("x")';
  await call("create_customer", { code, name: '-1+2;=3, "Ltd"' });
  const [row] = await metering.query(
    "operator",
    "select saldo.customers_month_csv('2025-02-01') as csv",
  );
  const lines = String(row?.csv).split("\r\n");
  t.is(lines.at(-1), "");
  t.regex(String(lines[0]), /^customer,name,currency,month,opening_balance,deposits,purchases,/);
  const own = lines.find((line) => line.includes("HYPERLINK"));
  t.is(own, `"'=HYPERLINK(""x"")","'-1+2;'=3, ""Ltd""",IDR,2025-02,0,0,0,0,0,0,0,0,1`);
  t.regex(String(lines.at(-2)), /^TOTAL,,IDR,2025-02,/);
  const [year] = await metering.query("operator", "select saldo.customers_year_csv(2025) as csv");
  const [, ...totals] = String(year?.csv).split("\r\n");
  t.deepEqual(
    totals.slice(0, 13).map((line) => line.split(",").slice(0, 4).join(",")),
    [
      ...Array.from({ length: 12 }, (_, month) => `2025-${String(month + 1).padStart(2, "0")}`),
      "",
    ].map((month) => `TOTAL,,IDR,${month}`),
  );
});

const figures = [
  "opening_balance",
  "deposits",
  "purchases",
  "deposit_adjustments",
  "purchase_adjustments",
  "others",
  "closing_balance",
] as const;
const basis = fc.constantFrom("reported", "restated");
const day = fc.integer({ min: 2, max: 110 });
const dateOf = (number: number) => new Date(Date.UTC(2025, 0, number)).toISOString().slice(0, 10);
const act = fc.oneof(
  fc.record({ do: fc.constant("read"), day, value: fc.integer({ min: 0, max: 999_999 }) }),
  fc.record({ do: fc.constant("price"), day, value: fc.integer({ min: 1, max: 99_999 }) }),
  fc.record({ do: fc.constant("deposit"), day, value: fc.integer({ min: 1, max: 999_999 }) }),
  fc.record({ do: fc.constant("other"), day, value: fc.integer({ min: 1, max: 9999 }) }),
  fc.record({
    do: fc.constantFrom("standing_month", "standing_day", "tier", "minimum_take", "tax"),
    day,
    value: fc.integer({ min: 1, max: 9999 }),
  }),
  fc.record({ do: fc.constant("charge"), day, value: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constantFrom("remove", "close"), day, value: fc.integer({ min: 1, max: 3 }) }),
);

async function play(site: Site, step: { do: string; day: number; value: number }) {
  const at = `${dateOf(step.day)}T0${step.day % 10}:00:00+07`;
  if (step.do === "read") return metering.read(site, at, step.value / 1000);
  if (step.do === "deposit") {
    return call("add_deposit", own(site, { amount: step.value / 100, occurred_at: at }));
  }
  if (step.do === "other") {
    const [till] = await root("select id from saldo.account where code = 'cash:IDR'");
    const [from, to] =
      step.day % 2 ? [site.customer.account_id, till?.id] : [till?.id, site.customer.account_id];
    return call("transfer", {
      debit_account_id: from,
      credit_account_id: to,
      amount: step.value / 100,
      occurred_at: at,
    });
  }
  if (step.do === "price") {
    const spanning = step.day % 2 ? "by_days" : "reading_day";
    const args = { price: step.value / 1000, effective_from: dateOf(step.day), spanning };
    return call("add_tariff_version", own(site, args));
  }
  if (step.do === "charge") {
    return call("charge_customers", { month: `2025-0${step.value}-01` });
  }
  if (/^(standing|tier|minimum|tax)/.test(step.do)) {
    return call("add_tariff_part", {
      kind: step.do,
      name: `part ${step.value % 2}`,
      price: step.value / (step.do === "tax" ? 1000 : 100),
      from_volume: step.value % 100,
      effective_from: dateOf(step.day),
      customer_id: step.day % 3 ? null : site.customer.id,
    });
  }
  if (step.do === "close") return metering.closeThrough(`2025-0${step.value}-28`);
  const [reading] = await root(
    "select id from saldo.reading where account_id = $1 and status = 'current' limit 1",
    [site.customer.account_id],
  );
  return reading && call("remove_reading", { reading_id: reading.id });
}

test.serial(
  "whatever happened, bills, transactions and figures across customers agree",
  async (t) => {
    const sites = [await dividedSite(), await dividedSite()];
    await call(
      "add_deposit",
      own(sites[0] as Site, { amount: 1, occurred_at: "2025-01-02T09:00+07" }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 4, maxLength: 10 }),
        basis,
        async (steps, how) => {
          await metering.closeThrough(null);
          for (const [index, step] of steps.entries()) {
            // What the books refuse, such as a second price of a day, changes nothing.
            await play(sites[index % 2] as Site, step).catch((error: { code?: string }) => {
              t.regex(String(error.code), /^SB4(08|14)$/);
            });
          }
          t.deepEqual(await root("select * from saldo_private.rule_customer_charge()"), []);
          for (const month of ["2025-01", "2025-02", "2025-03", "2025-04"]) {
            for (const site of sites) {
              const told = await bill(site, month);
              const [own] = await metering.months(site, month, month, "restated");
              t.is(sum(told.lines.map(({ amount }) => amount)), cents(told.total));
              t.is(cents(told.total), cents(own?.purchases) - cents(own?.others), month);
              t.is(
                cents(told.opening_balance) + cents(told.deposits) - cents(told.total),
                cents(told.closing_balance),
              );
              t.is(cents(told.closing_balance), cents(own?.closing));
              const rows = await transactions(site, month);
              t.is(cents(rows.at(-1)?.balance ?? own?.closing), cents(own?.closing));
              t.is(
                new Set(rows.map(({ reading_id: id }) => id).filter(Boolean)).size,
                rows.filter(({ kind }) => kind === "reading").length,
              );
            }
            const all = await metering.rows("operator", "customers_month", {
              month: `${month}-15`,
              basis: how,
            });
            for (const row of all.filter(({ customer_id: id }) => id !== null)) {
              const [own] = await metering.rows("operator", "customer_month", {
                customer_id: row.customer_id,
                from_month: `${month}-01`,
                to_month: `${month}-01`,
                basis: how,
              });
              for (const name of figures) t.is(cents(row[name]), cents(own?.[name]), name);
              t.is(Number(row.volume_sm3), Number(own?.volume_sm3));
            }
            const total = all.at(-1);
            t.is(total?.customer_id, null);
            for (const name of figures) {
              t.is(sum(all.slice(0, -1).map((row) => row[name])), cents(total?.[name]), name);
            }
          }
          const year = await metering.rows("operator", "customers_year", {
            year: 2025,
            basis: how,
          });
          const [months, rest] = [year.slice(0, 12), year.slice(12)];
          t.is(cents(months.at(-1)?.closing_balance), cents(rest[0]?.closing_balance));
          for (const name of ["deposits", "purchases", "others"] as const) {
            t.is(sum(months.map((row) => row[name])), cents(rest[0]?.[name]));
            t.is(sum(rest.slice(1).map((row) => row[name])), cents(rest[0]?.[name]));
          }
        },
      ),
      { numRuns: 10, endOnFailure: true },
    );
    await metering.closeThrough(null);
    for (const month of [1, 2, 3, 4]) {
      await call("charge_customers", { month: `2025-0${month}-01` });
    }
    t.deepEqual(await metering.findings(), []);
  },
);
