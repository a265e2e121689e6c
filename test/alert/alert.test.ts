import test from "ava";
import { asAdmin, asMember, asOperator, errorCode } from "../_support/database.ts";
import { drift, openWatched, type Watched } from "./_alerts.ts";
import { faults } from "./_faults.ts";

async function watched(t: { teardown(close: () => Promise<void>): void }, channels?: string) {
  const database = await openWatched(channels);
  t.teardown(() => database.close());
  return database;
}

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
