import test from "ava";
import { migrate } from "../../src/database/migrate.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { logicOf } from "../house/catalogue.ts";
import { type SqlFolder, withSqlFolder } from "./_databases.ts";

/** A migrated database, and a copy of sql/ to be changed. */
async function withLogic(work: (database: TestDatabase, sql: SqlFolder) => Promise<void>) {
  const database = await openTestDatabase(5);
  try {
    await withSqlFolder((folder) => work(database, folder));
  } finally {
    await database.close();
  }
}

/** Starts with a sql/ that has changed in this way, if only in a comment. */
async function start(database: TestDatabase, sql: SqlFolder, change?: () => Promise<unknown>) {
  await (change?.() ?? sql.append("ledger/transfer.sql", "-- changed"));
  await migrate(database.connectionString, { logicFolder: sql.path });
}

const asOwner = (database: TestDatabase, text: string) =>
  database.pool.query(`begin; set local role saldo_owner; ${text}; commit`);

/** What no file makes, all of it planted at once: each has a place of its own. */
const plants = [
  "create function saldo.planted() returns integer language sql as 'select 1'",
  "create procedure saldo_private.planted() language sql as 'select 1'",
  "create function saldo_rule.planted() returns integer language sql as 'select 1'",
  "create view saldo.planted_view with (security_invoker) as select 1 as one",
  `create trigger planted after insert on saldo.product for each statement
    execute function saldo_private.tg__guard_truncate()`,
  "create policy planted on saldo.product for select to saldo_member using (true)",
  "alter table saldo.member disable row level security",
  "alter table saldo.account disable trigger guard_truncate",
  "grant update on saldo.product to saldo_member",
  "grant update (name) on saldo.product to saldo_operator",
  "grant execute on function saldo_private.record_build to public",
  "comment on column saldo.product.name is 'planted'",
  "comment on function saldo.top_up is 'planted'",
  "comment on trigger record_bypass on saldo.hold is 'planted'",
  "comment on type saldo_private.line_sum is 'planted'",
];

test("what no file makes is gone after the next change, of whatever kind it is", async (t) => {
  await withLogic(async (database, sql) => {
    const before = await logicOf(database.pool);
    await asOwner(database, plants.join(";\n"));
    t.notDeepEqual(await logicOf(database.pool), before);
    await start(database, sql);
    t.deepEqual(await logicOf(database.pool), before);
    const { rows } = await database.pool.query(`
      select proname as name from pg_proc where proname = 'planted'
      union all select relname from pg_class where relname = 'planted_view'
      union all select tgname from pg_trigger where tgname = 'planted'
      union all select description from pg_description where description = 'planted'`);
    t.deepEqual(rows, []);
  });
});

test("what others have made or were granted stays", async (t) => {
  await withLogic(async (database, sql) => {
    const role = `operator_of_${database.name}`;
    await database.pool.query(`
      create role ${role};
      grant select on saldo.account to ${role};
      grant execute on function saldo.balance_at to ${role};
      create schema mine;
      create view mine.accounts as select id, code from saldo.account;
      create function saldo.of_a_superuser() returns integer language sql as 'select 1'`);
    try {
      await start(database, sql);
      const { rows } = await database.pool.query(
        `select has_table_privilege($1, 'saldo.account', 'select') as reads,
          has_function_privilege($1, 'saldo.balance_at'::regproc, 'execute') as calls,
          to_regclass('mine.accounts') is not null as is_there,
          to_regproc('saldo.of_a_superuser') is not null as is_left`,
        [role],
      );
      t.deepEqual(rows, [{ reads: true, calls: true, is_there: true, is_left: true }]);
    } finally {
      await database.pool.query(`drop owned by ${role}; drop role ${role}`);
    }
  });
});

const helper = (argument: string, result: string, value: string) => `
create or replace function saldo_private.example(${argument})
returns ${result}
language sql
stable
as $$
  select ${value}
$$;
comment on function saldo_private.example is 'An example.';`;

const use = `
create or replace view saldo_private.example_view with (security_invoker = true) as
select saldo_private.example(1) as one;
comment on view saldo_private.example_view is 'A view.';
drop policy if exists example on saldo.product;
create policy example on saldo.product for select to saldo_member
  using (saldo_private.example(1) is not null);`;

for (const [what, next] of Object.entries({
  "the name of an argument": helper("second integer", "integer", "second"),
  "a result": helper("first integer", "text", "'1'::text"),
  "an argument more": helper("first integer, second integer default 2", "integer", "first"),
  "a default less": helper("first integer", "integer", "first"),
})) {
  test(`a function changes: ${what}, and with it what of Saldo uses it`, async (t) => {
    await withLogic(async (database, sql) => {
      const first = helper("first integer default 1", "integer", "first");
      await start(database, sql, () => sql.append("wallet/product.sql", first + use));
      await start(database, sql, () => sql.replace("wallet/product.sql", first, next));
      const { rows } = await database.pool.query(
        `select p.oid::regprocedure::text as name, pg_get_function_result(p.oid) as result,
          (select one from saldo_private.example_view)::text as one,
          (select count(*) from pg_policy where polname = 'example') as policies
        from pg_proc as p where p.proname = 'example'`,
      );
      const name = next.includes("second integer default")
        ? "saldo_private.example(integer,integer)"
        : "saldo_private.example(integer)";
      const result = next.includes("returns text") ? "text" : "integer";
      t.deepEqual(rows, [{ name, result, one: "1", policies: "1" }]);
      const built = await database.pool.query(
        "select key from saldo_private.rule_engine_configuration__built()",
      );
      t.deepEqual(built.rows, []);
    });
  });
}

test("columns of a view change, and with them the view that uses it", async (t) => {
  await withLogic(async (database, sql) => {
    const view = (columns: string) =>
      `create or replace view saldo_private.example_view as select ${columns};
create or replace view saldo_private.example_of_it as select * from saldo_private.example_view;`;
    await start(database, sql, () => sql.append("wallet/product.sql", view("1 as a, 2 as b")));
    await start(database, sql, () => sql.replace("wallet/product.sql", "1 as a, 2 as b", "3 as b"));
    const { rows } = await database.pool.query("select * from saldo_private.example_of_it");
    t.deepEqual(rows, [{ b: 3 }]);
  });
});

const first = helper("first integer", "integer", "1");
for (const [what, next] of [
  ["drops a function", ""],
  ["changes a function", helper("second integer", "integer", "1")],
] as const) {
  test(`a version that ${what} of which a user has made use is refused, by name`, async (t) => {
    await withLogic(async (database, sql) => {
      await start(database, sql, () => sql.append("wallet/product.sql", first));
      await database.pool.query(
        "create schema mine; create view mine.use as select saldo_private.example(1) as one",
      );
      const before = await logicOf(database.pool);
      const change = () => sql.replace("wallet/product.sql", first, next);
      await t.throwsAsync(start(database, sql, change), {
        message: /view mine\.use depends on function saldo_private\.example\(integer\)/,
      });
      t.deepEqual(await logicOf(database.pool), before);
    });
  });
}

const mistakes: [text: string, message: RegExp][] = [
  ["select 1;\n\nselct 2;", /^sql\/wallet\/product\.sql:\d+: syntax error/],
  ["select 1;\n\nselect * from saldo.nothing;", /does not exist/],
  ["select 1;\n\nselect 1 / 0;", /division by zero/],
  [
    "select 1;\n\ncreate function saldo.planted() returns integer language plpgsql as $$\nbegin\n" +
      "  retrun 1;\nend\n$$;",
    /syntax error/,
  ],
];

test("an error names file and line, and changes nothing", async (t) => {
  await withLogic(async (database, sql) => {
    const before = await logicOf(database.pool);
    const right = await sql.read("wallet/product.sql");
    for (const [text, message] of mistakes) {
      const wrong = `-- here\n${text}`;
      const error = await t.throwsAsync(
        start(database, sql, () => sql.append("wallet/product.sql", wrong)),
        { message },
      );
      const [, file, line] = /^(sql\/\S+?):(\d+): /.exec(error?.message ?? "") ?? [];
      t.is(file, "sql/wallet/product.sql");
      const lines = (await sql.read("wallet/product.sql")).split("\n");
      const place = lines.findIndex((each) => /selct|saldo\.nothing|1 \/ 0|retrun/.test(each)) + 1;
      t.is(Number(line), place);
      await sql.replace("wallet/product.sql", wrong, "");
    }
    t.is((await sql.read("wallet/product.sql")).trim(), right.trim());
    t.deepEqual(await logicOf(database.pool), before);
  });
});

test("a change of functions locks no table, a change of a policy those that it is on", async (t) => {
  await withLogic(async (database, sql) => {
    const reader = await database.pool.connect();
    try {
      await reader.query("begin");
      const { rows: tables } = await reader.query<{ name: string }>(
        `select oid::regclass::text as name from pg_class
        where relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
        and relkind in ('r', 'p')`,
      );
      await reader.query(
        `lock table ${tables.map(({ name }) => name).join(", ")} in row exclusive mode`,
      );
      await start(database, sql, () =>
        sql.append("ledger/account.sql", helper("a int", "int", "a")),
      );
      const policy = "create policy example on saldo.product for select using (true);";
      const next = () => sql.append("wallet/product.sql", policy);
      await t.throwsAsync(
        next().then(() =>
          migrate(database.connectionString, { logicFolder: sql.path, patienceMs: 1500 }),
        ),
        { message: /in use for \d s/ },
      );
      await reader.query("commit");
      await migrate(database.connectionString, { logicFolder: sql.path });
      const { rows } = await database.pool.query(
        "select count(*) from pg_policy where polname = 'example'",
      );
      t.deepEqual(rows, [{ count: "1" }]);
    } finally {
      reader.release(true);
    }
  });
});
