import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { tidy, tidyIndex } from "./tidy.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

async function sqlFiles(): Promise<string[]> {
  const all = await readdir(`${root}sql`, { recursive: true });
  return all.filter((file) => file.endsWith(".sql") && file.includes("/")).sort();
}

test("the SQL keeps the house rules", async (t) => {
  const violations = [];
  for (const file of await sqlFiles()) {
    violations.push(...tidy(file, await readFile(`${root}sql/${file}`, "utf8")));
  }
  t.deepEqual(violations, []);
});

test("index.sql loads each file once, room after room", async (t) => {
  const index = await readFile(`${root}sql/index.sql`, "utf8");
  t.deepEqual(tidyIndex(index, await sqlFiles()), []);
});

const clean = "-- What it is.\n";
const bodyOf = (lines: number) => `as $$\n${"x\n".repeat(lines)}$$;\n`;

for (const [rule, text] of [
  ["a line has at most 100 columns", `${clean}${"x".repeat(101)}`],
  ["code is lower case but for NEW, OLD and TG_*", `${clean}SELECT 1`],
  ["code is lower case but for NEW, OLD and TG_*", `${clean}as $$\nreturn NULL;\n$$;`],
  ["no leftovers", `${clean}-- TODO`],
  ["no abbreviations", `${clean}select amt`],
  ["errors are raised through saldo_private.fail", `${clean}raise exception 'x'`],
  [
    "the sign of an account is that of ledger/normal_side.sql",
    `${clean}select type in ('asset', 'expense')`,
  ],
  [
    "whether an account has enough is said by ledger/availability.sql",
    `${clean}where a.balance - a.held_total - change >= a.min_balance`,
  ],
  ["no tabs or blanks at the end", `${clean}select 1 `],
  ["a file has at most 400 lines", `${clean}${"x\n".repeat(401)}`],
  ["a file opens with what it is", "select 1"],
  ["a function has at most 70 lines", `${clean}${bodyOf(71)}`],
] as const) {
  test(`the tidy test sees: ${rule}, in ${JSON.stringify(text.slice(15, 40))}`, (t) => {
    t.deepEqual(
      tidy("ledger/x.sql", text).map((violation) => violation.rule),
      [rule],
    );
  });
}

test("the tidy test leaves texts and comments alone", (t) => {
  t.deepEqual(tidy("ledger/x.sql", `${clean}select 'SELECT NULL'; -- AND so on\n`), []);
  t.deepEqual(tidy("ledger/x.sql", `${clean}select 'it''s\nNULL', TG_OP, NEW.id, OLD.id;`), []);
  t.deepEqual(tidy("ledger/x.sql", `${clean}${bodyOf(70)}`), []);
});

test("the index test sees a file that is missing, double, unknown or out of order", (t) => {
  const index = (...files: string[]) => files.map((file) => `--!include ${file}`).join("\n");
  t.deepEqual(tidyIndex(index("ledger/a.sql"), ["ledger/a.sql", "ledger/b.sql"]), [
    "ledger/b.sql is not loaded",
  ]);
  t.deepEqual(tidyIndex(index("ledger/a.sql", "ledger/a.sql"), ["ledger/a.sql"]), [
    "ledger/a.sql is loaded twice",
  ]);
  t.deepEqual(tidyIndex(index("ledger/c.sql"), []), ["ledger/c.sql is not there"]);
  t.deepEqual(tidyIndex(index("wallet/a.sql", "ledger/a.sql"), ["wallet/a.sql", "ledger/a.sql"]), [
    "ledger/a.sql stands behind a later room",
  ]);
});
