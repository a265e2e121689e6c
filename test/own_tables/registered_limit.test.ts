import test from "ava";
import type { PoolClient } from "pg";
import { stopOverdueRules } from "../../src/own_tables/rule_watch.ts";
import { applyRules, type FileRule } from "../../src/own_tables/rules_file.ts";
import { errorCode, type TestDatabase } from "../_support/database.ts";
import { check } from "../_support/faults.ts";
import { call, openShop, registerHealing, registerShop, shopRule } from "./_shop.ts";

/** Computes for hours before its first row, and looks cheap to the planner. */
const silent = `select 1 as key, count(*) as derived
  from generate_series(1, (select 1000000 + 0 * max(id) from public.users)) as a
  cross join generate_series(1, (select 1000000 + 0 * max(id) from public.users)) as b`;

const log = { info() {}, warn() {}, error() {} };

/** A shop with functions that never end, and that nobody needs. */
async function openEndless(): Promise<TestDatabase> {
  const database = await openShop();
  await database.pool.query(`
    create function public.endless() returns bigint language plpgsql stable
      as $$ begin loop end loop; end $$;
    create function public.endless_constant() returns bigint language plpgsql immutable
      as $$ begin loop end loop; end $$`);
  return database;
}

/** Stops what is overdue until the work has ended. */
async function stopping<T>({ pool }: TestDatabase, work: Promise<T>): Promise<T> {
  let hasEnded = false;
  const ended = work.finally(() => {
    hasEnded = true;
  });
  ended.catch(() => {});
  while (!hasEnded) {
    await stopOverdueRules(pool, log as never);
    await new Promise((done) => setTimeout(done, 100));
  }
  return await ended;
}

const limited = async (client: PoolClient, work: () => Promise<unknown>) => {
  await client.query("set statement_timeout = '3s'");
  try {
    await work();
    return undefined;
  } catch (error) {
    return error as { code: string; detail: string; hint: string };
  } finally {
    await client.query("reset statement_timeout");
  }
};

for (const [name, derived] of [
  ["that counts for hours", silent],
  ["of a function without end", "select 1 as key, public.endless() as derived"],
  ["that the planner itself never ends", "select 1 as key, public.endless_constant() as derived"],
] as const) {
  test(`a query ${name} is refused as slow when the caller's time is over`, async (t) => {
    const database = await openEndless();
    const client = await database.pool.connect();
    try {
      const error = await limited(client, () =>
        call(client as never, "register_balance_rule", { ...shopRule, derived }),
      );
      t.is(error?.code, "SB644");
      t.regex(error?.detail ?? "", /^derived: .*\(57014\)$/);
      t.regex(error?.hint ?? "", /rule_time_budget_ms/);
      t.deepEqual((await client.query("select from saldo.registered_rule")).rows, []);
    } finally {
      client.release(true);
      await database.close();
    }
  });

  test(`a query ${name} is stopped by a worker where the caller has no limit`, async (t) => {
    const database = await openEndless();
    const { pool } = database;
    try {
      await pool.query("select saldo.set_setting('rule_time_budget_ms', '1')");
      await pool.query(
        "update saldo.setting set value = '-5000' where name = 'rule_time_budget_ms'",
      );
      t.is(await errorCode(stopping(database, registerShop(database, { derived }))), "SB644");
    } finally {
      await database.close();
    }
  });
}

test("a file of rules goes on after one that took all its time", async (t) => {
  const database = await openEndless();
  const client = await database.pool.connect();
  try {
    await client.query(
      "update saldo.setting set value = '-4900' where name = 'rule_time_budget_ms'",
    );
    const rules = [
      { ...shopRule, name: "endless", derived: "select 1 as key, public.endless() as derived" },
      { ...shopRule, name: "good" },
    ] as unknown as FileRule[];
    const results = await applyRules(client, rules.slice(0, 1));
    t.like(results[0], { name: "endless", outcome: "refused", code: "SB644" });
    t.is((await client.query("show statement_timeout")).rows[0].statement_timeout, "0");
    await client.query("select saldo.set_setting('rule_time_budget_ms', '5000')");
    t.deepEqual(await applyRules(client, rules.slice(1)), [
      { name: "good", outcome: "registered" },
    ]);
  } finally {
    client.release(true);
    await database.close();
  }
});

test("after a rule of a list that took all the time of the statement none is tried", async (t) => {
  const database = await openEndless();
  const client = await database.pool.connect();
  try {
    await client.query("set statement_timeout = '3s'");
    const endless = { ...shopRule, derived: "select 1 as key, public.endless() as derived" };
    const results = await call(client as never, "apply_balance_rules", {
      rules: JSON.stringify([{ ...endless, name: "a" }, endless]),
    });
    t.deepEqual(
      results.map(({ outcome, error_code: code }) => [outcome, code]),
      [
        ["refused", "SB644"],
        ["refused", "SB016"],
      ],
    );
  } finally {
    client.release(true);
    await database.close();
  }
});

test("a check leaves a rule whose query does not end, and finishes the others", async (t) => {
  const database = await openEndless();
  const { pool } = database;
  try {
    await registerShop(database, { name: "z_last", tolerance: 0 });
    await registerHealing(database);
    await pool.query("update public.users set balance = balance - 5 where id = 1");
    await pool.query(`update saldo.registered_rule
      set derived = 'select 1 as key, public.endless() as derived' where name = 'user_balance'`);
    await pool.query("select saldo.set_setting('rule_check_max_seconds', '4')");
    const { status, findings } = await stopping(database, check(pool));
    t.is(status, "failed");
    t.deepEqual(
      findings
        .map(({ rule, cause }) => [rule, cause])
        .filter(([, cause]) => cause === "rule_failed"),
      [["user_balance", "rule_failed"]],
    );
    t.true(findings.some(({ rule }) => rule === "z_last"));
    t.regex(findings[0]?.explanation ?? "", /too long\. \(SB644\): stopped after \d+ s/);
    // A maintenance is a check and a heal.
    const run = await stopping(
      database,
      pool.query("select (saldo.scheduled_maintenance()).status"),
    );
    t.is(run.rows[0].status, "failed");
  } finally {
    await database.close();
  }
});

test("items that never end leave the finding without explanation", async (t) => {
  const database = await openEndless();
  const { pool } = database;
  try {
    await registerHealing(database);
    await pool.query("update public.users set balance = balance - 5 where id = 1");
    await pool.query("select saldo.set_setting('rule_check_max_seconds', '4')");
    await pool.query(`update saldo.registered_rule
      set items = 'select 1 as key, public.endless() as item, 1 as amount, true as is_counted'`);
    const { findings } = await stopping(database, check(pool));
    t.is(findings.length, 1);
    const { rows } = await pool.query(
      "select detail ->> 'items_failed' as failed from saldo.finding order by id desc limit 1",
    );
    t.truthy(rows[0].failed);
  } finally {
    await database.close();
  }
});

test("a user who cancels a check ends it", async (t) => {
  const database = await openEndless();
  const { pool } = database;
  const client = await pool.connect();
  try {
    await registerShop(database);
    await pool.query(
      "update saldo.registered_rule set derived = 'select 1 as key, public.endless() as derived'",
    );
    const { rows } = await client.query("select pg_backend_pid() as pid");
    const checking = errorCode(client.query("select saldo.check_balance_health()"));
    for (;;) {
      const locks = await pool.query(
        `select from pg_locks where locktype = 'advisory' and pid = $1
        and classid::bigint = saldo_rule.query_lock()`,
        [rows[0].pid],
      );
      if (locks.rows.length > 0) break;
    }
    await pool.query("select pg_cancel_backend($1)", [rows[0].pid]);
    t.is(await checking, "57014");
    t.deepEqual((await pool.query("select from saldo.check_run")).rows, []);
  } finally {
    client.release(true);
    await database.close();
  }
});
