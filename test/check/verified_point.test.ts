import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { brokenRules, forced } from "../_support/faults.ts";

/** Books whose verified point knows what this month came to. */
async function openKnown() {
  const database = await openTestDatabase(4);
  const { pool } = database;
  await pool.query("select saldo.open_account('cash', 'Cash', 'asset')");
  await pool.query("select saldo.open_account('till', 'Till', 'liability')");
  const pay = () => pool.query("select saldo.transfer(1, 2, 1)");
  const reconcile = async () =>
    (await pool.query("select scope, status from saldo.reconcile()")).rows[0];
  await pay();
  await pool.query("select saldo.check_balance_health()");
  await pay();
  await reconcile();
  return { database, pool, pay, reconcile };
}

/** The movements of an entry are gone, or there again. */
const moved = (sign: "-" | "+") => `update saldo.month_movement
  set credit = credit ${sign} (account_id - 1), debit = debit ${sign} (2 - account_id),
    line_count = line_count ${sign} 1`;

test("what a suspect month came to before does not fit again when what is new is missing", async (t) => {
  const { database, pool, pay, reconcile } = await openKnown();
  await pay();
  await forced(pool, (client) => client.query(moved("-")));
  t.deepEqual(await reconcile(), { scope: "incremental", status: "unhealthy" });
  t.deepEqual((await pool.query("select month from saldo_private.verified_month")).rows, []);
  // A full check that cannot set the point, and that finds everything mended.
  await forced(pool, (client) => client.query(moved("+")));
  const client = await pool.connect();
  await client.query("begin isolation level repeatable read");
  const full = await client.query("select status from saldo.check_balance_health()");
  t.deepEqual(full.rows, [{ status: "healthy" }]);
  await client.query("commit");
  client.release();
  await forced(pool, (client) => client.query(moved("-")));
  await pay();
  t.deepEqual(await reconcile(), { scope: "incremental", status: "unhealthy" });
  await database.close();
});

test("numbers of lines beyond reason are a finding, and stop no check", async (t) => {
  const { database, pool, pay, reconcile } = await openKnown();
  await forced(pool, (client) =>
    client.query("update saldo.month_movement set line_count = 9000000000000 where account_id = 1"),
  );
  await pay();
  t.deepEqual(await reconcile(), { scope: "incremental", status: "unhealthy" });
  t.deepEqual(await brokenRules(pool), ["month_movement"]);
  await database.close();
});

test("an entry on a day that has no month is a finding, and stops no check", async (t) => {
  const { database, pool, pay, reconcile } = await openKnown();
  await pay();
  await forced(pool, (client) =>
    client.query(`update saldo.journal_entry set posting_date = '500000-01-01'
      where id = (select id from saldo.journal_entry order by posted_at desc limit 1)`),
  );
  t.deepEqual(await reconcile(), { scope: "incremental", status: "unhealthy" });
  t.deepEqual(await brokenRules(pool), ["entry_lines"]);
  await database.close();
});

/** As a dump leaves it in a cluster that has not come so far: numbers are ahead, rows are new. */
const restoredAhead = `
  update saldo.journal_entry set posted_in = (posted_in::text::bigint + 1000000)::text::xid8;
  update saldo.check_run set snapshot = '9000000:9000000:';
  update saldo.check_progress set cluster = 'another', snapshot = '9000000:9000000:';
  update saldo_private.alert_state set snapshot = '9000000:9000000:';
  update saldo.guard_event set transaction_id = '1000000';
  update saldo_private.verified_point set cluster = 'another', snapshot = '9000000:9000000:'`;

test("books from another cluster are checked once as a whole, and from then on what is new", async (t) => {
  const { database, pool, pay, reconcile } = await openKnown();
  const isDue = async () =>
    (await pool.query("select saldo_private.is_check_due() as is_due")).rows[0].is_due;
  t.false(await isDue());
  await forced(pool, (client) => client.query(restoredAhead));
  t.true(await isDue());
  t.deepEqual(await reconcile(), { scope: "full", status: "healthy" });
  t.false(await isDue());
  for (let count = 1; count <= 3; count += 1) {
    await pay();
    const { rows } = await pool.query("select scope, status, line_count from saldo.reconcile()");
    t.deepEqual(rows, [{ scope: "incremental", status: "healthy", line_count: "2" }]);
  }
  await database.close();
});

test("numbers of another cluster that are reached later are not taken for new ones", async (t) => {
  const { database, pool, pay, reconcile } = await openKnown();
  await forced(pool, (client) => client.query(restoredAhead));
  await reconcile();
  // The next transactions have the numbers that the restored entries brought along.
  await forced(pool, (client) =>
    client.query(`update saldo.journal_entry
      set posted_in = (pg_current_xact_id()::text::bigint + 3)::text::xid8`),
  );
  for (let count = 1; count <= 6; count += 1) {
    await pay();
    const { rows } = await pool.query("select scope, status, line_count from saldo.reconcile()");
    t.deepEqual(rows, [{ scope: "incremental", status: "healthy", line_count: "2" }]);
  }
  await database.close();
});

test("a full check in slices that came with a dump is begun anew", async (t) => {
  const { database, pool, pay } = await openKnown();
  await pool.query("select saldo.set_setting('check_slice_lines', '1000')");
  await forced(pool, (client) =>
    client.query(`insert into saldo.check_progress (id, kind, actor,
      started_at, continued_at, snapshot, seed, next_starts_on, slice_count, line_count,
      total_line_count, account_ids, entry_ids, slice_ends)
    select id, kind, actor, started_at, continued_at, snapshot, seed, 'infinity'::date - 1, 1, 2, 4,
      account_ids, entry_ids, array['2001-01-01'::date]
    from saldo_private.new_check_progress('manual')`),
  );
  await forced(pool, (client) => client.query(restoredAhead));
  await pay();
  await forced(pool, (client) => client.query(moved("-")));
  const { rows } = await pool.query("select status, scope from saldo.continue_check()");
  t.deepEqual(rows, [{ status: "unhealthy", scope: "full" }]);
  await database.close();
});

test("a write past the guard counts as seen by checks of its own cluster only", async (t) => {
  const { database, pool } = await openKnown();
  const { rows } = await pool.query(`
    with own as (select pg_current_snapshot() as snapshot)
    select saldo_private.is_seen('3', snapshot) as older,
      saldo_private.is_seen('9000000', snapshot) as brought_along,
      saldo_private.is_seen(pg_snapshot_xmin(snapshot), '9000000:9000000:') as newer_than_dump,
      saldo_private.is_seen('8000000', '9000000:9000000:') as seen_before_dump,
      saldo_private.is_seen('9500000', '9000000:9000000:') as not_seen_before_dump,
      saldo_private.is_seen('3', null) as unknown
    from own`);
  t.deepEqual(rows, [
    {
      older: true,
      brought_along: true,
      newer_than_dump: false,
      seen_before_dump: true,
      not_seen_before_dump: false,
      unknown: null,
    },
  ]);
  await database.close();
});
