import { fork } from "node:child_process";
import { once } from "node:events";
import test from "ava";
import { createClient } from "graphql-ws";
import { Client } from "pg";
import { signToken } from "../../src/auth/token.ts";
import { isPooled, requireDirectConnection } from "../../src/database/direct_connection.ts";
import { SECRET } from "../_support/api.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { poolerMissing, startPooler } from "../_support/pooler.ts";
import { type Program, runProgram } from "../_support/process.ts";

/* PgBouncer in front of a database: what must not go through it is refused, the API may. */

const missing = poolerMissing();
if (missing !== undefined) console.log(`skipped: ${missing}`);
const withPooler = missing === undefined ? test.serial : test.serial.skip;

let database: TestDatabase;
test.before(async () => {
  database = await openTestDatabase(5);
});
test.after.always(() => database?.close());

const refusal = /^DATABASE_URL leads through a pooler .*SERVER_DATABASE_URL\.$/;
const one = { default_pool_size: 1 };

/** Clients that have left their connections in the pool, idle. */
async function fill(connectionString: string, count: number): Promise<void> {
  const clients = Array.from({ length: count }, () => new Client({ connectionString }));
  await Promise.all(clients.map((each) => each.connect()));
  await Promise.all(clients.map((each) => each.query("begin")));
  await Promise.all(clients.map((each) => each.query("commit")));
  await Promise.all(clients.map((each) => each.end()));
}

withPooler("a direct connection is told at once, whether by name or by address", async (t) => {
  await t.notThrowsAsync(requireDirectConnection(database.connectionString));
  t.false(await isPooled(database.connectionString));
});

const modes: [name: string, settings: Record<string, string | number>, idle: number][] = [
  ["transaction mode with one connection", { pool_mode: "transaction", ...one }, 0],
  ["transaction mode", { pool_mode: "transaction" }, 0],
  ["transaction mode with ten in turn", { pool_mode: "transaction", server_round_robin: 1 }, 10],
  ["transaction mode with ten", { pool_mode: "transaction" }, 10],
  ["statement mode", { pool_mode: "statement" }, 0],
  ["statement mode with one connection", { pool_mode: "statement", ...one }, 0],
];
for (const [name, settings, idleCount] of modes) {
  withPooler(`a pooler is refused in ${name}`, async (t) => {
    const pooler = await startPooler([database.connectionString], settings);
    try {
      const url = pooler.through(database.connectionString);
      if (idleCount > 0) await fill(url, idleCount);
      const began = Date.now();
      await t.throwsAsync(requireDirectConnection(url), { message: refusal });
      t.true(Date.now() - began < 5000);
      t.true(await isPooled(url));
    } finally {
      await pooler.stop();
    }
  });
}

for (const settings of [{ pool_mode: "session" }, { pool_mode: "session", ...one }]) {
  withPooler(`a pooler is taken in ${JSON.stringify(settings)}`, async (t) => {
    const pooler = await startPooler([database.connectionString], settings);
    try {
      const url = pooler.through(database.connectionString);
      await t.notThrowsAsync(requireDirectConnection(url));
      t.true(await isPooled(url));
    } finally {
      await pooler.stop();
    }
  });
}

withPooler("a start through it is refused in a sentence and leaves no lock", async (t) => {
  const pooler = await startPooler([database.connectionString], { pool_mode: "transaction" });
  try {
    for (const part of [["worker"], ["server"], []]) {
      const program = runProgram("src/main.ts", part, {
        DATABASE_URL: pooler.through(database.connectionString),
        PORT: "0",
      });
      t.is(await program.ended, 1);
      t.regex(program.output().trim(), refusal);
    }
    const { rows } = await database.pool.query(
      `select from pg_locks where locktype = 'advisory'
      and database = (select oid from pg_database where datname = current_database())`,
    );
    t.is(rows.length, 0);
  } finally {
    await pooler.stop();
  }
});

withPooler("the API goes through it, many queries at once over two connections", async (t) => {
  const pooler = await startPooler([database.connectionString, database.serverConnectionString], {
    pool_mode: "transaction",
    default_pool_size: 2,
  });
  let program: Program | undefined;
  try {
    program = runProgram("src/main.ts", ["server"], {
      DATABASE_URL: database.connectionString,
      SERVER_DATABASE_URL: pooler.through(database.serverConnectionString),
      PORT: "0",
      NODE_ENV: "development",
      SALDO_JWT_SECRET: SECRET,
    });
    const [, address] = await program.printed(/"address":"(http:[^"]+)"/);
    const query = "{ errorCodes(first: 1) { nodes { code } } }";
    // Without one, ten may wait.
    const token = await signToken(SECRET, { sub: "many", role: "operator" }, "1h");
    const answers = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const response = await fetch(`${address}/graphql`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
          body: JSON.stringify({ query }),
        });
        return (await response.json()) as { data?: { errorCodes: { nodes: object[] } } };
      }),
    );
    t.true(answers.every(({ data }) => data?.errorCodes.nodes.length === 1));
    t.is((await fetch(`${address}/ready`)).status, 200);
    const { rows } = await database.pool.query(
      `select from pg_locks where locktype = 'advisory'
      and database = (select oid from pg_database where datname = current_database())`,
    );
    t.is(rows.length, 0);
  } finally {
    program?.child.kill("SIGTERM");
    await program?.ended;
    await pooler.stop();
  }
});

withPooler("a subscription of that API is told: it listens by the direct connection", async (t) => {
  const pooler = await startPooler([database.connectionString, database.serverConnectionString], {
    pool_mode: "transaction",
    default_pool_size: 2,
  });
  const program = runProgram("src/main.ts", ["server"], {
    DATABASE_URL: database.connectionString,
    SERVER_DATABASE_URL: pooler.through(database.serverConnectionString),
    PORT: "0",
    NODE_ENV: "development",
    SALDO_JWT_SECRET: SECRET,
  });
  try {
    const [, address] = await program.printed(/"address":"(http:[^"]+)"/);
    await database.pool.query("select saldo.create_member('listener', 'Listener')");
    const { rows } = await database.pool.query("select id, account_id from saldo.member");
    const client = createClient({
      url: `${address?.replace("http", "ws")}/graphql`,
      retryAttempts: 0,
      connectionParams: {
        Authorization: `Bearer ${await signToken(SECRET, { sub: "root", role: "admin" }, "1h")}`,
      },
    });
    const heard = client.iterate({
      query: `subscription { accountChanged(accountId: ${rows[0].account_id}) { event } }`,
    });
    const next = async () => (await heard.next()).value?.data;
    t.deepEqual(await next(), { accountChanged: { event: "subscribed" } });
    for (let count = 1; count <= 3; count += 1) {
      await database.pool.query("select saldo.top_up($1, 5)", [rows[0].id]);
      t.deepEqual(await next(), { accountChanged: { event: "balance" } });
    }
    const { rows: listeners } = await database.pool.query(
      "select from pg_stat_activity where application_name = 'saldo listen'",
    );
    t.true(listeners.length >= 1);
    await client.dispose();
  } finally {
    program.child.kill("SIGTERM");
    await program.ended;
    await pooler.stop();
  }
});

withPooler("commands that set what lasts are refused through it, others are not", async (t) => {
  const pooler = await startPooler([database.connectionString], { pool_mode: "transaction" });
  const saldo = (...words: string[]) => {
    const program = runProgram("src/cli/main.ts", words, {
      DATABASE_URL: pooler.through(database.connectionString),
    });
    return program.ended.then((code) => ({ code, output: program.output().trim() }));
  };
  try {
    for (const words of [["migrate"], ["rules", "list"], ["server"], ["worker"]]) {
      const { code, output } = await saldo(...words);
      t.true(code === 2 || code === 1, words.join(" "));
      t.regex(output, refusal, words.join(" "));
    }
    const check = await saldo("check");
    t.is(check.code, 0);
    t.regex(check.output, /^healthy/);
  } finally {
    await pooler.stop();
  }
});

withPooler(
  "a migration for a program under an older Node is refused through it as well",
  async (t) => {
    const pooler = await startPooler([database.connectionString], { pool_mode: "transaction" });
    const child = fork("src/other_node/child.ts", [], { execArgv: [] });
    try {
      child.send({ call: "migrate", databaseUrl: pooler.through(database.connectionString) });
      const [report] = await once(child, "message");
      t.is(report.kind, "failed");
      t.is(report.name, "StartError");
      t.regex(report.message, refusal);
    } finally {
      child.disconnect();
      await once(child, "exit");
      await pooler.stop();
    }
  },
);
