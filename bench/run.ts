import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { Client } from "pg";
import { booksReport } from "./books.ts";
import { branchReport } from "./branches.ts";
import { consoleReport } from "./console.ts";
import { benchDatabase } from "./database.ts";
import { chooseDriver, type Driver } from "./driver.ts";
import { figure } from "./figure.ts";
import { frontReport } from "./front.ts";
import { growthReport } from "./growth.ts";
import { healthReport } from "./health.ts";
import { record } from "./history.ts";
import {
  drain,
  grow,
  type HotAccounts,
  lockedRow,
  prepareHot,
  type Size,
  settleMeanwhile,
  sizes,
  submit,
  submitMany,
} from "./hot_scenarios.ts";
import { instructionsReport } from "./instructions.ts";
import { loadReport } from "./load.ts";
import { connections, type Measurement, measure, rounds, seconds, table } from "./measure.ts";
import { meteringReport } from "./metering.ts";
import { mixedReport } from "./mixed.ts";
import { readOptions, runOwnLoad } from "./own_server.ts";
import { quickReport } from "./quick.ts";
import { ceiling, growJournal, prepare, purchase, transfer, transferMany } from "./scenarios.ts";
import { skewedReport } from "./skewed.ts";

/**
 * `npm run bench`: what Saldo costs, as ratios to plain inserts of the same run on the same server.
 * `npm run bench -- quick`: in three minutes, at 1, 8 and 32 connections, with processor time; with
 * --record the figures are added to history.jsonl.
 * `npm run bench -- instructions`: processor instructions of one call, which nothing beside disturbs.
 * `npm run bench -- load`: how requests over GraphQL fare at given rates; with --url ADDRESS against
 * a server of one's own, see own_server.ts.
 * `npm run bench -- front`: purchases and submissions of 64 callers over GraphQL, beside a bare server.
 * `npm run bench -- books`: statements over five years of many accounts.
 * `npm run bench -- metering`: readings of many customers, loaded, one by one, and rated again.
 * `npm run bench -- branches`: a backlog of tills, drained over HTTP.
 * `npm run bench -- console`: the console's first screen, and what open consoles cost.
 * `npm run bench -- skewed`: payments between a hundred thousand accounts, some drawn very often.
 * `npm run bench -- mixed`: all kinds of call at once, beside a server with its jobs.
 * `npm run bench -- health`: what checks, heals and the guard cost on ten million lines.
 * `npm run bench -- growth`: what a call costs as one database grows to fifty million lines.
 */

const smallJournal = 10_000;
const largeJournal = Number(process.env.BENCH_LINES ?? 5_000_000);
const manyRows = Number(process.env.BENCH_ROWS ?? 5_000_000);
const settledRows = 200_000;
const settledInserts = 60_000;

/** What a run has to work with. */
interface Bench {
  client: Client;
  driver: Driver;
  connectionString: string;
}

const percent = (ratio: number) => `${((ratio - 1) * 100).toFixed(0)}%`;
const counted = (count: number) => count.toLocaleString("en");

async function ledger({ client, driver, connectionString }: Bench) {
  const small = await measure(driver, transfer);
  const measurements = [small, await measure(driver, transferMany)];
  measurements.push(await measure(driver, purchase, () => drain(client)));

  console.log(`growing the journal to ${counted(largeJournal)} lines`);
  const others = [1, 2].map(() => new Client({ connectionString }));
  await Promise.all(others.map((other) => other.connect()));
  await growJournal([client, ...others], largeJournal);
  await Promise.all(others.map((other) => other.end()));
  await client.query("vacuum analyze");
  await client.query("checkpoint");
  const large = await measure(driver, {
    ...transfer,
    name: `transfer, journal of ${counted(largeJournal)} lines`,
  });
  measurements.push(large);
  const note =
    `From ${counted(smallJournal)} to ${counted(largeJournal)} lines the ratio of a transfer ` +
    `changes by ${percent(large.ratio / small.ratio)}.`;
  return { measurements, notes: [note] };
}

/** How long settlement alone takes for many rows, in inserts of the ceiling. */
async function settlementAlone(bench: Bench, accounts: HotAccounts) {
  const { client, driver } = bench;
  await grow(client, accounts, settledRows);
  const top = await driver.run(ceiling, connections, seconds);
  const startedAt = performance.now();
  const settled = await drain(client);
  const took = (performance.now() - startedAt) / 1000;
  return (
    `Settlement alone: ${counted(settled)} rows in ${took.toFixed(2)} s, the time of ` +
    `${counted(Math.round(took * top))} ceiling inserts (goal: at most ${counted(settledInserts)}).`
  );
}

const settlingName = "one hot account: submit_transaction, settled meanwhile";

/** One account under many writers: a row, and slots. */
async function hotRatios({ client, driver, connectionString }: Bench, accounts: HotAccounts) {
  const locked = await measure(driver, lockedRow(accounts));
  const later = submit(accounts, "one hot account: submit_transaction, settled later", 0.65);
  const unsettled = await measure(driver, later, () => drain(client));
  const stop = await settleMeanwhile(connectionString);
  const single = await measure(driver, submit(accounts, settlingName, 0.55));
  const many = await measure(driver, submitMany(accounts));
  await stop();
  return [locked, unsettled, single, many];
}

/** Whether it is as fast, and how large everything is, after an hour's worth of rows. */
async function hotGrowth(bench: Bench, accounts: HotAccounts, atStart: number) {
  const { client, driver, connectionString } = bench;
  console.log(`growing the hot account to ${counted(manyRows)} rows`);
  const stop = await settleMeanwhile(connectionString);
  await grow(client, accounts, manyRows);
  await client.query("checkpoint");
  const name = `the same at ${counted(manyRows)} rows`;
  const large = await measure(driver, { ...submit(accounts, name, 0.55), name });
  await stop();
  const note =
    `From the start to ${counted(manyRows)} rows the ratio of a single call changes by ` +
    `${percent(large.ratio / atStart)} (goal: within 15%).`;
  const before = await sizes(client);
  await client.query("vacuum");
  return { measurement: large, notes: [note, ...sizeTable(before, await sizes(client))] };
}

function sizeTable(before: Size[], after: Size[]): string[] {
  const cells = (size: Size | undefined) => `${size?.table} | ${size?.indexes}`;
  return [
    "",
    "| table | rows before vacuum | indexes | rows after vacuum | indexes |",
    "|---|---:|---:|---:|---:|",
    ...before.map(
      (size) =>
        `| ${size.name} | ${cells(size)} | ${cells(after.find((a) => a.name === size.name))} |`,
    ),
  ];
}

/** Figures go into a file that programs read, too, and into the history when asked. */
async function quick({ client, driver }: Bench, head: string): Promise<string> {
  const { text, figures } = await quickReport(client, driver, head);
  await mkdir(new URL("./out/", import.meta.url), { recursive: true });
  await writeFile(
    new URL("./out/quick.json", import.meta.url),
    `${JSON.stringify(figures, null, 2)}\n`,
  );
  if (process.argv.includes("--record")) {
    const { rows } = await client.query<{ version: string }>(
      "select current_setting('server_version') as version",
    );
    const { commit } = record(figures, rows[0]?.version ?? "", driver.name);
    console.log(`recorded under ${commit} in bench/history.jsonl`);
  }
  return text;
}

/** The first line of a head, for a report that has its own number of connections. */
const machine = (head: string[]) => (head[0] ?? "").replace(`, ${connections} connections`, "");

const reportFile = (mode: string) => new URL(`./${mode}_report.md`, import.meta.url);

/** The modes that write a report of their own. */
const reports: Record<string, (bench: Bench, head: string[]) => Promise<string>> = {
  front: ({ client, connectionString }, head) =>
    frontReport(client, connectionString, head[0] ?? ""),
  console: ({ connectionString }, head) => consoleReport(connectionString, head.slice(0, 1)),
  quick: (bench, head) => quick(bench, machine(head)),
  growth: (bench, head) =>
    growthReport(bench, machine(head), (text) => writeFile(reportFile("growth"), text)),
  books: ({ client, driver }, head) => booksReport(client, driver, head),
  metering: ({ client, driver }, head) => meteringReport(client, driver, head),
  branches: ({ client, driver, connectionString }, head) =>
    branchReport(client, driver, connectionString, head),
  skewed: ({ client, driver, connectionString }, head) =>
    skewedReport(client, driver, connectionString, head),
  mixed: ({ client, driver, connectionString }, head) =>
    mixedReport(client, driver, connectionString, head),
  health: async ({ client, driver, connectionString }, head) => {
    await growJournal([client], smallJournal);
    await client.query("vacuum analyze");
    return healthReport(client, driver, connectionString, head);
  },
};

function report(head: string[], measurements: Measurement[], notes: string[]): string {
  return ["# Bench", "", ...head, "", ...table(measurements), "", ...notes, ""].join("\n");
}

async function main(mode: string | undefined): Promise<void> {
  const database = await benchDatabase();
  const { connectionString } = database;
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const bench = { client, connectionString, driver: chooseDriver(connectionString) };
    const { rows } = await client.query<{ version: string }>(
      "select current_setting('server_version') as version",
    );
    const head = [
      `- ${cpus().length} cores, PostgreSQL ${rows[0]?.version}, ${connections} connections, ` +
        `driver ${bench.driver.name}`,
      `- ceiling = ${ceiling.name} per transaction; median of ${rounds} rounds of ${seconds} s, ` +
        "ceiling and candidate in turn",
    ];
    console.log(head.join("\n"));
    await prepare(client);
    const named = reports[mode ?? ""];
    if (named !== undefined) {
      await writeFile(reportFile(mode ?? ""), await named(bench, head));
      console.log(`written to bench/${mode}_report.md`);
      return;
    }
    await growJournal([client], smallJournal);
    await client.query("vacuum analyze");
    if (mode === "load") {
      await writeFile(
        new URL("./load_report.md", import.meta.url),
        await loadReport(connectionString, head, async () =>
          hotRatios(bench, await prepareHot(client)),
        ),
      );
      console.log("written to bench/load_report.md");
      return;
    }
    const accounts = await prepareHot(client);
    const ratios = await hotRatios(bench, accounts);
    const alone = await settlementAlone(bench, accounts);
    const books = await ledger(bench);
    const growth = await hotGrowth(bench, accounts, ratios[2]?.ratio ?? Number.NaN);
    await writeFile(new URL("./hot_accounts.svg", import.meta.url), figure(ratios));
    const measurements = [...books.measurements, ...ratios, growth.measurement];
    const notes = [...books.notes, alone, ...growth.notes];
    await writeFile(new URL("./report.md", import.meta.url), report(head, measurements, notes));
    console.log("written to bench/report.md and bench/hot_accounts.svg");
  } finally {
    await client.end();
    await database.release();
  }
}

async function ownServer(words: string[]): Promise<boolean> {
  const load = readOptions(words);
  if (load === undefined) return false;
  const { file, scenarios } = await runOwnLoad(load);
  console.log(`written to ${file}`);
  process.exitCode = scenarios.some(({ fault }) => fault !== undefined) ? 1 : 0;
  return true;
}

const [mode, ...words] = process.argv.slice(2);
if (mode !== undefined && !["load", "instructions", ...Object.keys(reports)].includes(mode)) {
  console.error(`Say nothing, load, instructions, ${Object.keys(reports).join(", ")}.`);
  process.exit(1);
}
if (mode === "instructions") {
  await writeFile(reportFile(mode), await instructionsReport());
  console.log(`written to bench/${mode}_report.md`);
} else if (mode !== "load" || !(await ownServer(words))) await main(mode);
