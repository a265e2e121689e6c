import test from "ava";
import { asAdmin, asAnonymous, asMember, asOperator, errorCode } from "../_support/database.ts";
import { check } from "../_support/faults.ts";
import { query, refusedQueries } from "./_refused_queries.ts";
import { call, openShop, registerShop, shopRule } from "./_shop.ts";

test("queries that could do harm, or that cannot be compared, are refused with their reason", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await pool.query(`
      create sequence public.counter;
      grant usage on sequence public.counter to saldo_rule_reader;
      create function public.volatile() returns int language sql volatile as 'select 1';
      create function public.definer() returns int language sql stable security definer
        as 'select 1';
      create view public.harmless as select public.volatile() as key;
      create function public.sneaky_step(int, int) returns int language sql volatile
        as 'select $1 + $2';
      create aggregate public.sneaky(int) (sfunc = public.sneaky_step, stype = int, initcond = '0');
      create function public.liar() returns int language plpgsql stable
        as $$ begin insert into public.users values (9, 'x'); return 1; end $$;
      create function public.adder() returns int language plpgsql volatile
        as $$ begin update public.users set balance = 7; return 1; end $$;
      create function public.liar_too() returns int language plpgsql stable
        as $$ begin return public.adder(); end $$;
      create table public.ungranted (id int primary key);
      create table public.hidden (id int primary key);
      alter table public.hidden enable row level security;
      grant select on public.harmless, public.hidden to saldo_rule_reader;
    `);
    const before = await pool.query("select * from public.users order by id");
    for (const [name, changes, code, detail] of refusedQueries) {
      const error = await t.throwsAsync<Error & { code: string; detail: string; hint: string }>(
        asAdmin(pool, (client) =>
          call(client as never, "register_balance_rule", { ...shopRule, ...changes }),
        ),
        undefined,
        name,
      );
      t.is(error.code, code, `${name}: ${error.message} ${error.detail}`);
      t.regex(error.detail, detail, name);
      t.true(error.hint.length > 10, name);
    }
    t.deepEqual((await pool.query("select * from public.users order by id")).rows, before.rows);
    t.is(
      (await pool.query("select last_value, is_called from public.counter")).rows[0].is_called,
      false,
    );
    t.deepEqual((await pool.query("select * from saldo.registered_rule")).rows, []);
    t.deepEqual((await pool.query("select from saldo.balance_rule where is_registered")).rows, []);
  } finally {
    await database.close();
  }
});

test("what a query does besides is undone: settings, notifications, tables of the session", async (t) => {
  const database = await openShop();
  const client = await database.pool.connect();
  try {
    // Declared as stable, so that only the run itself is between it and the session.
    await client.query(`
      create function public.meddle() returns bigint language plpgsql stable as $$
      begin
        perform set_config('application_name', 'meddled', false);
        perform set_config('search_path', 'meddled', false);
        perform set_config('saldo.subject', 'meddled', false);
        perform pg_notify('meddled', '');
        return 1;
      end $$`);
    await call(client as never, "register_balance_rule", {
      ...shopRule,
      derived: "select id as key, balance * public.meddle() as derived from public.users",
    });
    const heard: string[] = [];
    client.on("notification", ({ channel }) => heard.push(channel));
    await client.query("listen meddled");
    await client.query("select saldo.check_balance_health()");
    const { rows } = await client.query(
      `select current_setting('application_name') as name, current_setting('search_path') as path,
        current_setting('transaction_read_only') as read_only,
        nullif(current_setting('saldo.subject', true), '') as subject,
        to_regclass('pg_temp.saldo_rule_probe') as probe`,
    );
    t.deepEqual(rows, [
      { name: "", path: '"$user", public', read_only: "off", subject: null, probe: null },
    ]);
    t.deepEqual(heard, []);
    for (const attempt of [
      "set_config('role', 'saldo_owner', true)",
      "set_config('session_authorization', 'postgres', true)",
      "set_config('transaction_read_only', 'off', true)",
    ]) {
      await client.query(`create or replace function public.meddle() returns bigint
        language plpgsql stable as $$ begin perform ${attempt}; return 1; end $$`);
      const { status, findings } = await check(client as never);
      t.is(status, "failed", attempt);
      t.deepEqual(
        findings.map(({ cause }) => cause),
        ["rule_failed"],
        attempt,
      );
      t.regex(findings[0]?.explanation ?? "", /cannot set/, attempt);
    }
  } finally {
    client.release(true);
    await database.close();
  }
});

test("a query that gives rows forever is left when its time is over", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await pool.query("select saldo.set_setting('rule_time_budget_ms', '50')");
    const endless = `select format('%s/%s', a, b) as key, 1 as derived
      from generate_series(1, 30000) as a, generate_series(1, 30000) as b`;
    await pool.query("select saldo.set_setting('rule_cost_limit', '999999999')");
    t.is(await errorCode(registerShop(database, { derived: endless })), "SB644");
    t.is(await errorCode(pool.query("select saldo.set_setting('rule_cost_limit', '0')")), "SB010");
  } finally {
    await database.close();
  }
});

test("tables, heals and guards that cannot work are refused", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await pool.query(`
      create view public.seen as select * from public.users;
      create table public.plain (id int primary key, balance numeric, name text);
      grant select on public.plain to saldo_rule_reader;
      create function public.mend(text) returns void language sql as '';
      revoke execute on function public.mend from public;
      create function public.everyones(text) returns void language sql as '';
    `);
    for (const [changes, code] of [
      [{ stored_table: "users" }, "SB646"],
      [{ stored_table: "public.nothing" }, "SB646"],
      [{ stored_table: "public.seen" }, "SB646"],
      [{ stored_table: "saldo.account" }, "SB646"],
      [{ stored_table: "a.b.c" }, "SB646"],
      [{ stored_table: "a b" }, "SB646"],
      [{ key_column: "nothing" }, "SB646"],
      [{ balance_column: "name" }, "SB646"],
      [{ balance_column: null }, "SB010"],
      [{ stored: "select 1" }, "SB010"],
      [{ tolerance: -1 }, "SB010"],
      [{ tolerance: "NaN" }, "SB010"],
      [{ writer_roles: ["shop", null] }, "SB010"],
      [{ writer_applications: [" "] }, "SB010"],
      [{ name: "User Balance" }, "SB010"],
      [{ name: null }, "SB010"],
      [{ name: "account_balance" }, "SB014"],
      [{ derived: null }, "SB640"],
      [{ heal: "function" }, "SB647"],
      [{ heal: "function", heal_function: "public.nothing" }, "SB647"],
      [{ heal: "function", heal_function: "pg_catalog.upper" }, "SB647"],
      [{ heal: "function", heal_function: "public.mend(text); drop table public.users" }, "SB647"],
      [{ heal: "function", heal_function: "public.mend" }, "SB645"],
      [{ heal: "function", heal_function: "public.everyones" }, "SB645"],
      [
        {
          ...query("stored", "select id as key, balance as stored from public.users"),
          heal: "update",
        },
        "SB647",
      ],
      [
        {
          ...query("stored", "select id as key, balance as stored from public.users"),
          guard: "record",
        },
        "SB647",
      ],
      [{ stored_table: "public.plain", heal: "update" }, "SB645"],
      [{ stored_table: "public.plain", guard: "record" }, "SB645"],
    ] as [object, string][]) {
      t.is(await errorCode(registerShop(database, changes)), code, JSON.stringify(changes));
    }
    t.deepEqual((await pool.query("select * from saldo.registered_rule")).rows, []);
  } finally {
    await database.close();
  }
});

test("only administrators register rules, staff reads them, and nobody calls the sandbox", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    const register = (client: unknown) => call(client as never, "register_balance_rule", shopRule);
    t.is(await errorCode(asOperator(pool, register)), "42501");
    t.is(await errorCode(asMember(pool, 1, register)), "42501");
    t.is(await errorCode(asAnonymous(pool, register)), "42501");
    await asAdmin(pool, register);
    const read = (client: { query: (text: string) => Promise<{ rows: object[] }> }) =>
      client.query("select name, registered_by from saldo.registered_rule");
    t.deepEqual((await asOperator(pool, read)).rows, [
      { name: "user_balance", registered_by: "admin" },
    ]);
    t.is(await errorCode(asMember(pool, 1, read)), "42501");
    for (const role of [asAdmin, asOperator]) {
      t.is(
        await errorCode(
          role(pool, (client) => client.query("select saldo_rule.cost_of('select 1')")),
        ),
        "42501",
      );
    }
    const { rows } = await pool.query(
      `select p.proname
      from pg_proc as p
      where p.pronamespace = 'saldo_rule'::regnamespace
      and not (p.proowner = 'saldo_rule_reader'::regrole
        and obj_description(p.oid) is not null
        and (p.prosecdef or p.proname ~ '__' or p.provolatile = 'i')
        and p.proconfig @> array['search_path=pg_catalog, pg_temp']
        and not has_function_privilege('saldo_server', p.oid, 'execute'))`,
    );
    t.deepEqual(rows, []);
    t.deepEqual(
      (
        await pool.query(
          `select c.oid::regclass from pg_class as c
          where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
          and c.relkind in ('r', 'v') and has_table_privilege('saldo_rule_reader', c.oid, 'select')
          union all
          select 'schema' where has_schema_privilege('saldo_rule_reader', 'saldo', 'usage')
          or has_schema_privilege('saldo_rule_reader', 'saldo_rule', 'create')`.replace(
            "c.oid::regclass from",
            "c.oid::regclass::text from",
          ),
        )
      ).rows,
      [],
    );
  } finally {
    await database.close();
  }
});

test("a rule is changed, disabled, enabled, unregistered and registered again", async (t) => {
  const database = await openShop(1_500_000);
  const { pool } = database;
  const rules = async () => (await check(pool)).findings.map(({ rule }) => rule);
  const named = (name: string, changes: object = {}) =>
    call(pool as never, name, { name: "user_balance", ...changes });
  try {
    await registerShop(database);
    t.is(await errorCode(registerShop(database)), "SB014");
    t.deepEqual(await rules(), ["user_balance"]);
    const [changed] = await named("change_balance_rule", { tolerance: 400000 });
    t.is(changed.tolerance, "400000");
    t.is(changed.derived, shopRule.derived);
    t.deepEqual(await rules(), []);
    await named("change_balance_rule", { tolerance: 399999.99 });
    t.deepEqual(await rules(), ["user_balance"]);
    t.is(await errorCode(named("change_balance_rule", { derived: "select 1" })), "SB641");
    t.is(
      await errorCode(named("change_balance_rule", { stored: "select 1", stored_table: "x.y" })),
      "SB010",
    );
    t.deepEqual(await rules(), ["user_balance"], "a change that is refused changes nothing");
    const [queried] = await named("change_balance_rule", {
      stored: "select id as key, balance as stored, name from public.users",
    });
    t.is(queried.stored_table, null);
    const { findings } = await check(pool);
    t.like(findings[0], { detail: { labels: { name: "member1" } } } as never);
    await named("disable_balance_rule");
    t.deepEqual(await rules(), []);
    await named("enable_balance_rule");
    t.deepEqual(await rules(), ["user_balance"]);
    await named("unregister_balance_rule");
    t.deepEqual(await rules(), []);
    for (const name of ["change", "disable", "enable", "unregister"]) {
      t.is(await errorCode(named(`${name}_balance_rule`)), "SB007", name);
    }
    t.true(
      (await pool.query("select from saldo.finding where rule = 'user_balance'")).rows.length > 0,
    );
    await registerShop(database);
    t.deepEqual(await rules(), ["user_balance"]);
    await registerShop(database, { name: "other", tolerance: 400000 });
    await call(pool as never, "unregister_balance_rule", { name: "other" });
    t.deepEqual(
      (await pool.query("select name from saldo.balance_rule where room = 'registered'")).rows,
      [{ name: "user_balance" }],
      "a rule that never found anything leaves nothing behind",
    );
  } finally {
    await database.close();
  }
});

test("a word that no rule has is refused: it may be a guard, misspelt", async (t) => {
  const database = await openShop();
  try {
    const rules = [
      { ...shopRule, gaurd: "refuse" },
      { ...shopRule, name: "other", registered_by: "me" },
      "user_balance",
      { ...shopRule, name: "good" },
    ];
    const results = await call(database.pool as never, "apply_balance_rules", {
      rules: JSON.stringify(rules),
    });
    t.deepEqual(
      results.map(({ outcome, error_code: code }) => [outcome, code]),
      [...Array(3).fill(["refused", "SB010"]), ["registered", null]],
    );
    t.regex(String(results[0]?.detail), /not: \{"gaurd": "refuse"\}$/);
  } finally {
    await database.close();
  }
});
