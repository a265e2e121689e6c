import test from "ava";
import { Client } from "pg";
import { openTestDatabase } from "../_support/database.ts";
import { faultsOf, openHot, startLoad, until } from "./_load.ts";
import { type Program, startProgram } from "./_program.ts";

/** CI, which has its time, asks for fewer. */
const killCount = Number(process.env["WORKER_KILLS"] ?? 50);
const intervalSeconds = 3;

test("workers killed in the middle of settlements lose and double nothing, and settlement goes on", async (t) => {
  const database = await openTestDatabase(5);
  const client = new Client({ connectionString: database.connectionString });
  await client.connect();
  const account = await openHot(client, "hot", "1000000.00");

  const name = (index: number) => `settler-${index}`;
  const start = (index: number): Program => {
    const url = new URL(database.connectionString);
    url.searchParams.set("application_name", name(index));
    return startProgram(["worker"], {
      DATABASE_URL: url.href,
      SALDO_SETTLE_EVERY_SECONDS: String(intervalSeconds),
    });
  };
  // Three, so that there are two while one that was killed comes up again.
  const workers = [start(0), start(1), start(2)];
  await Promise.all(workers.map((worker) => worker.says(/jobs are running/)));
  const load = startLoad(t, {
    connectionString: database.connectionString,
    accounts: [account],
    writers: 2,
    centsMax: 500,
    debitPercent: 50,
  });

  const settlers = async () => {
    const { rows } = await client.query<{ name: string }>(
      `select application_name as name from pg_stat_activity
      where state = 'active' and query like '%settle_sub_balances%'
      and application_name like 'settler-%' and datname = current_database()`,
    );
    return rows.map((row) => workers.findIndex((_, index) => name(index) === row.name));
  };
  const settledCount = async () => {
    const { rows } = await client.query("select count(*) from saldo.settlement");
    return Number(rows[0].count);
  };

  const waits: number[] = [];
  for (let kill = 0; kill < killCount; kill += 1) {
    // So much at once that its settlement takes a while.
    await client.query(
      `select count(*) from saldo.submit_transactions(array(
        select ($1, 0.01, 'credit', null, 'bulk-' || $2 || '-' || g, null)::saldo.submit_request
        from generate_series(1, 10000) as g))`,
      [account, kill],
    );
    let victim = -1;
    await until(async () => {
      victim = (await settlers())[0] ?? -1;
      return victim >= 0;
    }, 60_000);
    const before = await settledCount();
    await workers[victim]?.kill();
    waits.push(await until(async () => (await settledCount()) > before, 60_000));
    workers[victim] = start(victim);
  }
  await load.stop();
  await Promise.all(workers.map((worker) => worker.says(/jobs are running/)));
  await Promise.all(workers.map((worker) => worker.stop()));

  t.is(load.count("unknown"), 0);
  const bulk = killCount * 10_000;
  t.deepEqual(await faultsOf(client, [load], { [account]: 100_000_000 + bulk }), []);
  const { rows } = await client.query(
    "select sum(row_count) = (select count(*) from saldo.sub_balance) as is_whole from saldo.settlement",
  );
  t.true(rows[0].is_whole);
  t.true(Math.max(...waits) < 2 * intervalSeconds * 1000, `waits in ms: ${waits.map(Math.round)}`);
  t.log(
    `${killCount} workers killed in mid-settlement, ${load.count("accepted") + bulk} rows, ` +
      `settlement went on after ${Math.round(Math.max(...waits))} ms at most`,
  );
  await client.end();
  await database.close();
});
