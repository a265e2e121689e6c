import { readFile } from "node:fs/promises";
import test from "ava";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { brokenRules, forced } from "../_support/faults.ts";
import { drift, heal, openChain } from "./_healing.ts";

/** Goes through all tables, as of another day; how many rows of each went. */
async function prune({ pool }: TestDatabase): Promise<Record<string, number>> {
  await pool.query("update saldo.retention_progress set finished_at = now() - interval '1 day'");
  const counts: Record<string, number> = {};
  for (;;) {
    const { rows } = await pool.query("select * from saldo.continue_retention()");
    if (rows[0].table_name === null) return counts;
    if (rows[0].failure) throw new Error(rows[0].failure);
    counts[rows[0].table_name] = Number(rows[0].deleted_count);
  }
}

test("docs/reference/retention.md says of each table for how long it is kept", async (t) => {
  const database = await openTestDatabase(2);
  try {
    const page = await readFile(new URL("../../docs/reference/retention.md", import.meta.url));
    const told = [...page.toString().matchAll(/^\| (`[^|]*)\|/gm)].flatMap((row) =>
      [...(row[1] ?? "").matchAll(/`([a-z_]+)`/g)].map((name) => name[1]),
    );
    const { rows } = await database.pool.query(
      `select tablename as name from pg_tables where schemaname in ('saldo', 'saldo_private')
      order by 1`,
    );
    t.deepEqual(told.toSorted(), rows.map(({ name }) => name).toSorted());
  } finally {
    await database.close();
  }
});

test("a recorded write goes when it is old, and a healthy full check has seen it", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const age = () =>
    pool.query("update saldo.guard_event set occurred_at = occurred_at - interval '401 days'");
  try {
    await drift(pool, [2, 3]);
    await age();
    t.is((await prune(database)).guard_event, 0, "nobody has looked");
    await pool.query("select saldo.check_balance_health()");
    t.is((await prune(database)).guard_event, 0, "the finding is open");
    await heal(pool);
    await pool.query("select saldo.check_balance_health()");
    await pool.query("select saldo.freeze_account(3, 'to be looked into')");
    t.is((await prune(database)).guard_event, 1, "an account is frozen");
    await pool.query("select saldo.unfreeze_account(3, 'looked into')");
    await drift(pool, [5]);
    t.is((await prune(database)).guard_event, 1);
    t.is((await pool.query("select from saldo.guard_event")).rowCount, 1, "the young one");
  } finally {
    await database.close();
  }
});

test("heals go when they are old, but for the last of a key", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    for (const ids of [[2, 3], [2]]) {
      await drift(pool, ids);
      await pool.query("select saldo.set_setting('heal_repeat_hours', '0')");
      await heal(pool);
    }
    const healed = "select key from saldo.heal_action where outcome = 'healed' order by id";
    t.is((await pool.query(healed)).rowCount, 3);
    await pool.query(`
      update saldo.heal_action set healed_at = healed_at - interval '3651 days';
      update saldo.heal_run set finished_at = finished_at - interval '3651 days'`);
    const counts = await prune(database);
    t.is(counts.heal_action, 1);
    t.is((await pool.query(healed)).rowCount, 2);
    const { rows } = await pool.query(
      "select id from saldo.heal_action where outcome = 'healed' order by id",
    );
    await pool.query("select saldo.undo_heal($1, 'it was right')", [rows[0].id]);
    t.is((await prune(database)).heal_action, 0, "the undo is young, and names the heal");
    // With the heal of 3 undone, its fault is there again.
    t.deepEqual((await brokenRules(pool)).slice(0, 1), ["account_balance"]);
  } finally {
    await database.close();
  }
});

test("runs of heals without a heal go with their maintenance, and their checks after them", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    for (let day = 0; day < 3; day++) await pool.query("select saldo.scheduled_maintenance()");
    await pool.query(`
      update saldo.heal_run set finished_at = finished_at - interval '3651 days';
      update saldo.check_run set finished_at = finished_at - interval '3651 days'`);
    t.is((await prune(database)).heal_run, 2, "the last one stays");
    await pool.query("select saldo.scheduled_maintenance()");
    t.is((await pool.query("select from saldo.maintenance_run")).rowCount, 2);
    t.is((await pool.query("select from saldo.check_run")).rowCount, 2);
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    await database.close();
  }
});

test("records of work go when they are old; what failed or runs stays, and the last sync", async (t) => {
  const database = await openTestDatabase(4);
  const { pool } = database;
  try {
    await pool.query(`
      select saldo.open_account('hot', 'Hot', 'liability');
      select saldo.make_account_hot(1, 2);
      insert into saldo.slot_rebuild (account_id, id, slot_count, rebuilt_at, rebuilt_by)
      select 1, gen_random_uuid(), 1, now() - interval '91 days', 'x'
      from generate_series(1, 2500);
      insert into saldo.rerating (operation, from_date, status, reading_count, created_by,
        finished_at, error)
      select 'x', '2020-01-01', s.status, 0, 'x',
        case when s.status in ('done', 'failed') then now() - s.age end,
        case when s.status = 'failed' then 'x' end
      from (values ('done'::saldo.rerating_status, interval '91 days'),
        ('done', '89 days'), ('failed', '91 days'), ('running', '91 days')) as s (status, age);
      insert into saldo.monthly_sync_run (is_forced, status, customer_count, started_by,
        finished_at)
      select f.is_forced, 'done', 0, 'x', now() - interval '91 days'
      from (values (true), (false), (false)) as f (is_forced)`);
    const counts = await prune(database);
    t.is(counts.slot_rebuild, 2500);
    t.is((await pool.query("select from saldo.slot_rebuild")).rowCount, 1, "of make_account_hot");
    t.is(counts.rerating, 1);
    t.is(counts.monthly_sync_run, 1);
    await pool.query("select saldo.set_setting('working_history_days', '0')");
    await pool.query(`insert into saldo.slot_rebuild (account_id, id, slot_count, rebuilt_at,
      rebuilt_by) values (1, gen_random_uuid(), 1, now() - interval '9000 days', 'x')`);
    t.is((await prune(database)).slot_rebuild, 0, "0 is for ever");
  } finally {
    await database.close();
  }
});

test("empty stripes of old months go, and a late posting is right all the same", async (t) => {
  const database = await openTestDatabase(4);
  const { pool } = database;
  try {
    await pool.query(`
      select saldo.open_account('hot', 'Hot', 'liability'), saldo.open_account('t', 'T', 'asset');
      select saldo.make_account_hot(1, 4);
      select saldo.transfer(2, 1, 5, occurred_at => now() - interval '200 days');
      select saldo.transfer(2, 1, 7);
      select saldo.settle_sub_balances();
      select saldo.transfer(2, 1, 3, occurred_at => now() - interval '300 days')`);
    const held = "select count(*)::int as n from saldo_private.account_stripe where line_count > 0";
    const full = (await pool.query(held)).rows[0].n;
    t.true(full > 0, "one is not folded yet");
    t.true(((await prune(database)).account_stripe ?? 0) > 0);
    t.is((await pool.query(held)).rows[0].n, full);
    t.deepEqual(await brokenRules(pool), []);
    await pool.query(`
      select saldo.transfer(2, 1, 11, occurred_at => now() - interval '200 days');
      select saldo.settle_sub_balances()`);
    t.deepEqual(await brokenRules(pool), []);
    const { rows } = await pool.query("select balance from saldo.account where id = 1");
    t.is(rows[0].balance, "26");
  } finally {
    await database.close();
  }
});

test("a table that cannot be pruned is told, and holds up none of the others", async (t) => {
  const database = await openTestDatabase(4);
  const { pool } = database;
  try {
    await pool.query(
      "drop function saldo_private.prune_guard_events(timestamptz, bigint, out bigint, out bigint)",
    );
    for (let step = 0; step < 20; step++) await pool.query("select saldo.continue_retention()");
    const { rows } = await pool.query(
      `select table_name from saldo.retention_progress
      where failure is not null or finished_at is null`,
    );
    t.deepEqual(rows, [{ table_name: "guard_event" }]);
    const left = await pool.query(
      `select table_name from saldo_private.retention_plan()
      except select table_name from saldo.retention_progress`,
    );
    t.deepEqual(left.rows, []);
  } finally {
    await database.close();
  }
});

test("nobody but an administrator prunes, and not while a maintenance runs", async (t) => {
  const database = await openTestDatabase(4);
  const { pool } = database;
  const client = await pool.connect();
  try {
    await client.query("begin; set local role saldo_operator");
    await t.throwsAsync(client.query("select saldo.continue_retention()"), { code: "42501" });
    await client.query("rollback; begin");
    await client.query("select saldo.scheduled_maintenance()");
    await t.throwsAsync(pool.query("select saldo.continue_retention()"), { code: "SB604" });
    await client.query("rollback");
    t.truthy(await forced(pool, (c) => c.query("select saldo.continue_retention()")));
  } finally {
    client.release();
    await database.close();
  }
});
