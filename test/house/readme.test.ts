import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { settings } from "../../src/config.ts";
import { openTestDatabase } from "../_support/database.ts";

/*
 * README is a program: a block after `<!-- run: sql -->` is run, statement by statement, on one
 * database, and the block after `<!-- output -->` is what it prints: for each result its column
 * names, then its rows, cells between bars; for an error its code and message.
 */
const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = await readFile(`${root}README.md`, "utf8");
const example = /<!-- run: sql -->\n```sql\n([\s\S]*?)```\n<!-- output -->\n```\n([\s\S]*?)```/g;

test("what README shows of psql is what happens", async (t) => {
  const database = await openTestDatabase(1);
  const client = await database.pool.connect();
  try {
    const examples = [...readme.matchAll(example)];
    t.true(examples.length >= 3);
    for (const [, statements = "", expected = ""] of examples) {
      const printed: string[] = [];
      for (const statement of statements.split(/;\n/).filter((text) => text.trim())) {
        try {
          const result = await client.query({ text: statement, rowMode: "array" });
          printed.push(result.fields.map(({ name }) => name).join(" | "));
          for (const row of result.rows as unknown[][]) printed.push(row.join(" | "));
        } catch (error) {
          printed.push(`ERROR ${(error as { code: string }).code}: ${(error as Error).message}`);
        }
      }
      t.is(`${printed.join("\n")}\n`, expected);
    }
  } finally {
    client.release();
    await database.close();
  }
});

test("README's table of settings is that of the program", (t) => {
  const rows = Object.values(settings).map(
    ({ name, description, default: fallback }) =>
      `| \`${name}\` | ${description} | ${fallback || "none"} |`,
  );
  const table = ["| setting | meaning | default |", "|---|---|---|", ...rows].join("\n");
  const shown = /<!-- settings -->\n([\s\S]*?)\n<!-- \/settings -->/.exec(readme)?.[1];
  t.is(shown, table);
});

test("files and npm scripts that README names are there", async (t) => {
  const { scripts } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
  const files = [...readme.matchAll(/`((?:sql|src|bench|migrations)\/[\w./-]+)`/g)].map(
    (match) => match[1] ?? "",
  );
  t.deepEqual(
    files.filter((file) => !existsSync(`${root}${file}`)),
    [],
  );
  const commands = [...readme.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] ?? "");
  t.deepEqual(
    commands.filter((command) => !(command in scripts)),
    [],
  );
});

test("README shows the bench's own figures", async (t) => {
  const report = await readFile(`${root}bench/report.md`, "utf8");
  const shown = /<!-- bench -->\n([\s\S]*?)\n<!-- \/bench -->/.exec(readme)?.[1] ?? "";
  t.true(shown.length > 100);
  t.true(report.includes(shown.trim()));
});
