/**
 * What `saldo adopt` finds out: numeric columns that look like balances, the child tables that
 * could make them, and which simple sum of those fits most rows. Everything is read in a read-only
 * transaction; names come from the server already quoted.
 */
import { type ClientBase, escapeLiteral } from "pg";

/** A balance and a child table that could make it. */
export interface Pair {
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
  /** Whether the login may read both tables. */
  is_readable: boolean;
  amount: string;
  type: string | null;
  status: string | null;
  reference: string | null;
  time: string | null;
}

/** A way to add up the child's rows. */
export interface Way {
  /** The amount with its sign. */
  amount: string;
  /** Which rows count; empty for all. */
  condition: string;
  /** Which balances the sum is for; empty for all. */
  owners: string;
}

/** How far a way fits a balance. */
export interface Trial {
  pair: Pair;
  way: Way;
  /** Rows that were looked at, and those that the sum fits. */
  rowCount: number;
  fitCount: number;
}

/** A balance with the sum that fits it best, and all that were tried. */
export interface Proposal extends Trial {
  trials: Trial[];
  /** Rows of the table, where the sum is for some of them. */
  allCount: number;
}

const sampleSize = 10_000;
/** The share of rows that a sum has to fit: one that explains less explains something else. */
export const leastFit = 0.95;
const doneStates =
  /^(complete[d]?|succe(ss|ssful|eded)|paid|posted|settled|done|approved|confirmed|ok)$/i;
const minusTypes =
  /^(debit|purchase|withdraw(al)?|payment|out|outgoing|charge|fee|sale|spend|usage|transfer_out|issue)$/i;

// One pair a balance, child and amount column; a balance has its table's primary key of one column.
const pairsQuery = `
  with own as (
    select c.oid, n.nspname, c.relname,
      has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as is_readable
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and c.relpersistence <> 't' and not c.relispartition
    and n.nspname !~ '^(pg_|graphile_|(saldo|saldo_private|saldo_rule|information_schema)$)'
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
    format('%I', fk.attname) as child_key, o.is_readable and co.is_readable as is_readable,
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

/** Reads what a statement finds. */
export type Read = <Row>(text: string) => Promise<Row[]>;

/** Proposes a rule for each balance, with the sum that fits best. */
export async function propose(client: ClientBase): Promise<Proposal[]> {
  await client.query("begin read only");
  try {
    await client.query("set local statement_timeout = '60s'");
    const read: Read = async (text) => (await client.query(text)).rows;
    return await proposeFor(read, await readPairs(read));
  } finally {
    await client.query("rollback");
  }
}

/** What looks like a balance, each with what could make it; those too that may not be read. */
export const readPairs = (read: Read): Promise<Pair[]> => read<Pair>(pairsQuery);

/** Proposes a rule for each balance of these that may be read. */
export async function proposeFor(read: Read, pairs: readonly Pair[]): Promise<Proposal[]> {
  const trials = new Map<string, Trial[]>();
  for (const pair of pairs) {
    if (!pair.is_readable) continue;
    const place = `${pair.table}.${pair.balance}`;
    trials.set(place, [...(trials.get(place) ?? []), ...(await trialsOf(read, pair))]);
  }
  return [...trials.values()].map(bestOf);
}

/** Whether a sum explains nearly all balances that something moved. */
export const isFit = ({ rowCount, fitCount }: Trial) =>
  rowCount > 0 && fitCount >= rowCount * leastFit;

function bestOf(trials: Trial[]): Proposal {
  const share = ({ rowCount, fitCount }: Trial) => (rowCount > 0 ? fitCount / rowCount : 0);
  // Without a filter, if that fits as well: what a filter leaves out nobody checks.
  const rank = (trial: Trial) => (isFit(trial) ? (trial.way.owners === "" ? 2 : 1) : 0);
  const [best] = [...trials].sort(
    (one, other) => rank(other) - rank(one) || share(other) - share(one),
  ) as [Trial, ...Trial[]];
  const unfiltered = trials.find(({ pair, way }) => pair === best.pair && way.owners === "");
  return { ...best, trials, allCount: unfiltered?.rowCount ?? best.rowCount };
}

/** The sums of a pair, and where none fits, those of them that leave out what is deleted. */
async function trialsOf(read: Read, pair: Pair): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (const way of await waysOf(read, pair)) trials.push(await measured(read, pair, way));
  if (trials.some(isFit)) return trials;
  const counted = await filtersOf(read, pair.child);
  const owned = [...(await filtersOf(read, pair.table)), ...(await statesThatFit(read, trials))];
  for (const { way, rowCount } of [...trials]) {
    for (const filter of counted) {
      const condition = [way.condition, filter].filter(Boolean).join(" and ");
      trials.push(await measured(read, pair, { ...way, condition }));
    }
    for (const owners of owned) {
      const trial = await measured(read, pair, { ...way, owners });
      // What leaves out most of the rows explains them no better.
      if (trial.rowCount < rowCount && trial.rowCount * 2 >= rowCount) trials.push(trial);
    }
  }
  return trials;
}

/** Conditions by which applications mark rows that do not count any more. */
async function filtersOf(read: Read, table: string): Promise<string[]> {
  const rows = await read<{ name: string; kind: string; is_good: boolean }>(
    `select format('%I', a.attname) as name, t.typcategory as kind,
      a.attname ~* '^(is_)?(active|enabled|valid)$' as is_good
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
    where a.attrelid = ${regclass(table)} and a.attnum > 0 and not a.attisdropped
    and t.typcategory in ('D', 'B')
    and (a.attname ~* '(deleted|removed|archived|closed|cancel|void|disabled|revoked|anonymi)'
      or a.attname ~* '^(is_)?(active|enabled|valid)$' and t.typcategory = 'B')
    order by a.attnum
    limit 4`,
  );
  return rows.map(({ name, kind, is_good: isGood }) =>
    kind === "D" ? `${name} is null` : isGood ? name : `${name} is not true`,
  );
}

/** The states of a balance's own row for which the best sum fits, where it has a column of them. */
async function statesThatFit(read: Read, trials: Trial[]): Promise<string[]> {
  const [best] = [...trials].sort((one, other) => other.fitCount - one.fitCount);
  if (best === undefined) return [];
  const rows = await read<{ name: string }>(
    `select format('%I', a.attname) as name
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
    where a.attrelid = ${regclass(best.pair.table)} and a.attnum > 0 and not a.attisdropped
    and t.typcategory in ('E', 'S') and a.attname ~* '^(status|state)$'`,
  );
  const filters: string[] = [];
  for (const { name } of rows) {
    const values = await valuesOf(read, best.pair.table, name);
    const good: string[] = [];
    for (const value of values) {
      const owners = isOneOf(name, [value]);
      if (isFit(await measured(read, best.pair, { ...best.way, owners }))) good.push(value);
    }
    if (good.length > 0 && good.length < values.length) filters.push(isOneOf(name, good));
  }
  return filters;
}

/** Sums that make sense: of all rows or the finished ones, with the sign as it is or by type. */
async function waysOf(read: Read, pair: Pair): Promise<Way[]> {
  const types = await valuesOf(read, pair.child, pair.type);
  const states = await valuesOf(read, pair.child, pair.status);
  const minus = types.filter((value) => minusTypes.test(value));
  const done = states.filter((value) => doneStates.test(value));
  const amounts = [pair.amount];
  if (minus.length > 0) {
    amounts.push(
      `case when ${isOneOf(pair.type, minus)} then -${pair.amount} else ${pair.amount} end`,
    );
  }
  const conditions = done.length > 0 ? [isOneOf(pair.status, done), ""] : [""];
  return conditions.flatMap((condition) =>
    amounts.map((amount) => ({ amount, condition, owners: "" })),
  );
}

const isOneOf = (column: string | null, values: string[]) =>
  `${column} in (${values.map((value) => escapeLiteral(value)).join(", ")})`;

const regclass = (table: string) => `${escapeLiteral(table)}::regclass`;

/** The values of a column that has few of them. */
async function valuesOf(read: Read, table: string, column: string | null): Promise<string[]> {
  if (column === null) return [];
  const rows = await read<{ value: string }>(
    `select distinct ${column}::text as value
    from (select ${column} from ${table} limit ${sampleSize * 10}) as sample
    where ${column} is not null
    order by 1
    limit 21`,
  );
  return rows.length > 20 ? [] : rows.map(({ value }) => value);
}

async function measured(read: Read, pair: Pair, way: Way): Promise<Trial> {
  // Rows that nothing moved say little: they fit any sum.
  const rows = await read<{ row_count: number; fit_count: number }>(
    `select count(*)::int as row_count,
      count(*) filter (where p.balance::numeric = coalesce(d.derived, 0)::numeric)::int as fit_count
    from (
      select ${pair.key} as key, ${pair.balance} as balance
      from ${pair.table}
      ${way.owners && `where ${way.owners}`}
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
