import test from "ava";
import { forced } from "../_support/faults.ts";
import { type Metering, outcomes, type Row, type Site } from "./_metering.ts";
import { drain, idOf, leaveToJobs, outcome, withBooks } from "./_rerating.ts";

/** Changes of all kinds, some of them about a month that is closed by then. */
const changes: [name: string, make: (metering: Metering, sites: Site[]) => Promise<unknown>][] = [
  [
    "a price for all",
    ({ call }) => call("add_tariff_version", { price: 11, effective_from: "2025-02-05" }),
  ],
  [
    "a price that was changed",
    async (metering) =>
      metering.call("change_tariff_version", {
        version_id: await idOf(metering, "tariff_version", "account_id is null"),
        price: 12,
      }),
  ],
  [
    "a price that was removed",
    async (metering) =>
      metering.call("remove_tariff_version", {
        version_id: await idOf(metering, "tariff_version", "account_id is not null"),
        rerate: true,
      }),
  ],
  [
    "a factor for all",
    ({ call }) =>
      call("add_correction_factor", { formula: "fixed", factor: 3, effective_from: "2025-01-10" }),
  ],
  [
    "a factor that was changed",
    async (metering) =>
      metering.call("change_correction_factor", {
        version_id: await idOf(metering, "correction_factor_version"),
        factor: 1.5,
      }),
  ],
  [
    "a factor of one customer",
    ({ call }, sites) =>
      call("add_correction_factor", {
        formula: "fixed",
        factor: 4,
        effective_from: "2025-03-01",
        customer_id: sites[1]?.customer.id,
      }),
  ],
  [
    "a factor that was removed",
    async (metering) => {
      const [row] = await metering.rows("admin", "add_correction_factor", {
        formula: "fixed",
        factor: 9,
        effective_from: "2025-03-05",
      });
      await drain(metering);
      await metering.call("remove_correction_factor", { version_id: row?.id, rerate: true });
    },
  ],
];

for (const [name, make] of changes) {
  test(`${name} comes to the same as a job and at once`, async (t) => {
    const results: unknown[] = [];
    for (const isJob of [false, true]) {
      const { metering, sites } = await withBooks(t);
      if (isJob) await leaveToJobs(metering);
      await metering.closeThrough("2025-02-28");
      await make(metering, sites);
      const slices = await drain(metering);
      t.is(slices.at(-1)?.status, isJob ? "done" : undefined);
      results.push(await outcome(metering, sites));
      t.deepEqual(await metering.findings(), []);
    }
    t.deepEqual(results[1], results[0]);
  });
}

test("a change of as many readings as the setting is made at once, one more is a job", async (t) => {
  const { metering, call } = await withBooks(t);
  await call("set_setting", { name: "rerate_at_once_max", value: "72" });
  await call("add_tariff_version", { price: 11, effective_from: "2025-01-02" });
  t.deepEqual(await metering.root("select from saldo.rerating"), []);
  await call("set_setting", { name: "rerate_at_once_max", value: "71" });
  const version = await call("add_tariff_version", { price: 12, effective_from: "2025-01-03" });
  const [job] = await metering.root("select * from saldo.rerating");
  t.like(job, {
    operation: "add_tariff_version",
    version_id: version.id,
    account_id: null,
    currency: "IDR",
    status: "waiting",
    reading_count: "72",
    done_count: "0",
    created_by: "admin",
    finished_at: null,
  });
  const slices = await drain(metering, 10);
  // Whole months of customers, three readings each.
  t.deepEqual(
    slices.map(({ status, done_count }) => `${status} ${done_count}`),
    [12, 24, 36, 48, 60, 72].map((count) => `running ${count}`).concat("done 72"),
  );
  t.like(slices.at(-1), { reading_count: "72", error: null });
  // The customer with a price of their own from 10 February on keeps it.
  t.is(slices.at(-1)?.line_count, "64");
});

test("what waits is not wrong, and what is left behind is", async (t) => {
  const { metering, call } = await withBooks(t);
  await leaveToJobs(metering);
  await call("change_tariff_version", {
    version_id: await idOf(metering, "tariff_version", "account_id is null"),
    price: 12,
  });
  await call("continue_rerating", { row_limit: 20 });
  t.deepEqual(await metering.findings(), []);
  const [status] = await metering.rows("operator", "metering_status", {});
  t.like(status, { open_rerating_count: "1", rerating_left_count: "51" });
  const end = (set: string) =>
    forced(metering.pool, (client) => client.query(`update saldo.rerating set ${set}`));
  await end("status = 'done', finished_at = now()");
  const rules = async () => [...new Set((await metering.findings()).map(({ rule }) => rule))];
  t.deepEqual((await rules()).sort(), ["rule_rated_line", "rule_reading_rated"]);
  await end("status = 'running', finished_at = null");
  t.deepEqual(await rules(), []);
  await end("moved_at = now() - interval '16 minutes'");
  const found = await metering.findings();
  t.is(found.length, 1);
  t.like(found[0], { rule: "rule_rerating", stored: "running, 21 of 72 readings" });
  await call("set_setting", { name: "rerating_idle_max_seconds", value: "1000" });
  t.deepEqual(await rules(), []);
  await drain(metering);
  t.deepEqual(await metering.findings(), []);
});

test("readings, prices and removals that come meanwhile end right", async (t) => {
  const results: unknown[] = [];
  for (const isJob of [false, true]) {
    const { metering, sites, call } = await withBooks(t);
    if (isJob) await leaveToJobs(metering);
    const slice = async () => {
      if (isJob) await call("continue_rerating", { row_limit: 17 });
    };
    const first = await call("add_tariff_version", { price: 11, effective_from: "2025-01-05" });
    await slice();
    // Behind the place that was reached, and before it.
    await metering.read(sites[0] as Site, "2025-02-14", 5);
    await metering.read(sites[5] as Site, "2025-02-14", 75);
    const readings = await metering.root(
      "select id from saldo.reading where account_id = $1 order by read_at",
      [sites[4]?.customer.account_id],
    );
    await call("remove_reading", { reading_id: readings[3]?.id });
    await call("change_reading", { reading_id: readings[5]?.id, volume: 100 });
    await slice();
    await call("add_tariff_version", { price: 13, effective_from: "2025-03-01" });
    await slice();
    await call("change_tariff_version", { version_id: first.id, effective_from: "2025-02-01" });
    await slice();
    const late = await metering.site({ kind: "volume", installed_at: "2025-01-01T00:00:00+07" });
    await metering.read(late, "2025-02-14", 5);
    await drain(metering, 7);
    const { lines, months } = (await outcome(metering, [...sites, late])) as Record<string, Row[]>;
    const current = (lines as Row[])
      .filter(({ is_current }) => is_current)
      // An entry of several readings has the day of the last: what is in one differs.
      .map(({ revision, rated_by, posting_date, ...line }) => line);
    results.push({ current, months });
    t.deepEqual(await metering.findings(), []);
    const open = await metering.root("select from saldo.rerating where status <> 'done'");
    t.deepEqual(open, []);
  }
  t.deepEqual(results[1], results[0]);
});

test("eight workers at once rate everything once", async (t) => {
  const { metering, call } = await withBooks(t);
  await leaveToJobs(metering);
  await call("add_tariff_version", { price: 11, effective_from: "2025-01-02" });
  await call("add_correction_factor", {
    formula: "fixed",
    factor: 3,
    effective_from: "2025-01-10",
  });
  const workers = await Promise.all(Array.from({ length: 8 }, () => drain(metering, 4)));
  t.true(workers.filter((slices) => slices.length > 0).length > 1, "several had a turn");
  await drain(metering);
  const jobs = await metering.root(
    "select status::text, done_count, reading_count from saldo.rerating order by id",
  );
  t.deepEqual(jobs, [
    { status: "done", done_count: "72", reading_count: "72" },
    { status: "done", done_count: "66", reading_count: "66" },
  ]);
  const doubled = await metering.root(
    "select from saldo.rated_line group by reading_id, revision having count(*) > 1",
  );
  t.deepEqual(doubled, []);
  t.deepEqual(await metering.findings(), []);
});

test("prices, readings and workers at once end right, and without a deadlock", async (t) => {
  const { metering, sites, call } = await withBooks(t);
  await leaveToJobs(metering);
  const some = <T>(count: number, make: (index: number) => T) =>
    Array.from({ length: count }, (_, index) => make(index));
  const site = (index: number) => sites[index % 6] as Site;
  const day = (index: number) => String(4 + index).padStart(2, "0");
  const work = [
    ...some(6, (index) =>
      call("add_tariff_version", { price: 20 + index, effective_from: `2025-02-${day(index)}` }),
    ),
    ...some(6, (index) =>
      call("add_correction_factor", {
        formula: "fixed",
        factor: index + 3,
        effective_from: `2025-03-${day(index)}`,
        customer_id: site(index).customer.id,
      }),
    ),
    ...some(12, (index) =>
      // Between the indexes of 25 April and those to come, or any volume.
      metering.read(site(index), `2025-05-${day(index)}`, 150 + index),
    ),
    ...some(24, (index) => call("continue_rerating", { row_limit: 3 + index })),
  ];
  t.deepEqual(await outcomes(work), { none: work.length });
  await drain(metering, 10);
  t.deepEqual(await metering.findings(), []);
  const open = await metering.root("select from saldo.rerating where status <> 'done'");
  t.deepEqual(open, []);
});

test("a session that dies in the middle of a slice leaves nothing of it", async (t) => {
  const { metering, call } = await withBooks(t);
  await leaveToJobs(metering);
  await call("add_tariff_version", { price: 11, effective_from: "2025-01-02" });
  const before = await metering.digest();
  const client = await metering.pool.connect();
  await client.query("begin");
  const { rows } = await client.query(
    "select (saldo.continue_rerating(30)).done_count, pg_backend_pid() as pid",
  );
  t.is(rows[0].done_count, "30");
  // Meanwhile nothing is there for another worker, and readings of other customers go on.
  t.is((await call("continue_rerating", {})).id, null);
  await metering.root("select pg_terminate_backend($1)", [rows[0].pid]);
  client.release(true);
  await t.throwsAsync(client.query("select 1"));
  // Its locks go with it, a moment later.
  let slices = await drain(metering);
  while (slices.length === 0) slices = await drain(metering);
  t.notDeepEqual(await metering.digest(), before);
  t.is(slices.at(-1)?.done_count, "72");
  t.deepEqual(await metering.findings(), []);
});

test("a re-rating by hand puts right what a setting has changed", async (t) => {
  const { metering, sites, call } = await withBooks(t);
  const site = sites[0] as Site;
  const version = await call("add_tariff_version", {
    price: 20,
    effective_from: "2025-01-01",
    effective_to: "2025-01-31",
    customer_id: site.customer.id,
  });
  t.is(version.price, "20");
  await call("remove_tariff_version", {
    version_id: await idOf(metering, "tariff_version", "account_id is null"),
    rerate: true,
  });
  await call("set_setting", { name: "rating_without_version", value: "held" });
  const job = await call("start_rerating", { customer_id: site.customer.id });
  t.like(job, { operation: "start_rerating", version_id: null, reading_count: "12" });
  await drain(metering);
  const lines = await metering.lines(site);
  t.deepEqual(
    lines.map(({ is_withdrawn }) => is_withdrawn),
    [...Array(3).fill(false), ...Array(9).fill(true)],
  );
});
