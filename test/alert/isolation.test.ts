import test from "ava";
import { openWatched, type Watched } from "./_alerts.ts";

/* A condition that breaks, in whatever way, is told of itself and stops no other. */

async function watched(t: { teardown(close: () => Promise<void>): void }) {
  const database = await openWatched();
  t.teardown(() => database.close());
  return database;
}

const silence = `update saldo_private.alert_state
  set worker_seen_at = clock_timestamp() - interval '2 hours'`;

const open = async (database: Watched) =>
  (await database.alerts())
    .filter(({ resolved_at }) => resolved_at === null)
    .map(({ condition, key, detail }) => `${condition} ${key} ${detail["sqlstate"] ?? ""}`.trim())
    .sort();

const backlog = (body: string, language = "plpgsql") => `
  create or replace function saldo_private.alert_backlog()
  returns table (key text, text text, detail jsonb)
  language ${language} as $$ ${body} $$`;

const raise = (code: string) => `begin raise exception 'planted' using errcode = '${code}'; end`;

/** Ways in which the condition backlog breaks, with the SQLSTATE that is told. */
const breaks: [name: string, statement: string, sqlstate: string][] = [
  ["an error", backlog(raise("23514")), "23514"],
  ["a time limit", backlog(raise("57014")), "57014"],
  ["an assertion", backlog("begin assert false; end"), "P0004"],
  ["no memory", backlog(raise("53200")), "53200"],
  ["no text", backlog("select 'settlement', null::text, '{}'::jsonb", "sql"), "23502"],
  ["no key", backlog("select null::text, 'x', '{}'::jsonb", "sql"), "23502"],
  ["no detail", backlog("select 'x', 'x', null::jsonb", "sql"), "23502"],
  ["no function", "drop function saldo_private.alert_backlog()", "42883"],
];

for (const [name, statement, sqlstate] of breaks) {
  test(`a condition that breaks by ${name} is told, and the others go on`, async (t) => {
    const database = await watched(t);
    await database.query(silence);
    await database.query(statement);
    t.deepEqual(await database.evaluate(), [2, 0, 0, 2]);
    t.deepEqual(await open(database), [
      `evaluation_failed backlog ${sqlstate}`,
      "worker_silent worker",
    ]);
    t.is((await database.messages()).length, 2);
    await database.query(backlog("select 'x', 'x', '{}'::jsonb where false", "sql"));
    await database.query("select saldo_private.record_worker_seen()");
    t.deepEqual(await database.evaluate(), [0, 0, 2, 0]);
  });
}

test("an alert that cannot be written breaks its condition and no other", async (t) => {
  const database = await watched(t);
  await database.query(silence);
  await database.query("select saldo.set_setting('settlement_backlog_limit', '2')");
  await database.query("select saldo.make_account_hot(3, 2)");
  await database.query("select saldo.submit_transaction(3, 5, 'debit') from generate_series(1, 2)");
  await database.query(
    "alter table saldo.alert add constraint planted check (condition <> 'backlog' or key is null)",
  );
  await database.evaluate();
  t.deepEqual(await open(database), ["evaluation_failed backlog 23514", "worker_silent worker"]);
  await database.query("alter table saldo.alert drop constraint planted");
  await database.evaluate();
  t.deepEqual(await open(database), ["backlog settlement", "worker_silent worker"]);
});

test("alerts of a clock that was ahead are resolved, and new ones opened, at once", async (t) => {
  const database = await watched(t);
  await database.query(silence);
  await database.evaluate();
  await database.query(
    `update saldo.alert set opened_at = opened_at + interval '10 years',
      last_seen_at = last_seen_at + interval '10 years', told_at = told_at + interval '10 years'`,
  );
  await database.query("select saldo_private.record_worker_seen()");
  await database.query("update saldo.check_run set finished_at = now() - interval '8 hours'");
  t.deepEqual(await database.evaluate(), [1, 0, 1, 1]);
  t.deepEqual(await open(database), ["check_overdue check"]);
  const [row] = await database.query<{ is_now: boolean }>(
    `select resolved_at between now() - interval '1 minute' and now() as is_now
    from saldo.alert where condition = 'worker_silent'`,
  );
  t.true(row?.is_now, "it says when it was found to be over");
});

test("a recovery is told after what it is about, whatever the clock said between", async (t) => {
  const database = await watched(t);
  await database.query(silence);
  await database.evaluate();
  // Its message was made when the clock was ahead: it has the later id.
  await database.query(
    "update saldo.alert_delivery set id = 'ffffffff-0000-7000-8000-000000000000'",
  );
  await database.query("select saldo_private.record_worker_seen()");
  await database.evaluate();
  const due = async () =>
    (
      await database.query<{ event: string }>(
        `select d.event from saldo_private.due_alert_deliveries('{webhook}', 60) as due
        join saldo.alert_delivery as d on d.id = due.id`,
      )
    ).map(({ event }) => event);
  t.deepEqual(await due(), ["opened"]);
  await database.query(
    "update saldo.alert_delivery set delivered_at = now() where event = 'opened'",
  );
  t.deepEqual(await due(), ["resolved"]);
});

test("upkeep of messages that breaks is reported, and conditions are looked at anyway", async (t) => {
  const database = await watched(t);
  await database.query(silence);
  await database.query("update saldo.setting set value = 'x' where name = 'alert_keep_days'");
  await database.evaluate();
  t.deepEqual(await open(database), ["evaluation_failed upkeep 22P02", "worker_silent worker"]);
  await database.query("update saldo.setting set value = '90' where name = 'alert_keep_days'");
  await database.evaluate();
  t.deepEqual(await open(database), ["worker_silent worker"]);
});
