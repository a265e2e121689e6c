import test from "ava";
import type { PoolClient } from "pg";
import { asAdmin, errorCode } from "../_support/database.ts";
import { check } from "../_support/faults.ts";
import { openShop, registerHealing, registerShop, shopRule } from "./_shop.ts";

const settings: [string, string][] = [
  ["search_path", "evil, pg_catalog"],
  ["saldo.subject", "another administrator"],
  ["transaction_read_only", "on"],
  ["default_transaction_read_only", "on"],
  ["statement_timeout", "1"],
];

test("a heal in which the user's code changes a setting of the session is undone", async (t) => {
  const database = await openShop();
  const { pool } = database;
  const clients: PoolClient[] = [];
  try {
    await registerHealing(database);
    await pool.query("select saldo.set_setting('heal_repeat_hours', '0')");
    await pool.query(`
      create table public.wanted (name text, value text);
      grant select on public.wanted to public;
      create function public.trick() returns trigger language plpgsql as $$
      begin
        perform set_config(name, value, false) from public.wanted;
        return null;
      end $$;
      create trigger trick after update on public.users
      for each row when (new.id = 1) execute function public.trick();
    `);
    const settingOf = async (name: string) =>
      (await clients[0]?.query("select current_setting($1, true) as value", [name]))?.rows[0].value;
    const client = await pool.connect();
    clients.push(client);
    for (const [name, value] of settings) {
      await client.query("delete from public.wanted");
      await client.query("update public.users set balance = 5 where id = 1");
      await client.query("insert into public.wanted values ($1, $2)", [name, value]);
      const before = await settingOf(name);
      const { rows } = await client.query("select * from saldo.auto_heal(false)");
      t.is(rows[0].refused_count, 1, name);
      t.is((await settingOf(name)) || null, before || null, name);
      const actions = await client.query(
        "select reason from saldo.heal_action where heal_run_id = $1 and key = '1'",
        [rows[0].id],
      );
      t.regex(actions.rows[0].reason, /changed a setting of the session|read-only transaction/);
    }
  } finally {
    for (const client of clients) client.release(true);
    await database.close();
  }
});

test("what the user's tables put off to the end of a transaction is done within the heal", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await registerHealing(database);
    await pool.query(`
      update public.users set balance = balance - 1;
      create table public.caller (name text); grant insert, select on public.caller to public;
      create function public.late() returns trigger language plpgsql as $$
      begin
        if new.id = 2 then raise exception 'not this one'; end if;
        insert into public.caller values (current_user);
        return null;
      end $$;
      create constraint trigger late after update on public.users
      deferrable initially deferred
      for each row execute function public.late();
    `);
    const { rows } = await pool.query("select * from saldo.auto_heal(false)");
    t.is(rows[0].refused_count, 1);
    t.is(rows[0].healed_count, 3);
    const { rows: callers } = await pool.query("select distinct name from public.caller");
    t.deepEqual(callers, [{ name: "saldo_rule_reader" }], "and as nobody else");
  } finally {
    await database.close();
  }
});

test("a guard of a table with partitions stands on each of them, or is missed", async (t) => {
  const database = await openShop();
  const { pool } = database;
  const guards = async () =>
    (await check(pool)).findings.map(({ key, stored }) => [key, stored] as unknown[]);
  try {
    await pool.query(`
      create table public.parts (id int primary key, balance numeric) partition by list (id);
      create table public.part_one partition of public.parts for values in (1);
      insert into public.parts values (1, 5);
      grant select on public.parts to saldo_rule_reader;
      grant trigger on public.parts to saldo_owner;
    `);
    const changes = {
      stored_table: "public.parts",
      derived: "select 1 as key, 5 as derived",
      guard: "refuse",
      writer_roles: [],
    };
    const error = await t.throwsAsync<Error & { code: string; hint: string }>(
      asAdmin(pool, () => registerShop(database, changes)),
    );
    t.is(error.code, "SB645");
    t.is(error.hint, "grant trigger on public.part_one to saldo_owner");
    await pool.query(error.hint);
    await registerShop(database, changes);
    const write = "update public.part_one set balance = 6";
    t.is(await errorCode(pool.query(write)), "SB648");
    await pool.query("create table public.part_two partition of public.parts for values in (2)");
    t.is(await errorCode(pool.query("insert into public.parts values (2, 1)")), "SB648");
    t.deepEqual(await guards(), []);
    await pool.query("alter table public.part_one disable trigger user");
    t.deepEqual(
      (await guards()).sort(),
      ["insert", "update"].map((event) => [
        `trigger saldo_guard_${event}_user_balance on public.part_one`,
        "disabled",
      ]),
    );
  } finally {
    await database.close();
  }
});

test("a schema may begin with saldo, and rows that a policy hides need more than a policy", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await pool.query(`
      create schema saldo_shop;
      grant usage on schema saldo_shop to saldo_rule_reader;
      create table saldo_shop.users (id int primary key, balance numeric);
      grant select on saldo_shop.users to saldo_rule_reader;
      alter table saldo_shop.users enable row level security;
      create policy all_rows on saldo_shop.users using (true);
    `);
    const changes = { stored_table: "saldo_shop.users", derived: "select 1 as key, 5 as derived" };
    const error = await t.throwsAsync<Error & { code: string; hint: string }>(
      registerShop(database, changes),
    );
    t.is(error.code, "SB645");
    t.regex(error.hint, /bypassrls/);
    await pool.query("alter table saldo_shop.users disable row level security");
    t.is((await registerShop(database, changes))[0].name, shopRule.name);
  } finally {
    await database.close();
  }
});
