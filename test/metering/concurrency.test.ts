import test from "ava";
import { openMetering, outcomes, type Row, type Site } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const { call } = metering;
const many = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));
const day = (index: number) => new Date(Date.UTC(2025, 1, 1 + index, 5)).toISOString().slice(0, 10);

async function sites(count: number, meter: Row = { kind: "volume" }): Promise<Site[]> {
  const made: Site[] = [];
  for (let index = 0; index < count; index++) made.push(await metering.site(meter));
  return made;
}

/** What the current lines of a customer come to. */
async function rated(site: Site) {
  const [row] = await metering.root(
    `select trim_scale(coalesce(-sum(amount), 0)) as amount from saldo.rated_line
    where account_id = $1 and superseded_at is null`,
    [site.customer.account_id],
  );
  return row?.amount;
}

test.before(async () => {
  await call("add_tariff_version", { price: 10, effective_from: "2025-01-01" });
  await call("add_correction_factor", {
    formula: "fixed",
    factor: 2,
    effective_from: "2025-01-01",
  });
});

test.serial("forty readings of one customer at once, in any order", async (t) => {
  const [site] = await sites(1, {});
  const result = await outcomes(
    many(40, (index) => {
      const place = (index * 17) % 40;
      return metering.read(site as Site, day(place), 10 * (place + 1));
    }),
  );
  t.deepEqual(result, { none: 40 });
  t.is(await metering.balance(site as Site), "-8000");
  t.deepEqual(await metering.findings(), []);
});

test.serial("one reading that is sent ten times at once is recorded once", async (t) => {
  const [site] = await sites(1);
  const result = await outcomes(many(10, () => metering.read(site as Site, day(3), 10)));
  t.deepEqual(result, { none: 1, SB408: 9 });
  t.is(await metering.balance(site as Site), "-200");
});

test.serial("ten changes of one reading at once: one is first", async (t) => {
  const [site] = await sites(1);
  const reading = await metering.read(site as Site, day(3), 10);
  const result = await outcomes(
    many(10, (index) => call("change_reading", { reading_id: reading.id, volume: index })),
  );
  t.deepEqual(result, { none: 1, SB407: 9 });
  t.deepEqual(await metering.findings(), []);
});

test.serial("a change of price waits for a reading under way, and rates it", async (t) => {
  const [site] = await sites(1);
  const end = await metering.open(
    "select saldo.add_reading($1, '2025-02-10 12:00+07', volume => 10)",
    [site?.meter.id],
  );
  const change = call("add_tariff_version", { price: 11, effective_from: "2025-02-05" });
  await metering.waitForWaiters(1);
  await end("commit");
  await change;
  t.is(await metering.balance(site as Site), "-220");
  t.deepEqual(await metering.findings(), []);
});

test.serial("a reading that waits for a month to be closed is posted after it", async (t) => {
  const [site] = await sites(1);
  // As whoever closes does: the month's lock, then the date.
  const end = await metering.open(
    `with lock as materialized (
      select pg_advisory_xact_lock(
        saldo_private.posting_month_lock(), saldo_private.month_number('2025-02-01')
      )
    )
    update saldo_private.book_state set closed_through = '2025-02-28' from lock`,
  );
  const reading = metering.read(site as Site, "2025-02-03", 10);
  await metering.waitForWaiters(1);
  await end("commit");
  await reading;
  const [line] = await metering.root(
    `select posting_date::text, month::text from saldo.rated_line where account_id = $1`,
    [site?.customer.account_id],
  );
  t.deepEqual(line, { posting_date: "2025-03-01", month: "2025-02-01" });
  t.deepEqual(await metering.findings(), []);
  await metering.closeThrough(null);
});

test.serial("readings, prices, factors and deposits at once never deadlock", async (t) => {
  const all = await sites(6);
  const session = async (index: number) => {
    for (let round = 0; round < 6; round++) {
      const site = all[(index + round) % all.length] as Site;
      const customer_id = site.customer.id;
      const from = day(10 + index * 6 + round);
      if (index % 5 === 0) {
        await call("add_tariff_version", {
          price: 20 + round,
          effective_from: from,
          ...(round % 2 === 0 && { customer_id }),
        });
      } else if (index % 5 === 1) {
        await call("add_correction_factor", {
          formula: "fixed",
          factor: 3 + round,
          effective_from: from,
          ...(round % 2 === 0 && { customer_id }),
        });
      } else if (index % 5 === 2) {
        const deposit = await call("add_deposit", { customer_id, amount: 5 });
        await call("change_deposit", { deposit_id: deposit.id, amount: 7 });
      } else {
        const reading = await metering.read(site, from, 10 + round);
        if (round % 3 === 0) await call("remove_reading", { reading_id: reading.id });
        if (round % 3 === 1) await call("change_reading", { reading_id: reading.id, volume: 1 });
      }
    }
  };
  t.deepEqual(await outcomes(many(20, session)), { none: 20 });
  t.deepEqual(await metering.findings(), []);
});

test.serial("bulk loads of the same customers in opposite orders never deadlock", async (t) => {
  const all = await sites(8);
  const load = (round: number) => {
    const order = round % 2 === 0 ? all : [...all].reverse();
    const rows = order.map((site) => ({ meter: site.meter.id, at: `${day(round)}T12:00:00+07` }));
    return metering.query(
      "admin",
      `select saldo.add_readings(array(
        select (q.meter, q.at, null, 10, null, null)::saldo.reading_request
        from jsonb_to_recordset($1) as q (meter bigint, at timestamptz)
      ))`,
      [JSON.stringify(rows)],
    );
  };
  t.deepEqual(await outcomes(many(20, load)), { none: 20 });
  for (const site of all) t.is(await metering.balance(site), String(await rated(site)));
  t.deepEqual(await metering.findings(), []);
});

test.serial(
  "readings, parts, charges and postings to the tax at once: all are charged",
  async (t) => {
    const all = await sites(4);
    const part = (kind: string, name: string, from: string) =>
      call("add_tariff_part", { kind, name, price: 10, effective_from: from });
    await part("tax", "vat", "2025-01-01");
    const [tax] = await metering.root("select id from saldo.account where code = 'tax:vat:IDR'");
    const charge = (month: number) => call("charge_customers", { month: `2025-0${month}-01` });
    await charge(2);
    const site = (index: number) => all[index % 4] as Site;
    const result = await outcomes([
      ...many(16, (index) => metering.read(site(index), day(index * 3), 10)),
      ...many(4, (index) => charge(2 + (index % 2))),
      ...many(4, (index) => part("standing_month", `part ${index}`, "2025-02-01")),
      // Somebody else who has the accounts of a customer and of the tax, in either order.
      ...many(8, (index) =>
        call("transfer", {
          debit_account_id: index % 2 ? tax?.id : site(index).customer.account_id,
          credit_account_id: index % 2 ? site(index).customer.account_id : tax?.id,
          amount: 1,
        }),
      ),
    ]);
    t.deepEqual(result, { none: 32 });
    const [{ due } = {}] = await metering.root(
      `select count(*)::integer as due from saldo.customer as c
    cross join unnest(array['2025-02-01'::date, '2025-03-01']) as m (month)
    cross join lateral saldo_private.charges_of(c, m.month)`,
    );
    t.true(Number(due) >= 4 * 2 * 4, "each customer and month has its parts");
    t.deepEqual(await metering.findings(), []);
  },
);
