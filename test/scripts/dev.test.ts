import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { Client } from "pg";
import { runProgram } from "../_support/process.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A copy of the sources, so that the test may save files without touching the checkout. */
async function copySources(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "saldo-dev-"));
  for (const name of ["sql", "src", "tasks", "scripts", "migrations", "package.json"]) {
    await cp(join(root, name), join(folder, name), { recursive: true, verbatimSymlinks: true });
  }
  await cp(join(root, "test/_support"), join(folder, "test/_support"), { recursive: true });
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

test("npm run dev applies a saved file of sql/, names the line of an error, and starts again", async (t) => {
  t.timeout(120_000);
  const folder = await copySources();
  const data = await mkdtemp(join(tmpdir(), "saldo-dev-data-"));
  const dev = runProgram(join(folder, "scripts/dev.ts"), [], {
    SALDO_DATA_DIR: data,
    PORT: "0",
    NODE_ENV: "development",
  });
  try {
    await dev.printed(/"listening"/);
    const file = join(folder, "sql/foundation/uuid_v7.sql");
    const before = await readFile(file, "utf8");

    const added = "create or replace function saldo_private.saved() returns integer";
    await writeFile(file, `${before}\n${added}\nlanguage sql\nimmutable\nas $$ select 42 $$;\n`);
    await dev.printed(/sql\/ applied in \d+ ms/);
    const database = new Client({
      connectionString: (await readFile(join(data, "database-url"), "utf8")).trim(),
    });
    await database.connect();
    const { rows } = await database.query("select saldo_private.saved() as answer");
    t.is(rows[0].answer, 42);

    const line = before.split("\n").length + 1;
    await writeFile(file, `${before}\nselect nothing_of_that_name();\n`);
    await dev.printed(new RegExp(`foundation/uuid_v7\\.sql:${line}\\b`));

    await writeFile(file, before);
    await dev.printed(/sql\/ applied[\s\S]*sql\/ applied/);
    const gone = await database.query("select to_regproc('saldo_private.saved') as found");
    t.is(gone.rows[0].found, null, "what is no longer in sql/ is dropped");
    await database.end();

    const starts = () => dev.output().split('"listening"').length - 1;
    const sofar = starts();
    await writeFile(
      join(folder, "src/log.ts"),
      `${await readFile(join(root, "src/log.ts"), "utf8")}\n`,
    );
    await dev.printed(new RegExp(`("listening"[\\s\\S]*){${sofar + 1}}`));
    t.is(starts(), sofar + 1);
  } finally {
    dev.child.kill("SIGTERM");
    await dev.ended;
    await rm(folder, { recursive: true, force: true });
    await rm(data, { recursive: true, force: true });
  }
});
