import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { tableOf } from "../../src/cli/table.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";

let database: TestDatabase;
let folder: string;
test.before(async () => {
  database = await openTestDatabase(2);
  folder = await mkdtemp(join(tmpdir(), "saldo-sql-"));
});
test.after.always(async () => {
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

function sql(input: string, path: string, address = database.connectionString) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/saldo.js", "sql"], {
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env: { PATH: path, DATABASE_URL: address },
    input,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

test("where psql is not installed a prompt takes statements, and shows codes", (t) => {
  const input = [
    "select 12345678901234567890.10 as amount, null as nothing,",
    "  e'a\\nb' as text;",
    "",
    "select saldo.transfer(1, 2, '1.234');",
    "select 1 as one; create temp table x (n text);",
    "insert into x values ('1; -- no comment'), (",
    "  null), ($$",
    "2;",
    "$$); -- two",
    "\\q",
    "select 'never read'",
  ];
  const { status, stdout, stderr } = sql(input.join("\n"), folder);
  t.regex(stderr, /^psql is not installed\./);
  const [, failure = ""] = /^(SB\d{3}: .+)$/m.exec(stdout) ?? [];
  t.not(failure, "", stdout);
  t.true(
    stdout.startsWith(
      "amount                  | nothing | text\n" +
        "------------------------+---------+-------\n" +
        "12345678901234567890.10 |         | a\\x0ab\n(1 row)\n",
    ),
    stdout,
  );
  t.true(stdout.endsWith("one\n---\n1\n(1 row)\nCREATE\nINSERT 3\n"), stdout);
  t.is(status, 1, "a statement was refused");
  t.is(sql("select 1\n", folder).status, 0);
});

test("psql shows the codes of errors, and does not show the password to others", async (t) => {
  const bin = await mkdtemp(join(folder, "bin-"));
  const program = '#!/bin/sh\nprintf "%s\\n" "$PGPASSWORD" "$@"; cat; exit 3\n';
  await writeFile(join(bin, "psql"), program);
  await chmod(join(bin, "psql"), 0o755);
  const address = "postgres://ann:s%40cret@db.example:5433/books?sslmode=require";
  const { status, stdout } = sql("select 1\n", `${bin}:/usr/bin:/bin`, address);
  t.is(status, 3, "its own exit code");
  t.deepEqual(stdout.split("\n"), [
    "s@cret",
    "-v",
    "VERBOSITY=verbose",
    "-v",
    "SHOW_CONTEXT=never",
    "postgres://ann@db.example:5433/books?sslmode=require",
    "select 1",
    "",
  ]);
});

test("a table without rows, and with characters of the terminal", (t) => {
  t.is(tableOf(["a", "bc"], []), "a | bc\n--+---\n(0 rows)\n");
  t.is(tableOf(["a"], [["\u001b[2J"]]), "a\n-------\n\\x1b[2J\n(1 row)\n");
});
