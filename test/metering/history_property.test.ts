import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { errorCode } from "../_support/database.ts";
import { type Metering, openMetering, type Row, type Site } from "./_metering.ts";
import {
  Customer,
  dateOf,
  monthOf,
  purchasesOf,
  unratedOf,
  type Version,
  Versions,
} from "./_model.ts";
import { drain, leaveToJobs } from "./_rerating.ts";

type ReadingStep =
  | { kind: "read" | "change"; customer: number; pick: number; day: number; value: number }
  | { kind: "remove"; customer: number; pick: number };
type DepositStep =
  | {
      kind: "deposit" | "change_deposit";
      customer: number;
      pick: number;
      day: number;
      value: number;
    }
  | { kind: "remove_deposit"; customer: number; pick: number };
type VersionStep = {
  kind: "price" | "factor";
  of: number | null;
  from: number;
  days: number;
  value: number;
};
type ChangeStep =
  | { kind: "change_price" | "change_factor"; pick: number; value: number }
  | { kind: "remove_price" | "remove_factor"; pick: number };
type Operation =
  | { on: "reading"; step: ReadingStep }
  | { on: "deposit"; step: DepositStep }
  | { on: "version"; step: VersionStep }
  | { on: "change"; step: ChangeStep }
  | { on: "close" | "reopen" }
  | { on: "slice"; rowLimit: number };

const customer = fc.integer({ min: 0, max: 1 });
const pick = fc.nat(20);
const day = fc.integer({ min: 0, max: 119 });
const value = fc.integer({ min: 1, max: 60 });
const of = fc.constantFrom(0, 1, null, null);

const readingStep: fc.Arbitrary<ReadingStep> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("read" as const, "read" as const, "change" as const),
      customer,
      pick,
      day,
      value: fc.integer({ min: 0, max: 200 }),
    }),
  },
  fc.record({ kind: fc.constant("remove" as const), customer, pick }),
);
const depositStep: fc.Arbitrary<DepositStep> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("deposit" as const, "change_deposit" as const),
    customer,
    pick,
    day,
    value,
  }),
  fc.record({ kind: fc.constant("remove_deposit" as const), customer, pick }),
);
const versionStep: fc.Arbitrary<VersionStep> = fc.record({
  kind: fc.constantFrom("price" as const, "factor" as const),
  of,
  from: day,
  days: fc.constantFrom(-1, -1, 0, 20),
  value,
});
const changeStep: fc.Arbitrary<ChangeStep> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("change_price" as const, "change_factor" as const),
    pick,
    value,
  }),
  fc.record({ kind: fc.constantFrom("remove_price" as const, "remove_factor" as const), pick }),
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 7, arbitrary: readingStep.map((step) => ({ on: "reading" as const, step })) },
  { weight: 2, arbitrary: depositStep.map((step) => ({ on: "deposit" as const, step })) },
  { weight: 3, arbitrary: versionStep.map((step) => ({ on: "version" as const, step })) },
  { weight: 2, arbitrary: changeStep.map((step) => ({ on: "change" as const, step })) },
  { weight: 2, arbitrary: fc.constant({ on: "close" as const }) },
  { weight: 1, arbitrary: fc.constant({ on: "reopen" as const }) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 4 }).map((rowLimit) => ({
      on: "slice" as const,
      rowLimit,
    })),
  },
);

const history = fc.array(operation, { minLength: 10, maxLength: 50 });

const noon = (on: number) => `${dateOf(on)}T12:00:00+07`;
const lastMonth = "2026-12";
const lastDay = (month: number) => new Date(Date.UTC(2026, month, 0)).toISOString().slice(0, 10);

/** Months whose calculation does not add up to their purchases and volume. */
const unexplained = `select count(*)::integer as count
  from unnest(enum_range(null::saldo.balance_basis)) as b (basis)
  cross join saldo.customer as c
  cross join saldo.customer_month(c.id, '2026-01-01', '2026-12-01', b.basis) as m
  cross join lateral (
    select coalesce(sum((p.part ->> 'amount')::numeric), 0) as amount,
      coalesce(sum((p.part ->> 'volume_sm3')::numeric), 0) as volume_sm3
    from jsonb_array_elements(m.calculation) as p (part)
  ) as p
  where (m.purchases, m.volume_sm3) is distinct from (p.amount, p.volume_sm3)`;

/** A history that is played on the database and on the model side by side. */
class Play {
  customers = [new Customer(false), new Customer(true)];
  prices = new Versions();
  factors = new Versions();
  closedMonths = 0;
  /** What each customer's closed months said when they were closed. */
  sealed: [site: Site, month: string, row: Row | undefined][] = [];
  metering: Metering;
  sites: Site[];
  t: ExecutionContext;
  isHeld: boolean;

  constructor(t: ExecutionContext, metering: Metering, sites: Site[], isHeld: boolean) {
    this.isHeld = isHeld;
    this.t = t;
    this.metering = metering;
    this.sites = sites;
  }

  /** Calls with an expected code; the row when that is none. */
  async expect(code: string, name: string, args: Row): Promise<Row | undefined> {
    const called = this.metering.call(name, args);
    this.t.is(await errorCode(called), code, `${name} ${JSON.stringify(args)}`);
    return code === "none" ? called : undefined;
  }

  async play(operation: Operation) {
    if (operation.on === "reading") return this.read(operation.step);
    if (operation.on === "deposit") return this.deposit(operation.step);
    if (operation.on === "version") return this.addVersion(operation.step);
    if (operation.on === "slice") {
      await this.metering.call("continue_rerating", { row_limit: operation.rowLimit });
      const findings = await this.metering.findings();
      // Which readings wait for a version is compared in the end.
      this.t.deepEqual(
        findings.filter(({ rule }) => rule !== "rule_reading_unrated"),
        [],
      );
      return;
    }
    if (operation.on === "change") return this.changeVersion(operation.step);
    return operation.on === "close" ? this.close() : this.reopen();
  }

  async close() {
    if (this.closedMonths === 4) return;
    this.closedMonths += 1;
    const end = lastDay(this.closedMonths);
    for (const site of this.sites) {
      const [row] = await this.metering.months(site, end.slice(0, 7), end.slice(0, 7));
      this.sealed.push([site, end.slice(0, 7), row]);
    }
    await this.metering.closeThrough(end);
  }

  async reopen() {
    if (this.closedMonths === 0) return;
    const opened = lastDay(this.closedMonths).slice(0, 7);
    this.sealed = this.sealed.filter(([, month]) => month !== opened);
    this.closedMonths -= 1;
    await this.metering.closeThrough(this.closedMonths === 0 ? null : lastDay(this.closedMonths));
  }

  async read(step: ReadingStep) {
    const who = this.customers[step.customer] as Customer;
    const site = this.sites[step.customer] as Site;
    const field = who.isIndex ? "index_value" : "volume";
    const old = who.readings[step.pick % Math.max(who.readings.length, 1)];
    if (step.kind === "read") {
      const reading = { day: step.day, value: step.value };
      const code = who.codeOf([...who.readings, reading]);
      const args = { meter_id: site.meter.id, read_at: noon(step.day), [field]: step.value };
      const row = await this.expect(code, "add_reading", args);
      if (row) who.readings.push({ ...reading, id: row.id });
      return;
    }
    if (old === undefined) return;
    const others = who.readings.filter((reading) => reading !== old);
    if (step.kind === "remove") {
      await this.expect("none", "remove_reading", { reading_id: old.id });
      who.readings = others;
      return;
    }
    // Every other change moves it to another day as well.
    const to = { day: step.pick % 2 === 0 ? step.day : old.day, value: step.value };
    const args = { reading_id: old.id, [field]: step.value, read_at: noon(to.day) };
    const row = await this.expect(who.codeOf([...others, to]), "change_reading", args);
    if (row) who.readings = [...others, { ...to, id: row.id }];
  }

  async addVersion(step: VersionStep) {
    const versions = step.kind === "price" ? this.prices : this.factors;
    const to = step.days < 0 ? null : step.from + step.days;
    const version: Version = { value: step.value, from: step.from, to, of: step.of };
    const row = await this.expect(
      versions.codeOf(version),
      step.kind === "price" ? "add_tariff_version" : "add_correction_factor",
      {
        ...(step.kind === "price"
          ? { price: step.value }
          : { formula: "fixed", factor: step.value / 10 }),
        effective_from: dateOf(step.from),
        effective_to: to === null ? null : dateOf(to),
        customer_id: step.of === null ? null : this.sites[step.of]?.customer.id,
      },
    );
    if (row) versions.list.push({ ...version, id: row.id });
  }

  async changeVersion(step: ChangeStep) {
    const isPrice = step.kind.endsWith("price");
    const versions = isPrice ? this.prices : this.factors;
    const version = versions.list[step.pick % Math.max(versions.list.length, 1)];
    if (version === undefined) return;
    const name = isPrice ? "tariff_version" : "correction_factor";
    if ("value" in step) {
      const row = await this.expect("none", `change_${name}`, {
        version_id: version.id,
        ...(isPrice ? { price: step.value } : { factor: step.value / 10 }),
      });
      Object.assign(version, { id: row?.id, value: step.value });
    } else {
      await this.expect("none", `remove_${name}`, { version_id: version.id, rerate: true });
      versions.remove(version);
    }
  }

  async deposit(step: DepositStep) {
    const who = this.customers[step.customer] as Customer;
    const old = who.deposits[step.pick % Math.max(who.deposits.length, 1)];
    if (step.kind === "deposit") {
      const args = { customer_id: this.sites[step.customer]?.customer.id, amount: step.value };
      const row = await this.expect("none", "add_deposit", {
        ...args,
        occurred_at: noon(step.day),
      });
      who.deposits.push({ id: row?.id, day: step.day, amount: step.value });
    } else if (old !== undefined && step.kind === "change_deposit") {
      const args = { deposit_id: old.id, amount: step.value, occurred_at: noon(step.day) };
      const row = await this.expect("none", "change_deposit", args);
      Object.assign(old, { id: row?.id, day: step.day, amount: step.value });
    } else if (old !== undefined) {
      await this.expect("none", "remove_deposit", { deposit_id: old.id, reason: "x" });
      who.deposits = who.deposits.filter((deposit) => deposit !== old);
    }
  }

  /** Database and model say the same, by month and over all. */
  async compare() {
    for (const [index, site] of this.sites.entries()) {
      const who = this.customers[index] as Customer;
      const purchases = purchasesOf(who, index, this.prices, this.factors, this.isHeld);
      const restated = await this.metering.months(site, "2026-01", lastMonth, "restated");
      const reported = await this.metering.months(site, "2026-01", lastMonth);
      for (const row of restated) {
        const month = String(row.month);
        const deposits = who.deposits
          .filter((deposit) => monthOf(deposit.day) === month)
          .reduce((sum, { amount }) => sum + amount, 0);
        this.t.is(Math.round(Number(row.purchases) * 10), purchases.get(month) ?? 0, month);
        this.t.is(Number(row.deposits), deposits, month);
      }
      this.t.is(restated.at(-1)?.closing, reported.at(-1)?.closing);
      this.t.is(reported.at(-1)?.closing, await this.metering.balance(site));
      for (const [place, row] of reported.entries()) {
        this.t.is(row.opening, place === 0 ? "0" : reported[place - 1]?.closing);
      }
    }
    for (const [site, month, row] of this.sealed) {
      this.t.deepEqual((await this.metering.months(site, month, month))[0], row);
    }
    this.t.deepEqual(await this.metering.root(unexplained), [{ count: 0 }]);
    const findings = await this.metering.findings();
    const unrated = this.customers.flatMap((who, index) =>
      unratedOf(who, index, this.prices, this.factors, this.isHeld),
    );
    this.t.deepEqual(
      findings.map(({ rule, key }) => `${rule} ${key}`).sort(),
      unrated.map((id) => `rule_reading_unrated ${id}`).sort(),
    );
  }
}

test("any history of readings, prices, factors, closings and jobs agrees with plain arithmetic", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.boolean(), history, async (isHeld, isJob, operations) => {
      const metering = await openMetering();
      try {
        const sites = [await metering.site({ kind: "volume" }), await metering.site()];
        await metering.call("set_setting", {
          name: "rating_without_version",
          value: isHeld ? "held" : "provisional",
        });
        if (isJob) await leaveToJobs(metering);
        const play = new Play(t, metering, sites, isHeld);
        for (const operation of operations) await play.play(operation);
        await drain(metering);
        await play.compare();
      } finally {
        await metering.close();
      }
    }),
    { numRuns: 25, endOnFailure: true },
  );
});
