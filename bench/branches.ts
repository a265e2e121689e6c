import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client } from "pg";
import { enrol } from "../src/branch/push/enrol.ts";
import { Pusher } from "../src/branch/push/pusher.ts";
import { FactWriter } from "../src/branch/store/facts.ts";
import { Store } from "../src/branch/store/store.ts";
import { type CpuClock, cpuClock } from "./cpu.ts";
import type { Driver } from "./driver.ts";
import { connections, row, seconds } from "./measure.ts";
import { ceiling } from "./scenarios.ts";

const backlog = Number(process.env["BENCH_BRANCH_ROWS"] ?? 100_000);
const tillCount = 4;
const pace = { intervalMs: 1e9, retryBaseMs: 1e9, retryMaxMs: 1e9, timeoutMs: 120_000 };

const batchRows = 256;
const floorRows = 25_600;

/** A backlog of tills drained by their own program, over HTTP, into a server of its own. */
export async function branchReport(
  client: Client,
  driver: Driver,
  connectionString: string,
  head: readonly string[],
): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "saldo-bench-tills-"));
  const centre = await startCentre(connectionString, root);
  const cpu = await cpuClock(client);
  try {
    const counted = backlog.toLocaleString("en");
    const one = await drain({ client, driver, cpu, root, centre }, "A", 1, backlog);
    const many = await drain(
      { client, driver, cpu, root, centre },
      "B",
      tillCount,
      Math.floor(backlog / tillCount),
    );
    const floor = await postAlone(client, cpu);
    return [
      "# Branches",
      "",
      ...head.slice(0, 1),
      `- ceiling = ${ceiling.name} per transaction, for ${seconds} s before and after`,
      `- ${counted} rows of tills, pushed in batches of 256 over HTTP, gzip; a branch each`,
      "",
      "| scenario | per second | ceiling per second | ratio | goal |",
      "|---|---:|---:|---:|---:|",
      one.line,
      many.line,
      "",
      ...one.notes,
      ...many.notes,
      `- posting alone: ${batchRows} entries of two lines at a time by post_entries, nothing else: ` +
        `${floor} of processor time in PostgreSQL each.`,
      "",
      "Where the machine has other work, processor time says more than rows a second: the ceiling is",
      `held by ${connections} connections, and a backlog by one for each till.`,
      "",
    ].join("\n");
  } finally {
    centre.child.kill("SIGTERM");
    await rm(root, { recursive: true, force: true });
  }
}

const micro = (time: number) => `${Math.round(time * 1e6)} µs`;

/** What lies below any intake: the postings of a backlog by themselves. */
async function postAlone(client: Client, cpu: CpuClock | undefined): Promise<string> {
  const { rows } = await client.query(
    `select (saldo.open_account('floor:cash', 'Cash', 'asset')).id as cash,
      (saldo.open_account('floor:sales', 'Sales', 'revenue')).id as sales`,
  );
  const { cash, sales } = rows[0];
  const entries = Array.from({ length: batchRows }, (_, index) => ({
    description: "Sales",
    lines: [
      { account_id: cash, debit: String(index + 1) },
      { account_id: sales, credit: String(index + 1) },
    ],
  }));
  const text = JSON.stringify(entries);
  const idle = cpu?.ofPostgres() ?? 0;
  for (let posted = 0; posted < floorRows; posted += batchRows) {
    await client.query("select count(*) from saldo.post_entries($1)", [text]);
  }
  if (cpu === undefined) return "an unknown amount";
  return micro((cpu.ofPostgres() - idle) / floorRows);
}

interface Centre {
  child: ChildProcess;
  address: string;
}

/** The server as it is run, without its jobs. */
async function startCentre(connectionString: string, root: string): Promise<Centre> {
  const program = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [program, "server"], {
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: connectionString,
      SALDO_DATA_DIR: join(root, "centre"),
      PORT: "0",
      NODE_ENV: "development",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  return await new Promise((done, refuse) => {
    child.once("exit", () => refuse(new Error(`the server ended:\n${output}`)));
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const address = /(http:\/\/[\w.:]+)/.exec(output)?.[1];
      if (address !== undefined) done({ child, address });
    });
  });
}

interface Scene {
  client: Client;
  driver: Driver;
  cpu: CpuClock | undefined;
  root: string;
  centre: Centre;
}

async function drain(scene: Scene, prefix: string, count: number, rows: number) {
  const { client, driver, cpu, centre } = scene;
  const stores: Store[] = [];
  for (let number = 1; number <= count; number += 1) {
    stores.push(await makeTill(scene, `${prefix}${number}`, rows));
  }
  const cpuNow = () => ({
    server: cpu?.ofProcess(centre.child.pid ?? 0) ?? 0,
    postgres: cpu?.ofPostgres() ?? 0,
    tills: process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
  });
  const idle = cpu?.ofPostgres() ?? 0;
  const before = await driver.run(ceiling, connections, seconds);
  const perInsert = ((cpu?.ofPostgres() ?? 0) - idle) / (before * seconds);
  const used = cpuNow();
  const startedAt = performance.now();
  await Promise.all(stores.map(push));
  const taken = (performance.now() - startedAt) / 1000;
  const now = cpuNow();
  const after = await driver.run(ceiling, connections, seconds);
  const total = rows * count;
  await requireAll(client, stores, prefix, total);
  for (const store of stores) store.close();

  const name = count === 1 ? "one till, 1 push at a time" : `${count} tills at once`;
  const perSecond = total / taken;
  const ceilingPerSecond = (before + after) / 2;
  const line = row({
    name,
    perSecond,
    ceilingPerSecond,
    ratio: perSecond / ceilingPerSecond,
    goal: 1,
  });
  console.log(line);
  const perRow = (part: keyof typeof now) => (now[part] - used[part]) / total;
  const notes = [
    `- ${name}: ${total.toLocaleString("en")} rows in ${taken.toFixed(1)} s.`,
    cpu === undefined
      ? "  Processor time was not to be had here."
      : `  Processor time per row: PostgreSQL ${micro(perRow("postgres"))}, the centre's server ` +
        `${micro(perRow("server"))}, the tills ${micro(perRow("tills"))}; a ceiling insert costs ` +
        `PostgreSQL ${micro(perInsert)}.`,
  ];
  console.log(notes.join("\n"));
  return { line, notes };
}

/** A till of a branch of its own, with rows that wait. */
async function makeTill({ client, root, centre }: Scene, code: string, rows: number) {
  const { rows: made } = await client.query(
    "select id from saldo.create_branch('BENCH-' || $1, $1)",
    [code],
  );
  await client.query(
    `select saldo.set_posting_rule('IN', 'Sales',
      (saldo.open_account('sales:' || $1, $1, 'revenue')).id, $2)`,
    [code, made[0].id],
  );
  const { rows: issued } = await client.query("select code from saldo.issue_enrolment_code($1)", [
    made[0].id,
  ]);
  const store = Store.open({
    folder: join(root, code, "store"),
    anchorFolder: join(root, code, "anchors"),
    clock: () => new Date(),
    program: "saldo-branch/bench",
    assumed: { name: code, currency: "IDR", timeZone: "Asia/Jakarta" },
  });
  await enrol(store, { centre: centre.address, code: issued[0].code });
  const writer = new FactWriter(
    store.database,
    () => store.chain,
    () => store.locality(),
  );
  store.transaction(() => {
    for (let number = 1; number <= rows; number += 1) {
      writer.addEntry({ type: "IN", amount: BigInt(number), category: "Sales" }, store.now());
    }
  });
  return store;
}

async function push(store: Store): Promise<void> {
  const pusher = new Pusher(store, { pace });
  // A centre under load may ask for a moment of patience.
  while (store.queue().waiting > 0) await pusher.pushAgain();
  await pusher.stop();
}

/** What is not all there was not fast. */
async function requireAll(client: Client, stores: Store[], prefix: string, total: number) {
  const { rows } = await client.query(
    `select count(*) filter (where i.verdict = 'accepted')::int as accepted,
      (select count(*) from saldo.branch_gaps())::int as gaps
    from saldo.branch_intake as i
    join saldo.branch as b on b.id = i.branch_id
    where b.code like 'BENCH-' || $1 || '%'`,
    [prefix],
  );
  const waiting = stores.reduce((sum, store) => sum + store.queue().waiting, 0);
  const { accepted, gaps } = rows[0];
  if (accepted !== total || gaps !== 0 || waiting !== 0) {
    throw new Error(`${accepted} of ${total} rows accepted, ${gaps} gaps, ${waiting} wait`);
  }
}
