import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Client } from "pg";
import { type DemoCentre, openCentre } from "../../demo/branch_centre.ts";
import { enrol } from "../../src/branch/push/enrol.ts";
import { Pusher } from "../../src/branch/push/pusher.ts";
import type { Store } from "../../src/branch/store/store.ts";
import { openTestDatabase, urlOf } from "../_support/database.ts";
import { bodies, makePlace, openStore, sell } from "./_till.ts";

/** The centre's database is put back to a backup, and the tills bring what it lost. */

const pace = { intervalMs: 1e9, retryBaseMs: 1e9, retryMaxMs: 1e9, timeoutMs: 60_000 };

async function push(store: Store): Promise<void> {
  const pusher = new Pusher(store, { pace });
  await pusher.pushAgain();
  await pusher.stop();
}

/** Copies a database as a backup does, when nobody is connected to it. */
async function backUp(t: ExecutionContext, name: string): Promise<string> {
  const copy = `saldo_test_${randomBytes(6).toString("hex")}`;
  const root = new Client({ connectionString: urlOf("postgres") });
  await root.connect();
  for (;;) {
    try {
      await root.query(`create database ${copy} template ${name}`);
      break;
    } catch (error) {
      // Backends whose clients are gone take a moment to go.
      if ((error as { code?: string }).code !== "55006") throw error;
      await sleep(50);
    }
  }
  t.teardown(async () => {
    await root.query(`drop database ${copy} with (force)`);
    await root.end();
  });
  return urlOf(copy);
}

async function one(connectionString: string, text: string, values: unknown[] = []) {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(text, values)).rows[0];
  } finally {
    await client.end();
  }
}

const restores = ["told so", "untold", "untold, soon after another"] as const;

for (const restore of restores) {
  test(`a centre that was restored has all rows again, ${restore}`, async (t) => {
    const database = await openTestDatabase(2);
    let centre: DemoCentre = await openCentre(database.connectionString);
    const [first, second] = [makePlace(t), makePlace(t)].map((place) =>
      openStore(place, () => new Date()),
    ) as [Store, Store];
    const { id, cash } = await one(
      database.connectionString,
      "select id, cash_account_id as cash from saldo.create_branch('R', 'R')",
    );
    for (const store of [first, second]) {
      const issued = await one(
        database.connectionString,
        "select code from saldo.issue_enrolment_code($1)",
        [id],
      );
      await enrol(store, { centre: centre.address, code: issued.code });
    }
    const sale = sell(first, 100);
    sell(second, 2000);
    await push(first);
    await push(second);
    await centre.close();
    const backup = await backUp(t, database.name);

    // What comes after the backup: sales, a void of a row before it, and another epoch.
    centre = await openCentre(database.connectionString);
    for (const store of [first, second]) store.settings.set("centre", centre.address);
    sell(first, 30);
    first.addVoid({ voids: sale.id, reason: "wrong" });
    await push(first);
    first.beginChain(first.chain.device, "restored");
    sell(first, 4);
    await push(first);
    sell(second, 50_000);
    await push(second);
    t.is(first.queue().waiting + second.queue().waiting, 0);
    await centre.close();

    centre = await openCentre(backup);
    t.teardown(() => centre.close());
    for (const store of [first, second]) store.settings.set("centre", centre.address);
    if (restore === "told so") await one(backup, "select saldo.begin_centre_epoch('restored')");
    if (restore === "untold") {
      // Within an hour of another epoch the centre begins none by itself: the tills see it then.
      await one(backup, "update saldo.centre_epoch set began_at = began_at - interval '2 hours'");
    }
    // The second one hears of the new epoch after the first one has, and each sells meanwhile.
    sell(second, 600_000);
    for (const store of [first, second, first, second]) await push(store);
    t.is(first.queue().waiting + second.queue().waiting, 0);
    const rows = [...bodies(first), ...bodies(second)].map(({ id: row, hash }) => ({ row, hash }));
    const held = await one(
      backup,
      `select (select jsonb_agg(jsonb_build_object('row', i.row_id, 'hash', i.hash)
          order by i.row_id) from saldo.branch_intake as i) as rows,
        (select balance::int from saldo.account where id = $1) as cash,
        (select count(*)::int from saldo.branch_gaps()) as gaps,
        (select count(*)::int from saldo.branch_intake where verdict <> 'accepted') as troubles,
        (select count(*)::int from saldo_private.rule_branch_entry()) as faults`,
      [cash],
    );
    t.deepEqual(
      held.rows,
      rows.sort((a, b) => (a.row < b.row ? -1 : 1)),
    );
    t.is(held.cash, first.summary().balance + second.summary().balance);
    t.like(held, { gaps: 0, troubles: 0, faults: 0 });
    first.close();
    second.close();
    await database.close();
  });
}
