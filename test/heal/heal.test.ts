import test from "ava";
import { forceBalance, replayIncident } from "../../demo/incident.ts";
import { tellStory } from "../../demo/story.ts";
import {
  asAdmin,
  asAnonymous,
  asMember,
  asOperator,
  errorCode,
  openTestDatabase,
} from "../_support/database.ts";
import { brokenRules, check, forced, journalDigest } from "../_support/faults.ts";

test("the incident is found, explained, healed and clean, and the journal is untouched", async (t) => {
  const database = await openTestDatabase(5);
  const client = await database.pool.connect();
  try {
    await client.query("set application_name = 'night-script'");
    const victim = await replayIncident(client as never);
    const wallet = () =>
      client
        .query("select balance, held, available from saldo.wallet_balance($1)", [victim.memberId])
        .then(({ rows }) => rows[0]);
    t.deepEqual(await wallet(), { balance: "1900000", held: "150000", available: "1750000" });
    const journal = await journalDigest(database.pool);

    await forceBalance(client as never, victim);
    const { findings } = await check(database.pool);
    const drifts = findings.filter(({ account_id }) => account_id !== null);
    t.is(drifts.length, 1);
    t.like(drifts[0], {
      rule: "account_balance",
      account_id: victim.accountId,
      stored: "1500000",
      derived: "1900000",
      difference: "-400000",
      cause: "out_of_band_write",
    });
    t.like(drifts[0]?.evidence[0], {
      application_name: "night-script",
      operation: "update",
      table_name: "account",
    });

    const dry = await client.query("select * from saldo.auto_heal()");
    t.is(dry.rows[0].is_dry_run, true);
    t.is((await wallet()).balance, "1500000");
    const healed = await client.query("select * from saldo.auto_heal(false)");
    t.is(healed.rows[0].healed_count, 1);
    t.deepEqual(await wallet(), { balance: "1900000", held: "150000", available: "1750000" });
    const audit = await client.query("select * from saldo.heal_action where heal_run_id = $1", [
      healed.rows[0].id,
    ]);
    t.like(audit.rows[0], { outcome: "healed", account_id: victim.accountId });
    t.is(audit.rows[0].before.balance, 1500000);
    t.is(audit.rows[0].after.balance, 1900000);

    t.deepEqual(await brokenRules(database.pool), []);
    t.is(await journalDigest(database.pool), journal);
    const again = await client.query("select * from saldo.auto_heal(false)");
    t.is(again.rows[0].healed_count, 0);
  } finally {
    client.release();
    await database.close();
  }
});

test("the demo tells the story to its clean end", async (t) => {
  const database = await openTestDatabase(2);
  const client = await database.pool.connect();
  try {
    const lines: string[] = [];
    await tellStory(client as never, (line) => lines.push(line));
    const story = lines.join("\n");
    t.regex(story, /balance 1,900,000, held 150,000, available 1,750,000/);
    t.regex(story, /difference -400,000/);
    t.regex(story, /out_of_band_write/);
    t.regex(lines.at(-2) ?? "", /check: healthy/);
    t.regex(lines.at(-1) ?? "", /not a line has changed/);
  } finally {
    client.release();
    await database.close();
  }
});

async function openTill() {
  const database = await openTestDatabase(30);
  await database.pool.query(`
    select saldo.open_account('a' || g, 'A', 'asset') from generate_series(1, 20) as g;
  `);
  await database.pool.query(
    "select saldo.transfer(g, g + 1, 100) from generate_series(1, 19) as g",
  );
  return database;
}

for (const [name, statement] of [
  ["update of a total", "update saldo.account set credit_total = 5 where id = 1"],
  ["update of a hold", "update saldo.account set held_total = 5 where id = 1"],
  [
    "account that begins with a balance",
    `insert into saldo.account (code, name, type, currency, debit_total)
      values ('x', 'X', 'asset', 'IDR', 5)`,
  ],
  ["deletion of an account", "delete from saldo.account where id = 1"],
  ["update of a month", "update saldo.month_movement set debit = 5"],
  ["new month", "insert into saldo.month_movement values (1, '2001-01-01', 1, 1, 1)"],
  ["deletion of a month", "delete from saldo.month_movement"],
  ["truncation of months", "truncate saldo.month_movement"],
] as const) {
  test(`the guard refuses a superuser's ${name}, also as saldo_owner`, async (t) => {
    const database = await openTill();
    try {
      for (const role of ["none", "saldo_owner"]) {
        const client = await database.pool.connect();
        await client.query(`set role ${role}`);
        const error = await t.throwsAsync(client.query(statement));
        t.like(error, { code: "SB601" });
        t.regex((error as { hint?: string }).hint ?? "", /post_entries|auto_heal/);
        client.release(true);
      }
      t.deepEqual(await brokenRules(database.pool), []);
    } finally {
      await database.close();
    }
  });
}

test("only administrators heal; operators may check; others may do neither", async (t) => {
  const database = await openTestDatabase(3);
  const { pool } = database;
  try {
    const heal = "select saldo.auto_heal(false)";
    const look = "select saldo.check_balance_health()";
    t.is(await errorCode(asAdmin(pool, (c) => c.query(heal))), "none");
    t.is(await errorCode(asOperator(pool, (c) => c.query(heal))), "42501");
    t.is(await errorCode(asMember(pool, 1, (c) => c.query(heal))), "42501");
    t.is(await errorCode(asOperator(pool, (c) => c.query(look))), "none");
    t.is(await errorCode(asMember(pool, 1, (c) => c.query(look))), "42501");
    t.is(await errorCode(asAnonymous(pool, (c) => c.query(look))), "42501");
    const open = "select is_valid from saldo.balance_health()";
    t.is(await errorCode(asAnonymous(pool, (c) => c.query(open))), "none");
  } finally {
    await database.close();
  }
});

test("a changed journal is not laundered into the balance", async (t) => {
  const database = await openTill();
  try {
    for (const plant of [
      "update saldo.journal_line set debit = debit * 2, credit = credit * 2",
      "truncate saldo.journal_line, saldo.journal_entry",
    ]) {
      await forced(database.pool, (client) => client.query(plant));
      const before = await database.pool.query("select id, balance from saldo.account order by id");
      const run = await database.pool.query("select * from saldo.auto_heal(false)");
      t.is(run.rows[0].healed_count, 0, plant);
      t.true(run.rows[0].refused_count > 0, plant);
      const after = await database.pool.query("select id, balance from saldo.account order by id");
      t.deepEqual(after.rows, before.rows);
    }
  } finally {
    await database.close();
  }
});

test("of two maintenances at once the second is told", async (t) => {
  const database = await openTill();
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    await client.query("select saldo.scheduled_maintenance()");
    t.is(await errorCode(database.pool.query("select saldo.scheduled_maintenance()")), "SB604");
    t.is(await errorCode(database.pool.query("select saldo.auto_heal(false)")), "SB604");
    await client.query("commit");
    t.is(await errorCode(database.pool.query("select saldo.auto_heal(false)")), "none");
  } finally {
    client.release();
    await database.close();
  }
});

test("healing in another isolation level is refused", async (t) => {
  const database = await openTill();
  const client = await database.pool.connect();
  try {
    await client.query("begin isolation level repeatable read");
    t.is(await errorCode(client.query("select saldo.auto_heal(false)")), "SB603");
    await client.query("rollback");
  } finally {
    client.release();
    await database.close();
  }
});

test("no rule alarms beside 12 posting clients, and a heal repairs what was planted and no more", async (t) => {
  const database = await openTill();
  const { pool } = database;
  let isOver = false;
  const posters = Array.from({ length: 12 }, async () => {
    let count = 0;
    while (!isOver) {
      const [from, to] = [1, 1].map(() => 1 + Math.floor(Math.random() * 20));
      if (from === to) continue;
      await pool.query("select saldo.transfer($1, $2, 1)", [from, to]);
      count += 1;
    }
    return count;
  });
  try {
    for (let round = 0; round < 5; round += 1) t.deepEqual(await brokenRules(pool), []);

    let healed = 0;
    for (let round = 0; round < 5; round += 1) {
      await forced(pool, async (client) => {
        // One by one, in the order in which postings lock them: or this is what deadlocks.
        for (const id of [round + 1, round + 8]) {
          await client.query(
            "update saldo.account set debit_total = debit_total + 7 where id = $1",
            [id],
          );
        }
      });
      const run = await pool.query("select * from saldo.auto_heal(false)");
      healed += run.rows[0].healed_count;
      t.is(run.rows[0].refused_count, 0);
    }
    t.is(healed, 10);
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    isOver = true;
    const counts = await Promise.all(posters);
    t.true(counts.every((count) => count > 0));
    t.deepEqual(await brokenRules(pool), []);
    await database.close();
  }
});
