import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { functionsOf } from "./sql_text.ts";
import { overloads, statementViolations, unnamedChecks } from "./statements.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

async function filesIn(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(`${root}${folder}`, { recursive: true }))
    .filter((file) => file.endsWith(".sql"))
    .sort();
  return new Map(
    await Promise.all(
      names.map(
        async (name): Promise<[string, string]> => [
          name,
          await readFile(`${root}${folder}/${name}`, "utf8"),
        ],
      ),
    ),
  );
}

const files = new Map([...(await filesIn("sql"))].filter(([file]) => file.includes("/")));
const functions = [...files].flatMap(([file, text]) => functionsOf(file, text));

test("statements and functions of sql/ keep the house rules", (t) => {
  t.deepEqual(
    [...files].flatMap(([file, text]) => statementViolations(file, text)),
    [],
  );
  t.true(functions.length > 80, "or the reader of functions has gone blind");
});

test("no function of sql/ is made twice", (t) => {
  t.deepEqual(overloads(functions), []);
});

test("every check of the migrations has a name", async (t) => {
  for (const [file, text] of await filesIn("migrations")) {
    if (file !== "schema.sql") t.deepEqual(unnamedChecks(file, text), []);
  }
});

/** A function in the house's form, with words put in place of others. */
function written(replaced = "", by = ""): string {
  return `-- What it is.
create or replace function saldo.planted(value text)
returns text
language plpgsql
stable
security definer
set search_path = saldo, pg_temp
as $$
begin
  execute format('select %L', value); -- execute value
  return 'execute value';
end
$$;
comment on function saldo.planted is 'A plant.';
revoke execute on function saldo.planted from public;
grant execute on function saldo.planted to saldo_admin;
`.replace(replaced, by);
}

for (const [title, text, rules] of [
  ["nothing in what is right", written(), []],
  [
    "a dynamic statement without format",
    written("execute format('select %L', value)", "execute 'select ' || value"),
    ["execute takes a format(...)"],
  ],
  [
    "a result of all columns",
    written("return 'execute value'", "return query select * from saldo.setting"),
    ["a view or a result lists its columns"],
  ],
  [
    "a view of all columns",
    "create or replace view saldo.x with (security_invoker) as\nselect * from saldo.setting;",
    ["a view or a result lists its columns"],
  ],
  [
    "a function that is not replaced",
    "create function saldo.x() returns int return 1;",
    ["a function is created or replaced, so that its file can run again"],
  ],
  [
    "a header out of order",
    written("language plpgsql\nstable", "stable\nlanguage plpgsql"),
    ["a header says language, volatility, security, search path, in order"],
  ],
  [
    "a definer without a pinned path",
    written("set search_path = saldo, pg_temp\n"),
    ["a definer pins its search_path, pg_temp last"],
  ],
  [
    "a definer whose path does not end in pg_temp",
    written("saldo, pg_temp", "pg_temp, saldo"),
    ["a definer pins its search_path, pg_temp last"],
  ],
  [
    "a missing comment",
    written("comment on function saldo.planted", "comment on function saldo.planted_too"),
    ['saldo.planted has its "comment on function" in its file'],
  ],
  [
    "a missing revoke",
    written("revoke execute on function saldo.planted from public;\n"),
    ['saldo.planted has its "revoke execute on function" in its file'],
  ],
  [
    "a missing grant",
    written("grant execute on function saldo.planted to saldo_admin;\n"),
    ['saldo.planted has its "grant execute on" in its file'],
  ],
] as const) {
  test(`the house rules see ${title}`, (t) => {
    t.deepEqual(
      statementViolations("ledger/x.sql", text).map(({ rule }) => rule),
      [...rules],
    );
  });
}

test("the house rules see an overload", (t) => {
  const twice = [...functionsOf("a/a.sql", written()), ...functionsOf("a/b.sql", written())];
  t.deepEqual(overloads(twice), ["saldo.planted is made again in a/b.sql"]);
});

test("the house rules see a check without a name, and only such", (t) => {
  const ddl = "create table x (\n  a int check (a > 0),\n  b int constraint b_is check (b > 0)\n);";
  t.deepEqual(
    unnamedChecks("x.sql", ddl).map(({ line }) => line),
    [2],
  );
  t.deepEqual(unnamedChecks("x.sql", "create policy p on x with check (true); -- check (1)"), []);
});
