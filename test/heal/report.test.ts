import test from "ava";
import { asMember, asOperator, openTestDatabase } from "../_support/database.ts";
import { check, forced } from "../_support/faults.ts";

const summaryColumns = [
  "check_run_id",
  "status",
  "scope",
  "checked_at",
  "age_seconds",
  "line_count",
  "verified_line_count",
  "finding_count",
  "account_count",
  "full_check_at",
  "unhealthy_since",
  "healed_count",
];

async function openBooks() {
  const database = await openTestDatabase(4);
  const { pool } = database;
  const ask = (text: string): Promise<Record<string, unknown>[]> =>
    asOperator(pool, async (client) => (await client.query(text)).rows);
  await pool.query("select saldo.open_account('till', 'Till', 'asset')");
  await pool.query("select saldo.open_account('owner', 'Owner', 'equity')");
  await pool.query("select saldo.transfer(1, 2, 100)");
  const drift = () =>
    forced(pool, (client) =>
      client.query("update saldo.account set debit_total = debit_total + 7 where id = 1"),
    );
  return { database, pool, ask, drift };
}

test("the summary tells how the last check was, and since when it is not in order", async (t) => {
  const { database, pool, ask, drift } = await openBooks();
  t.deepEqual(await ask("select * from saldo.health_summary()"), [
    Object.fromEntries(summaryColumns.map((name) => [name, null])),
  ]);
  await check(pool);
  t.like((await ask("select * from saldo.health_summary()"))[0], {
    status: "healthy",
    line_count: "2",
    finding_count: 0,
    unhealthy_since: null,
  });

  await drift();
  const first = await check(pool);
  await check(pool);
  const [summary] = await ask("select * from saldo.health_summary()");
  t.like(summary, { status: "unhealthy", finding_count: 2, account_count: "1" });
  t.deepEqual(summary?.unhealthy_since, first.finished_at);
  await pool.query("select saldo.auto_heal(false)");
  t.like((await ask("select * from saldo.health_summary()"))[0], {
    status: "healthy",
    healed_count: "1",
    unhealthy_since: null,
  });
  await database.close();
});

test("reports tell what checks have found, by rule, by account and over time", async (t) => {
  const { database, pool, ask, drift } = await openBooks();
  await drift();
  await check(pool);
  await check(pool);
  const rules = await ask(
    "select rule, finding_count, difference_sum, cause, can_heal from saldo.health_by_rule()",
  );
  t.deepEqual(rules.slice(0, 2), [
    {
      rule: "account_balance",
      finding_count: "1",
      difference_sum: "7",
      cause: "out_of_band_write",
      can_heal: true,
    },
    {
      rule: "balance_sheet",
      finding_count: "1",
      difference_sum: "7",
      cause: "out_of_band_write",
      can_heal: false,
    },
  ]);
  t.true(rules.slice(2).every((row) => row.finding_count === "0" && row.cause === null));
  t.deepEqual(
    await ask("select code, finding_count, rules, difference from saldo.health_by_account()"),
    [{ code: "till", finding_count: "1", rules: ["account_balance"], difference: "7" }],
  );
  t.deepEqual(
    await ask("select status, finding_count, finding_change from saldo.health_trend(2)"),
    [
      { status: "unhealthy", finding_count: 2, finding_change: 0 },
      { status: "unhealthy", finding_count: 2, finding_change: null },
    ],
  );

  await pool.query("select saldo.auto_heal(false)");
  const events = await ask("select what, rule, difference from saldo.account_health_history(1)");
  t.true(events.some((event) => event.what === "healed" && event.rule === "account_balance"));
  t.true(events.some((event) => event.what === "finding" && event.difference === "7"));
  t.deepEqual(events.at(-1), { what: "write past the guard", rule: null, difference: null });
  for (const name of ["health_summary", "health_by_rule", "health_by_account", "health_trend"]) {
    await t.throwsAsync(
      asMember(pool, "1", (client) => client.query(`select * from saldo.${name}()`)),
      {
        message: /permission denied/,
      },
    );
  }
  await database.close();
});
