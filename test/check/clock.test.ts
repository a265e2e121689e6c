import test from "ava";
import type { Pool } from "pg";
import { errorCode } from "../_support/database.ts";
import { arranged, check, forced } from "../_support/faults.ts";
import { as, drift, heal, openChain, proposals } from "../heal/_healing.ts";

/*
 * A clock that jumps is planted as what it leaves behind: records that are dated later than now.
 * Nothing here sets the clock of the machine.
 */

const years = "interval '10 years'";

/** Dates what there is by a clock that was ten years ahead. */
const ahead = (pool: Pool, ...texts: string[]) =>
  forced(pool, async (client) => {
    for (const text of texts) await client.query(text);
  });

const aheadCheck = `update saldo.check_run set started_at = started_at + ${years},
  finished_at = finished_at + ${years}`;

const health = async (pool: Pool) =>
  (await pool.query("select * from saldo.balance_health()")).rows[0];

const alerts = async (pool: Pool) => {
  await pool.query("select saldo.evaluate_alerts()");
  const { rows } = await pool.query(
    "select condition from saldo.alert where resolved_at is null order by condition",
  );
  return rows.map(({ condition }) => condition as string);
};

test("a clock that was set back is found, with how far and since when, and accepted by a human", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    t.is(await errorCode(as(pool, "anna", "select saldo.accept_clock('fine')")), "SB007");
    t.is((await check(pool)).status, "healthy");
    await ahead(pool, aheadCheck);
    const next = await check(pool);
    t.is(next.status, "unhealthy");
    t.like(next.findings[0], { rule: "clock", key: "check", cause: "clock_set_back" });
    t.true(Math.abs(Number(next.findings[0]?.difference) / 86_400 - 3652) < 2);
    t.regex(
      next.findings[0]?.explanation ?? "",
      /^The clock was set back: the latest check is dated .*, \d+ seconds later than now\. \(certain\)$/,
    );
    t.regex(
      (await check(pool)).findings[0]?.explanation ?? "",
      / It was so before .*\. \(certain\)$/,
    );
    t.true((await alerts(pool)).includes("clock_set_back"));
    t.false((await alerts(pool)).includes("drift_found"));
    // Nothing is healed because of it, and nothing else is held up.
    await drift(pool, [2]);
    t.like(await heal(pool), { healed_count: 1, refused_count: 0 });

    const [accepted] = await as(pool, "anna", "select * from saldo.accept_clock('the host slept')");
    t.like(accepted, { accepted_by: "anna", reason: "the host slept" });
    t.is((await check(pool)).status, "healthy");
    t.true((await health(pool)).is_healthy);
    t.false((await alerts(pool)).includes("clock_set_back"));
    await ahead(
      pool,
      `update saldo.heal_action set id = 'ffffffff-0000-7000-8000-000000000000',
      healed_at = healed_at + interval '20 years'`,
    );
    t.like((await check(pool)).findings[0], { rule: "clock", key: "heal" }, "a later time is news");
  } finally {
    await database.close();
  }
});

test("what is settled goes by the last sound check, not by the one with the latest id", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await check(pool);
    await ahead(pool, "update saldo.check_run set id = 'ffffffff-0000-7000-8000-000000000000'");
    await pool.query("select saldo.transfer(2, 3, 1)");
    await check(pool);
    const { rows } = await pool.query(`
      select saldo_private.sound_snapshot()::text as snapshot,
        (select snapshot::text from saldo.check_run order by number desc limit 1) as newest`);
    t.is(rows[0].snapshot, rows[0].newest);
  } finally {
    await database.close();
  }
});

test("the last check is the one that ended last, whatever its clock said", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await check(pool);
    await ahead(pool, aheadCheck);
    // None since: how old it is nobody knows.
    t.like(await health(pool), {
      is_overdue: true,
      is_healthy: false,
      last_check_age_seconds: "0",
    });
    t.true((await alerts(pool)).includes("check_overdue"));
    await as(pool, "anna", "select saldo.accept_clock('looked into')");
    await drift(pool, [2]);
    await check(pool);
    t.like(await health(pool), { is_overdue: false, last_check_status: "unhealthy" });
    t.false((await alerts(pool)).includes("check_overdue"));
    const { rows } = await pool.query("select scope from saldo.reconcile()");
    t.is(rows[0].scope, "full", "what was wrong stays in question");
    const summary = await pool.query("select * from saldo.health_summary()");
    t.like(summary.rows[0], { status: "unhealthy" });
    await heal(pool);
    t.true((await health(pool)).is_healthy);
  } finally {
    await database.close();
  }
});

test("a heal is neither repeated nor an undone one done again because of a clock", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const undo = "select * from saldo.undo_heal($1, 'it was right')";
  try {
    await drift(pool, [2, 3]);
    const run = await heal(pool);
    await ahead(pool, `update saldo.heal_action set healed_at = healed_at + ${years}`);
    // The second is wrong again, the third is taken back.
    await drift(pool, [2]);
    await as(pool, "anna", undo, [run.actions[1]?.["id"]]);
    t.like(await heal(pool), { healed_count: 0, escalated_count: 2 });
    // Later, when the wrong time is long past.
    await as(pool, "anna", "select saldo.set_setting('heal_repeat_hours', '0')");
    await ahead(
      pool,
      `update saldo.heal_action set healed_at = now() - interval '1 day' where key = '3'
        and outcome = 'healed'`,
      `update saldo.heal_action set healed_at = now() - interval '2 days' where key = '3'
        and outcome = 'undone'`,
    );
    t.like(
      (await heal(pool)).actions.find(({ key }) => key === "3"),
      { outcome: "escalated" },
    );
    const waiting = (await proposals(pool)).filter(({ status }) => status === "proposed");
    for (const { id } of waiting) {
      await as(pool, "budi", "select saldo.approve_heal($1, 'looked into')", [id]);
    }
    await as(pool, "anna", "select saldo.accept_clock('looked into')").catch(() => {});
    t.is((await check(pool)).status, "healthy");
  } finally {
    await database.close();
  }
});

test("a maintenance runs as ever, and its record is the last one", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await pool.query("select saldo.scheduled_maintenance()");
    await ahead(
      pool,
      aheadCheck,
      `update saldo.maintenance_run set started_at = started_at + ${years},
        finished_at = finished_at + ${years}`,
    );
    await drift(pool, [2]);
    const { rows } = await pool.query("select * from saldo.scheduled_maintenance()");
    t.is(rows[0].status, "unhealthy");
    const found = await pool.query("select rule from saldo.finding where check_run_id = $1", [
      rows[0].check_after_id,
    ]);
    t.deepEqual(found.rows, [{ rule: "clock" }], "the drift is healed, the clock is not");
    await as(pool, "anna", "select saldo.accept_clock('looked into')");
    t.is(
      (await pool.query("select status from saldo.scheduled_maintenance()")).rows[0].status,
      "healthy",
    );
  } finally {
    await database.close();
  }
});

test("a worker that was last seen at a time to come is silent, and the server looks itself", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await pool.query("select saldo_private.record_worker_seen(), saldo.evaluate_alerts()");
    const isNeeded = async () =>
      (await pool.query("select saldo_private.needs_alert_watch(60) as yes")).rows[0].yes;
    t.false(await isNeeded());
    await pool.query(`update saldo_private.alert_state set worker_seen_at = now() + ${years}`);
    t.true(await isNeeded());
    t.true((await alerts(pool)).includes("worker_silent"));
    await pool.query("select saldo_private.record_worker_seen()");
    t.false((await alerts(pool)).includes("worker_silent"));
    await pool.query(`update saldo_private.alert_state set evaluated_at = now() + ${years}`);
    t.true(await isNeeded());
  } finally {
    await database.close();
  }
});

test("an alert that was last told at a time to come is told again, once, and its message is sent", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const reminded = async () =>
    (await pool.query("select reminded_count from saldo.evaluate_alerts()")).rows[0].reminded_count;
  const due = async () =>
    (await pool.query("select from saldo_private.due_alert_deliveries('{webhook}', 0)")).rowCount;
  try {
    await pool.query("select saldo_private.record_worker_seen()");
    await pool.query("select saldo.set_setting('alert_channels', 'webhook')");
    await drift(pool, [2]);
    await check(pool);
    await pool.query("select saldo.evaluate_alerts()");
    t.true(Number(await due()) > 0);
    await pool.query(`update saldo.alert set told_at = told_at + ${years};
      update saldo.alert_delivery set next_attempt_at = next_attempt_at + ${years}`);
    const { rows } = await pool.query(
      "select id, next_attempt_at <= clock_timestamp() as is_now from saldo_private.due_alert_deliveries('{webhook}', 0)",
    );
    t.true(rows.length > 0 && rows[0].is_now);
    const claimed = await pool.query("select from saldo_private.claim_alert_delivery($1)", [
      rows[0].id,
    ]);
    t.is(claimed.rowCount, 1);
    await pool.query("update saldo.alert_delivery set delivered_at = now()");
    t.true((await reminded()) > 0);
    t.is(await reminded(), 0);
  } finally {
    await database.close();
  }
});

test("settlement and seals go on beside rows of a time to come, and no lag is negative", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await pool.query(`
      select saldo.open_account('float', 'Float', 'liability');
      select saldo.make_account_hot((select id from saldo.account where code = 'float'), 2);
      select saldo.submit_transaction(
        (select id from saldo.account where code = 'float'), g, 'credit'
      ) from generate_series(1, 4) as g;
      select saldo.seal_journal();
    `);
    await ahead(
      pool,
      `update saldo.journal_entry set posted_at = posted_at + ${years} where id = (
        select id from saldo.journal_entry order by id desc limit 1)`,
    );
    await arranged(pool, `update saldo.sub_balance set created_at = created_at + ${years}`);
    await pool.query("delete from saldo.guard_event");
    const { rows } = await pool.query("select * from saldo.settlement_health()");
    const lag = Object.entries(rows[0]).find(([name]) => /lag|age|oldest/.test(name));
    t.is(Number(lag?.[1]), 0);
    t.true((await alerts(pool)).includes("settlement_late"), "nobody knows since when they wait");
    const rules = (await check(pool)).findings.map(({ rule, key }) => `${rule} ${key}`);
    t.true(rules.includes("clock posting"));
    t.true(rules.some((rule) => rule.startsWith("settlement_lag")));
    await pool.query("select * from saldo.settle_sub_balances()");
    t.false((await alerts(pool)).includes("settlement_late"));
    await pool.query("select saldo.transfer(1, 2, 5)");
    const status = await pool.query("select * from saldo.seal_status()");
    t.true(
      Object.values(status.rows[0]).every((value) => !(Number(value) < 0)),
      JSON.stringify(status.rows[0]),
    );
    const sealed = await pool.query(
      "select sum(entry_count)::int as count from saldo.seal_journal()",
    );
    t.true(sealed.rows[0].count >= 2, "the settlement's and the transfer's");
  } finally {
    await database.close();
  }
});

test("a month with a posting of a time to come is closed, and one of after the check is seen", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const rules = async () =>
    (await pool.query("select * from saldo.period_checklist('2025-06-01')")).rows.find(
      ({ item }) => item === "rules",
    );
  try {
    const post = "select saldo.transfer(1, 2, 5, occurred_at => '2025-06-10 12:00+07')";
    await pool.query(post);
    await ahead(
      pool,
      `update saldo.journal_entry set posted_at = posted_at + ${years}
      where posting_date < '2025-07-01'`,
    );
    await pool.query("delete from saldo.guard_event");
    await check(pool);
    await as(pool, "anna", "select saldo.accept_clock('looked into')");
    await check(pool);
    t.true((await rules()).is_passed);
    // Set back: the check is dated after what was posted after it.
    await ahead(pool, aheadCheck);
    await as(pool, "anna", "select saldo.accept_clock('again')");
    await pool.query(post);
    t.like(await rules(), { is_passed: false, open_count: "1" });
    await pool.query("select saldo.close_period('2025-06-01')");
    t.pass();
  } finally {
    await database.close();
  }
});
