import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { checkMigrations, checkSyntax, type Verdict } from "../../scripts/check_sql.ts";

test("sql/ has no syntax error, in function bodies neither", (t) => {
  const { isClean, output } = checkSyntax("sql");
  t.true(isClean, output);
  t.regex(output, /Checked \d\d+ files/);
});

test("the migrations lock no table longer than they must", (t) => {
  const { isClean, output } = checkMigrations(
    "migrations/committed/*.sql",
    "migrations/current.sql",
  );
  t.true(isClean, output);
});

async function verdictOn(sql: string, check: (path: string) => Verdict): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), "saldo-check-sql-"));
  try {
    await writeFile(join(folder, "planted.sql"), sql);
    return check(join(folder, "planted.sql"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const functionOf = (language: string, body: string) =>
  `create function saldo.planted() returns integer language ${language} as $$\n${body}\n$$;\n`;

for (const [place, sql] of [
  ["a statement", "select from where;"],
  ["a body in SQL", functionOf("sql", "selec 1")],
  ["a statement of a PL/pgSQL body", functionOf("plpgsql", "begin return 1 frm 2; end")],
  ["the structure of a PL/pgSQL body", functionOf("plpgsql", "begin if true the end if; end")],
]) {
  test(`the syntax check sees an error in ${place}`, async (t) => {
    const { isClean, output } = await verdictOn(sql ?? "", checkSyntax);
    t.false(isClean, output);
    t.regex(output, /syntax/);
  });
}

test("the migration check sees a column that is made not null under everyone's feet", async (t) => {
  const { isClean, output } = await verdictOn(
    "alter table saldo.account alter column name set not null;",
    checkMigrations,
  );
  t.false(isClean, output);
});
