/**
 * A function that is one SQL expression becomes a part of the statement that calls it. PostgreSQL
 * leaves it a call, and runs a statement at each, where the function is declared to be steadier than
 * what it calls: an immutable one that formats, say. Such a call costs as much as reading a row.
 */
import test from "ava";
import type { Client } from "pg";
import { openTestDatabase } from "../_support/database.ts";

const database = await openTestDatabase(2);
test.after.always(() => database.close());

/** What PostgreSQL cannot put in whatever is declared: it asks for the size of a file. */
const calls = new Set(["saldo_private.next_block(regclass,bigint)"]);

interface SqlFunction {
  readonly signature: string;
  readonly name: string;
  readonly types: readonly string[];
}

/** Whether the plan of a call still names the function. */
async function isCalled(client: Pick<Client, "query">, { name, types }: SqlFunction) {
  const columns = types.map((type, index) => `null::${type} as c${index}`);
  const values = types.map((_, index) => `row.c${index}`);
  const { rows } = await client.query<{ "QUERY PLAN": string }>(
    `explain (verbose, costs off)
    select ${name}(${values.join(", ")}) from (select ${columns.join(", ") || "1"} offset 0) as row`,
  );
  const [, called] = name.split(".");
  return rows.some((row) => new RegExp(`\\b${called}\\(`).test(row["QUERY PLAN"]));
}

test("functions of one expression are put into the statements that call them", async (t) => {
  const { rows } = await database.pool.query<SqlFunction>(`
    select p.oid::regprocedure::text as signature,
      format('%I.%I', n.nspname, p.proname) as name,
      array(
        select format_type(a.type, null)
        from unnest(p.proargtypes) with ordinality as a (type, type_no)
        order by a.type_no
      ) as types
    from pg_proc as p
    join pg_namespace as n on n.oid = p.pronamespace
    join pg_language as l on l.oid = p.prolang
    where n.nspname in ('saldo', 'saldo_private')
    and l.lanname = 'sql'
    and p.prokind = 'f'
    and not p.proretset
    and not p.prosecdef
    and p.proconfig is null
    and p.prosrc !~* '\\m(from|insert|update|delete)\\M'`);
  t.true(rows.length > 50, `${rows.length} functions`);
  const called: string[] = [];
  for (const each of rows) {
    if (await isCalled(database.pool, each)) called.push(each.signature);
  }
  t.deepEqual(
    called.filter((signature) => !calls.has(signature)),
    [],
  );
});

test("the test of calls sees one that is declared too steady", async (t) => {
  const client = await database.pool.connect();
  try {
    await client.query(`begin;
      create function pg_temp.steady(name text) returns text language sql immutable
        as 'select format(''%s'', name)';
      create function pg_temp.honest(name text) returns text language sql stable
        as 'select format(''%s'', name)'`);
    t.true(await isCalled(client, { signature: "", name: "pg_temp.steady", types: ["text"] }));
    t.false(await isCalled(client, { signature: "", name: "pg_temp.honest", types: ["text"] }));
  } finally {
    await client.query("rollback");
    client.release();
  }
});
