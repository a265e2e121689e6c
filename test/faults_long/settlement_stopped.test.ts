import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Client } from "pg";
import { openTestDatabase } from "../_support/database.ts";
import { faultsOf, openHot, startLoad, until } from "./_load.ts";
import { startProgram } from "./_program.ts";

test("without a worker requests go on to the limit, are then refused, and the first worker catches up", async (t) => {
  const database = await openTestDatabase(5);
  const client = new Client({ connectionString: database.connectionString });
  await client.connect();
  await client.query("select saldo.set_setting('settlement_backlog_limit', '20000')");
  await client.query("select saldo.set_setting('settlement_lag_max_seconds', '2')");
  const account = await openHot(client, "hot", "1000.00");
  const load = startLoad(t, {
    connectionString: database.connectionString,
    accounts: [account],
    writers: 4,
    centsMax: 100,
    debitPercent: 10,
  });
  await until(async () => (load.codes().SB202 ?? 0) > 100, 120_000);
  const pending = Number(
    (await client.query("select pending_count from saldo.balances($1)", [account])).rows[0]
      .pending_count,
  );
  // Slots may use up what they were granted while the limit was far, at most 64 rows each.
  t.true(pending >= 20_000 && pending <= 20_000 + 8 * 64, `${pending} pending`);
  await sleep(2100);
  const lagging = async () => {
    const { rows } = await client.query("select count(*) from saldo_private.rule_settlement_lag()");
    return Number(rows[0].count);
  };
  t.is(await lagging(), 1);
  const health = await client.query("select * from saldo.settlement_health()");
  t.true(Number(health.rows[0].oldest_pending_age_seconds) > 2);

  const worker = startProgram(["worker"], {
    DATABASE_URL: database.connectionString,
    SALDO_SETTLE_EVERY_SECONDS: "1",
  });
  await until(async () => (await lagging()) === 0, 60_000);
  const refusedBefore = load.codes().SB202 ?? 0;
  const acceptedBefore = load.count("accepted");
  await sleep(2000);
  await load.stop();
  t.true(load.count("accepted") > acceptedBefore, "requests are accepted again");
  await worker.stop();
  t.deepEqual(await faultsOf(client, [load], { [account]: 100_000 }), []);
  t.log(
    `${pending} rows pending at the limit, ${refusedBefore} requests refused, ` +
      `${load.count("accepted")} accepted in all`,
  );
  await client.end();
  await database.close();
});
