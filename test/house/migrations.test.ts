import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { hashOf, parseMigration, readCommitted } from "../../src/database/committed.ts";
import { grantees } from "../../src/database/logic_catalogue.ts";
import { statementsOf } from "../../src/database/sql_statements.ts";
import { codeOf } from "./sql_text.ts";

/** Migrations make tables, and sql/ all that can be made again: what stands where is told apart. */

const folder = fileURLToPath(new URL("../../migrations/", import.meta.url));
const committed = await readdir(`${folder}committed`);
const files = ["current.sql", ...committed.map((file) => `committed/${file}`)];

/** What has landed stays as it is, forever: npm run migrate:commit adds a new migration here. */
const landed = (await readFile(new URL("landed_migrations.txt", import.meta.url), "utf8"))
  .trim()
  .split("\n")
  .map((line) => line.split(" "));

const logic =
  /^(?:create (?:or replace )?(?:function|procedure|(?:constraint )?trigger|view|policy|rule)|comment on|grant|revoke|alter default privileges|alter (?:function|policy|view|trigger))\b/i;

/** Statements that belong in sql/, as file:line. */
function logicIn(file: string, text: string): string[] {
  return statementsOf(file, text)
    .filter((statement) => logic.test(statement.text))
    .map((statement) => `${file}:${statement.line}`);
}

/** Calls of functions of sql/, as file:line; a table or type of that name has no parenthesis. */
function callsIn(file: string, text: string): string[] {
  return statementsOf(file, text)
    .filter((statement) =>
      /(?<!(?:into|table|references|on|type|exists|domain|as) )\bsaldo\w*\.\w+\(/i.test(
        codeOf(statement.text),
      ),
    )
    .map((statement) => `${file}:${statement.line}`);
}

test("a committed migration is as it was when it landed", async (t) => {
  const all = await readCommitted();
  t.deepEqual(
    all.map(({ name, hash }) => [name, hash]),
    landed,
    "test/house/landed_migrations.txt has another hash, or misses a migration",
  );
});

test("a committed migration that was changed is seen", async (t) => {
  const file = committed.find((each) => each.startsWith("000006")) ?? "";
  const text = await readFile(`${folder}committed/${file}`, "utf8");
  const changed = parseMigration(file, text.replace("bigint", "integer"));
  t.not(hashOf(changed), changed.hash);
  t.is(hashOf(parseMigration(file, text)), changed.hash);
});

test("migrations make no function, trigger, view, policy, grant or comment", async (t) => {
  for (const file of files) t.deepEqual(logicIn(file, await readFile(folder + file, "utf8")), []);
  t.true(files.length > 2);
});

test("migrations call no function of sql/", async (t) => {
  for (const file of files) t.deepEqual(callsIn(file, await readFile(folder + file, "utf8")), []);
});

for (const words of [
  "create or replace function saldo.x() returns integer language sql return 1",
  "create trigger x before insert on saldo.account execute function saldo.y()",
  "create policy x on saldo.account using (true)",
  "create view saldo.x as select 1",
  "comment on table saldo.account is 'An account.'",
  "grant select on saldo.account to saldo_admin",
]) {
  test(`the rule sees: ${words.slice(0, 30)} ...`, (t) => {
    t.deepEqual(logicIn("planted", `-- why\nselect 1;\n${words};`), ["planted:3"]);
  });
}

test("the rule sees a call of a function", (t) => {
  const call = "update saldo.account set slots = saldo_private.default_slots();";
  t.deepEqual(callsIn("planted", call), ["planted:1"]);
});

test("the roles whose grants are given again are those that roles.sql makes", async (t) => {
  const roles = await readFile(`${folder}roles.sql`, "utf8");
  const made = new Set([...roles.matchAll(/'(saldo_\w+)'/g)].map((match) => match[1]));
  t.deepEqual([...made].sort(), [...grantees, "saldo_owner"].sort());
});

test("no block of sql/ makes what the loader has to know of: policies and triggers", async (t) => {
  const { readLogic } = await import("../../src/database/logic_source.ts");
  const { statements } = await readLogic();
  const blocks = statements.filter(({ text }) => /^do\b/.test(text));
  t.deepEqual(
    blocks.filter(({ text }) => /create policy|trigger|secure_table|comment on/.test(text)),
    [],
  );
  const parted = statements.filter(({ part }) => part !== undefined);
  const locking = /^(?:create (?:or replace )?(?:policy|trigger|view)|drop policy|alter table)\b/;
  t.deepEqual(
    statements.filter(({ text, part }) => locking.test(text) && part === undefined),
    [],
  );
  t.true(parted.length > 500);
});
