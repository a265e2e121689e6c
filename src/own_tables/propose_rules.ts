/**
 * What `saldo adopt` finds out: numeric columns that look like balances, the child tables that
 * could make them, and which simple sum of those fits most rows. Everything is read in a read-only
 * transaction; names come from the server already quoted.
 */
import { type ClientBase, escapeLiteral } from "pg";

/** A balance and a child table that could make it. */
interface Pair {
  table: string;
  table_name: string;
  schema: string;
  key: string;
  key_name: string;
  balance: string;
  balance_name: string;
  child: string;
  child_schema: string;
  child_key: string;
  child_id: string | null;
  amount: string;
  type: string | null;
  status: string | null;
  reference: string | null;
  time: string | null;
}

/** A way to add up the child's rows. */
interface Way {
  /** The amount with its sign. */
  amount: string;
  /** Which rows count; empty for all. */
  condition: string;
}

/** A balance with the sum that fits it best. */
export interface Proposal {
  pair: Pair;
  way: Way;
  /** Rows that were looked at, and those that the sum fits. */
  rowCount: number;
  fitCount: number;
}

const sampleSize = 10_000;
const doneStates =
  /^(complete[d]?|succe(ss|ssful|eded)|paid|posted|settled|done|approved|confirmed|ok)$/i;
const minusTypes =
  /^(debit|purchase|withdraw(al)?|payment|out|outgoing|charge|fee|sale|spend|usage|transfer_out|issue)$/i;

// One pair a balance, child and amount column; a balance has its table's primary key of one column.
const pairsQuery = `
  with own as (
    select c.oid, n.nspname, c.relname
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and c.relpersistence <> 't' and not c.relispartition
    and n.nspname !~ '^(pg_|graphile_|(saldo|saldo_private|saldo_rule|information_schema)$)'
    and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
  ),
  part as (
    select a.attrelid, a.attnum, a.attname, t.typcategory, t.typname,
      t.typcategory = 'N' and t.typname !~ '^(oid$|reg)' as is_number
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
    where a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  ),
  named as (
    select p.*, row_number() over (partition by p.attrelid, kind.kind order by p.attnum) as place,
      kind.kind
    from part as p
    join (
      values ('type', 'ES', '^(type|kind|direction|side|entry_type|transaction_type)$'),
        ('status', 'ES', '^(status|state)$'),
        ('reference', 'SU', '(reference|^ref$|external_id|idempotency_key|order_no|invoice)'),
        ('time', 'D', '(created|occurred|posted|booked|date|_at$|time)')
    ) as kind (kind, categories, pattern)
      on position(p.typcategory in kind.categories) > 0 and p.attname ~* kind.pattern
  ),
  sole_key as (
    select k.conrelid, k.conkey[1] as attnum
    from pg_constraint as k
    where k.contype = 'p' and cardinality(k.conkey) = 1
  )
  select format('%I.%I', o.nspname, o.relname) as table, o.relname as table_name,
    format('%I', o.nspname) as schema, format('%I', pk.attname) as key, pk.attname as key_name,
    format('%I', b.attname) as balance, b.attname as balance_name,
    format('%I.%I', co.nspname, co.relname) as child, format('%I', co.nspname) as child_schema,
    format('%I', fk.attname) as child_key,
    (select format('%I', i.attname) from sole_key as s
      join part as i on i.attrelid = s.conrelid and i.attnum = s.attnum
      where s.conrelid = co.oid) as child_id,
    format('%I', m.attname) as amount,
    (select format('%I', x.attname) from named as x
      where x.attrelid = co.oid and x.kind = 'type' and x.place = 1) as type,
    (select format('%I', x.attname) from named as x
      where x.attrelid = co.oid and x.kind = 'status' and x.place = 1) as status,
    (select format('%I', x.attname) from named as x
      where x.attrelid = co.oid and x.kind = 'reference' and x.place = 1) as reference,
    (select format('%I', x.attname) from named as x
      where x.attrelid = co.oid and x.kind = 'time' and x.place = 1
      and x.typname in ('date', 'timestamp', 'timestamptz')) as time
  from own as o
  join sole_key as s on s.conrelid = o.oid
  join part as pk on pk.attrelid = o.oid and pk.attnum = s.attnum
  join part as b on b.attrelid = o.oid and b.is_number and b.attnum <> s.attnum
    and b.attname ~* '(balance|saldo|stock|on_hand|total|credit|points|remaining|outstanding|funds)'
  join pg_constraint as f on f.confrelid = o.oid and f.contype = 'f' and f.confkey = array[s.attnum]
  join own as co on co.oid = f.conrelid
  join part as fk on fk.attrelid = co.oid and fk.attnum = f.conkey[1]
  join part as m on m.attrelid = co.oid and m.is_number
    and m.attname ~* '(amount|value|quantity|qty|change|delta|points|total|price|sum)'
  order by 1, 6, 8, 12
`;

/** Proposes a rule for each balance, with the sum that fits best. */
export async function propose(client: ClientBase): Promise<Proposal[]> {
  await client.query("begin read only");
  try {
    await client.query("set local statement_timeout = '60s'");
    const { rows: pairs } = await client.query<Pair>(pairsQuery);
    const best = new Map<string, Proposal>();
    for (const pair of pairs) {
      for (const way of await waysOf(client, pair)) {
        const proposal = await measured(client, pair, way);
        const place = `${pair.table}.${pair.balance}`;
        if (proposal.fitCount > (best.get(place)?.fitCount ?? -1)) best.set(place, proposal);
      }
    }
    return [...best.values()];
  } finally {
    await client.query("rollback");
  }
}

/** Sums that make sense: of all rows or the finished ones, with the sign as it is or by type. */
async function waysOf(client: ClientBase, pair: Pair): Promise<Way[]> {
  const types = await valuesOf(client, pair, pair.type);
  const states = await valuesOf(client, pair, pair.status);
  const minus = types.filter((value) => minusTypes.test(value));
  const done = states.filter((value) => doneStates.test(value));
  const amounts = [pair.amount];
  if (minus.length > 0) {
    amounts.push(
      `case when ${isOneOf(pair.type, minus)} then -${pair.amount} else ${pair.amount} end`,
    );
  }
  const conditions = done.length > 0 ? [isOneOf(pair.status, done), ""] : [""];
  return conditions.flatMap((condition) => amounts.map((amount) => ({ amount, condition })));
}

const isOneOf = (column: string | null, values: string[]) =>
  `${column} in (${values.map((value) => escapeLiteral(value)).join(", ")})`;

/** The values of a column that has few of them. */
async function valuesOf(client: ClientBase, pair: Pair, column: string | null): Promise<string[]> {
  if (column === null) return [];
  const { rows } = await client.query<{ value: string }>(
    `select distinct ${column}::text as value
    from (select ${column} from ${pair.child} limit ${sampleSize * 10}) as sample
    where ${column} is not null
    order by 1
    limit 21`,
  );
  return rows.length > 20 ? [] : rows.map(({ value }) => value);
}

async function measured(client: ClientBase, pair: Pair, way: Way): Promise<Proposal> {
  // Rows that nothing moved say little: they fit any sum.
  const { rows } = await client.query<{ row_count: number; fit_count: number }>(
    `select count(*)::int as row_count,
      count(*) filter (where p.balance::numeric = coalesce(d.derived, 0)::numeric)::int as fit_count
    from (
      select ${pair.key} as key, ${pair.balance} as balance
      from ${pair.table}
      limit ${sampleSize}
    ) as p
    left join (
      select ${pair.child_key} as key, sum(${way.amount}) as derived
      from ${pair.child}
      ${way.condition && `where ${way.condition}`}
      group by ${pair.child_key}
    ) as d on d.key = p.key
    where d.key is not null or p.balance::numeric <> 0`,
  );
  return {
    pair,
    way,
    rowCount: rows[0]?.row_count ?? 0,
    fitCount: rows[0]?.fit_count ?? 0,
  };
}

/** The proposals as SQL to review: what fits as statements, what does not as a remark. */
export function sqlOf(proposals: readonly Proposal[]): string {
  const fits = ({ rowCount, fitCount }: Proposal) => rowCount > 0 && fitCount * 2 >= rowCount;
  const names = new Set<string>();
  const parts = [
    "-- Proposed by saldo adopt. Nothing has been changed: review it, then run it as the owner of\n" +
      "-- the tables (the grants) and as an administrator of Saldo (the rules). Tables that this\n" +
      "-- login may not read were left out.\n",
    ...proposals.filter(fits).map((proposal) => statementsOf(proposal, nameOf(proposal, names))),
    ...proposals
      .filter((proposal) => !fits(proposal))
      .map(
        ({ pair, rowCount, fitCount }) =>
          `-- ${pair.table}.${pair.balance}: no simple sum of ${pair.child} fits ` +
          `(at best ${fitCount} of ${rowCount} rows). Write its rule by hand, if it is a balance.\n`,
      ),
  ];
  if (proposals.length === 0) {
    parts.push("-- No column looks like a balance that another table's rows make.\n");
  }
  return parts.join("\n");
}

/** A name that a rule may have, and that none of the names before is. */
function nameOf({ pair }: Proposal, names: Set<string>): string {
  const words = `${pair.table_name}_${pair.balance_name}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+/, "")
    .slice(0, 36);
  let name = words || "balance";
  for (let number = 2; names.has(name); number += 1) name = `${words || "balance"}_${number}`;
  names.add(name);
  return name;
}

function statementsOf({ pair, way, rowCount, fitCount }: Proposal, name: string): string {
  // Rows that belong to nobody have no key.
  const conditions = [`${pair.child_key} is not null`, ...(way.condition ? [way.condition] : [])];
  const where = `\n    where ${conditions.join("\n      and ")}`;
  const derived = `
    select ${pair.child_key} as key, sum(${way.amount}) as derived
    from ${pair.child}${where}
    group by ${pair.child_key}
  `;
  const named = (value: string, name: string) => (value === name ? name : `${value} as ${name}`);
  const columns = [
    `${pair.child_key} as key`,
    named(pair.child_id ?? "row_number() over ()", "item"),
    named(way.amount, "amount"),
    `${way.condition ? `coalesce(${way.condition}, false)` : "true"} as is_counted`,
    ...(pair.status ? [named(pair.status, "status")] : []),
    ...(pair.reference ? [named(pair.reference, "reference")] : []),
    ...(pair.time ? [named(pair.time, "occurred_at")] : []),
  ];
  const items = `
    select ${columns.join(",\n      ")}
    from ${pair.child}
    where ${pair.child_key} is not null
  `;
  const quoted = (query: string) => (query.includes("$$") ? escapeLiteral(query) : `$$${query}$$`);
  const schemas = [...new Set([pair.schema, pair.child_schema])].join(", ");
  return `-- ${pair.table}.${pair.balance}: the sum fits ${fitCount} of ${rowCount} rows.
grant usage on schema ${schemas} to saldo_rule_reader, saldo_owner;
grant select on ${[...new Set([pair.table, pair.child])].join(", ")} to saldo_rule_reader;
grant trigger on ${pair.table} to saldo_owner; -- for the guard
-- To let Saldo heal it: grant update (${pair.balance}) on ${pair.table} to saldo_rule_reader;
-- and add heal => 'update' below.
select name, guard from saldo.register_balance_rule(
  name => ${escapeLiteral(name)},
  stored_table => ${escapeLiteral(pair.table)},
  key_column => ${escapeLiteral(pair.key_name)},
  balance_column => ${escapeLiteral(pair.balance_name)},
  derived => ${quoted(derived)},
  items => ${quoted(items)},
  guard => 'record'
);
`;
}
