import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { Client } from "pg";
import { benchDatabase } from "./database.ts";
import { chooseDriver, type Driver, type Scenario } from "./driver.ts";
import { ceiling, growJournal, prepare, purchase, transfer, transferMany } from "./scenarios.ts";

/**
 * `npm run bench`: what Saldo costs, as ratios to plain inserts of the same run on the same server.
 * A candidate and the ceiling take turns, and the median of the rounds counts, because the machine
 * is seldom alone.
 */

const connections = 32;
const rounds = 3;
const seconds = Number(process.env.BENCH_SECONDS ?? 5);
const smallJournal = 10_000;
const largeJournal = Number(process.env.BENCH_LINES ?? 5_000_000);

interface Measurement {
  name: string;
  perSecond: number;
  ceilingPerSecond: number;
  ratio: number;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function measure(driver: Driver, scenario: Scenario): Promise<Measurement> {
  const ceilings: number[] = [];
  const candidates: number[] = [];
  const ratios: number[] = [];
  // A first short turn each, not counted: plans, caches and files warm up.
  const own = scenario.connections ?? connections;
  await driver.run(scenario, own, 1);
  for (let round = 0; round < rounds; round += 1) {
    const top = await driver.run(ceiling, connections, seconds);
    const candidate = await driver.run(scenario, own, seconds);
    ceilings.push(top);
    candidates.push(candidate);
    ratios.push(candidate / top);
  }
  const measurement = {
    name: scenario.name,
    perSecond: median(candidates),
    ceilingPerSecond: median(ceilings),
    ratio: median(ratios),
  };
  console.log(row(measurement));
  return measurement;
}

function row(measurement: Measurement): string {
  const cells = [
    measurement.name,
    Math.round(measurement.perSecond).toLocaleString("en"),
    Math.round(measurement.ceilingPerSecond).toLocaleString("en"),
    measurement.ratio.toFixed(2),
  ];
  return `| ${cells.join(" | ")} |`;
}

function report(head: string[], measurements: Measurement[], flatness: string): string {
  return [
    "# Bench",
    "",
    ...head.map((line) => `- ${line}`),
    "",
    "| scenario | per second | ceiling per second | ratio |",
    "|---|---:|---:|---:|",
    ...measurements.map(row),
    "",
    flatness,
    "",
  ].join("\n");
}

async function main(): Promise<void> {
  const database = await benchDatabase();
  const client = new Client({ connectionString: database.connectionString });
  await client.connect();
  try {
    const driver = chooseDriver(database.connectionString);
    const { rows } = await client.query<{ version: string }>(
      "select current_setting('server_version') as version",
    );
    const head = [
      `${cpus().length} cores, PostgreSQL ${rows[0]?.version}, ${connections} connections, ` +
        `driver ${driver.name}`,
      `ceiling = ${ceiling.name} per transaction; median of ${rounds} rounds of ${seconds} s, ` +
        "ceiling and candidate in turn",
    ];
    console.log(head.join("\n"));
    await prepare(client);
    await growJournal([client], smallJournal);
    await client.query("vacuum analyze");

    const measurements = [await measure(driver, transfer)];
    measurements.push(await measure(driver, transferMany));
    measurements.push(await measure(driver, purchase));
    const small = measurements[0]?.ratio ?? Number.NaN;

    console.log(`growing the journal to ${largeJournal.toLocaleString("en")} lines`);
    const others = await Promise.all(
      [1, 2].map(async () => {
        const other = new Client({ connectionString: database.connectionString });
        await other.connect();
        return other;
      }),
    );
    await growJournal([client, ...others], largeJournal);
    await Promise.all(others.map((other) => other.end()));
    await client.query("vacuum analyze");
    await client.query("checkpoint");
    const large = await measure(driver, {
      ...transfer,
      name: `transfer, journal of ${largeJournal.toLocaleString("en")} lines`,
    });
    measurements.push(large);

    const change = ((large.ratio / small - 1) * 100).toFixed(0);
    const flatness =
      `From ${smallJournal.toLocaleString("en")} to ${largeJournal.toLocaleString("en")} lines the ` +
      `ratio of a transfer changes by ${change}%.`;
    console.log(flatness);
    await writeFile(new URL("./report.md", import.meta.url), report(head, measurements, flatness));
    console.log("written to bench/report.md");
  } finally {
    await client.end();
    await database.release();
  }
}

await main();
