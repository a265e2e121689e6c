import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { Client } from "pg";

/*
 * The processes are killed with SIGKILL in the middle of purchases and started again at once. That
 * is not a loss of power: what the operating system has in its cache survives.
 */

const root = fileURLToPath(new URL("../../", import.meta.url));
const buyers = 6;
const seed = randomBytes(4).toString("hex");

interface Server {
  child: ChildProcess;
  output: () => string;
}

/** Starts the real program on a data folder of its own and waits for its port. */
async function start(folder: string): Promise<Server & { address: string; token: string }> {
  const child = spawn(process.execPath, [`${root}src/main.ts`], {
    cwd: root,
    env: { ...process.env, SALDO_DATA_DIR: folder, PORT: "0", NODE_ENV: "development" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  for (let waited = 0; waited < 60_000; waited += 50) {
    const address = /GraphiQL +(http:\/\/[^/]+)\//.exec(output)?.[1];
    const token = /Admin token +(\S+)/.exec(output)?.[1];
    if (address && token) return { child, output: () => output, address, token };
    if (child.exitCode !== null) throw new Error(`the server ended:\n${output}`);
    await sleep(50);
  }
  throw new Error(`the server did not start:\n${output}`);
}

function exited(child: ChildProcess): Promise<number | null> {
  return child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((done) => child.once("exit", done));
}

async function postmasterPid(folder: string): Promise<number> {
  const file = join(folder, "postgres", "data", "postmaster.pid");
  return Number((await readFile(file, "utf8")).split("\n")[0]);
}

/** A client's own journal of what it sent and what was acknowledged, on disk before it goes on. */
function note(file: string, line: string): void {
  const handle = openSync(file, "a");
  appendFileSync(handle, `${line}\n`);
  fsyncSync(handle);
  closeSync(handle);
}

async function graphql(address: string, token: string, query: string): Promise<unknown> {
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  const answer = (await response.json()) as { data?: unknown; errors?: { message: string }[] };
  if (answer.errors) throw new Error(JSON.stringify(answer.errors));
  return answer.data;
}

const purchaseOf = (member: number, key: string) => `mutation {
  purchaseWithBalanceDeduction(input: {
    memberId: "${member}", productId: "1", amount: "100", idempotencyKey: "${key}"
  }) { result { id } }
}`;

/** Buys until the server is gone; an error leaves the key's fate open. */
async function buy(address: string, token: string, member: number, round: number, file: string) {
  for (let count = 0; ; count += 1) {
    const key = `${seed}-${round}-${member}-${count}`;
    note(file, `sent ${member} ${key}`);
    try {
      await graphql(address, token, purchaseOf(member, key));
    } catch {
      return;
    }
    note(file, `ok ${member} ${key}`);
  }
}

async function withDatabase<T>(folder: string, work: (client: Client) => Promise<T>): Promise<T> {
  const connectionString = (await readFile(join(folder, "database-url"), "utf8")).trim();
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** How often each key was carried out, by the purchases that there are. */
function purchasesByKey(client: Client): Promise<Map<string, number>> {
  return client
    .query<{ key: string; count: string }>(
      `select idempotency_key as key, count(*) from saldo.purchase
      where entry_id is not null group by 1`,
    )
    .then(({ rows }) => new Map(rows.map(({ key, count }) => [key, Number(count)])));
}

interface Verdict {
  lost: string[];
  doubled: string[];
}

/** Holds what a client noted against what the database has. */
function judge(file: string, purchases: Map<string, number>): Verdict {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  const keys = lines
    .filter((line) => line.startsWith("ok"))
    .map((line) => line.split(" ")[2] ?? "");
  return {
    lost: keys.filter((key) => !purchases.has(key)),
    doubled: [...purchases].filter(([, count]) => count > 1).map(([key]) => key),
  };
}

test("the judge sees a lost and a doubled purchase", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saldo-judge-"));
  const file = join(folder, "notes");
  note(file, "sent 1 a");
  note(file, "ok 1 a");
  note(file, "sent 1 b");
  t.deepEqual(judge(file, new Map([["b", 2]])), { lost: ["a"], doubled: ["b"] });
  t.deepEqual(judge(file, new Map([["a", 1]])), { lost: [], doubled: [] });
  await rm(folder, { recursive: true });
});

/** Resolves once that many purchases were acknowledged: a slow machine has its load later. */
async function answers(file: string, count: number): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const notes = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (notes.split("\n").filter((line) => line.startsWith("ok ")).length >= count) return;
    await sleep(50);
  }
  throw new Error(`fewer than ${count} purchases were acknowledged`);
}

for (const victim of ["the server", "PostgreSQL", "both"] as const) {
  test(`after kill -9 of ${victim} under load every acknowledged purchase is there once`, async (t) => {
    t.log(`seed ${seed}`);
    const home = await mkdtemp(join(tmpdir(), "saldo-kill-"));
    execFileSync("chmod", ["755", home]);
    const folder = join(home, "data");
    const file = join(home, "notes");
    let server = await start(folder);
    try {
      await withDatabase(folder, async (client) => {
        await client.query("select saldo.create_product('p', 'P', 100)");
        await client.query(
          `select saldo.top_up((saldo.create_member('m' || g, 'M')).id, 1000000)
          from generate_series(1, $1) as g`,
          [buyers],
        );
      });

      for (let round = 0; round < 3; round += 1) {
        const { address, token } = server;
        const buying = Promise.all(
          Array.from({ length: buyers }, (_, member) =>
            buy(address, token, member + 1, round, file),
          ),
        );
        await answers(file, 10 * (round + 1));
        await sleep(Math.random() * 500);
        const pid = await postmasterPid(folder);
        if (victim !== "the server") process.kill(pid, "SIGKILL");
        if (victim !== "PostgreSQL") server.child.kill("SIGKILL");
        await exited(server.child);
        server = await start(folder);
        await buying;
      }

      const verdict = await withDatabase(folder, purchasesByKey).then((all) => judge(file, all));
      t.deepEqual(verdict, { lost: [], doubled: [] });

      const sent = readFileSync(file, "utf8").matchAll(/^sent (\d+) (\S+)$/gm);
      const keys = [...sent].map((match) => [Number(match[1]), match[2] ?? ""] as const);
      t.true(keys.length > 20, "there was load");
      for (const [member, key] of keys) {
        await graphql(server.address, server.token, purchaseOf(member, key));
      }
      await withDatabase(folder, async (client) => {
        const purchases = await purchasesByKey(client);
        t.deepEqual(
          [...purchases.values()].filter((count) => count !== 1),
          [],
        );
        t.is(purchases.size, keys.length, "each key once after a retry");
        const { rows } = await client.query("select * from saldo.check_balance_health()");
        t.is(rows[0].status, "healthy");
        const spent = await client.query(
          "select sum(debit_total) from saldo.account where id in (select account_id from saldo.member)",
        );
        t.is(Number(spent.rows[0].sum), keys.length * 100);
      });

      server.child.kill("SIGTERM");
      t.is(await exited(server.child), 0, server.output());
    } finally {
      server.child.kill("SIGKILL");
      await exited(server.child);
      const pid = await postmasterPid(folder).catch(() => 0);
      if (pid > 0) process.kill(pid, "SIGKILL");
      await sleep(300);
      await rm(home, { recursive: true, force: true });
    }
  });
}

test("a second start on the same folder says so in one sentence and harms nothing", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "saldo-twice-"));
  execFileSync("chmod", ["755", home]);
  const folder = join(home, "data");
  const server = await start(folder);
  try {
    await t.throwsAsync(start(folder), {
      message: /Saldo is running already on \S+ \(pid \d+\)/,
    });
    t.is((await fetch(`${server.address}/ready`)).status, 200);
  } finally {
    server.child.kill("SIGTERM");
    t.is(await exited(server.child), 0);
    await rm(home, { recursive: true, force: true });
  }
});

for (const [name, environment, sentence] of [
  ["a port that is none", { PORT: "web" }, /^PORT is not valid: give a whole number/],
  ["a time zone that is none", { SALDO_TIME_ZONE: "Mars" }, /^SALDO_TIME_ZONE is not valid/],
  ["a short secret", { SALDO_JWT_SECRET: "x" }, /^SALDO_JWT_SECRET is not valid/],
  [
    "a database that is not there",
    { DATABASE_URL: "postgres://a:b@127.0.0.1:1/x" },
    /DATABASE_URL/,
  ],
] as const) {
  test(`${name} is one sentence and exit code 1`, async (t) => {
    const child = spawn(process.execPath, [`${root}src/main.ts`], {
      env: { ...process.env, NODE_ENV: "development", ...environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let output = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    t.is(await exited(child), 1);
    t.regex(output, sentence);
    t.is(output.trim().split("\n").length, 1);
  });
}
