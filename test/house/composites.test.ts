import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { positionalRows, staleRows } from "./composites.ts";

const root = fileURLToPath(new URL("../../sql/", import.meta.url));

/** Posting, submitting, moving a slot and rows of hundreds at once: what each file says at the spot, or at its top. */
const kept = [
  { file: "branch/branch_arrival.sql", what: "saldo_private.branch_arrival" },
  { file: "foundation/joint_request.sql", what: "saldo_private.joint_request" },
  { file: "ledger/post_pair.sql", what: "saldo.journal_entry" },
  { file: "ledger/posting.sql", what: "saldo_private.line_sum" },
  { file: "ledger/posting.sql", what: "saldo_private.posting_line" },
  { file: "ledger/posting.sql", what: "saldo.journal_line" },
  { file: "hot/move_slot.sql", what: "v_slot" },
  { file: "hot/submit_transaction.sql", what: "v_slot" },
  { file: "hot/submit_transactions.sql", what: "saldo_private.submission" },
  { file: "hot/submit_transactions_keys.sql", what: "saldo_private.submission" },
];

test("composites are filled and read by the names of their fields", async (t) => {
  const names = (await readdir(root, { recursive: true })).filter(
    (file) => file.endsWith(".sql") && file.includes("/"),
  );
  const files = new Map<string, string>();
  for (const file of names) files.set(file, await readFile(`${root}${file}`, "utf8"));
  t.deepEqual(
    [...files].flatMap(([file, text]) => positionalRows(file, text, kept)),
    [],
  );
  t.deepEqual(staleRows(files, kept), []);
});

const filled = "a composite is filled by the names of its fields";
const read = "a composite is read by the names of its fields";
const written = "a composite is written out field by field";
const unlisted = "an insert names its columns";
const unnamed = "the fields of an array's composites keep their names";
const body = (code: string) => `returns void\nas $$\ndeclare\n  v_x saldo.thing;\n${code}\n$$;\n`;

for (const [title, code, rules] of [
  ["a row that is cast", "select (a, b, f(1, 2), 4)::saldo.thing;", [filled]],
  ["a row that is cast on the next line", "x => array[(1, 2, 3, 4)\n  ::saldo.thing];", [filled]],
  ["a row by that word", "select row(1, 2, 3, 4);", [filled]],
  ["a row that is assigned", "v_x := (\n  1, 2, null, 4\n);", [filled]],
  ["a row that is returned", "return (1, 2, array[1, 2], 4);", [filled]],
  ["a row that is given by name", "perform f(thing => (1, 2, 3, 4));", [filled]],
  [
    "a row in a statement that is put together",
    "execute format(\n  'select (a, b, '\n    'c, %L)::saldo.thing from a', d\n);",
    [filled],
  ],
  ["all fields of a composite", "select 1, (thing).* from saldo.thing;", [written]],
  ["all fields of a variable", "return query\nselect v_x.*;", [written]],
  ["an insert without columns", "insert into saldo.thing\nselect 1, 2;", [unlisted]],
  ["a row that is read", body("select a.b, f(1, 2)\ninto strict v_x\nfrom saldo.a;"), [read]],
  ["a row that a write returns", body("returning a, b into v_x;"), [read]],
  [
    "new names for the fields of an array",
    "select * from unnest(things) with ordinality as t (a, b, c, no);",
    [unnamed],
  ],
  ["nothing in three fields", "select (a, b, 3)::saldo.thing;", []],
  ["nothing in a call that is cast", "select coalesce(a, b, c, d)::saldo.amount;", []],
  ["nothing in a comparison", "return (a, b, c, d) is distinct from (e, f, g, h);", []],
  ["nothing in a list of columns", "insert into saldo.thing (a, b, c, d) values (1, 2, 3, 4);", []],
  ["nothing in what is read whole", body("select a.* into v_x from saldo.thing as a;"), []],
  ["nothing in what is read by name", body("select a, b into v_x.c, v_x.d from a;"), []],
  ["nothing in comments and texts", "-- row(1, 2, 3, 4)\nselect 'row(1, 2, 3, 4)';", []],
] as const) {
  test(`the test of composites sees ${title}`, (t) => {
    t.deepEqual(
      positionalRows("ledger/x.sql", `-- What it is.\n${code}\n`).map(({ rule }) => rule),
      [...rules],
    );
  });
}

test("the test of composites leaves a row that is kept, and tells when it is gone", (t) => {
  const rows = [{ file: "ledger/x.sql", what: "saldo.thing" }];
  const text = "select (1, 2, 3, 4)::saldo.thing;\n";
  t.deepEqual(positionalRows("ledger/x.sql", text, rows), []);
  t.is(positionalRows("ledger/y.sql", text, rows).length, 1);
  t.deepEqual(staleRows(new Map([["ledger/x.sql", text]]), rows), []);
  t.deepEqual(staleRows(new Map([["ledger/x.sql", "select 1;\n"]]), rows), rows);
});
