import test from "ava";
import { migrate } from "../../src/database/migrate.ts";
import { statementsOf } from "../../src/database/sql_statements.ts";
import { StartError } from "../../src/start_error.ts";
import { openTestDatabase } from "../_support/database.ts";
import { logicOf } from "../house/catalogue.ts";
import { withSqlFolder } from "./_databases.ts";

const textsOf = (text: string) => statementsOf("a.sql", text).map((each) => each.text);

test("a semicolon within quotes or a comment ends no statement", (t) => {
  const statements = [
    "select 'a;''b', e'c\\';', \"d;\"\"e\"",
    "do $$ begin perform $x$;'$x$; end $$",
    "select 1 -- it's; $$ \"\n+ 2 /* ; ' */",
    "select '', '''', e'\\\\'",
  ];
  t.deepEqual(textsOf(`${statements.join(";\n")};\n-- don't /* "\n`), statements);
});

for (const [opening, text] of [
  ["$$", "$$ begin; end"],
  ["$body$", "$body$ begin; end $$;"],
  ["'", "'it''s; \"b\""],
  ["'", "'it''"],
  ["e'", "e'it\\'"],
  ['"', '"a""'],
  ["/*", "/* 'a' $$;"],
] as const) {
  test(`${text} has no end`, (t) => {
    t.throws(() => textsOf(`select 'a';\n\nselect 1,\n  ${text}\n;\n`), {
      instanceOf: StartError,
      message: `a.sql:4: the ${opening} here has no end in this file, or an earlier one has none.`,
    });
  });
}

test("a body without an end is told of its own file, and nothing changes", async (t) => {
  const database = await openTestDatabase(2);
  try {
    await withSqlFolder(async (sql) => {
      const before = await logicOf(database.pool);
      await sql.replace("wallet/top_up.sql", "$$;", ";");
      await t.throwsAsync(() => migrate(database.connectionString, { logicFolder: sql.path }), {
        instanceOf: StartError,
        message: /^sql\/wallet\/top_up\.sql:\d+: the \$\$ here has no end/,
      });
      t.deepEqual(await logicOf(database.pool), before);
    });
  } finally {
    await database.close();
  }
});
