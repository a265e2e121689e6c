import test from "ava";
import type { Pool, PoolClient } from "pg";
import { asAdmin, errorCode } from "../_support/database.ts";
import { check, forced } from "../_support/faults.ts";
import { call, causes, openShop, registerHealing, registerShop } from "./_shop.ts";

/** Does something as a role that comes and goes with the test, under an application's name. */
async function as<T>(
  pool: Pool,
  role: string,
  application: string,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("select set_config('application_name', $1, false)", [application]);
    await client.query(`set role ${role}`);
    return await work(client);
  } finally {
    client.release(true);
  }
}

const add = (id: number, amount: number) => (client: PoolClient) =>
  client.query(`update public.users set balance = balance + ${amount} where id = ${id}`);
const insert = (balance: number) => (client: PoolClient) =>
  client.query(`insert into public.users
    select max(id) + 1, 'new', ${balance} from public.users`);
const events = async (pool: Pool) =>
  (await pool.query("select * from saldo.guard_event order by id")).rows;

test("a guard that would refuse everyone is taken only where that is said", async (t) => {
  const database = await openShop();
  const { pool } = database;
  const change = (args: string) =>
    errorCode(pool.query(`select saldo.change_balance_rule('user_balance', ${args})`));
  try {
    const error = await t.throwsAsync<Error & { code: string; detail: string }>(
      registerShop(database, { guard: "refuse" }),
    );
    t.is(error.code, "SB647");
    t.regex(error.detail, /lock out your application/);
    await registerShop(database, { guard: "record" });
    t.is(await change("guard => 'refuse'"), "SB647", "recorded so far, by no writer");
    t.is(await change("guard => 'refuse', writer_applications => array['shop']"), "none");
    t.is(await change("guard => 'record'"), "none");
    t.is(await change("guard => 'refuse'"), "none", "the shop is known");
    t.is(await change("writer_applications => '{}'"), "none", "said so");
    t.is(await errorCode(add(1, 5)(pool as never)), "SB648");
  } finally {
    await database.close();
  }
});

test("a guard refuses all but the writers that the rule names", async (t) => {
  const database = await openShop();
  const { pool } = database;
  const app = `shop_app_${database.name}`;
  const script = `script_${database.name}`;
  try {
    await pool.query(`
      create role ${app}; create role ${script};
      grant select, insert, update on public.users to ${app}, ${script};
      create function public.pay() returns void language sql security definer
        set search_path = public, pg_temp
        as 'update users set balance = balance - 1 where id = 2';
      alter function public.pay owner to ${app};
    `);
    await registerShop(database, {
      guard: "refuse",
      writer_roles: [app],
      writer_applications: ["shop"],
    });
    const error = await t.throwsAsync<Error & { code: string; detail: string; hint: string }>(
      as(pool, script, "night", add(1, 5)),
    );
    t.is(error.code, "SB648");
    t.regex(error.detail, /update of public.users.balance by \w+/);
    t.true(error.hint.includes(`roles ${app}; applications shop`), error.hint);
    t.is(await errorCode(as(pool, script, "night", insert(5))), "SB648");
    t.is(await errorCode(add(1, 5)(pool as never)), "SB648", "a superuser as well");
    await as(pool, app, "x", add(1, 5));
    await as(pool, script, "shop", add(1, -5));
    await as(pool, script, "night", (client) => client.query("select public.pay()"));
    await as(pool, script, "night", insert(0));
    await as(pool, script, "night", (client) =>
      client.query("update public.users set name = 'other' where id = 1"),
    );
    await as(pool, app, "x", add(2, 1));
    t.deepEqual(await events(pool), []);
    t.is((await check(pool)).status, "healthy");
    await call(pool as never, "change_balance_rule", { name: "user_balance", writer_roles: [] });
    t.is(await errorCode(as(pool, app, "x", add(1, 5))), "SB648");
    await call(pool as never, "disable_balance_rule", { name: "user_balance" });
    await as(pool, script, "night", add(1, 0.5));
    await call(pool as never, "enable_balance_rule", { name: "user_balance" });
    t.is(await errorCode(as(pool, script, "night", add(1, 5))), "SB648");
    await call(pool as never, "unregister_balance_rule", { name: "user_balance" });
    await as(pool, script, "night", add(1, -0.5));
  } finally {
    await pool.query(`drop owned by ${app}, ${script}; drop role ${app}, ${script}`);
    await database.close();
  }
});

test("a guard that records says who wrote, and the explanation is certain of it", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await registerHealing(database, { guard: "record" });
    await as(pool, "none", "night-script", add(1, -400_000));
    const [event] = await events(pool);
    t.like(event, {
      table_name: "public.users",
      operation: "update",
      rule: "user_balance",
      key: "1",
      application_name: "night-script",
      account_id: null,
      old_row: { key: "1", stored: "1900000.00" },
      new_row: { key: "1", stored: "1500000.00" },
    });
    const { findings } = await check(pool);
    t.is(findings[0]?.cause, "out_of_band_write");
    t.regex(findings[0]?.explanation ?? "", /Exactly the difference.*night-script.*certain/s);
    const ranked = await causes(database);
    t.deepEqual(
      ranked.map(({ cause, confidence }) => [cause, confidence]),
      [
        ["out_of_band_write", "certain"],
        ["uncounted_items", "possible"],
      ],
    );

    await asAdmin(pool, (client) => client.query("select saldo.auto_heal(false)"));
    t.is((await events(pool)).length, 1, "a heal is no write past the guard");
    await as(pool, "none", "a", add(1, -3));
    await as(pool, "none", "b", add(1, -4));
    await check(pool);
    t.like((await causes(database))[0], { cause: "out_of_band_write", confidence: "certain" });
    t.regex((await causes(database))[0].explanation, /^2 writes make exactly the difference/);
    await pool.query("alter table public.users disable trigger user");
    await as(pool, "none", "c", add(1, -100));
    await check(pool);
    t.deepEqual(
      (await causes(database)).map(({ cause, confidence }) => [cause, confidence]),
      [
        ["out_of_band_write", "possible"],
        ["sync_trigger_disabled", "possible"],
        // The guard's two triggers are off as well.
        ["engine_changed", "certain"],
        ["engine_changed", "certain"],
      ],
      "what is recorded is not the difference any more",
    );
  } finally {
    await database.close();
  }
});

test("a user who silences triggers is recorded where the guard fires always", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await registerShop(database, { guard: "refuse", writer_roles: [] });
    await pool.query(`
      alter table public.users enable always trigger saldo_guard_update_user_balance;
      alter table public.users enable always trigger saldo_guard_insert_user_balance`);
    await forced(pool, add(1, 5), "a superuser");
    t.like((await events(pool))[0], { key: "1", application_name: "a superuser" });
    t.is((await check(pool)).findings[0]?.cause, "out_of_band_write");
  } finally {
    await database.close();
  }
});

test("a write to a user's table is no evidence about an account of Saldo", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await pool.query(`
      create table public.ledger (account_id uuid primary key, balance numeric);
      insert into public.ledger values ('00000000-0000-0000-0000-000000000001', 0);
      grant select on public.ledger to saldo_rule_reader;
      grant trigger on public.ledger to saldo_owner;
    `);
    await call(pool as never, "register_balance_rule", {
      name: "ledger",
      stored_table: "public.ledger",
      key_column: "account_id",
      balance_column: "balance",
      derived: "select account_id as key, 0 as derived from public.ledger",
      guard: "record",
    });
    await pool.query("update public.ledger set balance = 5");
    await pool.query("select saldo.open_account('a', 'A', 'asset')");
    await forced(pool, (client) => client.query("update saldo.account set debit_total = 5"));
    const { findings } = await check(pool);
    t.deepEqual(
      findings.map(({ rule, cause, evidence }) => [rule, cause, evidence.length]),
      [
        ["account_balance", "out_of_band_write", 1],
        ["balance_sheet", "out_of_band_write", 1],
        ["ledger", "out_of_band_write", 1],
      ],
    );
  } finally {
    await database.close();
  }
});

test("a guard runs nothing of the table's owner as Saldo's", async (t) => {
  const database = await openShop();
  const { pool } = database;
  const owner = `shop_owner_${database.name}`;
  try {
    // JSON of a row calls the casts of its columns' types.
    await pool.query(`
      create role ${owner}; grant create, usage on schema public to ${owner};
      alter table public.users owner to ${owner};
      create table public.caller (name text); grant insert on public.caller to public;
    `);
    await registerShop(database, { guard: "record" });
    await as(pool, owner, "x", (client) =>
      client.query(`
        create type public.mood as enum ('fine');
        create function public.mood_to_json(public.mood) returns json language sql as
          'insert into public.caller values (current_user) returning to_json(name)';
        create cast (public.mood as json) with function public.mood_to_json(public.mood);
        alter table public.users add column mood public.mood default 'fine';
        update public.users set balance = balance + 1 where id = 1;
      `),
    );
    t.like((await events(pool)).at(-1), {
      key: "1",
      old_row: { key: "1", stored: "1900000.00" },
      new_row: { key: "1", stored: "1900001.00" },
    });
    t.deepEqual((await pool.query("select * from public.caller")).rows, []);
    await pool.query("alter table public.users rename column balance to to_jsonb");
    await as(pool, owner, "x", (client) =>
      client.query("update public.users set to_jsonb = 2 where id = 1"),
    );
    t.like((await events(pool)).at(-1), { key: "1", new_row: { key: "1", stored: null } });
  } finally {
    await pool.query(`drop owned by ${owner} cascade; drop role ${owner}`);
    await database.close();
  }
});
