import test from "ava";
import { createShop } from "../../demo/shop.ts";
import { asAdmin, errorCode, openTestDatabase } from "../_support/database.ts";
import { check, forced } from "../_support/faults.ts";
import { approveRule, call, openShop, registerHealing, registerShop, shopRule } from "./_shop.ts";

const figures = async (database: Awaited<ReturnType<typeof openShop>>) =>
  (await check(database.pool)).findings.map(({ key, stored, derived, difference }) => [
    key,
    stored,
    derived,
    difference,
  ]);

test("a figure that is right is no finding, a wrong, missing or senseless one is", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await registerShop(database);
    t.deepEqual(await figures(database), []);
    await pool.query(`
      alter table public.users alter balance drop not null, alter balance type numeric;
      update public.users set balance = null where id = 2;
      update public.users set balance = 1 where id = 3;
      update public.users set balance = 'NaN' where id = 4;
      update public.users set balance = 1900000.01 where id = 1;
      alter table public.transactions drop constraint transactions_user_id_fkey;
      insert into public.transactions (user_id, amount, type, status, created_at)
      values (99, 5, 'topup', 'completed', now());
    `);
    t.deepEqual(await figures(database), [
      ["1", "1900000.01", "1900000.00", "0.01"],
      ["2", null, "350000.00", null],
      ["3", "1", null, "1"],
      ["4", "NaN", "75000.00", null],
      ["99", null, "5.00", null],
    ]);
    const { rows } = await pool.query(
      `select key, detail ->> 'what' as what from saldo.finding
      where check_run_id = (select id from saldo.check_run order by id desc limit 1)
      order by key`,
    );
    t.deepEqual(
      rows.map(({ what }) => what),
      [null, "stored is NULL", "nothing to derive from", null, "no stored row"],
    );
    await pool.query("update public.users set balance = 'Infinity' where id = 4");
    t.deepEqual((await figures(database)).at(3), ["4", "Infinity", "75000.00", "Infinity"]);
  } finally {
    await database.close();
  }
});

test("keys may be of any type, figures of any numeric one", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    for (const [index, [key, value, figure]] of [
      ["uuid", "'00000000-0000-0000-0000-0000000000aa'", "integer"],
      ["text", "'it''s \"quoted\"'", "double precision"],
      ["varchar(20)", "'short'", "bigint"],
      ["date", "'2025-02-03'", "money"],
      ["numeric", "1.50", "numeric(20,4)"],
    ].entries()) {
      const name = `wares_${index}`;
      await pool.query(`
        create table public."${name} X" (k ${key} primary key, stock ${figure} not null);
        create table public."${name} moves" (k ${key}, change ${figure});
        insert into public."${name} X" values (${value}, 7::${figure});
        insert into public."${name} moves" values (${value}, 3), (${value}, 5);
        grant select on public."${name} X", public."${name} moves" to saldo_rule_reader;
        grant update (stock) on public."${name} X" to saldo_rule_reader;
      `);
      await call(pool as never, "register_balance_rule", {
        name,
        stored_table: `public."${name} X"`,
        key_column: "k",
        balance_column: "stock",
        derived: `select k as key, sum(change) as derived from public."${name} moves" group by k`,
        heal: "update",
      });
    }
    for (const index of [0, 1, 2, 3, 4]) await approveRule(pool, `wares_${index}`);
    const { findings } = await check(pool);
    t.deepEqual(
      findings.map(({ rule, difference }) => [rule, difference]),
      [0, 1, 2, 3, 4].map((index) => [`wares_${index}`, "-1"]),
    );
    const { rows } = await pool.query("select healed_count from saldo.auto_heal(false)");
    t.is(rows[0].healed_count, 5);
    t.is((await check(pool)).status, "healthy");
  } finally {
    await database.close();
  }
});

test("a rule that breaks later is a finding, and stops no other", async (t) => {
  const database = await openShop(1_500_000);
  const { pool } = database;
  try {
    await pool.query(`
      create table public.doomed (id int primary key, total int);
      grant select on public.doomed to saldo_rule_reader`);
    await call(pool as never, "register_balance_rule", {
      name: "doomed",
      stored_table: "public.doomed",
      key_column: "id",
      balance_column: "total",
      derived: "select id as key, total as derived from public.doomed",
    });
    await registerShop(database);
    await pool.query("drop table public.doomed");
    const { status, findings } = await check(pool);
    t.is(status, "failed");
    t.deepEqual(
      findings.map(({ rule, cause }) => [rule, cause]),
      [
        ["doomed", "rule_failed"],
        ["user_balance", "uncounted_items"],
      ],
    );
    t.regex(findings[0]?.explanation ?? "", /public.doomed.*does not exist/);
    await pool.query("revoke select on public.transactions from saldo_rule_reader");
    t.regex((await check(pool)).findings.at(-1)?.explanation ?? "", /permission denied/);
    await call(pool as never, "unregister_balance_rule", { name: "doomed" });
    await pool.query("grant select on public.transactions to saldo_rule_reader");
    t.is((await check(pool)).findings.length, 1);
  } finally {
    await database.close();
  }
});

test("a heal sets the column to what is derived under the row's lock, and keeps the record", async (t) => {
  const database = await openShop(1_500_000);
  const { pool } = database;
  try {
    await registerHealing(database);
    const dry = await pool.query("select id, healed_count from saldo.auto_heal(true)");
    t.is(dry.rows[0].healed_count, 0);
    t.is(
      (await pool.query("select balance from users where id = 1")).rows[0].balance,
      "1500000.00",
    );

    // A writer holds the row, and adds an item before it lets go.
    const writer = await pool.connect();
    await writer.query("begin");
    await writer.query("update public.users set balance = balance + 10 where id = 1");
    const healing = asAdmin(pool, (client) =>
      client.query("select id from saldo.auto_heal(false)"),
    );
    await writer.query(
      `insert into public.transactions (user_id, amount, type, status, created_at)
      values (1, 10, 'topup', 'completed', now())`,
    );
    for (;;) {
      const { rows } = await writer.query(
        "select from pg_locks where not granted and locktype in ('transactionid', 'tuple')",
      );
      if (rows.length > 0) break;
    }
    await writer.query("commit");
    writer.release();
    const { rows } = await healing;
    t.is(
      (await pool.query("select balance from users where id = 1")).rows[0].balance,
      "1900010.00",
    );
    t.deepEqual(
      (
        await pool.query(
          `select rule, key, outcome, before, after, actor from saldo.heal_action
          where heal_run_id = $1`,
          [rows[0].id],
        )
      ).rows,
      [
        {
          rule: "user_balance",
          key: "1",
          outcome: "healed",
          before: 1500010,
          after: 1900010,
          actor: "admin",
        },
      ],
    );
    t.is((await check(pool)).status, "healthy");
  } finally {
    await database.close();
  }
});

test("what cannot be healed is refused with its reason, and the rest is healed", async (t) => {
  const database = await openShop();
  const { pool } = database;
  const actions = async () => {
    const { rows } = await pool.query("select id from saldo.auto_heal(false)");
    return (
      await pool.query(
        "select key, outcome, reason from saldo.heal_action where heal_run_id = $1 order by key",
        [rows[0].id],
      )
    ).rows;
  };
  try {
    await registerHealing(database);
    await pool.query(`
      update public.users set balance = balance - 1;
      alter table public.transactions drop constraint transactions_user_id_fkey;
      insert into public.transactions (user_id, amount, type, status, created_at)
      values (99, 5, 'topup', 'completed', now());
      create function public.watch() returns trigger language plpgsql as $$
      begin
        if new.id = 2 then raise exception 'not this one'; end if;
        if new.id = 4 then new.balance := 0; end if;
        return new;
      end $$;
      create trigger watch before update on public.users
      for each row execute function public.watch();
    `);
    const healed = await actions();
    t.deepEqual(
      healed.map(({ key, outcome }) => [key, outcome]),
      [
        ["1", "healed"],
        ["2", "refused"],
        ["3", "healed"],
        ["4", "refused"],
        ["99", "refused"],
      ],
    );
    t.regex(healed[1].reason, /not this one/);
    t.regex(healed[3].reason, /still differed/);
    t.regex(healed[4].reason, /no such row/);
    const { rows } = await pool.query("select balance from public.users order by id");
    t.deepEqual(
      rows.map(({ balance }) => balance),
      ["1900000.00", "349999.00", "0.00", "74999.00"],
    );
  } finally {
    await database.close();
  }
});

test("a key that has become double is not healed, and is said to be", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await registerHealing(database);
    await pool.query(`
      alter table public.users drop constraint users_pkey cascade;
      insert into public.users select * from public.users where id = 3;
      update public.users set balance = balance + 1 where id = 3;
    `);
    await pool.query("select saldo.auto_heal(false)");
    const { rows } = await pool.query(
      "select distinct key, outcome, reason from saldo.heal_action",
    );
    t.deepEqual(
      rows.map(({ key, outcome }) => [key, outcome]),
      [["3", "refused"]],
    );
    t.regex(rows[0].reason, /several rows of this key/);
  } finally {
    await database.close();
  }
});

test("a function of the user's heals, and has to bring the figures together", async (t) => {
  const database = await openShop(1_500_000);
  const { pool } = database;
  try {
    await pool.query(`
      create function public.mend(key text) returns void language sql security definer
        set search_path = public, pg_temp
        as 'update users set balance = balance + 400000 where id = key::bigint';
      revoke execute on function public.mend from public;
      grant execute on function public.mend to saldo_rule_reader;
    `);
    await registerHealing(database, { heal: "function", heal_function: "public.mend" });
    await pool.query("select saldo.auto_heal(false)");
    t.is((await check(pool)).status, "healthy");
    await pool.query("update public.users set balance = 0 where id = 1");
    const { rows } = await pool.query("select refused_count from saldo.auto_heal(false)");
    t.is(rows[0].refused_count, 1);
    t.is((await pool.query("select balance from users where id = 1")).rows[0].balance, "0.00");
  } finally {
    await database.close();
  }
});

test("ten thousand findings are kept, the largest first, with how many there are", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await registerShop(database);
    await pool.query(`insert into public.users
      select g, 'many', g from generate_series(10001, 22000) as g`);
    const { findings } = await check(pool);
    t.is(findings.length, 10_000);
    t.like(findings[0], { detail: { total: 12_000 } } as never);
    t.false(findings.some(({ key }) => key === "10001"));
    t.true(findings.some(({ key }) => key === "22000"));
  } finally {
    await database.close();
  }
});

test("a list of rules is applied once, and again where it differs", async (t) => {
  const database = await openShop();
  const { pool } = database;
  const apply = async (...rules: object[]) =>
    (await call(pool as never, "apply_balance_rules", { rules: JSON.stringify(rules) })).map(
      ({ name, outcome, error_code: code }) => [name, outcome, code],
    );
  const other = { ...shopRule, name: "other", title: "Other", heal: "update" };
  try {
    t.deepEqual(await apply(shopRule, { ...shopRule, name: "x y" }, other), [
      ["user_balance", "registered", null],
      ["x y", "refused", "SB010"],
      ["other", "registered", null],
    ]);
    t.deepEqual(await apply(shopRule, other), [
      ["user_balance", "unchanged", null],
      ["other", "unchanged", null],
    ]);
    t.deepEqual(await apply({ ...shopRule, tolerance: 5 }), [["user_balance", "changed", null]]);
    t.deepEqual(await apply({ ...shopRule, tolerance: 5 }), [["user_balance", "unchanged", null]]);
    await call(pool as never, "disable_balance_rule", { name: "other" });
    t.deepEqual(await apply(other), [["other", "changed", null]]);
    t.deepEqual(
      (
        await pool.query(
          "select name, is_enabled from saldo.balance_rule where is_registered order by name",
        )
      ).rows,
      [
        { name: "other", is_enabled: true },
        { name: "user_balance", is_enabled: true },
      ],
      "a rule that the list does not name is left alone",
    );
    t.is(await errorCode(call(pool as never, "apply_balance_rules", { rules: "{}" })), "SB010");
    t.deepEqual(await apply({ ...shopRule, name: "account_balance" }), [
      ["account_balance", "refused", "SB014"],
    ]);
    t.deepEqual(await apply({ ...shopRule, heal: "sideways", name: "z" }), [
      ["z", "refused", "22P02"],
    ]);
  } finally {
    await database.close();
  }
});

test("a guard that is disabled, changed or dropped is a finding", async (t) => {
  const database = await openTestDatabase(3);
  const { pool } = database;
  try {
    await createShop(pool);
    await pool.query(`update public.users set balance = 1900000 where id = 1;
      grant select on public.users, public.transactions to saldo_rule_reader;
      grant trigger on public.users to saldo_owner`);
    await registerShop(database, { guard: "record" });
    const states = async () =>
      (await check(pool)).findings.map(({ rule, stored }) => [rule, stored]);
    t.deepEqual(await states(), []);
    for (const [state, fault, repair] of [
      ["disabled", "disable trigger saldo_guard_update_user_balance", "enable trigger user"],
      [
        "fires on replicas only",
        "enable replica trigger saldo_guard_insert_user_balance",
        "enable trigger user",
      ],
    ]) {
      await pool.query(`alter table public.users ${fault}`);
      t.deepEqual(await states(), [["engine_configuration", state]]);
      await pool.query(`alter table public.users ${repair}`);
      t.deepEqual(await states(), []);
    }
    await forced(pool, (client) =>
      client.query(`create or replace trigger
      saldo_guard_update_user_balance before update on public.users for each row when (false)
      execute function saldo_private.tg__guard_registered('user_balance')`),
    );
    t.deepEqual(await states(), [["engine_configuration", "changed"]]);
    await pool.query("drop trigger saldo_guard_update_user_balance on public.users");
    t.deepEqual(await states(), [["engine_configuration", "missing"]]);
    await call(pool as never, "enable_balance_rule", { name: "user_balance" });
    t.deepEqual(await states(), []);
    await pool.query("alter function saldo_rule.inspect owner to saldo_operator");
    t.deepEqual(await states(), [
      ["engine_configuration", "changed"],
      ["engine_configuration", "owner saldo_operator"],
    ]);
  } finally {
    await database.close();
  }
});
