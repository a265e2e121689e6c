import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { settings } from "../../src/config.ts";
import { openTestDatabase } from "../_support/database.ts";
import { type Example, examplesOf, masked, outputOfShell, outputOfSql } from "./examples.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = await readFile(`${root}README.md`, "utf8");

/** The examples' outputs, all on one fresh database. */
async function outputsOf(examples: Example[]): Promise<string[]> {
  const database = await openTestDatabase(1);
  const client = await database.pool.connect();
  const outputs: string[] = [];
  try {
    for (const { language, source } of examples) {
      outputs.push(
        language === "sql"
          ? await outputOfSql(client, source)
          : await outputOfShell(database.connectionString, source, root),
      );
    }
  } finally {
    client.release();
    await database.close();
  }
  return outputs;
}

test("what README shows is what happens", async (t) => {
  const examples = examplesOf(readme);
  t.true(examples.length >= 3);
  const outputs = await outputsOf(examples);
  for (const [index, { expected }] of examples.entries()) t.is(outputs[index], expected);
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

test("files, links and npm scripts that README names are there", async (t) => {
  const { scripts } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
  const files = [
    ...readme.matchAll(/`((?:sql|src|bench|docs|migrations|test|scripts|tasks)\/[\w./-]+)`/g),
    ...readme.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g),
  ].map((match) => match[1] ?? "");
  t.deepEqual(
    files.filter((file) => !existsSync(`${root}${file}`)),
    [],
  );
  t.true(files.length > 0);
  const commands = [...readme.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] ?? "");
  t.deepEqual(
    commands.filter((command) => !(command in scripts)),
    [],
  );
  t.true(commands.length > 0);
});

test("README shows the bench's own figures", async (t) => {
  const report = await readFile(`${root}bench/report.md`, "utf8");
  const shown = /<!-- bench -->\n([\s\S]*?)\n<!-- \/bench -->/.exec(readme)?.[1] ?? "";
  t.true(shown.length > 100);
  t.true(report.includes(shown.trim()));
});

const fence = "```";
const written = (language: string, source: string, output: string) =>
  `<!-- run: ${language} -->\n${fence}${language}\n${source}${fence}\n` +
  `<!-- output -->\n${fence}\n${output}${fence}\n`;

test("an example's statements and commands are run, and its errors have codes", async (t) => {
  const examples = examplesOf(
    written("sql", "select 1 as one, null as none;\nselect saldo.balance_at(0, now());\n", "x\n") +
      written("sh", 'echo "$DATABASE_URL" | grep -o saldo_test_; echo oh >&2\n', "y\n"),
  );
  t.deepEqual(
    examples.map(({ expected }) => expected),
    ["x\n", "y\n"],
  );
  const [sql, shell] = await outputsOf(examples);
  t.regex(sql ?? "", /^one \| none\n1 \| \nERROR SB\d{3}: .+\n$/);
  t.is(shell, "saldo_test_\noh\n");
});

test("an example whose output is missing is an error", (t) => {
  t.throws(() => examplesOf("<!-- run: sql -->\n```sql\nselect 1;\n```\n"));
});

test("ids, times and durations are masked, amounts are not", (t) => {
  t.is(
    masked("019aa6f1-7a3c-7cc0-8a53-0123456789ab 2025-11-19 16:19:29+07 12.5 ms 1900000 SB001"),
    "<uuid> <time> <duration> 1900000 SB001",
  );
});
