/**
 * `npm run bench -- instructions`: how many processor instructions of PostgreSQL a call takes, counted
 * by valgrind. Other work on the machine changes nothing about it, so it tells a gain of a percent from
 * none, which no rate does. It says nothing about waiting, about caches and about the disk.
 */
import { execFile, spawn } from "node:child_process";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { Client } from "pg";
import { type Identity, openDataFolder } from "../src/database/data_folder.ts";
import { startEmbedded } from "../src/database/embedded.ts";
import { migrate } from "../src/database/migrate.ts";
import { locatePrograms } from "../src/database/postgres_programs.ts";
import type { Scenario } from "./driver.ts";
import { prepareHot, submit } from "./hot_scenarios.ts";
import { oneReading, prepareMeters } from "./metering.ts";
import { byHand, preparePeers, versionedEntries } from "./peers.ts";
import { ceiling, growJournal, prepare, purchase, transfer } from "./scenarios.ts";

/** A call is what the longer run has more: both have the start and the making of all plans. */
const calls = [200, 600] as const;
const journalLines = 10_000;

/** The triggers that tell the engine's writes from others, in what a posting or a purchase writes. */
const guard = [
  "alter table saldo.account disable trigger guard_cached_balance",
  "alter table saldo.month_movement disable trigger guard_cached_balance",
  "alter table saldo.journal_line disable trigger record_bypass_insert",
  "alter table saldo.purchase disable trigger record_bypass",
];

/** A cluster at rest, and what can run on copies of it. */
interface Cluster {
  readonly folder: string;
  readonly identity: Identity;
  readonly postgres: string;
}

const run = promisify(execFile);

/** Instructions of a server that is given these statements and then ended. */
async function instructions(cluster: Cluster, statements: readonly string[]): Promise<number> {
  const copy = await mkdtemp(join(tmpdir(), "saldo-instructions-"));
  const { uid, gid } = cluster.identity;
  try {
    await run("cp", ["-a", `${cluster.folder}/.`, copy]);
    await chmod(copy, 0o700);
    if (uid !== undefined && gid !== undefined) await chown(copy, uid, gid);
    const child = spawn(
      "valgrind",
      [
        ...["--tool=callgrind", "--callgrind-out-file=/dev/null", cluster.postgres],
        ...["--single", "-D", copy, "-c", "fsync=off", "-c", "jit=off", "saldo"],
      ],
      { uid, gid, cwd: copy, stdio: ["pipe", "ignore", "pipe"] },
    );
    const said = text(child.stderr);
    const ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    child.stdin.end(`${statements.join("\n")}\n`);
    await ended;
    const log = await said;
    const failed = /^.*ERROR: .*$/m.exec(log)?.[0];
    const counted = /Collected : (\d+)/.exec(log)?.[1];
    if (failed !== undefined || counted === undefined) throw new Error(failed ?? log);
    return Number(counted);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** Thousand instructions of one call; `before` is done first, and not counted. */
async function ofOneCall(
  cluster: Cluster,
  { sql, variables }: Scenario,
  before: readonly string[] = [],
): Promise<number> {
  const names = Object.keys(variables);
  const prepared = names.reduce(
    (statement, name, index) => statement.replaceAll(`:${name}`, `$${index + 1}`),
    sql.replaceAll("::", "\0"),
  );
  const types = names.length === 0 ? "" : `(${names.map(() => "integer").join(", ")})`;
  // Lines end statements there.
  const prepare = `prepare call${types} as ${prepared.replaceAll("\0", "::").replace(/\s+/g, " ")}`;
  const call = (number: number) => {
    const values = Object.values(variables).map(([from, to]) => from + (number % (to - from + 1)));
    return `execute call${values.length === 0 ? "" : `(${values.join(", ")})`}`;
  };
  const [few, many] = await Promise.all(
    calls.map((count) =>
      instructions(cluster, [
        ...before,
        prepare,
        ...Array.from({ length: count }, (_, number) => call(number)),
      ]),
    ),
  );
  return ((many ?? 0) - (few ?? 0)) / (calls[1] - calls[0]) / 1000;
}

/** Fills a database for all scenarios, as it is after some use. */
async function fill(connectionString: string): Promise<Scenario[]> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await prepare(client);
    await preparePeers(client);
    const hot = submit(await prepareHot(client), "one hot account: submit_transaction");
    await growJournal([client], journalLines);
    await prepareMeters(client);
    const reading = await oneReading(client);
    // The first of a month adds its rows; what is counted is a later one.
    await client.query(
      `select count(saldo.purchase_with_balance_deduction(m.id, p.id, 100))
      from saldo.member as m cross join saldo.product as p`,
    );
    await client.query(
      "select count(saldo.add_reading(m.id, now(), volume => 10)) from saldo.meter as m",
    );
    await client.query("vacuum analyze");
    await client.query("checkpoint");
    return [ceiling, byHand, versionedEntries, transfer, purchase, hot, reading];
  } finally {
    await client.end();
  }
}

/** The report, of a cluster of its own. */
export async function instructionsReport(): Promise<string> {
  await run("valgrind", ["--version"]).catch(() => {
    throw new Error("This needs valgrind: apt-get install valgrind.");
  });
  const folder = await mkdtemp(join(tmpdir(), "saldo-bench-"));
  try {
    await chmod(folder, 0o755);
    const home = join(folder, "data");
    const server = await startEmbedded(home, { shared_buffers: "128MB" });
    await migrate(server.connectionString);
    const scenarios = await fill(server.connectionString);
    await server.stop();
    const { root, identity } = await openDataFolder(home);
    const { postgres } = await locatePrograms(identity, import.meta.url);
    const cluster = { folder: join(root, "postgres", "data"), identity, postgres };
    const lines: string[] = [];
    let top = 0;
    for (const scenario of scenarios) {
      const thousands = await ofOneCall(cluster, scenario);
      if (scenario === ceiling) top = thousands;
      const unguarded = [transfer, purchase].includes(scenario)
        ? await ofOneCall(cluster, scenario, guard)
        : undefined;
      const share =
        unguarded === undefined ? "" : `${(100 - (100 * unguarded) / thousands).toFixed(1)}%`;
      const line = `| ${scenario.name} | ${thousands.toFixed(0)} | ${(thousands / top).toFixed(1)} | ${share} |`;
      console.log(line);
      lines.push(line);
    }
    return [
      "# Instructions",
      "",
      `- PostgreSQL's own, in thousands a call, by valgrind: ${calls[1]} calls in a session of their own, ` +
        `less ${calls[0]}; with one connection, and nothing that waits`,
      "- the guard's share: what is spared where its triggers are switched off",
      "",
      "| scenario | thousand instructions | times a plain insert | the guard's share |",
      "|---|---:|---:|---:|",
      ...lines,
      "",
    ].join("\n");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
