import type { Client } from "pg";
import { costMeter } from "./cost.ts";
import { cpuClock } from "./cpu.ts";
import type { Driver, Scenario } from "./driver.ts";
import { connections, measure, median, row, seconds } from "./measure.ts";
import { ceiling } from "./scenarios.ts";

const customers = 1000;
const readings = Number(process.env.BENCH_READINGS ?? 100_000);
const months = 24;
const firstDay = "2022-01-01";
const statementRuns = 7;
const cpuRounds = 2;

/** Readings of many customers: loaded at once, one by one, and rated again at another price. */
export async function meteringReport(
  client: Client,
  driver: Driver,
  head: readonly string[],
): Promise<string> {
  await prepareMeters(client);
  const count = readings.toLocaleString("en");
  const loaded = await work(client, driver, `${count} readings in one call`, 1, () =>
    loadReadings(client),
  );
  const rerated = await work(client, driver, `${count} lines rated at another price`, 0.8, () =>
    changePrice(client),
  );
  await client.query("vacuum analyze");
  const single = await measure(driver, await oneReading(client));
  const spent = await processorTime(client, driver);
  const taken = await monthMilliseconds(client);
  return [
    "# Metering",
    "",
    ...head,
    `- ${customers.toLocaleString("en")} customers, ${months} months`,
    "",
    "| scenario | per second | ceiling per second | ratio | goal |",
    "|---|---:|---:|---:|---:|",
    loaded.line,
    rerated.line,
    row(single),
    "",
    `Processor time of PostgreSQL: ${spent.reading} µs a single reading, ${loaded.micros} µs one ` +
      `of many, ${rerated.micros} µs a line rated again; ${spent.ceiling} µs a ceiling insert.`,
    "",
    `One customer's month: ${taken.toFixed(2)} ms (goal: under 2 ms).`,
    "",
  ].join("\n");
}

/** One reading; by the meter's id, as a caller has it: codes are unique per customer only. */
export async function oneReading(client: Client): Promise<Scenario> {
  const { rows } = await client.query<{ first: string }>(
    "select min(id) as first from saldo.meter where code like 'M-%'",
  );
  const first = Number(rows[0]?.first);
  return {
    name: "add_reading: one reading, priced and posted",
    sql: "select id from saldo.add_reading(:meter, now(), volume => 10)",
    variables: { meter: [first, first + customers - 1] },
    unitsPerCall: 1,
    goal: 0.1,
  };
}

/** Microseconds of a reading and of a ceiling insert, in turns. */
async function processorTime(client: Client, driver: Driver) {
  const meter = await costMeter(client, driver);
  const reading = await oneReading(client);
  const micros = async (scenario: Scenario) => {
    const { postgres, done } = await meter.turn(scenario, connections, seconds);
    return (postgres / done) * 1e6;
  };
  const turns = { reading: [] as number[], ceiling: [] as number[] };
  for (let round = 0; round < cpuRounds; round += 1) {
    turns.ceiling.push(await micros(ceiling));
    turns.reading.push(await micros(reading));
  }
  return {
    reading: Math.min(...turns.reading).toFixed(0),
    ceiling: Math.min(...turns.ceiling).toFixed(0),
  };
}

/** A thousand customers with a meter each, and a tariff. */
export async function prepareMeters(client: Client): Promise<void> {
  await client.query(
    `select count(saldo.create_customer('customer-' || g, 'Customer'))
    from generate_series(1, $1) as g`,
    [customers],
  );
  await client.query(
    `select count(saldo.install_meter(c.id, 'M-' || split_part(c.code, '-', 2),
      kind => 'volume', installed_at => $1::date::timestamptz))
    from saldo.customer as c`,
    [firstDay],
  );
  await client.query("select saldo.add_tariff_version(5000, $1)", [firstDay]);
  await client.query(
    `select saldo.add_correction_factor($1, formula => 'gas_300k', pressure => 0.85,
      temperature => 25.01)`,
    [firstDay],
  );
  await client.query("vacuum analyze");
}

/** Readings over all months, in one call. */
async function loadReadings(client: Client): Promise<number> {
  const { rowCount } = await client.query(
    `select count(*) from saldo.add_readings((
      select array_agg((m.id, $1::timestamptz
        + make_interval(hours => (g * $2 * 730 / $3)::integer, mins => 1), null, 10, null, null
      )::saldo.reading_request)
      from saldo.meter as m
      cross join generate_series(0, $3::integer - 1) as g
      where m.code like 'M-%'))`,
    [firstDay, months, Math.floor(readings / customers)],
  );
  return rowCount === 1 ? readings : Number.NaN;
}

/** Another price from the first day on, which rates every reading again and posts the difference. */
async function changePrice(client: Client): Promise<number> {
  await client.query("select saldo.set_setting('rerate_at_once_max', '1000000')");
  const before = await lineCount(client);
  await client.query(
    "select saldo.change_tariff_version((select id from saldo.tariff_version), price => 5200)",
  );
  return (await lineCount(client)) - before;
}

async function lineCount(client: Client): Promise<number> {
  const { rows } = await client.query("select count(*)::integer as count from saldo.rated_line");
  return rows[0].count;
}

/** Units a second of something done once, beside the ceiling just before and after it. */
async function work(
  client: Client,
  driver: Driver,
  name: string,
  goal: number,
  run: () => Promise<number>,
): Promise<{ line: string; micros: string }> {
  const before = await driver.run(ceiling, connections, seconds);
  const clock = await cpuClock(client);
  const spent = () => clock?.ofPostgres() ?? Number.NaN;
  const spentBefore = spent();
  const startedAt = performance.now();
  const units = await run();
  const micros = (((spent() - spentBefore) / units) * 1e6).toFixed(0);
  const perSecond = units / ((performance.now() - startedAt) / 1000);
  const ceilingPerSecond = (before + (await driver.run(ceiling, connections, seconds))) / 2;
  const ratio = perSecond / ceilingPerSecond;
  const line = row({ name, perSecond, ceilingPerSecond, ratio, goal });
  console.log(line);
  return { line, micros };
}

async function monthMilliseconds(client: Client): Promise<number> {
  const taken: number[] = [];
  for (let run = 0; run < statementRuns; run += 1) {
    const startedAt = performance.now();
    await client.query(
      `select * from saldo.customer_month(
        (select id from saldo.customer where code = 'customer-77'), '2023-06-01')`,
    );
    taken.push(performance.now() - startedAt);
  }
  return median(taken);
}
