import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { Pool } from "pg";
import { signToken } from "../../src/auth/token.ts";
import { SECRET, TOP_UP } from "../_support/api.ts";
import { openTestDatabase } from "../_support/database.ts";
import { check } from "../_support/faults.ts";
import { type Pooler, poolerMissing, startPooler } from "../_support/pooler.ts";
import { type Program, runProgram } from "../_support/process.ts";

/*
 * The API goes through PgBouncer in transaction mode. PgBouncer is killed and started anew, and the
 * connections behind it are ended, while clients write: what was acknowledged is there exactly once,
 * what was not is sent again under its key and then is as well.
 */

const missing = poolerMissing();
if (missing !== undefined) console.log(`skipped: ${missing}`);
const withPooler = missing === undefined ? test.serial : test.serial.skip;

const roundCount = 5;
const writerCount = 6;

type Fate = "accepted" | "unknown";

/** Tops up a member under a key; what the client knows afterwards. */
async function topUp(address: string, token: string, key: string): Promise<Fate> {
  try {
    const response = await fetch(`${address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: TOP_UP, variables: { member: "1", amount: "1.00", key } }),
    });
    const answer = (await response.json()) as { data?: { topUp?: { result?: object } } };
    return answer.data?.topUp?.result ? "accepted" : "unknown";
  } catch {
    return "unknown";
  }
}

/** Calls that are not there exactly once, and a balance that is not theirs. */
async function faultsOf(pool: Pool, keys: string[]): Promise<string[]> {
  const { rows } = await pool.query<{ key: string; count: string }>(
    `select idempotency_key as key, count(*) from saldo.journal_entry
    where source = 'top_up' group by 1`,
  );
  const counts = new Map(rows.map(({ key, count }) => [key, count]));
  const faults = keys.filter((key) => counts.get(key) !== "1");
  if (counts.size !== keys.length) faults.push(`${counts.size} entries of ${keys.length} calls`);
  const { rows: wallets } = await pool.query(
    "select a.balance from saldo.account as a join saldo.member as m on m.account_id = a.id",
  );
  const { balance } = wallets[0];
  if (Number(balance) !== keys.length) faults.push(`balance ${balance} of ${keys.length} calls`);
  return faults;
}

withPooler(
  "a pooler that is killed under load loses and doubles no acknowledged call",
  async (t) => {
    t.timeout(5 * 60_000);
    const database = await openTestDatabase(5);
    const { pool } = database;
    await pool.query("select saldo.create_member('m', 'M')");
    const addresses = [database.connectionString, database.serverConnectionString];
    const settings = { pool_mode: "transaction", default_pool_size: 3 };
    let pooler: Pooler = await startPooler(addresses, settings);
    const through = pooler.through(database.serverConnectionString);
    const port = new URL(through).port;
    const program: Program = runProgram("src/main.ts", ["server"], {
      DATABASE_URL: database.connectionString,
      SERVER_DATABASE_URL: through,
      PORT: "0",
      NODE_ENV: "development",
      SALDO_JWT_SECRET: SECRET,
    });
    const sent = new Map<string, Fate>();
    let isRunning = true;
    try {
      const [, address = ""] = await program.printed(/"address":"(http:[^"]+)"/);
      const token = await signToken(SECRET, { sub: "admin", role: "admin" }, "10m");
      const writers = Array.from({ length: writerCount }, async (_, index) => {
        for (let number = 0; isRunning; number += 1) {
          const key = `${index}-${number}`;
          sent.set(key, await topUp(address, token, key));
          await sleep(sent.get(key) === "accepted" ? 5 : 100);
        }
      });
      let ended = 0;
      for (let round = 0; round < roundCount; round += 1) {
        await sleep(1000);
        await pooler.stop();
        await sleep(200);
        pooler = await startPooler(addresses, { ...settings, listen_port: port });
        await sleep(1000);
        const { rows } = await pool.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
        where usename = 'saldo_test_server' and datname = current_database()`,
        );
        ended += rows.length;
      }
      const before = [...sent.values()].filter((fate) => fate === "accepted").length;
      await sleep(1500);
      isRunning = false;
      await Promise.all(writers);
      const accepted = [...sent].filter(([, fate]) => fate === "accepted");
      t.true(accepted.length > before, "it goes on after the last of them");
      t.true(ended > 0, "connections behind the pooler were ended");
      const unknown = [...sent].filter(([, fate]) => fate === "unknown");
      t.true(unknown.length > 0, "some calls met it");
      for (const [key] of unknown) {
        let fate: Fate = "unknown";
        for (let attempt = 0; fate === "unknown" && attempt < 20; attempt += 1) {
          fate = await topUp(address, token, key);
          if (fate === "unknown") await sleep(250);
        }
        t.is(fate, "accepted", key);
      }
      t.deepEqual(await faultsOf(pool, [...sent.keys()]), []);
      t.deepEqual((await check(pool)).findings, []);
      t.log(`${accepted.length} acknowledged, ${unknown.length} sent again, ${ended} ended`);
    } finally {
      isRunning = false;
      program.child.kill("SIGTERM");
      await program.ended;
      await pooler.stop();
      await database.close();
    }
  },
);
