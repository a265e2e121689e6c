import test from "ava";
import fc from "fast-check";
import { openMetering, type Row, type Site } from "./_metering.ts";
import { readAsMany, readUsually, written } from "./_usual.ts";

/* Whatever comes, a reading by itself is written, or refused, as one of many is. */

type Step =
  | { on: "reading"; day: number; hour: number; value: number; extra: Row }
  | { on: "price"; from: number; days: number; price: number; spanning: string }
  | { on: "remove" }
  | { on: "charge"; month: number }
  | { on: "close"; day: number | null };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        on: fc.constant("reading" as const),
        day: fc.integer({ min: 0, max: 89 }),
        hour: fc.integer({ min: 0, max: 23 }),
        value: fc.integer({ min: -1, max: 4000 }),
        extra: fc.record({
          quality: fc.constantFrom("actual", "actual", "estimated"),
          is_rollover: fc.constantFrom(false, false, false, true),
        }),
      }),
    },
    fc.record({
      on: fc.constant("price" as const),
      from: fc.integer({ min: 0, max: 89 }),
      days: fc.integer({ min: 0, max: 20 }),
      price: fc.integer({ min: 1, max: 90 }),
      spanning: fc.constantFrom("reading_day", "by_days"),
    }),
    fc.record({ on: fc.constant("remove" as const) }),
    fc.record({ on: fc.constant("charge" as const), month: fc.integer({ min: 0, max: 2 }) }),
    fc.record({
      on: fc.constant("close" as const),
      day: fc.constantFrom(null, null, 30, 40),
    }),
  ),
  { minLength: 3, maxLength: 14 },
);
const dateOf = (day: number) => new Date(Date.UTC(2025, 2, 1 + day)).toISOString().slice(0, 10);
const monthOf = (month: number) => `2025-0${3 + month}-01`;

test("a reading is written by itself as it is among many", async (t) => {
  const metering = await openMetering();
  t.teardown(() => metering.close());
  const { call } = metering;
  await call("add_tariff_version", { price: 10.255, effective_from: "2025-01-01" });
  await call("add_correction_factor", {
    formula: "fixed",
    factor: 1.7,
    effective_from: "2025-01-01",
  });
  const ways: Record<string, number> = {};
  /** Of both; the code of the error, so that the second is refused as the first is. */
  const both = async (sites: Site[], act: (site: Site) => Promise<unknown>) => {
    const codes: unknown[] = [];
    for (const site of sites) {
      codes.push(
        await act(site)
          .then(() => "done")
          .catch((error) => error.code),
      );
    }
    t.is(codes[1], codes[0]);
  };
  const take = async (sites: [Site, Site], step: Step, at: number) => {
    if (step.on === "reading") {
      const moment = `${dateOf(at + (step.day % 9))}T${String(step.hour).padStart(2, "0")}:30:00+07`;
      const value = (step.value / 100 + at * 9).toFixed(2);
      const way = await readUsually(metering, sites[0], moment, value, step.extra);
      ways[way] = (ways[way] ?? 0) + 1;
      const other = await readAsMany(metering, sites[1], moment, value, step.extra);
      t.is(way === "usual" ? "any" : way, other, `${moment} ${value} ${JSON.stringify(step)}`);
    } else if (step.on === "price") {
      await both(sites, (site) =>
        call("add_tariff_version", {
          customer_id: site.customer.id,
          price: step.price,
          effective_from: dateOf(step.from),
          effective_to: dateOf(step.from + step.days),
          spanning: step.spanning,
        }),
      );
    } else if (step.on === "remove") {
      await both(sites, async (site) => {
        const [last] = await metering.root(
          `select id from saldo.reading where account_id = $1 and status = 'current'
          order by read_at desc limit 1`,
          [site.customer.account_id],
        );
        if (last) await call("remove_reading", { reading_id: last.id });
      });
    } else if (step.on === "charge") {
      await both(sites, (site) =>
        call("charge_customers", { month: monthOf(step.month), customer_id: site.customer.id }),
      );
    } else {
      await metering.closeThrough(step.day === null ? null : dateOf(step.day));
    }
  };
  await fc.assert(
    fc.asyncProperty(fc.constantFrom("volume", "index"), steps, async (kind, list) => {
      const extra = kind === "volume" ? { kind } : { register_limit: 100000 };
      const sites: [Site, Site] = [await metering.site(extra), await metering.site(extra)];
      for (const [place, step] of list.entries()) await take(sites, step, place * 3);
      await metering.closeThrough(null);
      const [one, other] = [await written(metering, sites[0]), await written(metering, sites[1])];
      for (const name of Object.keys(one)) {
        t.deepEqual(
          one[name]?.map(({ row }) => row),
          other[name]?.map(({ row }) => row),
          name,
        );
      }
    }),
    { numRuns: 40 },
  );
  t.deepEqual(await metering.findings(), []);
  t.log(ways);
  t.true((ways.usual ?? 0) > 20 && (ways.any ?? 0) > 10, JSON.stringify(ways));
});
