/**
 * The front door: as many calls as 64 callers with connections that stay open can make, over GraphQL
 * and over a bare server, in turns. What goes alone is the same mutation with an argument that is
 * never carried out with others.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Client } from "pg";
import { type CpuClock, cpuClock } from "./cpu.ts";
import { quantile } from "./offered_load.ts";
import { freePort, type Server, startServer } from "./server.ts";

const seconds = Number(process.env["BENCH_FRONT_SECONDS"] ?? 3);
const rounds = Number(process.env["BENCH_FRONT_ROUNDS"] ?? 5);

const ways = ["bare", "alone", "together"] as const;
type Way = (typeof ways)[number];
type Kind = "purchase" | "submit";

const PURCHASE = (more: string) => `mutation ($member: BigInt!, $product: BigInt!, $key: String!) {
  purchaseWithBalanceDeduction(input: {
    memberId: $member, productId: $product, amount: "100", idempotencyKey: $key ${more}
  }) { result { id amount } }
}`;
const SUBMIT = (more: string) => `mutation ($account: BigInt!, $key: String!) {
  submitTransaction(input: {
    accountId: $account, amount: "1.25", direction: credit, idempotencyKey: $key ${more}
  }) { result { id amount } }
}`;
const QUERIES: Readonly<Record<Kind, Readonly<Record<"alone" | "together", string>>>> = {
  purchase: { alone: PURCHASE("holdOnly: false"), together: PURCHASE("") },
  submit: { alone: SUBMIT('metadata: "{}"'), together: SUBMIT("") },
};

interface Place {
  readonly cpu: CpuClock | undefined;
  readonly barePid: number;
  readonly server: Server;
  readonly bareUrl: string;
  readonly members: readonly string[];
  readonly product: string;
  readonly account: string;
}

interface Result {
  readonly rate: number;
  readonly times: readonly number[];
  /** Processor time of a call, in microseconds. */
  readonly serverUs: number;
  readonly postgresUs: number;
}

/** Sends a call and reads its answer; what is not done ends the run. */
function send(agent: Agent, url: string, body: object, token: string): Promise<void> {
  return new Promise((done, refuse) => {
    const text = JSON.stringify(body);
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      authorization: `Bearer ${token}`,
    };
    const sent = request(url, { agent, method: "POST", headers }, (response) => {
      let answer = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        answer += part;
      });
      response.on("end", () => {
        if (response.statusCode === 200 && !answer.includes('"errors"')) done();
        else refuse(new Error(`${response.statusCode}: ${answer.slice(0, 300)}`));
      });
    });
    sent.on("error", refuse);
    sent.end(text);
  });
}

async function drive(place: Place, kind: Kind, way: Way, callers: number): Promise<Result> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const times: number[] = [];
  const run = randomBytes(6).toString("hex");
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const { server, bareUrl, members, product, account, cpu } = place;
  const pid = way === "bare" ? place.barePid : server.pid;
  const used = () => [cpu?.ofProcess(pid) ?? Number.NaN, cpu?.ofPostgres() ?? Number.NaN] as const;
  const [serverBefore, postgresBefore] = used();
  const caller = async (number: number) => {
    for (let count = 0; performance.now() < until; count += 1) {
      const key = `${run}-${number}-${count}`;
      const member = members[Math.floor(Math.random() * members.length)];
      const variables = kind === "purchase" ? { member, product, key } : { account, key };
      const sentAt = performance.now();
      if (way === "bare") await send(agent, `${bareUrl}/${kind}`, variables, "");
      else {
        const body = { query: QUERIES[kind][way], variables };
        await send(agent, `${server.url}/graphql`, body, server.token);
      }
      times.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, number) => caller(number)));
  const took = (performance.now() - startedAt) / 1000;
  agent.destroy();
  const [serverAfter, postgresAfter] = used();
  const each = (spent: number) => (spent / times.length) * 1e6;
  return {
    rate: times.length / took,
    times,
    serverUs: each(serverAfter - serverBefore),
    postgresUs: each(postgresAfter - postgresBefore),
  };
}

const median = (numbers: readonly number[]) =>
  numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;

const us = (results: readonly Result[], of: "serverUs" | "postgresUs") =>
  median(results.map((each) => each[of])).toFixed(0);

/** All rounds of one kind with so many callers, the ways in turn. */
async function compare(place: Place, kind: Kind, callers: number): Promise<string[]> {
  const results = new Map<Way, Result[]>(ways.map((way) => [way, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const way of ways) results.get(way)?.push(await drive(place, kind, way, callers));
  }
  const bare = results.get("bare") ?? [];
  return ways.map((way) => {
    const own = results.get(way) ?? [];
    const times = own.flatMap((each) => each.times).toSorted((one, other) => one - other);
    const ratio = median(own.map(({ rate }, round) => rate / (bare[round]?.rate ?? Number.NaN)));
    const cells = [kind, way, callers, median(own.map(({ rate }) => rate)).toFixed(0)];
    return `| ${[
      ...cells,
      ratio.toFixed(2),
      quantile(times, 0.5),
      quantile(times, 0.99),
      us(own, "serverUs"),
      us(own, "postgresUs"),
    ].join(" | ")} |`;
  });
}

async function startBare(connectionString: string): Promise<{ url: string; child: ChildProcess }> {
  const port = await freePort();
  const file = fileURLToPath(new URL("./bare_server.ts", import.meta.url));
  const child = spawn(process.execPath, [file, String(port), connectionString], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(url).catch(() => undefined))) {
    if (child.exitCode !== null) throw new Error(`the bare server ended with ${child.exitCode}`);
    await sleep(100);
  }
  return { url, child };
}

async function idsOf(client: Client, text: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(text);
  return rows.map(({ id }) => id);
}

/** Runs both servers on the database, and writes what they answered. */
export async function frontReport(
  client: Client,
  connectionString: string,
  machine: string,
): Promise<string> {
  const [account = ""] = await idsOf(
    client,
    `select (saldo.make_account_hot((saldo.open_account('front', 'Front', 'liability',
      min_balance => 0)).id)).id`,
  );
  const [product = ""] = await idsOf(client, "select id from saldo.product where code = 'bench'");
  const members = await idsOf(client, "select id from saldo.member");
  await client.query("vacuum analyze");
  const server = await startServer(connectionString);
  const bare = await startBare(connectionString);
  const cpu = await cpuClock(client);
  const barePid = bare.child.pid ?? 0;
  const place = { server, bareUrl: bare.url, barePid, cpu, members, product, account };
  const lines = [
    "| call | way | callers | calls/s | to bare | p50 ms | p99 ms | server µs | PostgreSQL µs |",
    "|---|---|---:|---:|---:|---:|---:|---:|---:|",
  ];
  const loadBefore = loadavg()[0]?.toFixed(1);
  try {
    for (const kind of ["purchase", "submit"] as const) {
      for (const way of ways) await drive(place, kind, way, 16); // plans and connections
      for (const callers of [64, 1]) {
        const rows = await compare(place, kind, callers);
        lines.push(...rows);
        console.log(rows.join("\n"));
      }
    }
  } finally {
    await server.stop();
    bare.child.kill("SIGTERM");
  }
  return [
    "# Front door",
    "",
    machine.replace(/, \d+ connections.*/, ", 10 connections for each server"),
    `- ${rounds} rounds of ${seconds} s for each way, in turn; calls a second and their ratio are the`,
    "  median of the rounds; callers, both servers and PostgreSQL share the cores",
    `- load of the machine before the first round: ${loadBefore}`,
    "- bare: express and pg, a route for a call, no tokens; alone: over GraphQL with an argument that is",
    "  never carried out with others; together: as clients send it",
    "- µs: processor time of a call, the server's and PostgreSQL's with settlement beside it",
    "",
    ...lines,
    "",
  ].join("\n");
}
