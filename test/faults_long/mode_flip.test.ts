import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Client } from "pg";
import { openTestDatabase } from "../_support/database.ts";
import { faultsOf, openHot, startLoad } from "./_load.ts";

const flipCount = 60;

test("an account that turns hot and immediate under load shows no wrong figure at any moment", async (t) => {
  const database = await openTestDatabase(5);
  const connectionString = database.connectionString;
  const [client, watcher] = [new Client({ connectionString }), new Client({ connectionString })];
  await Promise.all([client.connect(), watcher.connect()]);
  t.teardown(async () => {
    await Promise.all([client.end(), watcher.end()]);
    await database.close();
  });
  const account = await openHot(client, "flipping", "5.00");
  const load = startLoad(t, {
    connectionString,
    accounts: [account],
    writers: 6,
    centsMax: 100,
    debitPercent: 52,
  });
  let isRunning = true;
  let looks = 0;
  const wrong: unknown[] = [];
  const watching = (async () => {
    while (isRunning) {
      // One statement, one snapshot: what is shown must be what the rows of it come to.
      const { rows } = await watcher.query(
        `select b.*, s.net
        from saldo.balances($1) as b
        cross join (
          select coalesce(sum(case direction when 'credit' then amount else -amount end), 0) as net
          from saldo.sub_balance
          where account_id = $1
        ) as s
        where b.settled_balance + b.pending_credit - b.pending_debit <> s.net
        or b.available_balance <> s.net
        or b.available_balance < 0`,
        [account],
      );
      wrong.push(...rows);
      looks += 1;
    }
  })();
  t.teardown(async () => {
    isRunning = false;
    await watching;
  });
  let flips = 0;
  while (flips < flipCount) {
    await sleep(50);
    const name = flips % 2 === 0 ? "make_account_immediate" : "make_account_hot";
    await client.query(`select saldo.${name}($1)`, [account]);
    flips += 1;
  }
  await sleep(200);
  await load.stop();
  isRunning = false;
  await watching;

  t.deepEqual(wrong, []);
  t.true(looks > flipCount);
  t.deepEqual(
    Object.keys(load.codes()).filter((code) => !["SB001", "SB015", "SB201"].includes(code)),
    [],
  );
  t.true((load.codes().SB201 ?? 0) > 0, "requests met it while it was immediate");
  t.deepEqual(await faultsOf(client, [load], { [account]: 500 }), []);
  t.log(
    `${flipCount} changes of mode, ${looks} looks, ${load.count("accepted")} accepted, ` +
      `refused ${JSON.stringify(load.codes())}`,
  );
});
