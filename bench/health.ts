import { Client } from "pg";
import { type CpuClock, cpuClock } from "./cpu.ts";
import type { Driver } from "./driver.ts";
import { accounts, driftTotals, growLedger, transferAmong } from "./health_books.ts";
import { connections, median, seconds } from "./measure.ts";
import { transfer } from "./scenarios.ts";

const lines = Number(process.env.BENCH_CHECK_LINES ?? 10_000_000);
const newTransfers = 50_000;
/** Accounts that these touch, and the share of a full check that an incremental one may cost then. */
const touches: [touched: number, goal: string][] = [
  [1000, "at most 5%"],
  [accounts, "at most 10%"],
];
const driftedAccounts = 10_000;
const runs = 3;
const postingTurns = 7;

const counted = (count: number) => count.toLocaleString("en");
const percent = (share: number) => `${(share * 100).toFixed(1)}%`;

/** What checks, heals and the guard cost, on a ledger of many lines. */
export async function healthReport(
  client: Client,
  driver: Driver,
  connectionString: string,
  head: readonly string[],
): Promise<string> {
  const postings = await postingRounds(client, driver, connectionString);
  console.log(`growing the ledger by ${counted(lines)} lines`);
  await growLedger(client, lines);
  const clock = await cpuClock(client);
  // The first one learns what later ones compare with.
  await client.query("select saldo.check_balance_health()");
  const sums: Cost[] = [];
  const checks: Cost[] = [];
  for (let run = 0; run < runs; run += 1) {
    sums.push(await took(client, clock, sumsByAccount));
    checks.push(await took(client, clock, fullCheck));
  }
  const full = middle(checks);
  const news: string[] = [];
  for (const [touched, goal] of touches) {
    const cost = await incremental(client, clock, touched);
    news.push(
      row(
        `incremental check, ${counted(newTransfers * 2)} new lines on ${counted(touched)} accounts`,
        cost,
        `${percent(cost.cpu / full.cpu)} of a full check's CPU`,
        goal,
      ),
    );
  }
  const [heal, withChecks] = await healCost(client, clock);
  const ratio = median(
    checks.map((check, run) => check.seconds / (sums[run]?.seconds ?? Number.NaN)),
  );
  return [
    "# Health",
    "",
    // The machine; nothing here is compared with the ceiling.
    ...head.slice(0, 1),
    `- ${counted(lines)} lines of ${counted(accounts)} accounts in 60 months`,
    "",
    "| what | seconds | CPU seconds | beside | goal |",
    "|---|---:|---:|---|---|",
    row("sums of debits and credits by account", middle(sums)),
    row("full check", full, `${ratio.toFixed(1)} times the sums`, "at most 3 times"),
    ...news,
    row(
      `heal of ${counted(driftedAccounts)} drifted accounts that a check has found`,
      { seconds: heal, cpu: Number.NaN },
      "",
      "at most 5 s",
    ),
    row(
      "auto_heal of as many: the check before, the heal, the look after",
      withChecks,
      "",
      "at most 15 s",
    ),
    "",
    ...postingLines(postings),
    "",
  ].join("\n");
}

const sumsByAccount = `select sum(debit), sum(credit) from (
  select account_id, sum(debit) as debit, sum(credit) as credit
  from saldo.journal_line group by account_id) as s`;
const fullCheck = "select status from saldo.check_balance_health()";

/** What a statement takes: seconds, and those of the processors of the server. */
interface Cost {
  seconds: number;
  /** Not a number where nobody can tell: the server is on another machine. */
  cpu: number;
}

const middle = (costs: Cost[]): Cost => ({
  seconds: median(costs.map(({ seconds }) => seconds)),
  cpu: median(costs.map(({ cpu }) => cpu)),
});

const figure = (value: number) => (Number.isNaN(value) ? "" : value.toFixed(2));
const row = (name: string, { seconds, cpu }: Cost, beside = "", goal = "") =>
  `| ${[name, figure(seconds), figure(cpu), beside, goal].join(" | ")} |`;

/** What a statement takes; what it returns has to be a healthy check, if it is one. */
async function took(client: Client, clock: CpuClock | undefined, text: string): Promise<Cost> {
  const startedAt = performance.now();
  const cpuBefore = clock?.ofPostgres() ?? Number.NaN;
  const { rows } = await client.query(text);
  const cost = {
    seconds: (performance.now() - startedAt) / 1000,
    cpu: (clock?.ofPostgres() ?? Number.NaN) - cpuBefore,
  };
  const { status, scope } = rows[0];
  if ((status ?? "healthy") !== "healthy" || (scope ?? "incremental") !== "incremental") {
    throw new Error(`${text}: ${status}, ${scope}`);
  }
  return cost;
}

const guarded: [string, string][] = [
  ["account", "guard_cached_balance"],
  ["month_movement", "guard_cached_balance"],
  ["journal_line", "record_bypass_insert"],
];

/** Transfers a second of each turn, round by round. */
interface Rounds {
  plain: number[];
  unguarded: number[];
  checked: number[];
}

/**
 * A transfer as it is, without the guard, and with checks going on all the time: in turns, since
 * what is compared is a few percent, and the machine is seldom alone.
 */
async function postingRounds(
  client: Client,
  driver: Driver,
  connectionString: string,
): Promise<Rounds> {
  const run = () => driver.run(transfer, connections, seconds);
  const turns: Record<keyof Rounds, () => Promise<number>> = {
    plain: run,
    unguarded: () => withoutGuard(client, run),
    checked: () => besideChecks(connectionString, run),
  };
  const figures: Rounds = { plain: [], unguarded: [], checked: [] };
  const names = ["plain", "unguarded", "checked"] as const;
  await driver.run(transfer, connections, 1); // not counted: caches and files warm up
  for (let round = 0; round < postingTurns; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      figures[name].push(await turns[name]());
    }
  }
  return figures;
}

async function withoutGuard<T>(client: Client, work: () => Promise<T>): Promise<T> {
  for (const [name, trigger] of guarded) {
    await client.query(`alter table saldo.${name} disable trigger ${trigger}`);
  }
  const result = await work();
  for (const [name, trigger] of guarded) {
    await client.query(`alter table saldo.${name} enable always trigger ${trigger}`);
  }
  return result;
}

async function besideChecks<T>(connectionString: string, work: () => Promise<T>): Promise<T> {
  const checker = new Client({ connectionString });
  await checker.connect();
  let isMeasuring = true;
  let count = 0;
  const checking = (async () => {
    while (isMeasuring) {
      await checker.query("select saldo.reconcile()");
      count += 1;
    }
  })();
  const result = await work();
  isMeasuring = false;
  await checking;
  await checker.end();
  console.log(`${count} checks meanwhile`);
  return result;
}

function postingLines({ plain, unguarded, checked }: Rounds): string[] {
  const cost = (slower: number[], faster: number[]) =>
    percent(median(slower.map((value, round) => 1 - value / (faster[round] ?? Number.NaN))));
  const line = (name: string, figures: number[], costs: string) =>
    `| ${name} | ${Math.round(median(figures)).toLocaleString("en")} | ${costs} |`;
  return [
    `Transfers, ${postingTurns} turns of ${seconds} s each; a cost is the median of those of the rounds:`,
    "",
    "| scenario | per second | cost |",
    "|---|---:|---|",
    line("transfer", plain, ""),
    line(
      "without the guard",
      unguarded,
      `the guard costs ${cost(plain, unguarded)} (goal: at most 3%)`,
    ),
    line(
      "checks one after the other beside it",
      checked,
      `they cost ${cost(checked, plain)} (goal: at most 10%)`,
    ),
  ];
}

/** What an incremental check takes once so many of the accounts were touched; the median of runs. */
async function incremental(client: Client, clock: CpuClock | undefined, touched: number) {
  const taken: Cost[] = [];
  // The first one after a full check sums up the lines of the month, and is not counted.
  for (let run = 0; run <= runs; run += 1) {
    await transferAmong(client, newTransfers, touched);
    taken.push(await took(client, clock, "select status, scope from saldo.reconcile()"));
  }
  return middle(taken.slice(1));
}

/** So far only two people raise a limit. */
async function raise(client: Client, name: string, value: number): Promise<void> {
  const { rows } = await client.query("select id from saldo.propose_setting($1, $2, 'bench')", [
    name,
    `${value}`,
  ]);
  await client.query("set saldo.subject = 'another one'");
  await client.query("select saldo.approve_decision($1, 'bench')", [rows[0].id]);
  await client.query("reset saldo.subject");
}

async function healCost(
  client: Client,
  clock: CpuClock | undefined,
): Promise<[healSeconds: number, withChecks: Cost]> {
  // So many would wait for another administrator.
  for (const name of ["heal_rule_max_count", "heal_run_max_count"]) {
    await raise(client, name, driftedAccounts);
  }
  await raise(client, "heal_rule_max_percent", 100);
  await driftTotals(client, driftedAccounts);
  const withChecks = await took(client, clock, "select id from saldo.auto_heal(false)");
  const { rows } = await client.query(
    `select h.healed_count, extract(epoch from h.finished_at - c.finished_at)::float8 as heal
    from saldo.heal_run as h join saldo.check_run as c on c.id = h.check_run_id
    order by h.id desc limit 1`,
  );
  if (rows[0].healed_count !== driftedAccounts) {
    throw new Error(`${rows[0].healed_count} accounts were healed`);
  }
  return [rows[0].heal, withChecks];
}
