import type { Client, Pool } from "pg";

/**
 * Who may do what, from the catalogue of a migrated database: tables for docs/reference/rights.md. A
 * right counts as the server would decide it, whether it was granted to the role, to PUBLIC or to a
 * role that it has.
 */
export async function rightsMatrix(client: Client | Pool): Promise<string> {
  const { rows: roles } = await client.query<{ name: string }>(roleQuery);
  const names = roles.map(({ name }) => name);
  const { rows: things } = await client.query<Thing>(thingQuery, [names]);
  const titles = ["schema", ...names.map((name) => name.replace("saldo_", ""))];
  return parts
    .map(({ title, kind, note }) =>
      [
        `## ${title}\n`,
        `${note}\n`,
        `| ${[kind === "schema" ? "schema" : kind, ...titles.slice(1)].join(" | ")} |`,
        `|${"---|".repeat(titles.length)}`,
        ...things
          .filter((thing) => thing.kind === kind)
          .map(({ name, rights }) => `| \`${name}\` | ${rights.join(" | ")} |`),
      ].join("\n"),
    )
    .join("\n\n");
}

interface Thing {
  kind: string;
  name: string;
  rights: string[];
}

const parts = [
  {
    kind: "schema",
    title: "Schemas",
    note: "use: names in it may be used; make: things may be made there.",
  },
  {
    kind: "table",
    title: "Tables and views",
    note: "all: every row may be read; own: those of the member that the session acts for; none: the right is there, and no policy shows a row; as caller: a view of what the tables show the caller. A right to write would stand here as well.",
  },
  {
    kind: "function",
    title: "Functions",
    note: "reads and changes: with the rights of the caller; reads as owner and changes as owner: the function decides what the caller gets.",
  },
];

const roleQuery = `
  select rolname as name
  from pg_roles
  -- By name: others of the cluster may have roles that begin alike.
  join unnest(array['saldo_admin', 'saldo_accountant', 'saldo_operator', 'saldo_auditor',
    'saldo_cashier', 'saldo_biller', 'saldo_app', 'saldo_member', 'saldo_branch',
    'saldo_anonymous', 'saldo_report', 'saldo_rule_reader']) with ordinality as named (name, place)
    on named.name = rolname
  order by place`;

const thingQuery = `
  with role as (
    select r.oid, r.rolname, place
    from unnest($1::name[]) with ordinality as given (name, place)
    join pg_roles as r on r.rolname = given.name
  ),
  schema as (
    select oid, nspname from pg_namespace where nspname ~ '^saldo'
  ),
  held as (
    select 'schema' as kind, s.nspname::text as name, role.place,
      concat_ws(' ', case when has_schema_privilege(role.oid, s.oid, 'usage') then 'use' end,
        case when has_schema_privilege(role.oid, s.oid, 'create') then 'make' end) as rights
    from schema as s, role
    union all
    select 'table', format('%s.%s', s.nspname, c.relname), role.place,
      concat_ws(' ',
        case when not has_table_privilege(role.oid, c.oid, 'select')
            and not has_any_column_privilege(role.oid, c.oid, 'select') then null
          when c.relkind = 'v' and c.reloptions && array['security_invoker=true'] then 'as caller'
          when not c.relrowsecurity then 'all'
          else coalesce((
            select case when bool_or(pg_get_expr(p.polqual, p.polrelid) = 'true') then 'all'
              else 'own' end
            from pg_policy as p
            where p.polrelid = c.oid and p.polcmd in ('r', '*')
            and exists (select from unnest(p.polroles) as to_role (id)
              where id = 0 or pg_has_role(role.oid, nullif(id, 0), 'usage'))
            having count(*) > 0
          ), 'none') end,
        (
          select string_agg(lower(right_name), ' ' order by right_name)
          from unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES'])
            as right_name
          where has_table_privilege(role.oid, c.oid, right_name)
          or right_name in ('INSERT', 'UPDATE', 'REFERENCES')
            and has_any_column_privilege(role.oid, c.oid, right_name)
        ))
    from pg_class as c
    join schema as s on s.oid = c.relnamespace
    cross join role
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    union all
    select 'function', format('%s.%s', s.nspname, p.proname), role.place,
      case when has_function_privilege(role.oid, p.oid, 'execute')
        then case when p.provolatile = 'v' then 'changes' else 'reads' end
          || case when p.prosecdef then ' as owner' else '' end
        else '' end
    from pg_proc as p
    join schema as s on s.oid = p.pronamespace
    cross join role
  )
  select kind, name, array_agg(rights order by place) as rights
  from held
  group by kind, name
  -- What nobody may is no row: the owner's own.
  having bool_or(rights <> '')
  order by kind, name collate "C"`;
