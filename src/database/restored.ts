/**
 * A database that came from a dump. Where the roles were missing, or with --no-owner and
 * --no-privileges, everything belongs to the login that restored it, and nobody may use it.
 */
import type { Client, DatabaseError } from "pg";
import { StartError } from "../start_error.ts";

/**
 * Whether a database has lost owners or grants: schemas and tables that are not saldo_owner's, or
 * functions that nobody was granted or refused. Each must hold; the last part of the query that
 * decides whether a database is up to date.
 */
export const isOwnedQuery = `
  (select bool_and(n.nspowner = 'saldo_owner'::regrole) from pg_namespace as n
    where n.nspname in ('saldo', 'saldo_private', 'saldo_rule', 'saldo_report'))
  and not exists (
    select from pg_class as c
    join saldo_private.applied_logic as l on l.parts ? ('table ' || c.relnamespace::regnamespace
      || '.' || c.relname)
    where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
    and c.relkind in ('r', 'p') and c.relowner <> 'saldo_owner'::regrole
  )
  and not exists (
    select from pg_proc as p
    where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace,
      'saldo_rule'::regnamespace)
    and p.proowner in ('saldo_owner'::regrole, 'saldo_rule_reader'::regrole)
    and p.proacl is null
  )
  and has_schema_privilege('saldo_anonymous', 'saldo', 'usage')
  and has_schema_privilege('saldo_admin', 'saldo_private', 'usage')
  and has_table_privilege('saldo_admin', 'saldo.account', 'select')`;

/**
 * Gives schemas, tables, views, types and functions back to saldo_owner, and returns how many. Only
 * those of logins who have a schema or table of Saldo's are taken, and functions only by the names
 * that sql/ makes: what somebody else put there stays. Grants and all other policies are the logic's.
 *
 * @throws StartError where the login of DATABASE_URL may not do so
 */
export async function takeBackOwners(client: Client, functions: readonly string[]) {
  const { rows } = await client.query<{ text: string; owner: string }>(statements, [functions]);
  if (rows.length === 0) return 0;
  try {
    await client.query("begin");
    for (const { text } of rows) await client.query(text);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {}); // the error says what happened
    if ((error as DatabaseError).code !== "42501") throw error;
    const owners = [...new Set(rows.map(({ owner }) => owner))].join(" and ");
    throw new StartError(
      `What Saldo has in the database belongs to ${owners}, as after a restore without owners: ` +
        "start Saldo once with a DATABASE_URL of that login or of a superuser, and it puts owners " +
        "and grants right.",
    );
  }
  return rows.length;
}

const ours = "('saldo', 'saldo_private', 'saldo_rule', 'saldo_report')";

/** In the order in which they can be run: who is to own a thing must be able to make things there. */
const statements = `
  with stranger as (
    select n.nspowner as oid from pg_namespace as n where n.nspname in ${ours}
    union
    select c.relowner from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('saldo', 'saldo_private') and c.relkind in ('r', 'p')
  ),
  -- What nothing of sql/ and no migration makes does not depend on what they make here.
  thing as (
    select 1 as place, 'schema' as kind, format('%I', n.nspname) as name, n.nspowner as owner
    from pg_namespace as n
    where n.nspname in ${ours}
    union all
    select 2, case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end,
      c.oid::regclass::text, c.relowner
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('saldo', 'saldo_private', 'saldo_report')
    and c.relkind in ('r', 'p', 'v', 'S')
    and not exists (
      select from pg_depend as d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
      and c.relkind = 'S'
    )
    union all
    select 3, case t.typtype when 'd' then 'domain' else 'type' end, t.oid::regtype::text, t.typowner
    from pg_type as t
    join pg_namespace as n on n.oid = t.typnamespace
    left join pg_class as c on c.oid = t.typrelid
    where n.nspname in ('saldo', 'saldo_private')
    and (t.typtype in ('d', 'e') or c.relkind = 'c')
    union all
    select 4, 'routine', p.oid::regprocedure::text, p.proowner
    from pg_proc as p
    join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname in ${ours} and format('%s.%s', n.nspname, p.proname) = any ($1)
  )
  select format('alter %s %s owner to saldo_owner', kind, name) as text,
    owner::regrole::text as owner, place, name
  from thing
  where owner in (select s.oid from stranger as s)
  and owner not in (select r.oid from pg_roles as r
    where r.rolname in ('saldo_owner', 'saldo_rule_reader'))
  union all
  -- Without it the owner itself could not write what migrations fill.
  select format('create policy owner_all on %s to saldo_owner using (true) with check (true)',
    c.oid::regclass), c.relowner::regrole::text, 5, c.oid::regclass::text
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname in ('saldo', 'saldo_private') and c.relforcerowsecurity
  and not exists (
    select from pg_policy as p where p.polrelid = c.oid and p.polname = 'owner_all'
  )
  union all
  -- A function without any entry is one that PUBLIC may call.
  select format('revoke execute on routine %s from public', p.oid::regprocedure),
    p.proowner::regrole::text, 6, p.oid::regprocedure::text
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname in ${ours} and p.proacl is null
  and format('%s.%s', n.nspname, p.proname) = any ($1)
  order by place, name`;
