import type { Client, Pool } from "pg";

/** Everything of the two schemas that the files of sql/ decide, one line each, sorted. */
export async function logicOf(client: Client | Pool): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(`
    select line from (
      select 'function ' || p.oid::regprocedure || ' ' || md5(pg_get_functiondef(p.oid))
        || ' owner ' || p.proowner::regrole || ' acl ' || coalesce((
          select string_agg(coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), ','
            order by 1) from (select a.grantee from aclexplode(p.proacl) as a
            order by a.grantee::regrole::text) as a), '-')
        || ' comment ' || md5(coalesce(obj_description(p.oid), '')) as line
      from pg_proc as p
      where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      union all
      select 'trigger ' || pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
      from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
      where not t.tgisinternal
      and c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      union all
      select format('policy %s on %s %s %s %s %s', polname, polrelid::regclass, polcmd,
        (select array_agg(r::regrole::text order by r::regrole::text) from unnest(polroles) as r),
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
      from pg_policy
      union all
      select format('view %s %s %s', oid::regclass, reloptions, md5(pg_get_viewdef(oid)))
      from pg_class
      where relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      and relkind = 'v'
      union all
      select format('column %s.%s acl %s comment %s', c.oid::regclass, a.attname, a.attacl,
        md5(coalesce(col_description(c.oid, a.attnum), '')))
      from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      and c.relkind in ('r', 'v', 'p', 'c')
      union all
      select format('type %s comment %s', oid::regtype, md5(coalesce(obj_description(oid), '')))
      from pg_type
      where typnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      and typtype in ('d', 'e')
      union all
      select format('table %s %s rls %s %s acl %s comment %s', c.oid::regclass, c.relkind,
        c.relrowsecurity, c.relforcerowsecurity,
        (select array_agg(g order by g) from (
          select a.grantee::regrole || ' ' || a.privilege_type as g
          from aclexplode(c.relacl) as a where a.grantee <> c.relowner) as g),
        md5(coalesce(obj_description(c.oid), '')))
      from pg_class as c
      where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      and c.relkind in ('r', 'v', 'p')
      union all
      select format('rule %s', r::text) from saldo.balance_rule as r
      union all
      select format('error %s', e::text) from saldo.error_code as e
    ) as all_lines
    order by line collate "C"
  `);
  return rows.map(({ line }) => line);
}
