import type { Client } from "pg";

/*
 * What the catalogue says of the logic that stands in a database. Only what saldo_owner owns (and
 * saldo_rule_reader in its schema) is Saldo's: what somebody else put there is left alone, as are
 * triggers that call somebody else's function, and policies for roles that are not Saldo's.
 */

/** The roles whose grants are Saldo's own, to be given again; those of other roles stay. */
export const grantees = [
  "saldo_admin",
  "saldo_operator",
  "saldo_accountant",
  "saldo_auditor",
  "saldo_cashier",
  "saldo_biller",
  "saldo_app",
  "saldo_member",
  "saldo_branch",
  "saldo_anonymous",
  "saldo_report",
  "saldo_rule_reader",
  "saldo_server",
];

const schemas =
  "('saldo'::regnamespace, 'saldo_private'::regnamespace, 'saldo_report'::regnamespace)";
const ours = "in ('saldo_owner'::regrole, 'saldo_rule_reader'::regrole)";

/** Whether a trigger is Saldo's. */
const oursByFunction = `(select f.proowner ${ours} from pg_proc as f where f.oid = tgfoid)`;

/** Whether a policy is Saldo's: it is for everybody, or for one of its roles. */
const oursByRoles = `(0 = any (polroles) or exists (select from pg_roles as r
  where r.oid = any (polroles) and r.rolname in ('saldo_owner', '${grantees.join("', '")}')))`;

async function texts(client: Client, text: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await client.query({ text, values, rowMode: "array" });
  return rows.flat() as string[];
}

/** Of each part (a table's policies and triggers, its comments, a view) a hash of how it is. */
export async function statesOfParts(client: Client): Promise<Map<string, string>> {
  const { rows } = await client.query<{ part: string; state: string }>(`
    select part, md5(string_agg(line, E'\\n' order by line collate "C")) as state
    from (
      select 'table ' || c.oid::regclass as part, format('policy %s %s %s %s %s %s %s',
        p.polname, p.polcmd, p.polpermissive, (select string_agg(r::regrole::text, ','
        order by r::regrole::text) from unnest(p.polroles) as r),
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
        obj_description(p.oid, 'pg_policy')) as line
      from pg_policy as p
      join pg_class as c on c.oid = p.polrelid
      where c.relnamespace in ${schemas} and ${oursByRoles}
      union all
      select 'table ' || c.oid::regclass, format('trigger %s %s %s', pg_get_triggerdef(t.oid),
        t.tgenabled, obj_description(t.oid, 'pg_trigger'))
      from pg_trigger as t
      join pg_class as c on c.oid = t.tgrelid
      where c.relnamespace in ${schemas} and not t.tgisinternal and ${oursByFunction}
      union all
      select 'table ' || c.oid::regclass,
        format('row security %s %s', c.relrowsecurity, c.relforcerowsecurity)
      from pg_class as c
      where c.relnamespace in ${schemas} and (c.relrowsecurity or c.relforcerowsecurity)
      union all
      select 'comment ' || c.oid::regclass, format('%s %s', d.objsubid, d.description)
      from pg_description as d
      join pg_class as c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
      where c.relnamespace in ${schemas} and (c.relkind <> 'v' or d.objsubid > 0)
      union all
      select 'comment ' || c.oid::regclass, format('%s %s', o.conname, d.description)
      from pg_description as d
      join pg_constraint as o on o.oid = d.objoid and d.classoid = 'pg_constraint'::regclass
      join pg_class as c on c.oid = o.conrelid
      where c.relnamespace in ${schemas}
      union all
      select 'view ' || c.oid::regclass, format('%s %s %s', pg_get_viewdef(c.oid), c.reloptions,
        obj_description(c.oid, 'pg_class'))
      from pg_class as c
      where c.relnamespace in ${schemas} and c.relkind = 'v' and c.relowner ${ours}
    ) as lines
    group by part
  `);
  return new Map(rows.map(({ part, state }) => [part, state]));
}

/** The tables among these names, in the order in which they are locked. */
export const tablesAmong = (client: Client, names: readonly string[]) =>
  texts(
    client,
    `select c.oid::regclass::text
    from unnest($1::text[]) as name
    join pg_class as c on c.oid = to_regclass(name)
    where c.relkind in ('r', 'p')
    order by 1`,
    [names],
  );

/**
 * Statements that take away a table's policies, triggers and row security, which are made again. The
 * table is locked meanwhile, and without row security its owner can write it.
 */
export const dropsOfTable = (client: Client, tables: readonly string[]) =>
  texts(
    client,
    `select format('drop policy %I on %s', polname, polrelid::regclass)
    from pg_policy where polrelid = any ($1::text[]::regclass[]) and ${oursByRoles}
    union all
    select format('drop trigger %I on %s', tgname, tgrelid::regclass)
    from pg_trigger
    where tgrelid = any ($1::text[]::regclass[]) and not tgisinternal and ${oursByFunction}
    union all
    select format('alter table %s disable row level security, no force row level security', name)
    from unnest($1::text[]) as name`,
    [tables],
  );

/** Statements that take away the comments of these tables or types, their columns and checks. */
export const dropsOfComments = (client: Client, names: readonly string[]) =>
  texts(
    client,
    `select case
      when d.objsubid > 0 then format('comment on column %s.%I is null', c.oid::regclass,
        (select attname from pg_attribute where attrelid = c.oid and attnum = d.objsubid))
      else format('comment on table %s is null', c.oid::regclass) end
    from pg_description as d
    join pg_class as c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
    where c.oid in (select to_regclass(name) from unnest($1::text[]) as name)
    and (d.objsubid > 0 or c.relkind in ('r', 'p'))
    union all
    select format('comment on constraint %I on %s is null', o.conname, o.conrelid::regclass)
    from pg_description as d
    join pg_constraint as o on o.oid = d.objoid and d.classoid = 'pg_constraint'::regclass
    where o.conrelid in (select to_regclass(name) from unnest($1::text[]) as name)`,
    [names],
  );

/**
 * Statements that take away what Saldo's roles and PUBLIC may do; the files grant it again. A
 * function without any entry, as a restore without privileges leaves it, is one that PUBLIC may call.
 */
export const revokes = (client: Client) =>
  texts(
    client,
    `select distinct format('revoke all on %s from %s', thing, coalesce(r.rolname, 'public'))
    from (
      select format('function %s', p.oid::regprocedure) as thing, a.grantee
      from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
      where p.pronamespace in ${schemas} and p.proowner ${ours} and p.prokind <> 'p'
      union all
      select format('table %s', c.oid::regclass), a.grantee
      from pg_class as c, aclexplode(c.relacl) as a
      where c.relnamespace in ${schemas} and c.relowner ${ours} and c.relkind in ('r', 'p', 'v')
      union all
      select format('table %s', c.oid::regclass), a.grantee
      from pg_class as c
      join pg_attribute as at on at.attrelid = c.oid
      cross join aclexplode(at.attacl) as a
      where c.relnamespace in ${schemas} and c.relowner ${ours} and c.relkind in ('r', 'p', 'v')
      union all
      select format('sequence %s', c.oid::regclass), a.grantee
      from pg_class as c, aclexplode(c.relacl) as a
      where c.relnamespace in ${schemas} and c.relowner ${ours} and c.relkind = 'S'
      union all
      select format('schema %I', n.nspname), a.grantee
      from pg_namespace as n, aclexplode(n.nspacl) as a
      where n.nspname in ('saldo', 'saldo_private', 'saldo_report') and n.nspowner ${ours}
    ) as held
    left join pg_roles as r on r.oid = held.grantee
    where held.grantee = 0 or r.rolname = any ($1)
    order by 1`,
    [grantees],
  );

/**
 * Functions of the same name as a draft's, whose arguments or result it cannot replace: `create or
 * replace` keeps the names of arguments, the result and the defaults.
 */
export const unreplaceable = (client: Client, draftSchema: string, names: readonly string[]) =>
  texts(
    client,
    `select p.oid::regprocedure::text
    from unnest($2::text[]) with ordinality as d (name, number)
    join pg_proc as draft on draft.pronamespace = $1::regnamespace
      and draft.proname = 'f' || d.number
    -- By the index of names, however many rows the planner expects of a draft made just now.
    join pg_proc as p on p.proname = split_part(d.name, '.', 2)
      and p.pronamespace = to_regnamespace(split_part(d.name, '.', 1))
      and p.proowner ${ours}
    where (p.proargtypes::text, p.prorettype, p.proretset, p.prokind)
      is distinct from (draft.proargtypes::text, draft.prorettype, draft.proretset, draft.prokind)
    or (p.proallargtypes, p.proargmodes, p.proargnames)
      is distinct from (draft.proallargtypes, draft.proargmodes, draft.proargnames)
    or p.pronargdefaults > draft.pronargdefaults`,
    [draftSchema, names],
  );

/** Which of these functions (schema.name) stand in the database. */
export const standingFunctions = (client: Client, names: readonly string[]) =>
  texts(
    client,
    `select distinct name
    from unnest($1::text[]) as name
    join pg_proc as p on p.proname = split_part(name, '.', 2)
      and p.pronamespace = to_regnamespace(split_part(name, '.', 1))`,
    [names],
  );

/** Parts of Saldo's own that use these functions or views: they are made again after them. */
export const partsUsing = (client: Client, objects: readonly string[]) =>
  texts(
    client,
    `with recursive used as (
      select case when name like '%(%' then 'pg_proc'::regclass else 'pg_class'::regclass end
          as classid,
        case when name like '%(%' then to_regprocedure(name)::oid else to_regclass(name)::oid end
          as objid
      from unnest($1::text[]) as name
      union
      select 'pg_class'::regclass, r.ev_class
      from used
      join pg_depend as d on d.refclassid = used.classid and d.refobjid = used.objid
        and d.classid = 'pg_rewrite'::regclass and d.deptype = 'n'
      join pg_rewrite as r on r.oid = d.objid
      join pg_class as c on c.oid = r.ev_class
      where c.relnamespace in ${schemas} and c.relowner ${ours} and c.relkind = 'v'
    )
    select distinct 'table ' || coalesce(t.tgrelid, p.polrelid)::regclass
    from used
    join pg_depend as d on d.refclassid = used.classid and d.refobjid = used.objid
    left join pg_trigger as t on t.oid = d.objid and d.classid = 'pg_trigger'::regclass
    left join pg_policy as p on p.oid = d.objid and d.classid = 'pg_policy'::regclass
    join pg_class as c on c.oid = coalesce(t.tgrelid, p.polrelid)
    where c.relnamespace in ${schemas}
    union
    select 'view ' || objid::regclass from used
    join pg_class as c on c.oid = used.objid and used.classid = 'pg_class'::regclass
    where c.relkind = 'v'`,
    [objects],
  );

/** Views of Saldo's own in the database. */
export const standingViews = (client: Client) =>
  texts(
    client,
    `select oid::regclass::text from pg_class
    where relnamespace in ${schemas} and relkind = 'v' and relowner ${ours}`,
  );

/** A row of the catalogue that was there before this transaction, which has not rewritten it. */
const isOlder = (row: string) => `age(${row}.xmin) > age(pg_current_xact_id()::xid)`;

/**
 * Functions that this transaction has not made or replaced: nothing of sql/ makes them any more. A
 * row that it wrote (in a subtransaction, too) is no older than the transaction itself. In
 * saldo_rule it writes all of them, to hand them over: there the names that files make decide.
 */
export const leftoverFunctions = (client: Client, made: readonly string[]) =>
  texts(
    client,
    `select p.oid::regprocedure::text
    from pg_proc as p
    where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace,
      'saldo_rule'::regnamespace)
    and p.proowner ${ours}
    and (
      ${isOlder("p")}
      or (p.pronamespace = 'saldo_rule'::regnamespace
        and not 'saldo_rule.' || p.proname = any ($1))
    )
    order by 1`,
    [made],
  );

/** Statements that take away comments on functions and types that this transaction did not make. */
export const dropsOfLeftoverComments = (client: Client) =>
  texts(
    client,
    `select format('comment on %s %s is null', case
        when d.classoid = 'pg_proc'::regclass then 'routine'
        when t.typtype = 'd' then 'domain'
        else 'type' end,
      coalesce(p.oid::regprocedure::text, t.oid::regtype::text))
    from pg_description as d
    left join pg_proc as p on d.classoid = 'pg_proc'::regclass and p.oid = d.objoid
      and p.proowner ${ours}
      and p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace,
        'saldo_rule'::regnamespace)
    left join pg_type as t on d.classoid = 'pg_type'::regclass and t.oid = d.objoid
      and t.typowner ${ours} and t.typnamespace in ${schemas}
    where coalesce(p.oid, t.oid) is not null
    and ${isOlder("d")}`,
  );
