import test from "ava";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";

/**
 * The database is closed but for its surface: each rule is a query that returns what breaks it, and
 * is proven on a plant that is rolled back.
 */
interface Rule {
  title: string;
  breakers: string;
  plant: string;
}

const schemas = "('saldo'::regnamespace, 'saldo_private'::regnamespace)";

const rules: Rule[] = [
  {
    title: "everything belongs to saldo_owner",
    breakers: `
      select oid::regprocedure::text from pg_proc
      where pronamespace in ${schemas} and proowner <> 'saldo_owner'::regrole
      union all
      select oid::regclass::text from pg_class
      where relnamespace in ${schemas} and relowner <> 'saldo_owner'::regrole
      union all
      select oid::regtype::text from pg_type
      where typnamespace in ${schemas} and typowner <> 'saldo_owner'::regrole`,
    plant: "alter table saldo.product owner to current_user",
  },
  {
    title: "a definer function pins its search path, with pg_temp last",
    breakers: `
      select oid::regprocedure::text from pg_proc
      where pronamespace in ${schemas} and prosecdef
      and not exists (select from unnest(proconfig) as c where c ~ '^search_path=.*pg_temp$')`,
    plant: "alter function saldo.top_up set search_path = pg_temp, saldo",
  },
  {
    title: "nothing is executable by PUBLIC",
    breakers: `
      select oid::regprocedure::text from pg_proc
      where pronamespace in ${schemas}
      -- The guard asks it as whoever writes.
      and oid <> all (array['saldo_private.is_past_engine()',
        'saldo_private.is_moved_by_trigger()']::regprocedure[])
      and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where grantee = 0)`,
    plant: "grant execute on function saldo.balance_health to public",
  },
  {
    title: "a new function of the owner is not executable by PUBLIC either",
    breakers: `
      select oid::regprocedure::text from pg_proc
      where proname = 'planted' and has_function_privilege('saldo_anonymous', oid, 'execute')`,
    plant: `
      create function saldo.planted() returns integer language sql return 1;
      grant execute on function saldo.planted to saldo_anonymous`,
  },
  {
    title: "no table, column or sequence is written by any role but the owner",
    breakers: `
      select c.oid::regclass::text
      from pg_class as c, aclexplode(c.relacl) as acl
      where c.relnamespace in ${schemas}
      and acl.privilege_type <> 'SELECT' and acl.grantee <> c.relowner
      union all
      select format('%s.%s', c.oid::regclass, a.attname)
      from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid
      cross join aclexplode(a.attacl) as acl
      where c.relnamespace in ${schemas} and acl.privilege_type <> 'SELECT'`,
    plant: "grant update (name) on saldo.account to saldo_admin",
  },
  {
    title: "nobody but the owner makes things in the schemas",
    breakers: `
      select nspname::text
      from pg_namespace, aclexplode(nspacl) as acl
      where oid in ${schemas} and acl.privilege_type = 'CREATE' and acl.grantee <> nspowner`,
    plant: "grant create on schema saldo to saldo_admin",
  },
  {
    // What a balance is summed up from is read with the rights of who asks: row security decides.
    title: "the tables of saldo_private are read by the owner only, but those of balances",
    breakers: `
      select c.oid::regclass::text
      from pg_class as c, aclexplode(c.relacl) as acl
      where c.relnamespace = 'saldo_private'::regnamespace and acl.grantee <> c.relowner
      and c.relname not in ('account_stripe', 'account_slot', 'settlement_mark', 'account_total',
        'posted_movement', 'late_line', 'year_end_line', 'year_movement')`,
    plant: "grant select on saldo_private.idempotency_record to saldo_operator",
  },
  {
    title: "row level security is on and forced for every table",
    breakers: `
      select oid::regclass::text from pg_class
      where relnamespace in ${schemas} and relkind in ('r', 'p')
      and not (relrowsecurity and relforcerowsecurity)`,
    plant: "alter table saldo.account no force row level security",
  },
  {
    title: "a view runs with the rights of its caller",
    breakers: `
      select oid::regclass::text from pg_class
      where relnamespace in ${schemas} and relkind in ('v', 'm')
      and not coalesce(reloptions && array['security_invoker=true', 'security_invoker=on'], false)`,
    plant: "create view saldo.planted as select 1 as one",
  },
  {
    title: "constraints are validated and indexes valid",
    breakers: `
      select conname::text from pg_constraint
      where connamespace in ${schemas} and not convalidated
      union all
      select indexrelid::regclass::text from pg_index where not indisvalid`,
    plant: `
      alter table saldo.product
      add constraint planted check (price > 1) not valid`,
  },
  {
    title: "no role of Saldo goes around row level security",
    breakers: `
      select rolname::text from pg_roles
      where rolname ~ '^saldo_' and rolname <> session_user
      and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)`,
    plant: "create role saldo_planted bypassrls",
  },
  {
    title: "no role of Saldo can become the owner",
    breakers: `
      select rolname::text from pg_roles
      where rolname ~ '^saldo_' and rolname not in ('saldo_owner', session_user)
      and pg_has_role(rolname, 'saldo_owner', 'member')`,
    plant: "create role saldo_planted in role saldo_owner",
  },
  {
    title: "no parameter of a public function has the name of a table",
    breakers: `
      select format('%s: %s', p.oid::regprocedure, name)
      from pg_proc as p, unnest(p.proargnames[1:p.pronargs]) as name
      where p.pronamespace = 'saldo'::regnamespace
      and exists (select from pg_class as c where c.relnamespace in ${schemas}
        and c.relkind in ('r', 'p', 'v') and c.relname = name)`,
    plant: "create function saldo.planted(account text) returns text language sql return account",
  },
];

let database: TestDatabase;
test.before(async () => {
  database = await openTestDatabase(4);
});
test.after.always(async () => {
  await database.close();
});

for (const { title, breakers, plant } of rules) {
  test(title, async (t) => {
    const client = await database.pool.connect();
    const broken = async () =>
      (await client.query({ text: breakers, rowMode: "array" })).rows.flat();
    try {
      await client.query("begin");
      t.deepEqual(await broken(), []);
      await client.query(plant);
      t.true((await broken()).length > 0, "the rule sees its plant");
    } finally {
      await client.query("rollback");
      client.release();
    }
  });
}
