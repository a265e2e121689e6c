import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { homes, references, sharedHomes, upwardReferences } from "./rooms.ts";

const root = fileURLToPath(new URL("../../sql/", import.meta.url));
const names = (await readdir(root, { recursive: true })).filter(
  (file) => file.endsWith(".sql") && file.includes("/"),
);
const files = new Map(
  await Promise.all(
    names.map(
      async (file): Promise<[string, string]> => [file, await readFile(`${root}${file}`, "utf8")],
    ),
  ),
);
const index = await readFile(`${root}index.sql`, "utf8");

test("no file of sql/ uses a name of a later one", (t) => {
  t.deepEqual(upwardReferences(index, files), []);
  t.true(references(files).length > 1000, "or the reader of references has gone blind");
});

test("each name is at home in one file", (t) => {
  t.deepEqual(sharedHomes(files), []);
});

test("each table, view and type of the schema is at home in a file", async (t) => {
  const schema = await readFile(`${root}../migrations/schema.sql`, "utf8");
  const made = [
    ...schema.matchAll(/^create (?:unlogged )?(?:table|view|type|domain) (saldo\w*\.\w+)/gm),
  ];
  const home = homes(files);
  t.deepEqual(
    made.map(([, name = ""]) => name).filter((name) => !home.has(name)),
    [],
  );
  t.true(made.length > 100);
});

const order = "--!include ledger/low.sql\n--!include ledger/high.sql\n--!include wallet/top.sql\n";
const low = "-- Low.\ncreate or replace function saldo_private.low()\nas $$\nselect 1\n$$;\n";
const high = "-- High.\ncomment on table saldo.high is 'High.';\n";
const top = `-- Top.
create or replace view saldo.top as
select saldo_private.low() from saldo.high;
`;

/** What is found wrong when one of the three files has more in it. */
function found(file: string, more: string): string[] {
  const planted = new Map([
    ["ledger/low.sql", low],
    ["ledger/high.sql", high],
    ["wallet/top.sql", top],
  ]);
  planted.set(file, `${planted.get(file)}${more}`);
  return upwardReferences(order, planted).map(
    (violation) => `${violation.file}:${violation.line} ${violation.rule}`,
  );
}

test("the test of rooms leaves uses of earlier files alone", (t) => {
  t.deepEqual(found("wallet/top.sql", "select * from saldo.high, saldo_private.low();\n"), []);
});

for (const [title, file, more, rules] of [
  [
    "a later room's view",
    "ledger/low.sql",
    "\nselect t.x\nfrom saldo.top as t;\n",
    ["ledger/low.sql:8 saldo.top is at home in wallet/top.sql, a later file"],
  ],
  [
    "a circle within a room: each of two files uses the other",
    "ledger/low.sql",
    "create policy p on saldo.high using (true);\n",
    ["ledger/low.sql:6 saldo.high is at home in ledger/high.sql, a later file"],
  ],
  [
    "a type that a parameter has",
    "ledger/low.sql",
    "create or replace function saldo.x(row saldo.high)\nas $$\nselect 1\n$$;\n",
    ["ledger/low.sql:6 saldo.high is at home in ledger/high.sql, a later file"],
  ],
  [
    "a name as a text",
    "ledger/low.sql",
    "select saldo_private.secure_table('saldo.high');\n",
    ["ledger/low.sql:6 saldo.high is at home in ledger/high.sql, a later file"],
  ],
  [
    "a name in a statement that is put together",
    "ledger/low.sql",
    "execute format('select %L from saldo.high', 1);\n",
    ["ledger/low.sql:6 saldo.high is at home in ledger/high.sql, a later file"],
  ],
  [
    "nothing in comments and messages",
    "ledger/low.sql",
    "-- See saldo.high.\nselect 'Call saldo.top, it''s -- saldo.high' as hint; -- saldo.top\n",
    [],
  ],
] as const) {
  test(`the test of rooms sees ${title}`, (t) => {
    t.deepEqual(found(file, more), [...rules]);
  });
}

test("the test of rooms sees a name that two files comment on", (t) => {
  t.deepEqual(
    sharedHomes(
      new Map([
        ["ledger/high.sql", high],
        ["ledger/low.sql", high],
      ]),
    ),
    ["saldo.high is at home in ledger/high.sql and in ledger/low.sql"],
  );
});
