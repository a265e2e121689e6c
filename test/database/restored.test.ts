import test from "ava";
import { migrate } from "../../src/database/migrate.ts";
import { StartError } from "../../src/start_error.ts";
import { asAdmin, openTestDatabase, type TestDatabase, urlOf } from "../_support/database.ts";
import { logicOf } from "../house/catalogue.ts";

/*
 * What a restore leaves without roles, or with --no-owner and --no-privileges: the next start puts
 * it right, or says who can.
 */

const mine = "('saldo'::regnamespace, 'saldo_private'::regnamespace, 'saldo_rule'::regnamespace)";

const losses = {
  owners: `do $do$
    declare
      v_text text;
    begin
      for v_text in
        select format('alter schema %I owner to current_user', nspname)
        from pg_namespace where oid in ${mine}
        union all
        select format('alter %s %s owner to current_user', case relkind when 'v' then 'view'
          when 'c' then 'type' else 'table' end, oid::regclass)
        from pg_class where relnamespace in ${mine} and relkind in ('r', 'p', 'v', 'c')
        union all
        select format('alter domain %s owner to current_user', oid::regtype)
        from pg_type where typnamespace in ${mine} and typtype = 'd'
        union all
        select format('alter type %s owner to current_user', oid::regtype)
        from pg_type where typnamespace in ${mine} and typtype = 'e'
        union all
        select format('alter routine %s owner to current_user', oid::regprocedure)
        from pg_proc where pronamespace in ${mine}
      loop
        execute v_text;
      end loop;
    end
    $do$`,
  grants: `
    update pg_proc set proacl = null where pronamespace in ${mine};
    update pg_class set relacl = null where relnamespace in ${mine};
    update pg_attribute set attacl = null
      where attrelid in (select oid from pg_class where relnamespace in ${mine});
    update pg_namespace set nspacl = null where oid in ${mine}`,
  policies: `do $do$
    declare
      v_text text;
    begin
      for v_text in
        select format('drop policy %I on %s', polname, polrelid::regclass)
        from pg_policy as p join pg_class as c on c.oid = p.polrelid
        where c.relnamespace in ${mine}
      loop
        execute v_text;
      end loop;
    end
    $do$`,
};

async function lose(database: TestDatabase, lost: (keyof typeof losses)[]): Promise<void> {
  for (const each of lost) await database.pool.query(losses[each]);
}

async function ownersOf({ pool }: TestDatabase): Promise<string[]> {
  const { rows } = await pool.query<{ line: string }>(`
    select nspname || ' ' || nspowner::regrole as line from pg_namespace where oid in ${mine}
    union all
    select oid::regclass || ' ' || relowner::regrole from pg_class where relnamespace in ${mine}
    union all
    select oid::regtype || ' ' || typowner::regrole from pg_type where typnamespace in ${mine}
    union all
    select oid::regprocedure || ' ' || proowner::regrole from pg_proc where pronamespace in ${mine}
    order by 1`);
  return rows.map(({ line }) => line);
}

/** Lines that only one of them has. */
const differences = (before: string[], after: string[]) => [
  ...before.filter((line) => !after.includes(line)),
  ...after.filter((line) => !before.includes(line)),
];

const kinds: (keyof typeof losses)[][] = [
  ["owners"],
  ["grants"],
  ["owners", "grants"],
  ["owners", "grants", "policies"],
];
for (const lost of kinds) {
  test(`a start puts right what has lost its ${lost.join(" and ")}`, async (t) => {
    const database = await openTestDatabase(4);
    try {
      await asAdmin(database.pool, async (client) => {
        await client.query("select saldo.create_member('ayu', 'Ayu'); select saldo.top_up(1, 5)");
      });
      const owners = await ownersOf(database);
      const logic = await logicOf(database.pool);
      await lose(database, lost);
      t.notDeepEqual([await ownersOf(database), await logicOf(database.pool)], [owners, logic]);
      await migrate(database.connectionString);
      t.deepEqual(differences(owners, await ownersOf(database)), []);
      t.deepEqual(differences(logic, await logicOf(database.pool)), []);
      const { rows } = await asAdmin(database.pool, (client) =>
        client.query(
          "select balance, (select status from saldo.reconcile()) from saldo.wallet_balance(1)",
        ),
      );
      const { rows: findings } = await database.pool.query(
        "select rule, key, stored, derived from saldo.finding",
      );
      t.deepEqual(findings, []);
      t.deepEqual(rows, [{ balance: "5", status: "healthy" }]);
    } finally {
      await database.close();
    }
  });
}

test("what somebody else has there stays theirs", async (t) => {
  const database = await openTestDatabase(4);
  try {
    await database.pool.query(`
      create table public.shop (id integer);
      create function saldo.my_own() returns integer language sql return 1`);
    await lose(database, ["owners", "grants"]);
    await migrate(database.connectionString);
    const { rows } = await database.pool.query(`
      select proowner::regrole <> 'saldo_owner'::regrole as is_theirs
      from pg_proc where proname = 'my_own'`);
    t.deepEqual(rows, [{ is_theirs: true }]);
  } finally {
    await database.close();
  }
});

test("a login that may not take the owners back is told who may", async (t) => {
  const database = await openTestDatabase(4);
  // Not of Saldo's roles, by its name: other tests look at these.
  const name = `restorer_${database.name.slice(-8)}`;
  try {
    await lose(database, ["owners"]);
    const { rows } = await database.pool.query("select current_user as owner");
    // The owner of some database: tests that check at this moment count no other way to saldo_owner.
    await database.pool.query(
      `create role ${name} login createrole password 'a password of a test'`,
    );
    await database.pool.query(`create database ${name} owner ${name} strategy wal_log`);
    await database.pool.query(`
      grant saldo_owner, saldo_admin to ${name} with admin option;
      grant create, connect on database ${database.name} to ${name} with grant option;
      grant usage on schema saldo, saldo_private, graphile_migrate to ${name};
      grant select on all tables in schema saldo_private, graphile_migrate to ${name}`);
    const url = urlOf(database.name, { name, password: "a password of a test" });
    const error = await t.throwsAsync(migrate(url), { instanceOf: StartError });
    t.regex(error?.message ?? "", new RegExp(`belongs to ${rows[0].owner}, as after a restore`));
    t.regex(error?.message ?? "", /a DATABASE_URL of that login or of a superuser/);
  } finally {
    await database.pool.query(`drop database if exists ${name}`);
    await database.pool.query(`drop owned by ${name}; drop role ${name}`);
    await database.close();
  }
});
