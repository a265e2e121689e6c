import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Client } from "pg";
import { killPostgres } from "../_support/postgres.ts";
import { faultsOf, type Load, openHot, startLoad } from "./_load.ts";
import { startProgram } from "./_program.ts";

const killCount = 10;

test("PostgreSQL killed under load loses nothing that was acknowledged, and goes on with new slots", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saldo-faults-"));
  const loads: Load[] = [];
  const start = async () => {
    const program = startProgram([], {
      SALDO_DATA_DIR: folder,
      PORT: "0",
      SALDO_SETTLE_EVERY_SECONDS: "1",
    });
    await program.says(/Admin token/);
    const connectionString = (await readFile(join(folder, "database-url"), "utf8")).trim();
    const client = new Client({ connectionString });
    client.on("error", () => {});
    await client.connect();
    return { program, client, connectionString };
  };

  let { program, client, connectionString } = await start();
  const accounts = [
    await openHot(client, "ample", "1000000.00"),
    await openHot(client, "scarce", "3.00"),
  ];
  let resent = 0;
  for (let kill = 0; kill < killCount; kill += 1) {
    const load = startLoad(t, {
      connectionString,
      accounts,
      writers: 6,
      centsMax: 300,
      debitPercent: 55,
    });
    loads.push(load);
    await sleep(1000 + 200 * kill);
    await killPostgres(folder);
    await load.stop();
    await program.kill();
    ({ program, client, connectionString } = await start());
    // The slots are empty, and a request makes them again.
    t.is((await client.query("select from saldo_private.account_slot")).rowCount, 0);
    resent += await load.resend(client);
  }
  const rebuilds = await client.query("select count(*) from saldo.slot_rebuild");
  t.true(Number(rebuilds.rows[0].count) >= killCount);
  t.true(loads.every((load) => load.count("accepted") > 0));
  t.true(
    loads.some((load) => load.codes().SB001 !== undefined),
    "the scarce account refused",
  );
  const [ample = "", scarce = ""] = accounts;
  t.deepEqual(await faultsOf(client, loads, { [ample]: 100_000_000, [scarce]: 300 }), []);
  const accepted = loads.reduce((sum, load) => sum + load.count("accepted"), 0);
  t.log(
    `${killCount} times PostgreSQL killed, ${accepted} transactions acknowledged, ` +
      `${resent} of unknown fate sent again, ${rebuilds.rows[0].count} rebuilds of slots`,
  );
  await client.end();
  await program.stop();
  await rm(folder, { recursive: true, force: true });
});
