import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { locks } from "../../src/database/locks.ts";
import { migrate } from "../../src/database/migrate.ts";
import { openTestDatabase } from "../_support/database.ts";
import { runProgram } from "../_support/process.ts";
import { logicOf } from "../house/catalogue.ts";
import { withClient, withEmptyDatabase, withSqlFolder } from "./_databases.ts";

const program = "test/database/_start.ts";

/** Starts the program and kills it after so long; how it ended. */
async function killedAfter(ms: number, args: string[]): Promise<number | string> {
  const started = runProgram(program, args);
  await started.printed(/starting/);
  await sleep(ms);
  started.child.kill("SIGKILL");
  return await started.ended;
}

test.serial(
  "a start on an empty database that is killed at any point is gone on from",
  async (t) => {
    const fresh = await openTestDatabase(1);
    try {
      await withEmptyDatabase(async (url) => {
        const ends: (number | string)[] = [];
        for (const ms of [20, 150, 300, 500, 800, 1200, 1700, 2300]) {
          ends.push(await killedAfter(ms, [url]));
        }
        t.true(ends.filter((end) => end === "SIGKILL").length >= 4, String(ends));
        await migrate(url);
        t.deepEqual(await withClient(url, logicOf), await logicOf(fresh.pool));
      });
    } finally {
      await fresh.close();
    }
  },
);

test.serial(
  "a start with changed logic that is killed leaves the old or the new, whole",
  async (t) => {
    const database = await openTestDatabase(2);
    try {
      await withSqlFolder(async (sql) => {
        const states = new Set<string>();
        const old = (await logicOf(database.pool)).join("\n");
        await sql.append(
          "wallet/product.sql",
          `create or replace function saldo_private.example() returns integer language sql
as $$ select 1 $$;
create policy example on saldo.product for select using (true);`,
        );
        for (const ms of [50, 200, 350, 500, 700, 900]) {
          const end = await killedAfter(ms, [database.connectionString, sql.path]);
          // On a fast machine the last ones are through before they are killed.
          t.true(end === "SIGKILL" || end === 0);
          states.add((await logicOf(database.pool)).join("\n"));
        }
        await migrate(database.connectionString, { logicFolder: sql.path });
        const last = (await logicOf(database.pool)).join("\n");
        t.not(last, old);
        for (const state of states) t.true(state === old || state === last);
        t.true(states.has(old), "the first ones were killed before their commit");
      });
    } finally {
      await database.close();
    }
  },
);

test.serial("of two starts at once one applies, and the other finds nothing to do", async (t) => {
  const database = await openTestDatabase(2);
  try {
    await withSqlFolder(async (sql) => {
      await sql.append("wallet/product.sql", "-- changed");
      const begun = await database.pool.query("select clock_timestamp() as at");
      const both = [1, 2].map(() => runProgram(program, [database.connectionString, sql.path]));
      t.deepEqual(await Promise.all(both.map(({ ended }) => ended)), [0, 0]);
      // Who applies writes the row once; xmin is of the one that did, and there is no second.
      const { rows } = await database.pool.query(
        `select applied_at > $1 as is_new, (select sum(n_tup_upd) from pg_stat_all_tables
          where relid = 'saldo_private.applied_logic'::regclass) as updates
        from saldo_private.applied_logic`,
        [begun.rows[0].at],
      );
      t.deepEqual(rows, [{ is_new: true, updates: "1" }]);
    });
  } finally {
    await database.close();
  }
});

test.serial("a start says that it waits for another, and does not wait forever", async (t) => {
  const database = await openTestDatabase(3);
  const other = await database.pool.connect();
  try {
    await database.pool.query("update saldo_private.applied_logic set hash = 'another'");
    await other.query("select pg_advisory_lock($1)", [locks.migration]);
    await t.throwsAsync(migrate(database.connectionString, { patienceMs: 300 }), {
      message: /^Another Saldo has been migrating the database for \d s \(session \d+ from /,
    });
    const said: string[] = [];
    const waiting = migrate(database.connectionString, {
      log: { info: (message) => said.push(message) },
    });
    while (said.length === 0) await sleep(50);
    await sleep(1000);
    t.deepEqual(said, ["waiting for another Saldo that migrates the database"]);
    await other.query("select pg_advisory_unlock($1)", [locks.migration]);
    await waiting;
  } finally {
    other.release(true);
    await database.close();
  }
});
