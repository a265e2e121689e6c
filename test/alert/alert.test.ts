import test from "ava";
import { asAdmin, asMember, asOperator, errorCode } from "../_support/database.ts";
import { drift, openWatched, till, type Watched } from "./_alerts.ts";

async function watched(t: { teardown(close: () => Promise<void>): void }, channels?: string) {
  const database = await openWatched(channels);
  t.teardown(() => database.close());
  return database;
}

/** Conditions with a fault that makes each of them hold, and what ends it. */
const faults: { condition: string; plant: string[]; mend: string[]; others?: string[] }[] = [
  {
    condition: "clock_set_back",
    plant: [
      "update saldo.check_run set finished_at = finished_at + interval '1 hour'",
      "select saldo.check_balance_health()",
    ],
    mend: ["select saldo.accept_clock('looked into')"],
  },
  {
    condition: "drift_found",
    plant: [drift, "select saldo.check_balance_health()"],
    mend: ["select saldo.auto_heal(false)"],
    others: ["balance_sheet_invalid", "guard_tripped"],
  },
  {
    condition: "balance_sheet_invalid",
    plant: [drift, "select saldo.reconcile()"],
    mend: ["select saldo.auto_heal(false)"],
    others: ["drift_found", "guard_tripped"],
  },
  {
    condition: "guard_tripped",
    plant: [drift],
    mend: ["select saldo.auto_heal(false)"],
  },
  {
    condition: "rule_failed",
    plant: [
      "alter function saldo_private.rule_min_balance rename to hidden",
      "select saldo.reconcile()",
    ],
    mend: [
      "alter function saldo_private.hidden rename to rule_min_balance",
      "select saldo.reconcile()",
    ],
    others: ["drift_found"], // the engine is not as it was built
  },
  {
    condition: "heal_refused",
    plant: [
      `do $$ begin
        set local session_replication_role = replica;
        update saldo.journal_line set debit = debit * 2, credit = credit * 2;
      end $$`,
      "select saldo.auto_heal(false)",
      "select saldo.check_balance_health()",
    ],
    mend: [
      `do $$ begin
        set local session_replication_role = replica;
        update saldo.journal_line set debit = debit / 2, credit = credit / 2;
      end $$`,
      "select saldo.check_balance_health()",
    ],
    others: ["drift_found", "guard_tripped"],
  },
  {
    condition: "rule_suspect",
    plant: [
      "create table public.purse (id int primary key, balance numeric not null)",
      "insert into public.purse select g, 1 from generate_series(1, 10) as g",
      "grant select on public.purse to saldo_rule_reader",
      `select saldo.register_balance_rule('purse',
        'select id as key, id - 1 as derived from public.purse', stored_table => 'public.purse',
        key_column => 'id', balance_column => 'balance')`,
      "select saldo.reconcile()",
    ],
    mend: ["update public.purse set balance = id - 1", "select saldo.reconcile()"],
    others: ["drift_found"],
  },
  {
    condition: "worker_silent",
    plant: [
      `update saldo_private.alert_state
      set worker_seen_at = clock_timestamp() - interval '3601 seconds'`,
    ],
    mend: ["select saldo_private.record_worker_seen()"],
  },
  {
    condition: "check_overdue",
    plant: ["update saldo.check_run set finished_at = now() - interval '8 hours'"],
    mend: ["select saldo.reconcile()"],
  },
  {
    condition: "settlement_late",
    plant: [
      "select saldo.make_account_hot(3, 2)",
      "select saldo.submit_transaction(3, 5, 'debit')",
      "select saldo.set_setting('settlement_lag_max_seconds', '1')",
      "select pg_sleep(1.1)",
    ],
    mend: ["select saldo.settle_sub_balances()"],
  },
  {
    condition: "backlog",
    plant: [
      "select saldo.set_setting('settlement_backlog_limit', '8')",
      "select saldo.make_account_hot(3, 2)",
      "select saldo.submit_transaction(3, 5, 'debit') from generate_series(1, 4)",
    ],
    mend: ["select saldo.settle_sub_balances()"],
  },
  {
    condition: "slot_rebuild_storm",
    plant: [
      "select saldo.make_account_hot(3, 2)",
      `insert into saldo.slot_rebuild (account_id, id, slot_count, rebuilt_by)
      select 3, saldo_private.uuid_v7(), 2, 'planted' from generate_series(1, 10)`,
    ],
    mend: ["update saldo.slot_rebuild set rebuilt_at = now() - interval '11 minutes'"],
  },
  {
    condition: "freeze_held_back",
    plant: [
      "select saldo.set_setting('freeze_run_max_count', '0')",
      "select saldo.set_setting('freeze_run_max_percent', '0')",
      "select saldo.place_hold(3, 5)",
      "update saldo.hold set description = 'x'",
      "select saldo.check_balance_health()",
    ],
    mend: ["select saldo.accept_rows(3, 'a slip')"],
    others: ["drift_found", "guard_tripped"],
  },
  {
    condition: "branch_silent",
    plant: [till, "update saldo.branch_device set last_push_at = now() - interval '25 hours'"],
    mend: ["update saldo.branch_device set last_push_at = now()"],
    others: ["guard_tripped"],
  },
  {
    condition: "branch_forked",
    plant: [till, "select saldo_private.mark_forked(id, 'two of them') from saldo.branch_device"],
    mend: ["select saldo.close_branch_device(id, 'gone') from saldo.branch_device"],
    others: ["guard_tripped"],
  },
  {
    condition: "branch_row_waits",
    plant: [
      till,
      `select saldo_private.take_branch_rows(
        saldo_private.branch_arrivals_of_0('[{}]', d.id, b), d.id, b, null)
      from saldo.branch as b
      join saldo.branch_device as d on d.branch_id = b.id`,
    ],
    mend: ["select saldo.refuse_quarantined(array(select id from saldo.branch_intake), 'no row')"],
    others: ["guard_tripped"],
  },
  {
    condition: "readings_unrated",
    plant: [
      "select saldo.create_customer('c', 'C')",
      "select saldo.install_meter(1, 'm', 'volume', installed_at => '2025-01-01')",
      "select saldo.add_reading(1, '2025-02-01', volume => 1)",
    ],
    mend: ["select saldo.remove_reading(id) from saldo.reading"],
  },
  {
    condition: "evaluation_failed",
    plant: ["alter function saldo_private.alert_backlog rename to hidden"],
    mend: ["alter function saldo_private.hidden rename to alert_backlog"],
  },
];

const open = async (database: Watched) =>
  (await database.alerts()).filter(({ resolved_at }) => resolved_at === null);

for (const { condition, plant, mend, others = [] } of faults) {
  test(`${condition} is opened when it holds and resolved when it does not`, async (t) => {
    const database = await watched(t);
    t.deepEqual(await database.evaluate(), [0, 0, 0, 0]);
    for (const statement of plant) await database.query(statement);
    await database.evaluate();
    const found = await open(database);
    t.deepEqual(
      [...new Set(found.map((each) => each.condition))].sort(),
      [condition, ...others].sort(),
    );
    t.true(found.every(({ text }) => text.length > 10));
    for (const statement of mend) await database.query(statement);
    await database.evaluate();
    // A write past the guard that mends is one itself: it is over once a check has seen it.
    await database.query("select saldo.check_balance_health()");
    await database.evaluate();
    t.deepEqual(
      (await open(database)).map(({ text }) => text),
      [],
    );
    const events = (await database.messages()).map(({ event }) => event);
    t.is(events.filter((event) => event === "opened").length, found.length);
    t.is(events.filter((event) => event === "resolved").length, found.length);
  });
}

test("every condition that is watched has a fault here that makes it hold", async (t) => {
  const database = await watched(t);
  const rows = await database.query<{ name: string }>(
    "select name from saldo.alert_condition where is_watched or name = 'evaluation_failed'",
  );
  const planted = [...faults.map(({ condition }) => condition), "heal_escalated"];
  t.deepEqual(rows.map(({ name }) => name).sort(), planted.sort());
});

test("an outcome that is named escalated is told until the next heal is without", async (t) => {
  const database = await watched(t);
  await database.query(drift);
  await database.query("select saldo.auto_heal(false)");
  await database.evaluate();
  // As a policy would have it that knows more outcomes than this version.
  await database.query("alter type saldo.heal_outcome add value 'escalated_by_test'");
  await database.query("update saldo.heal_action set outcome = 'escalated_by_test'");
  await database.evaluate();
  t.true((await open(database)).some(({ condition }) => condition === "heal_escalated"));
  await database.query("select saldo.auto_heal(false)");
  await database.evaluate();
  t.false((await open(database)).some(({ condition }) => condition === "heal_escalated"));
});

test("a standing alert is told once, reminded of once a period, and over once", async (t) => {
  const database = await watched(t, "webhook,email");
  const silence = `update saldo_private.alert_state
    set worker_seen_at = clock_timestamp() - interval '2 hours'`;
  await database.query(silence);
  t.deepEqual(await database.evaluate(), [1, 0, 0, 1]);
  for (let round = 0; round < 3; round++) t.deepEqual(await database.evaluate(), [0, 0, 0, 1]);
  t.is((await database.alerts())[0]?.occurrence_count, 4);
  t.is((await database.messages()).length, 2, "one a channel");

  const later = "update saldo.alert set told_at = told_at - interval '25 hours'";
  await database.query(later);
  t.deepEqual(await database.evaluate(), [0, 0, 0, 1], "the first message still waits");
  await database.query("update saldo.alert_delivery set delivered_at = now()");
  t.deepEqual(await database.evaluate(), [0, 1, 0, 1]);
  t.deepEqual(await database.evaluate(), [0, 0, 0, 1]);
  await database.query("update saldo.alert_delivery set delivered_at = now()");

  const [{ id } = { id: "" }] = await database.alerts();
  const acknowledge = "select acknowledged_by from saldo.acknowledge_alert($1, $2)";
  t.is(await errorCode(database.query(acknowledge, [id, ""])), "SB009");
  const unknown = "00000000-0000-7000-8000-000000000000";
  t.is(await errorCode(database.query(acknowledge, [unknown, "x"])), "SB007");
  await asAdmin(database.pool, (client) => client.query(acknowledge, [id, "I am on it"]));
  t.is((await database.alerts())[0]?.acknowledged_by, "admin");
  await database.query(later);
  t.deepEqual(await database.evaluate(), [0, 0, 0, 1], "acknowledged: no more reminders");

  await database.query("select saldo_private.record_worker_seen()");
  t.deepEqual(await database.evaluate(), [0, 0, 1, 0]);
  t.deepEqual(await database.evaluate(), [0, 0, 0, 0]);
  t.deepEqual(
    (await database.messages()).map(({ channel, event }) => `${channel} ${event}`).sort(),
    ["opened", "reminder", "resolved"]
      .flatMap((event) => [`email ${event}`, `webhook ${event}`])
      .sort(),
  );
  await database.query(silence);
  t.deepEqual(await database.evaluate(), [1, 0, 0, 1], "again is a new alert");
});

test("of evaluations at once one wins, and nothing is told twice", async (t) => {
  const database = await watched(t);
  await database.query("update saldo.check_run set finished_at = now() - interval '8 hours'");
  // One holds the lock to its end: the other does nothing meanwhile.
  const first = await database.pool.connect();
  await first.query("begin");
  await first.query("select saldo.evaluate_alerts()");
  const [row] = await database.query("select * from saldo.evaluate_alerts()");
  t.like(row, { is_skipped: true, open_count: 0 });
  await first.query("commit");
  first.release();
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 6 }, () => database.evaluate()));
  }
  t.is((await database.alerts()).length, 1);
  t.is((await database.messages()).length, 1);
});

test("a bypass that was healed before anybody looked is reported anyway", async (t) => {
  const database = await watched(t);
  await database.evaluate();
  await database.query(drift);
  await database.query("select saldo.auto_heal(false)");
  t.deepEqual(await database.evaluate(), [1, 0, 0, 1]);
  const [alert] = await database.alerts();
  t.like(alert, { condition: "guard_tripped", severity: "critical" });
  t.deepEqual(await database.evaluate(), [0, 0, 1, 0]);
});

test("a condition that cannot be looked at leaves its alerts as they are", async (t) => {
  const database = await watched(t);
  await database.query(
    "update saldo_private.alert_state set worker_seen_at = now() - interval '2 hours'",
  );
  await database.evaluate();
  await database.query("alter function saldo_private.alert_worker_silent rename to hidden");
  t.deepEqual(await database.evaluate(), [1, 0, 0, 2]);
  t.regex((await database.alerts())[1]?.text ?? "", /worker_silent could not be looked at/);
  await database.query("alter function saldo_private.hidden rename to alert_worker_silent");
  t.deepEqual(await database.evaluate(), [0, 0, 1, 1]);
});

test("a condition that waits for a lock holds up no other", async (t) => {
  const database = await watched(t);
  await database.query(
    "update saldo_private.alert_state set worker_seen_at = now() - interval '2 hours'",
  );
  const blocker = await database.pool.connect();
  await blocker.query("begin; lock table saldo.slot_rebuild in access exclusive mode");
  t.deepEqual(await database.evaluate(), [2, 0, 0, 2]);
  await blocker.query("rollback");
  blocker.release();
  t.deepEqual((await database.alerts()).map(({ condition, key }) => `${condition} ${key}`).sort(), [
    "evaluation_failed slot_rebuild_storm",
    "worker_silent worker",
  ]);
  t.deepEqual(await database.evaluate(), [0, 0, 1, 1]);
});

test("messages that nobody could send are given up, and old alerts go", async (t) => {
  const database = await watched(t);
  await database.query("select saldo.send_test_alert()");
  await database.query(
    "update saldo.alert_delivery set created_at = created_at - interval '73 hours'",
  );
  await database.evaluate();
  const [message] = await database.messages();
  t.not(message?.failed_at, null);
  t.regex(message?.last_error ?? "", /^given up after 72 hours/);
  await database.query(
    `update saldo.alert set opened_at = opened_at - interval '91 days',
      resolved_at = resolved_at - interval '91 days'`,
  );
  await database.evaluate();
  t.deepEqual(await database.alerts(), []);
  t.deepEqual(await database.messages(), []);
});

test("only administrators evaluate, test and acknowledge; operators look", async (t) => {
  const database = await watched(t);
  const { pool } = database;
  for (const statement of ["select saldo.evaluate_alerts()", "select saldo.send_test_alert()"]) {
    t.is(await errorCode(asAdmin(pool, (client) => client.query(statement))), "none");
    t.is(await errorCode(asOperator(pool, (client) => client.query(statement))), "42501");
    t.is(await errorCode(asMember(pool, 1, (client) => client.query(statement))), "42501");
  }
  const look = "select text from saldo.alert, saldo.alert_delivery";
  t.is(await errorCode(asOperator(pool, (client) => client.query(look))), "none");
  t.is(await errorCode(asMember(pool, 1, (client) => client.query(look))), "42501");
});

test("a test alert without a channel is refused, and so are settings that are none", async (t) => {
  const database = await watched(t, "");
  t.is(await errorCode(database.query("select saldo.send_test_alert()")), "SB651");
  t.deepEqual(await database.alerts(), []);
  for (const [name, value] of [
    ["alert_channels", "pigeon"],
    ["alert_channels", "email,webhook,email"],
    ["alert_channels", null],
    ["worker_silent_seconds", "5"],
    ["alert_reminder_hours", "0"],
    ["alert_retry_hours", "x"],
  ]) {
    const change = database.query("select saldo.set_setting($1, $2)", [name, value]);
    t.is(await errorCode(change), "SB010", `${name}=${value}`);
  }
});

test("what a receiver asks for and what failures add up to decide the next attempt", async (t) => {
  const database = await watched(t);
  await database.query("select saldo.send_test_alert()");
  const [{ id } = { id: "" }] = await database.messages();
  const attempt = async (wait: number) => {
    await database.query("select saldo_private.record_alert_attempt($1, 'retry', 503, 'x', $2)", [
      id,
      wait,
    ]);
    const [row] = await database.query<{ seconds: number }>(
      `select round(extract(epoch from next_attempt_at - last_attempt_at))::int as seconds
      from saldo.alert_delivery`,
    );
    return row?.seconds;
  };
  const waits: (number | undefined)[] = [];
  for (let count = 0; count < 9; count++) waits.push(await attempt(0));
  t.deepEqual(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
  t.is(await attempt(900), 900);
  t.is(await attempt(1_000_000), 3600);
});
