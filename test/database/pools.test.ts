import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { makePool } from "../../src/database/pools.ts";
import { openTestDatabase } from "../_support/database.ts";

test("a session that is cut is reported, one that ends with its pool is not", async (t) => {
  const database = await openTestDatabase(2);
  try {
    const said: string[] = [];
    const write = (message: string) => void said.push(message);
    const pool = makePool(database.connectionString, 1, { info: write, warn: write, error: write });
    const { rows } = await pool.query("select pg_backend_pid() as pid");
    await database.pool.query("select pg_terminate_backend($1)", [rows[0].pid]);
    while (said.length === 0) await sleep(20);
    t.deepEqual(said, ["database connection lost"]);
    const client = await pool.connect();
    const ended = pool.end();
    pool.emit("error", new Error("cut while it ends"), client);
    client.release();
    await ended;
    t.deepEqual(said, ["database connection lost"]);
  } finally {
    await database.close();
  }
});
