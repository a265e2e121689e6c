import test from "ava";
import { Client } from "pg";
import { locks } from "../../src/database/locks.ts";
import { migrate } from "../../src/database/migrate.ts";
import { StartError } from "../../src/start_error.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { logicOf } from "../house/catalogue.ts";
import { type SqlFolder, withSqlFolder } from "./_databases.ts";

/** What an operator may have done to a database, which a start with changed logic meets. */

async function withLogic(work: (database: TestDatabase, sql: SqlFolder) => Promise<void>) {
  const database = await openTestDatabase(5);
  try {
    await withSqlFolder((folder) => work(database, folder));
  } finally {
    await database.close();
  }
}

const start = (database: TestDatabase, sql: SqlFolder) =>
  migrate(database.connectionString, { logicFolder: sql.path });

test("the path that a database has set for names does not matter", async (t) => {
  await withLogic(async (database, sql) => {
    const before = await logicOf(database.pool);
    await database.pool.query(
      `alter database ${database.name} set search_path = saldo, saldo_private, public`,
    );
    await sql.append("ledger/transfer.sql", "-- changed");
    await start(database, sql);
    await database.pool.query(`alter database ${database.name} reset search_path`);
    // Where the start took long, the pool has made its connection anew, with that path.
    await database.pool.query("set search_path = public");
    t.deepEqual(await logicOf(database.pool), before);
    t.true(before.filter((line) => line.startsWith("view ")).length > 0);
  });
});

test("a function that a block makes, where it has caught errors, is no leftover", async (t) => {
  await withLogic(async (database, sql) => {
    await sql.append(
      "wallet/product.sql",
      `do $do$
begin
  create or replace function saldo_private.example() returns integer language sql as 'select 1';
  comment on function saldo_private.example is 'An example.';
exception
  when duplicate_object then null;
end
$do$;`,
    );
    for (const _ of ["made", "made again"]) {
      await start(database, sql);
      const { rows } = await database.pool.query(
        "select obj_description(to_regproc('saldo_private.example')::oid, 'pg_proc') as comment",
      );
      t.deepEqual(rows, [{ comment: "An example." }]);
      await sql.append("wallet/product.sql", "-- changed");
    }
  });
});

test("a trigger that calls a user's function stays, and so does a policy for a user's role", async (t) => {
  await withLogic(async (database, sql) => {
    const role = `reader_of_${database.name}`;
    await database.pool.query(`
      create role ${role};
      grant usage on schema saldo to ${role};
      grant select on saldo.product to ${role};
      create policy select_theirs on saldo.product for select to ${role} using (true);
      create schema mine;
      create function mine.tell() returns trigger language plpgsql
        as 'begin perform pg_notify(''bought'', ''''); return null; end';
      create trigger tell after insert on saldo.product
        for each statement execute function mine.tell();
      select saldo.create_product('voucher', 'Voucher', 10);`);
    try {
      await sql.append(
        "wallet/product.sql",
        "create policy example on saldo.product for select to saldo_member using (true);",
      );
      await start(database, sql);
      const { rows } = await database.pool
        .query(`
        begin;
        set local role ${role};
        create temporary table seen as select count(*) as count from saldo.product;
        reset role;
        select array(select polname::text from pg_policy where polrelid = 'saldo.product'::regclass
            order by 1) as policies,
          (select count(*) from pg_trigger where tgname = 'tell') as triggers,
          (select count from seen) as count;
        commit`)
        .then((results) => (results as unknown as { rows: unknown[] }[])[4] ?? { rows: [] });
      t.deepEqual(rows, [
        {
          policies: ["example", "owner_all", "select_all", "select_theirs"],
          triggers: "1",
          count: "1",
        },
      ]);
    } finally {
      await database.pool.query(`drop owned by ${role}; drop role ${role}`);
    }
  });
});

test("a grant that somebody makes at the same time is waited for, and both are there", async (t) => {
  await withLogic(async (database, sql) => {
    const role = `reader_of_${database.name}`;
    await database.pool.query(`create role ${role}`);
    const other = await database.pool.connect();
    try {
      await other.query(`begin; grant execute on function saldo.balance_at to ${role}`);
      await sql.append("ledger/transfer.sql", "-- changed");
      const starting = start(database, sql);
      const isBlocked = async () => {
        const { rows } = await database.pool.query(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        );
        return rows.length > 0;
      };
      while (!(await isBlocked())) await new Promise((done) => setTimeout(done, 5));
      await other.query("commit");
      await starting;
      const { rows } = await database.pool.query(
        "select has_function_privilege($1, 'saldo.balance_at'::regproc, 'execute') as may",
        [role],
      );
      t.deepEqual(rows, [{ may: true }]);
    } finally {
      other.release(true);
      await database.pool.query(`drop owned by ${role}; drop role ${role}`);
    }
  });
});

test.serial("the lock is given back by word, also by a start that fails", async (t) => {
  await withLogic(async (database, sql) => {
    const released: unknown[] = [];
    const { query } = Client.prototype;
    Client.prototype.query = function noted(this: Client, ...args: unknown[]) {
      if (/pg_advisory_unlock/.test(String(args[0]))) released.push(args[1]);
      return (query as (...args: unknown[]) => unknown).apply(this, args);
    } as typeof query;
    try {
      await sql.append("ledger/transfer.sql", "-- changed");
      await start(database, sql);
      t.deepEqual(released, [[locks.migration]]);
      await sql.append("ledger/transfer.sql", "select 1 / 0;");
      await t.throwsAsync(start(database, sql), { message: /division by zero/ });
      t.deepEqual(released, [[locks.migration], [locks.migration]]);
    } finally {
      Client.prototype.query = query;
    }
  });
});

test("logic that another version has replaced comes back on purpose only", async (t) => {
  await withLogic(async (database, newer) => {
    const example = "to_regprocedure('saldo_private.of_the_newer()') is not null as is_there";
    const hasNewer = async () =>
      (await database.pool.query(`select ${example}`)).rows[0].is_there as boolean;
    await newer.append(
      "wallet/product.sql",
      `create or replace function saldo_private.of_the_newer()
returns integer
language sql
as 'select 1';
comment on function saldo_private.of_the_newer is 'What newer servers call.';`,
    );
    await start(database, newer);
    t.true(await hasNewer());

    const older = () => migrate(database.connectionString);
    await t.throwsAsync(older, {
      instanceOf: StartError,
      message: /^Another version of Saldo has replaced the logic of this one .*migrate --back\.$/,
    });
    t.true(await hasNewer(), "the refused start has changed nothing");

    await migrate(database.connectionString, { mayGoBack: true });
    t.false(await hasNewer());
    await older();
    await t.throwsAsync(() => start(database, newer), { message: /has replaced the logic/ });
  });
});

test("an upgrade launders nothing: what was dropped or added before it is found after it", async (t) => {
  await withLogic(async (database, sql) => {
    const { pool } = database;
    const found = async () =>
      (
        await pool.query<{ text: string }>(
          "select key || ': ' || stored as text from saldo_private.rule_engine_configuration()",
        )
      ).rows.map(({ text }) => text);
    t.deepEqual(await found(), []);
    await pool.query(`
      alter table saldo.account drop constraint account_code_key;
      alter table saldo.account add column planted integer;
      create function public.look() returns trigger language plpgsql as 'begin return new; end';
      create trigger look before insert on saldo.purchase
        for each row execute function public.look();
      create policy planted on saldo.product for select to saldo_member using (true)`);
    const structure = [
      "column account.planted: added",
      "constraint account_code_key on account: missing",
      "trigger look on purchase: added",
    ];
    t.deepEqual((await found()).sort(), [
      structure[0],
      structure[1],
      "policy planted on product: added",
      structure[2],
    ]);
    for (let round = 0; round < 2; round += 1) {
      await sql.append("wallet/product.sql", "-- changed");
      await start(database, sql);
      t.deepEqual((await found()).sort(), structure, "the policy was taken away by the upgrade");
    }
    await pool.query("select from saldo.accept_configuration('trigger look on purchase', 'ours')");
    await pool.query(`alter table saldo.account add constraint account_code_key unique (code);
      alter table saldo.account drop column planted`);
    t.deepEqual(await found(), []);
    await sql.append("wallet/product.sql", "-- changed once more");
    await start(database, sql);
    t.deepEqual(await found(), []);
  });
});
