import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { readConfig } from "../../src/config.ts";
import { makePool } from "../../src/database/pools.ts";
import { startWorker } from "../../src/jobs/worker.ts";
import { check, forced } from "../_support/faults.ts";
import { type Hot, openHot } from "../hot/_hot.ts";

const quiet = { info: () => {}, warn: () => {}, error: () => {} };

/** Seconds until a query gives a row. */
async function secondsUntil(hot: Hot, text: string, most: number): Promise<number> {
  const start = Date.now();
  while (Date.now() - start < most * 1000) {
    if ((await hot.root(text)).length > 0) break;
    await sleep(100);
  }
  return (Date.now() - start) / 1000;
}

const open = (condition: string) =>
  `select from saldo.alert where condition = '${condition}' and resolved_at is null`;

test("from a recorded write to its alert, with what a check says of it, it is 10 seconds", async (t) => {
  const hot = await openHot();
  const account = await hot.account({ funds: 1000, slots: 1 });
  const other = await hot.account({ funds: 1000 });
  await hot.root("select saldo.set_setting('settlement_lag_max_seconds', '86400')");
  await check(hot.pool);
  // The line is of long ago for an incremental check: it has been verified.
  const [point] = await hot.root("select verified_at from saldo_private.verified_point");
  t.truthy(point?.verified_at);
  const [database] = await hot.root("select current_database() as name");
  const url = new URL(String(process.env.SALDO_TEST_DATABASE_URL));
  url.pathname = `/${database?.name}`;
  const pool = makePool(url.href, 10, quiet);
  const worker = await startWorker(
    pool,
    { ...readConfig({}), alertEverySeconds: 600, settleEverySeconds: 600, sealEverySeconds: 600 },
    quiet,
  );
  try {
    await sleep(2000); // its first jobs
    await hot.submit(account, 100, "debit");
    await forced(hot.pool, async (client) => {
      await client.query("update saldo.sub_balance set amount = 500 where account_id = $1", [
        account,
      ]);
      await client.query("update saldo.journal_line set debit = debit + 1 where account_id = $1", [
        other,
      ]);
    });
    const most = 20;
    t.true((await secondsUntil(hot, open("guard_tripped"), most)) <= 10);
    const rule = (name: string) =>
      `select from saldo.alert where condition = 'drift_found' and key = '${name}'`;
    t.true((await secondsUntil(hot, rule("row_seal"), most)) <= 10);
    t.true((await secondsUntil(hot, rule("account_balance"), most)) <= 10);
    const frozen = `select from saldo.account where id = ${account} and frozen_at is not null`;
    t.true((await secondsUntil(hot, frozen, most)) <= 10, "nothing of it is spent until the night");
    const [run] = await hot.root("select scope from saldo.check_run order by number desc limit 1");
    t.is(run?.scope, "incremental", "and no full check was needed");
    const [before] = await hot.root("select count(*) from saldo.check_run");
    await sleep(7000);
    const [after] = await hot.root("select count(*) from saldo.check_run");
    t.is(after?.count, before?.count, "what was looked at is not looked at again");
  } finally {
    await worker.stop();
    await pool.end();
    await hot.close();
  }
});
