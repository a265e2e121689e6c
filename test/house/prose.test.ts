import { readdir } from "node:fs/promises";
import test from "ava";
import { readDocument, readDocuments, root } from "./docs.ts";
import {
  type Finding,
  proseFindings,
  proseOfMarkdown,
  proseOfSql,
  proseOfTypeScript,
  proseRules,
} from "./prose.ts";

const shown = ({ file, line, rule, text }: Finding) => `${file}:${line} ${rule}: ${text}`;

async function findingsIn(folder: string, ending: string, proseOf: (text: string) => string) {
  const names = await readdir(`${root}${folder}`, { recursive: true });
  const files = names.filter((name) => name.endsWith(ending)).map((name) => `${folder}/${name}`);
  const all = await Promise.all(
    files.map(async (file) => proseFindings(file, proseOf(await readDocument(file)))),
  );
  return all.flat();
}

test("documents are in plain words", async (t) => {
  const documents = await readDocuments();
  const findings = documents.flatMap(({ path, text }) =>
    proseFindings(path, proseOfMarkdown(text)),
  );
  t.deepEqual(findings.map(shown), []);
});

test("comments and messages of sql/ and src/ are in plain words", async (t) => {
  const findings = [
    ...(await findingsIn("sql", ".sql", proseOfSql)),
    ...(await findingsIn("src", ".ts", proseOfTypeScript)),
    ...(await findingsIn("src", ".tsx", proseOfTypeScript)),
    ...(await findingsIn("tasks", ".ts", proseOfTypeScript)),
  ];
  t.deepEqual(findings.map(shown), []);
});

const planted = [
  ["The answer were SB303.", 0],
  ["Were it shared out, a slot would pay.", 0],
  ["It looks as if nothing were there.", 0],
  ["200 when it is there, 503 else.", 1],
  ["It has to commit, or else it waits.", 1],
  ["Rules are exact and dear.", 2],
  ["Locks that it took in vain.", 3],
  ["Whilst it runs.", 4],
  ["Readings are rated anew.", 5],
  ["The journal and the caches thereof.", 6],
] as const;

for (const [sentence, place] of planted) {
  test(`the check of words sees: ${sentence}`, (t) => {
    t.deepEqual(proseFindings("x.md", `Good.\n${sentence}`), [
      { file: "x.md", line: 2, rule: proseRules[place]?.rule ?? "", text: sentence },
    ]);
  });
}

test("the check of words leaves plain sentences and code alone", (t) => {
  const plain =
    "Rows were written. The accounts that were locked. Nobody else may. What else is there?";
  t.deepEqual(proseFindings("x.md", plain), []);
  t.deepEqual(proseFindings("x.md", proseOfMarkdown("```sql\nif x else y\n```\n`or else`\n")), []);
  const sql = "case when x then 'dear' else 1 end -- fine\n";
  t.deepEqual(proseFindings("x.sql", proseOfSql(sql)), []);
  const typescript = 'if (a) { b("// dear"); } else { c(); } // fine\n';
  t.deepEqual(proseFindings("x.ts", proseOfTypeScript(typescript)), []);
});

test("the check of words reads comments and messages of SQL, and comments of TypeScript", (t) => {
  t.is(proseFindings("x.sql", proseOfSql("select 1; -- or else\n")).length, 1);
  t.is(proseFindings("x.sql", proseOfSql("comment on table x is\n  'It is dear.';\n")).length, 1);
  t.is(
    proseFindings("x.ts", proseOfTypeScript("/**\n * In vain.\n */\na(); // or else\n")).length,
    2,
  );
});
