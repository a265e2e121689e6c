/**
 * `npm run bench -- load --url ADDRESS`: load against a server of one's own, over its API alone. It
 * opens hot accounts for itself, and takes back at the end what it has put there.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AMOUNT, ask, drive, type Outcome, quantile, send, type Target } from "./offered_load.ts";

/** What is offered to which server. */
export interface OwnLoad extends Target {
  readonly rates: readonly number[];
  /** Numbers of accounts that the load is spread over. */
  readonly accountCounts: readonly number[];
  readonly seconds: number;
  /** Where the report goes. */
  readonly folder: string;
  /** How long settlement may take after a scenario. */
  readonly settleSeconds: number;
  readonly tell: (line: string) => void;
}

/** What one scenario came to. */
export interface Scenario {
  readonly accounts: number;
  readonly rate: number;
  readonly sent: number;
  readonly successPercent: number;
  readonly verdict: "excellent" | "good" | "poor";
  readonly cells: readonly string[];
  /** What is wrong with the money; undefined = nothing. */
  readonly fault: string | undefined;
}

const options = {
  url: { type: "string" },
  token: { type: "string" },
  rates: { type: "string", default: "10,20,30,50,100,200,300" },
  accounts: { type: "string", default: "1,5" },
  seconds: { type: "string", default: "10" },
  folder: { type: "string", default: "bench/out" },
  "settle-seconds": { type: "string", default: "60" },
} as const;

/** Reads the options; undefined where no server is named. */
export function readOptions(words: string[]): OwnLoad | undefined {
  const { values } = parseArgs({ args: words, options });
  if (values.url === undefined) return undefined;
  const token = values.token ?? process.env["SALDO_TOKEN"];
  if (token === undefined) throw new Error("Say --token, or set SALDO_TOKEN: of an administrator.");
  return {
    url: values.url.replace(/\/(graphql)?\/?$/, ""),
    token,
    rates: numbersOf("--rates", values.rates),
    accountCounts: numbersOf("--accounts", values.accounts),
    seconds: numbersOf("--seconds", values.seconds)[0] ?? 0,
    settleSeconds: numbersOf("--settle-seconds", values["settle-seconds"])[0] ?? 0,
    folder: values.folder,
    tell: console.log,
  };
}

function numbersOf(name: string, text: string): number[] {
  const numbers = text.split(",").map(Number);
  if (numbers.some((each) => !(each >= 1 && Number.isInteger(each)))) {
    throw new Error(`${name} takes whole numbers with commas between, not ${text}`);
  }
  return numbers;
}

/** Success is what was acknowledged, of what was sent. */
export function verdictOf(successPercent: number): Scenario["verdict"] {
  if (successPercent >= 90) return "excellent";
  return successPercent >= 70 ? "good" : "poor";
}

const OPEN = `mutation ($code: String!) {
  openAccount(input: { code: $code, name: "Load", type: liability, mode: hot, minBalance: "0" }) {
    result { id }
  }
}`;

async function openAccounts(load: OwnLoad, count: number, name: string): Promise<string[]> {
  const ids: string[] = [];
  for (let number = 1; number <= count; number += 1) {
    const answer = await ask<{ openAccount: { result: { id: string } } }>(load, OPEN, {
      code: `${name} ${number}`,
    });
    if (answer?.data === undefined) {
      throw new Error(`No account was opened at ${load.url}: ${answer?.message ?? "no answer"}`);
    }
    ids.push(answer.data.openAccount.result.id);
  }
  return ids;
}

const BALANCES = `query ($id: BigInt!) {
  account(id: $id) { balances { settledBalance pendingCredit pendingDebit pendingCount } }
}`;

/** Cents of an amount: sums of doubles would not be exact. */
const cents = (text: string): bigint => {
  const [, sign, whole = "0", part = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  return BigInt(`${sign}${whole}${part.padEnd(2, "0")}`);
};

interface Figures {
  readonly total: bigint;
  readonly pendingCount: number;
}

async function figuresOf(load: OwnLoad, id: string): Promise<Figures> {
  const answer = await ask<{ account: { balances: Record<string, string> } }>(load, BALANCES, {
    id,
  });
  const balances = answer?.data?.account.balances;
  if (balances === undefined) throw new Error(`account ${id}: ${answer?.message ?? "no answer"}`);
  const { settledBalance = "", pendingCredit = "", pendingDebit = "" } = balances;
  return {
    total: cents(settledBalance) + cents(pendingCredit) - cents(pendingDebit),
    pendingCount: Number(balances["pendingCount"]),
  };
}

/** Asks again, under the same key, until it is known what became of a request. */
async function known(load: OwnLoad, outcome: Outcome): Promise<Outcome> {
  let now = outcome;
  for (
    let attempt = 0;
    attempt < 20 && now.id === undefined && now.code === undefined;
    attempt += 1
  ) {
    await sleep(250);
    now = await send(load, outcome.account, outcome.key, performance.now());
  }
  return now;
}

/** Whether each account has what was acknowledged, no more and no less, before and after settlement. */
async function faultOf(
  load: OwnLoad,
  accounts: readonly string[],
  outcomes: readonly Outcome[],
): Promise<string | undefined> {
  const ends = await Promise.all(outcomes.map((outcome) => known(load, outcome)));
  const unknown = ends.filter(({ id, code }) => id === undefined && code === undefined).length;
  if (unknown > 0) return `what became of ${unknown} requests is not known`;
  const ids = ends.flatMap(({ id }) => id ?? []);
  if (new Set(ids).size !== ids.length) return "two requests were given the same transaction";
  const expectedOf = (account: string) =>
    BigInt(ends.filter((each) => each.account === account && each.id !== undefined).length) *
    cents(AMOUNT);
  const until = performance.now() + load.settleSeconds * 1000;
  for (;;) {
    const figures = await Promise.all(accounts.map((id) => figuresOf(load, id)));
    for (const [index, { total }] of figures.entries()) {
      const expected = expectedOf(accounts[index] ?? "");
      if (total !== expected) {
        return `account ${accounts[index]} has ${total} cents, not ${expected}`;
      }
    }
    const pending = figures.reduce((sum, { pendingCount }) => sum + pendingCount, 0);
    if (pending === 0) return undefined;
    if (performance.now() > until) {
      return `${pending} transactions were not settled in ${load.settleSeconds} s`;
    }
    await sleep(200);
  }
}

const TAKE_BACK = `mutation ($id: BigInt!, $amount: BigFloat!) {
  submitTransaction(input: { accountId: $id, amount: $amount, direction: debit }) {
    result { id }
  }
}`;

/** Leaves the books as they were: what was put onto an account is taken back. */
async function takeBack(load: OwnLoad, accounts: readonly string[]): Promise<void> {
  for (const id of accounts) {
    const { total } = await figuresOf(load, id);
    if (total <= 0n) continue;
    const amount = `${total / 100n}.${String(total % 100n).padStart(2, "0")}`;
    const answer = await ask(load, TAKE_BACK, { id, amount });
    if (answer?.data === undefined) {
      load.tell(`account ${id} keeps ${amount}: ${answer?.message ?? "no answer"}`);
    }
  }
}

async function scenario(load: OwnLoad, name: string, count: number, rate: number) {
  const accounts = await openAccounts(load, count, name);
  try {
    const startedAt = performance.now();
    const outcomes = await drive(load, accounts, rate, load.seconds);
    const took = (performance.now() - startedAt) / 1000;
    const good = outcomes.filter(({ id }) => id !== undefined).length;
    const successPercent = (100 * good) / outcomes.length;
    const times = outcomes.map(({ ms }) => ms).toSorted((one, other) => one - other);
    const fault = await faultOf(load, accounts, outcomes);
    const result: Scenario = {
      accounts: count,
      rate,
      sent: outcomes.length,
      successPercent,
      verdict: verdictOf(successPercent),
      cells: [
        (good / took).toFixed(1),
        ...[0.5, 0.95, 0.99].map((share) => quantile(times, share)),
      ],
      fault,
    };
    return result;
  } finally {
    await takeBack(load, accounts);
  }
}

const HEAD = [
  "| accounts | offered/s | sent | success | answered/s | p50 ms | p95 ms | p99 ms | verdict | integrity |",
  "|---:|---:|---:|---:|---:|---:|---:|---:|---|---|",
];

const rowOf = ({ accounts, rate, sent, successPercent, cells, verdict, fault }: Scenario) =>
  `| ${[
    accounts,
    rate,
    sent,
    `${successPercent.toFixed(2)}%`,
    ...cells,
    verdict,
    fault === undefined ? "passed" : `failed: ${fault}`,
  ].join(" | ")} |`;

/** Runs all scenarios, writes the report, and gives its path with what they came to. */
export async function runOwnLoad(load: OwnLoad): Promise<{ file: string; scenarios: Scenario[] }> {
  const at = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  const scenarios: Scenario[] = [];
  for (const line of HEAD) load.tell(line);
  for (const count of load.accountCounts) {
    for (const rate of load.rates) {
      const result = await scenario(load, `load ${at} ${count}x${rate}`, count, rate);
      scenarios.push(result);
      load.tell(rowOf(result));
    }
  }
  const failedCount = scenarios.filter(({ fault }) => fault !== undefined).length;
  const report = [
    `# Load on ${new URL(load.url).host}, ${at}`,
    "",
    `- submitTransaction over GraphQL for ${load.seconds} s at each rate; a time counts from when the`,
    "  request was due, so that a server that stalls is charged for all who wait",
    "- verdict: success of 90% and more is excellent, of 70% and more good, otherwise poor",
    "- integrity: each account has what was acknowledged, no more and no less, and all of it is settled",
    "",
    ...HEAD,
    ...scenarios.map(rowOf),
    "",
    failedCount === 0 ? "Integrity passed." : `Integrity failed in ${failedCount} scenarios.`,
    "",
  ].join("\n");
  await mkdir(load.folder, { recursive: true });
  const file = join(load.folder, `load-${at}.md`);
  await writeFile(file, report);
  return { file, scenarios };
}
