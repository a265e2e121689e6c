import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Client } from "pg";
import { openTestDatabase } from "../_support/database.ts";
import { faultsOf, openHot, settleAll, startLoad } from "./_load.ts";

const truncateCount = 40;

test("slots that are truncated under load cost neither money nor rows", async (t) => {
  const database = await openTestDatabase(5);
  const connectionString = database.connectionString;
  const [client, settler] = [new Client({ connectionString }), new Client({ connectionString })];
  await Promise.all([client.connect(), settler.connect()]);
  t.teardown(async () => {
    await Promise.all([client.end(), settler.end()]);
    await database.close();
  });
  const accounts = [
    await openHot(client, "ample", "100000.00"),
    await openHot(client, "scarce", "2.00"),
  ];
  const load = startLoad(t, {
    connectionString,
    accounts,
    writers: 8,
    centsMax: 200,
    debitPercent: 55,
  });
  let isRunning = true;
  const settling = (async () => {
    while (isRunning) {
      await settleAll(settler);
      await sleep(50);
    }
  })();
  t.teardown(async () => {
    isRunning = false;
    await settling;
  });
  for (let count = 0; count < truncateCount; count += 1) {
    await sleep(150);
    await client.query("truncate saldo_private.account_slot");
    const { rows } = await client.query(
      "select min((saldo.balances(a)).available_balance) as least from unnest($1::bigint[]) as a",
      [accounts],
    );
    t.true(Number(rows[0].least) >= 0, `available ${rows[0].least}`);
  }
  await load.stop();
  isRunning = false;
  await settling;

  const [ample = "", scarce = ""] = accounts;
  t.deepEqual(await faultsOf(client, [load], { [ample]: 10_000_000, [scarce]: 200 }), []);
  t.deepEqual(
    Object.keys(load.codes()).filter((code) => !["SB001", "SB015"].includes(code)),
    [],
  );
  const rebuilds = await client.query("select count(*) from saldo.slot_rebuild");
  t.true(Number(rebuilds.rows[0].count) > truncateCount);
  t.log(
    `${truncateCount} truncations, ${load.count("accepted")} accepted, ` +
      `refused ${JSON.stringify(load.codes())}, ${rebuilds.rows[0].count} rebuilds`,
  );
});
