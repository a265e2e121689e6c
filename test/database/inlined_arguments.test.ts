/**
 * A function that selects rows becomes a part of the statement that calls it, and so does what is
 * handed to it: an argument that is a call is then evaluated wherever the function names the
 * argument, for each row. One that goes through all records of all customers held up every customer
 * for minutes. An argument that is a sub-select is evaluated once. Of functions of one expression
 * PostgreSQL does the same where it takes the argument to be cheap: a row of a till was made anew
 * for each of its fields.
 */
import test from "ava";
import { openTestDatabase } from "../_support/database.ts";

const database = await openTestDatabase(1);
test.after.always(() => database.close());

interface Names {
  /** Set-returning functions that PostgreSQL puts into the statement. */
  readonly inlined: ReadonlySet<string>;
  /** Functions that cost no more than an operator. */
  readonly cheap: ReadonlySet<string>;
}

const call = /\b(saldo(?:_private)?\.\w+)\(/g;

/** What stands between the bracket before this place and its partner. */
function untilPartner(text: string, begin: number): string {
  let depth = 1;
  let at = begin;
  while (depth > 0 && at < text.length) {
    if (text[at] === "(") depth += 1;
    if (text[at] === ")") depth -= 1;
    at += 1;
  }
  return text.slice(begin, at - 1);
}

/** Calls that a body hands to functions that become a part of it, as `outer <- inner`. */
function handedCalls(body: string, { inlined, cheap }: Names): string[] {
  const text = body.replace(/--[^\n]*/g, "");
  return [...text.matchAll(call)].flatMap(({ 0: begin, 1: outer = "", index }) => {
    if (!inlined.has(outer)) return [];
    const handed = untilPartner(text, index + begin.length);
    // PostgreSQL leaves a function with such an argument a call.
    if (/\bselect\b/.test(handed)) return [];
    return [...handed.matchAll(call)]
      .map(({ 1: inner = "" }) => inner)
      .filter((inner) => !cheap.has(inner))
      .map((inner) => `${outer} <- ${inner}`);
  });
}

test("nothing expensive is handed to a function that becomes a part of the statement", async (t) => {
  const { rows } = await database.pool.query<{
    name: string;
    body: string;
    is_inlined: boolean;
    is_cheap: boolean;
  }>(`
    select format('%I.%I', n.nspname, p.proname) as name, p.prosrc as body,
      s.is_statement and p.proretset and p.provolatile <> 'v' and not p.proisstrict as is_inlined,
      s.is_statement and not p.proretset and p.prosrc !~* '\\m(from|insert|update|delete)\\M'
        as is_cheap
    from pg_proc as p
    join pg_namespace as n on n.oid = p.pronamespace
    join pg_language as l on l.oid = p.prolang
    cross join lateral (
      select l.lanname = 'sql' and not p.prosecdef and p.proconfig is null as is_statement
    ) as s
    where n.nspname in ('saldo', 'saldo_private')
    and p.prokind = 'f'`);
  const named = (is: (row: (typeof rows)[number]) => boolean) =>
    new Set(rows.filter(is).map(({ name }) => name));
  const names = { inlined: named((row) => row.is_inlined), cheap: named((row) => row.is_cheap) };
  t.true(names.inlined.size > 100, `${names.inlined.size} functions`);
  t.deepEqual(
    rows.flatMap(({ name, body }) => handedCalls(body, names).map((each) => `${name}: ${each}`)),
    [],
  );
});

test("the test of arguments sees a call, and lets a sub-select and a cheap call pass", (t) => {
  const names = { inlined: new Set(["saldo.rows"]), cheap: new Set(["saldo.month_of"]) };
  const seen = (handed: string) => handedCalls(`select * from saldo.rows(${handed}) as r`, names);
  t.deepEqual(seen("saldo.all_ids(x), 1"), ["saldo.rows <- saldo.all_ids"]);
  t.deepEqual(seen("(select saldo.all_ids(x)), 1"), []);
  t.deepEqual(seen("saldo.month_of(x)"), []);
});

interface PlanNode {
  readonly Output?: readonly string[];
  readonly Plans?: readonly PlanNode[];
}

/** Longer calls are more than a few operators. */
const longCall = 200;
const often = 5;

/** Long calls that a node of the plan makes again and again, each with how often. */
function repeatedCalls(plan: PlanNode): string[] {
  const text = (plan.Output ?? []).join(", ");
  const counts = new Map<string, number>();
  for (const { 0: begin, index } of text.matchAll(/\b\w+\(/g)) {
    const whole = `${begin}${untilPartner(text, index + begin.length)})`;
    // What another node has computed stands in brackets of its own.
    const isNamed = /(^|\W)\($/.test(text.slice(0, index)) && text[index + whole.length] === ")";
    if (whole.length > longCall && !isNamed) counts.set(whole, (counts.get(whole) ?? 0) + 1);
  }
  const own = [...counts].filter(([, count]) => count > often);
  return [
    ...own.map(([call, count]) => `${count} times ${call.slice(0, 60)}`),
    ...(plan.Plans ?? []).flatMap(repeatedCalls),
  ];
}

async function planOf(statement: string, option = "verbose"): Promise<PlanNode> {
  const { rows } = await database.pool.query(
    `explain (verbose, ${option}, format json) ${statement}`,
  );
  return rows[0]["QUERY PLAN"][0].Plan;
}

test("no function that selects rows makes a long call anew for each of its columns", async (t) => {
  const { rows: versions } = await database.pool.query("show server_version_num");
  // With nothing known of the arguments. PostgreSQL 15 plans no such statement: there, for null.
  const isAnyArgument = Number(versions[0].server_version_num) >= 160000;
  const { rows } = await database.pool.query<{ name: string; call: string }>(`
    select p.oid::regprocedure::text as name,
      format('%I.%I(%s)', n.nspname, p.proname, (
        select string_agg(
          ${isAnyArgument ? "'$' || a.type_no" : "'null'"} || '::' || format_type(a.type, null),
          ', ' order by a.type_no)
        from unnest(p.proargtypes) with ordinality as a (type, type_no)
      )) as call
    from pg_proc as p
    join pg_namespace as n on n.oid = p.pronamespace
    join pg_language as l on l.oid = p.prolang
    where n.nspname in ('saldo', 'saldo_private')
    and l.lanname = 'sql'
    and p.prokind = 'f'
    and p.proretset
    and p.provolatile <> 'v'
    and not p.prosecdef
    and p.proconfig is null`);
  t.true(rows.length > 100, `${rows.length} functions`);
  const repeated: string[] = [];
  for (const { name, call } of rows) {
    const plan = await planOf(`select * from ${call}`, isAnyArgument ? "generic_plan" : "verbose");
    repeated.push(...repeatedCalls(plan).map((each) => `${name}: ${each}`));
  }
  t.deepEqual(repeated, []);
});

test("the test of long calls sees one that is made again for each field", async (t) => {
  const row = `jsonb_build_object(${Array.from({ length: 12 }, (_, at) => `'field_${at}', r.id`)})`;
  const fields = Array.from({ length: 6 }, (_, at) => `made.row_data ->> 'field_${at}' as f${at}`);
  const made = (fence: string) =>
    planOf(`select ${fields} from saldo.account as r
    cross join lateral (select ${row} as row_data ${fence}) as made`);
  t.is(repeatedCalls(await made("")).length, 1);
  t.deepEqual(repeatedCalls(await made("offset 0")), []);
});
