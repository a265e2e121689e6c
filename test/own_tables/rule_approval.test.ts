import test from "ava";
import type { Pool } from "pg";
import { createShop, shopGrants, shopRule } from "../../demo/shop.ts";
import { openApi } from "../_support/api.ts";
import { byTwo, errorCode, openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { as, heal, proposals } from "../heal/_healing.ts";
import { approveRule, call, openShop, registerHealing, registerShop } from "./_shop.ts";

/** Forty members, twelve of whom were deleted: their balances were paid out and are right. */
async function openClub(): Promise<TestDatabase> {
  const database = await openTestDatabase(5);
  await database.pool.query(`
    create table public.members (
      id int primary key, balance numeric not null, deleted_at timestamptz
    );
    create table public.moves (member_id int references public.members, amount numeric not null);
    insert into public.members
    select g, case when g > 28 then 0 else g * 10 end, case when g > 28 then now() end
    from generate_series(1, 40) as g;
    insert into public.moves select g, g * 10 from generate_series(1, 40) as g;
    grant select on public.members, public.moves to saldo_rule_reader;
    grant update (balance) on public.members to saldo_rule_reader;
  `);
  return database;
}

const clubRule = {
  name: "club",
  stored_table: "public.members",
  key_column: "id",
  balance_column: "balance",
  derived: "select member_id as key, sum(amount) as derived from public.moves group by member_id",
  heal: "update",
};

const sumOf = async (pool: Pool) =>
  (await pool.query("select sum(balance) as sum from public.members")).rows[0].sum;

const suspicions = async (pool: Pool) => {
  await pool.query("select saldo.evaluate_alerts()");
  return (
    await pool.query("select text from saldo.alert where condition = 'rule_suspect'")
  ).rows.map(({ text }) => text);
};

test("a rule that overlooks who was deleted overwrites no balance that is right", async (t) => {
  const database = await openClub();
  const { pool } = database;
  try {
    const before = await sumOf(pool);
    await call(pool as never, "register_balance_rule", clubRule);
    for (const isApproved of [false, true]) {
      if (isApproved) t.is(await errorCode(approveRule(pool, "club")), "SB650");
      const run = await heal(pool);
      t.is(run["refused_count"], 12);
      t.regex(run.actions[0]?.["reason"], /^12 of 40 rows differ \(30\.00 %, the limit is 20 %\)/);
      await pool.query("select saldo.scheduled_maintenance()");
      t.is(await sumOf(pool), before);
    }
    const { rows: details } = await pool.query(
      "select distinct detail ->> 'row_count' as count from saldo.finding where rule = 'club'",
    );
    t.deepEqual(details, [{ count: "40" }]);
    t.regex((await suspicions(pool)).join(), /12 of 40 rows differ .* suspect, not the data/);

    // The rule learns of the filter, and what is wrong then is healed once that was looked at.
    await call(pool as never, "change_balance_rule", {
      name: "club",
      derived: `select m.id as key, case when m.deleted_at is null then sum(x.amount) else 0 end
        as derived from public.members as m join public.moves as x on x.member_id = m.id
        group by m.id`,
    });
    await pool.query("update public.members set balance = 0 where id = 1");
    t.is((await heal(pool)).actions[0]?.["outcome"], "refused");
    t.like(await approveRule(pool, "club"), { row_count: "40", differing_count: "1" });
    t.is((await heal(pool))["healed_count"], 1);
    t.is(await sumOf(pool), before);
  } finally {
    await database.close();
  }
});

test("an approval is for the rule as it was, and for a result that somebody could see", async (t) => {
  const database = await openShop(1_500_000);
  const { pool } = database;
  const balance = async () =>
    (await pool.query("select balance from public.users where id = 1")).rows[0].balance;
  try {
    await registerShop(database);
    const { id: early } = (await pool.query("select id from saldo.check_balance_health()")).rows[0];
    const approve = (checkId: string | null, reason = "looked at") =>
      as(pool, "anna", "select * from saldo.approve_balance_rule('user_balance', $1, $2)", [
        checkId,
        reason,
      ]);
    t.is(await errorCode(approve(early)), "SB647");
    await call(pool as never, "change_balance_rule", { name: "user_balance", heal: "update" });
    t.is(await errorCode(approve(early)), "SB649");
    t.is(await errorCode(approve(null)), "SB007");
    t.is(await errorCode(approve(early, " ")), "SB009");
    t.is(
      await errorCode(as(pool, "anna", "select saldo.approve_balance_rule('x', null, 'y')")),
      "SB007",
    );
    const { id } = (await pool.query("select id from saldo.check_balance_health()")).rows[0];
    t.like((await approve(id))[0], {
      rule: "user_balance",
      check_run_id: id,
      row_count: "3",
      differing_count: "1",
      reason: "looked at",
      approved_by: "anna",
      withdrawn_at: null,
    });

    // What explains and guards may change; what is healed may not.
    const change = (changes: object) =>
      call(pool as never, "change_balance_rule", { name: "user_balance", ...changes });
    const lasting = async () =>
      (await pool.query("select from saldo.rule_approval where withdrawn_at is null")).rows.length;
    await change({ guard: "record", title: "Balances of users", items: shopRule.items });
    await call(pool as never, "enable_balance_rule", { name: "user_balance" });
    t.is(await lasting(), 1);
    for (const changes of [
      { derived: `${shopRule.derived} having sum(amount) <> 0` },
      { tolerance: 1 },
      { heal: "none" },
    ]) {
      await change(changes);
      t.is(await lasting(), 0, JSON.stringify(changes));
      await change({ heal: "update", tolerance: 0, derived: shopRule.derived });
      t.is((await heal(pool)).actions[0]?.["outcome"], "refused");
      t.is(await balance(), "1500000.00");
      await approveRule(pool);
    }
    await call(pool as never, "unregister_balance_rule", { name: "user_balance" });
    t.is(await lasting(), 0);
    await registerShop(database, { heal: "update" });
    t.is((await heal(pool)).actions[0]?.["outcome"], "refused");
    await approveRule(pool);
    t.is((await heal(pool))["healed_count"], 1);
    t.is(await balance(), "1900000.00");
  } finally {
    await database.close();
  }
});

test("a rule of a file heals after an approval only, and a changed file asks for another", async (t) => {
  const database = await openShop(1_500_000);
  const { pool } = database;
  const apply = async (changes: object) =>
    call(pool as never, "apply_balance_rules", {
      rules: JSON.stringify([{ ...shopRule, heal: "update", ...changes }]),
    });
  const outcome = async () => (await heal(pool)).actions[0]?.["outcome"];
  try {
    t.like((await apply({}))[0], { outcome: "registered" });
    t.is(await outcome(), "refused");
    await approveRule(pool);
    t.like((await apply({}))[0], { outcome: "unchanged" });
    t.like((await apply({ tolerance: 1 }))[0], { outcome: "changed" });
    t.is(await outcome(), "refused");
    await approveRule(pool);
    t.is(await outcome(), "healed");
  } finally {
    await database.close();
  }
});

test("a proposal of a rule that was changed since heals nothing", async (t) => {
  const database = await openShop(1_500_000);
  const { pool } = database;
  try {
    await registerHealing(database);
    await pool.query("select saldo.set_heal_policy('user_balance', max_amount => 1)");
    t.is((await heal(pool, "anna"))["needs_approval_count"], 1);
    await call(pool as never, "change_balance_rule", { name: "user_balance", tolerance: 2 });
    const [proposal] = await proposals(pool);
    const decide = () =>
      as(pool, "berta", "select saldo.approve_heal($1, 'yes')", [proposal?.["id"]]);
    t.is(await errorCode(decide()), "SB622");
    const { rows } = await pool.query("select balance from public.users where id = 1");
    t.is(rows[0].balance, "1500000.00");
  } finally {
    await database.close();
  }
});

test("a heal that would rewrite a large share of a table needs another administrator", async (t) => {
  const database = await openClub();
  const { pool } = database;
  const wrong = (count: number) =>
    pool.query("update public.members set balance = id * 10 + (id <= $1)::int", [count]);
  try {
    await wrong(0);
    await call(pool as never, "register_balance_rule", clubRule);
    await approveRule(pool, "club");
    await pool.query("select saldo.set_setting('heal_repeat_hours', '0')");
    await pool.query("select saldo.set_setting('heal_share_days', '0')");
    await wrong(4);
    t.is((await heal(pool))["healed_count"], 4);
    await wrong(7);
    const large = await heal(pool);
    t.is(large["needs_approval_count"], 7);
    t.regex(large.actions[0]?.["reason"], /^7 of 40 rows of the rule \(17\.50 %\) .* of 10 %/);
    await wrong(9);
    t.is((await heal(pool))["refused_count"], 9);
    t.is((await suspicions(pool)).length, 1);
    // Somebody knows that it is the data.
    await byTwo(pool, "saldo.propose_heal_policy('club', 'it is the data', max_percent => 30)");
    t.is((await heal(pool))["healed_count"], 9);
    t.is(
      await errorCode(pool.query("select saldo.set_heal_policy('club', max_percent => 101)")),
      "SB010",
    );
    await pool.query("select saldo.set_setting('heal_share_free_count', '0')");
    await pool.query("select saldo.set_heal_policy('club', max_percent => 0)");
    await wrong(1);
    t.is((await heal(pool))["needs_approval_count"], 1);
  } finally {
    await database.close();
  }
});

test("a few rows each night are counted together", async (t) => {
  const database = await openClub();
  const { pool } = database;
  const wrong = (from: number, until: number) =>
    pool.query("update public.members set balance = id * 10 + (id between $1 and $2)::int", [
      from,
      until,
    ]);
  try {
    await wrong(0, 0);
    await call(pool as never, "register_balance_rule", clubRule);
    await approveRule(pool, "club");
    await wrong(1, 3);
    t.is((await heal(pool))["healed_count"], 3);
    await wrong(4, 6);
    const second = await heal(pool);
    t.is(second["needs_approval_count"], 3);
    t.regex(
      second.actions[0]?.["reason"],
      /^3 now and 3 healed in the last 7 days of 40 rows of the rule \(15\.00 %\)/,
    );
    await pool.query("update saldo.heal_action set healed_at = healed_at - interval '8 days'");
    t.is((await heal(pool))["healed_count"], 3);
  } finally {
    await database.close();
  }
});

/** What a rule reads by name only, and what makes it another. */
const behind: Record<string, { make: string; change: string; rule: object }> = {
  "a view": {
    make: `create view public.sums as select member_id, sum(amount) as total from public.moves
      group by member_id;
      grant select on public.sums to saldo_rule_reader`,
    change: `create or replace view public.sums as
      select member_id, case when member_id < 4 then 0 else sum(amount) end as total
      from public.moves group by member_id`,
    rule: { derived: "select member_id as key, total as derived from public.sums" },
  },
  "a function behind a view": {
    make: `create function public.part(amount numeric) returns numeric immutable
        language plpgsql as $$ begin return amount; end $$;
      create function public.whole(amount numeric) returns numeric immutable
        language plpgsql as $$ begin return public.part(amount); end $$;
      create view public.sums as select member_id, public.whole(sum(amount)) as total
        from public.moves group by member_id;
      grant select on public.sums to saldo_rule_reader`,
    change: `create or replace function public.part(amount numeric) returns numeric immutable
        language plpgsql as $$ begin return case when amount < 40 then 0 else amount end; end $$`,
    rule: { derived: "select member_id as key, total as derived from public.sums" },
  },
  "what a heal function calls": {
    make: `create function public.figure(member integer) returns numeric stable
        language sql begin atomic
          select sum(m.amount) from public.moves as m where m.member_id = member; end;
      create function public.mend(key text) returns void language plpgsql as $$ begin
        update public.members set balance = public.figure(key::integer) where id = key::integer;
      end $$;
      grant execute on function public.mend, public.figure to saldo_rule_reader`,
    change: `create or replace function public.figure(member integer) returns numeric stable
        language sql begin atomic
          select sum(m.amount) + 0 from public.moves as m where m.member_id = member; end`,
    rule: { heal: "function", heal_function: "public.mend" },
  },
};
for (const [what, { make, change, rule }] of Object.entries(behind)) {
  test(`${what} that is replaced asks for a new approval`, async (t) => {
    const database = await openClub();
    const { pool } = database;
    try {
      await pool.query("update public.members set balance = id * 10");
      await pool.query(make);
      await call(pool as never, "register_balance_rule", { ...clubRule, ...rule });
      const { check_run_id: looked } = await approveRule(pool, "club");
      await pool.query("update public.members set balance = 7 where id = 9");
      await pool.query(change);
      const before = await sumOf(pool);
      const run = await heal(pool);
      t.is(run["healed_count"], 0);
      t.regex(run.actions[0]?.["reason"], /^A view or function that this rule reads was changed/);
      await pool.query("select saldo.scheduled_maintenance()");
      t.is(await sumOf(pool), before);
      const approve = pool.query("select saldo.approve_balance_rule('club', $1, 'as before')", [
        looked,
      ]);
      t.is(await errorCode(approve), "SB649");
      await approveRule(pool, "club");
      t.true(Number((await heal(pool))["healed_count"]) > 0);
    } finally {
      await database.close();
    }
  });
}

test("an approval holds however a session writes times", async (t) => {
  const database = await openClub();
  const { pool } = database;
  try {
    await pool.query("update public.members set balance = id * 10");
    await pool.query(`create view public.sums as select member_id, sum(amount) as total
      from public.moves where now() >= timestamptz '2020-01-01 00:00+00' group by member_id;
      grant select on public.sums to saldo_rule_reader`);
    await call(pool as never, "register_balance_rule", {
      ...clubRule,
      derived: "select member_id as key, total as derived from public.sums",
    });
    await approveRule(pool, "club");
    for (const zone of ["UTC", "Pacific/Auckland"]) {
      const { rows } = await pool.query(
        `select saldo_private.is_rule_approved(r) as is_approved
        from set_config('timezone', $1, false) as zone, saldo.registered_rule as r
        where r.name = 'club' and zone is not null`,
        [zone],
      );
      t.deepEqual(rows, [{ is_approved: true }], zone);
    }
  } finally {
    await database.close();
  }
});

test("rules are approved over GraphQL, by administrators only", async (t) => {
  const api = await openApi();
  try {
    await createShop({ query: api.root } as never);
    await api.root(shopGrants);
    await api.root(
      `select saldo.register_balance_rule(name => $1, stored_table => $2, key_column => $3,
        balance_column => $4, derived => $5, heal => 'update')`,
      [
        shopRule.name,
        shopRule.stored_table,
        shopRule.key_column,
        shopRule.balance_column,
        shopRule.derived,
      ],
    );
    const checked = await api.post(`mutation { checkBalanceHealth(input: {}) { result {
      id registeredRuleResults(first: 5) { nodes { rule rowCount differingCount } } } } }`);
    const { id, registeredRuleResults } = checked.data?.checkBalanceHealth.result ?? {};
    t.deepEqual(registeredRuleResults.nodes, [
      { rule: "user_balance", rowCount: "3", differingCount: "1" },
    ]);
    const approve = `mutation ($id: UUID!) { approveBalanceRule(input: {
      name: "user_balance", checkRunId: $id, reason: "one is wrong, and known" }) {
      result { rule approvedBy differingCount } } }`;
    t.is((await api.post(approve, { id }, await api.token({ role: "operator" }))).code, "SB006");
    t.like((await api.post(approve, { id })).data?.approveBalanceRule.result, {
      rule: "user_balance",
      differingCount: "1",
    });
    const list = await api.post(
      `{ ruleApprovals(first: 5) { nodes { rule reason withdrawnAt } } }`,
    );
    t.deepEqual(list.data?.ruleApprovals.nodes, [
      { rule: "user_balance", reason: "one is wrong, and known", withdrawnAt: null },
    ]);
  } finally {
    await api.close();
  }
});
