import { readFile } from "node:fs/promises";
import test from "ava";
import { surfaceText } from "../../scripts/surface_text.ts";
import { openTestDatabase } from "../_support/database.ts";

test("the public surface is that of surface.txt (npm run snapshot mends it)", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const written = await readFile(new URL("surface.txt", import.meta.url), "utf8");
    t.is(written, await surfaceText(database.pool));
  } finally {
    await database.close();
  }
});

test("every public object is documented, and no name is overloaded", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const { rows } = await database.pool.query<{ name: string }>(`
      select p.oid::regprocedure::text || ' has no comment' as name
      from pg_proc as p
      where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      and obj_description(p.oid, 'pg_proc') is null
      union all
      select c.oid::regclass || ' has no comment'
      from pg_class as c
      where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      and c.relkind in ('r', 'v')
      and obj_description(c.oid, 'pg_class') is null
      union all
      select format('%s.%s has no comment', c.oid::regclass, a.attname)
      from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      and c.relkind in ('r', 'v')
      and col_description(c.oid, a.attnum) is null
      union all
      select proname || ' is overloaded'
      from pg_proc
      where pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      group by pronamespace, proname
      having count(*) > 1
      union all
      select p.oid::regprocedure || ' is not owned by saldo_owner'
      from pg_proc as p
      where p.pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
      and p.proowner <> 'saldo_owner'::regrole
    `);
    t.deepEqual(
      rows.map(({ name }) => name),
      [],
    );
  } finally {
    await database.close();
  }
});

test("a temporary table does not fool a definer function", async (t) => {
  const database = await openTestDatabase(1);
  const client = await database.pool.connect();
  try {
    await client.query(
      "select saldo.open_account(c, c, 'asset') from unnest(array['a', 'b']) as c",
    );
    await client.query("create temporary table account (like saldo.account)");
    await client.query("create temporary table journal_line (like saldo.journal_line)");
    await client.query("grant all on account, journal_line to public");
    await client.query("select saldo.transfer(1, 2, 5)");
    const { rows } = await client.query(
      `select (select count(*) from pg_temp.journal_line) as fooled,
        (select count(*) from saldo.journal_line) as posted`,
    );
    t.deepEqual(rows[0], { fooled: "0", posted: "2" });
  } finally {
    client.release();
    await database.close();
  }
});

test("the tests run on the PostgreSQL that they claim", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const { rows } = await database.pool.query("select current_setting('server_version_num') as n");
    const major = Math.floor(Number(rows[0].n) / 10_000);
    t.is(major, Number(process.env["EXPECT_POSTGRES_MAJOR"] ?? major));
    t.true(major >= 15 && major <= 18);
  } finally {
    await database.close();
  }
});
