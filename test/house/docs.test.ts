import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import test from "ava";
import { type OperationDefinitionNode, parse } from "graphql";
import { type Document, readDocument, readDocuments, root } from "./docs.ts";
import { type Example, examplesOf, masked, operationsOf, statementsOf } from "./examples.ts";
import { openStage } from "./run_example.ts";

const documents = await readDocuments();

// Three documents at a time, each on a database of its own: more would only wait for each other.
const turns: Promise<unknown>[] = [Promise.resolve(), Promise.resolve(), Promise.resolve()];
let turn = 0;

function outputsOf(examples: Example[]): Promise<(string | undefined)[]> {
  const place = turn++ % turns.length;
  const outputs = turns[place]?.then(() => play(examples)) ?? play(examples);
  turns[place] = outputs.catch(() => {});
  return outputs;
}

async function play(examples: Example[]): Promise<(string | undefined)[]> {
  const stage = await openStage(examples);
  try {
    const outputs: (string | undefined)[] = [];
    for (const example of examples) outputs.push(await stage.outputOf(example));
    return outputs;
  } finally {
    await stage.close();
  }
}

for (const { path, text } of documents.filter((each) => /^<!-- run:/m.test(each.text))) {
  test(`what ${path} shows is what happens`, async (t) => {
    const examples = examplesOf(text);
    const outputs = await outputsOf(examples);
    for (const [index, { language, expected }] of examples.entries()) {
      const output = outputs[index];
      if (output === undefined) t.log(`skipped: ${language} with its driver is not installed here`);
      else t.is(output, expected);
    }
    t.true(outputs.some((output) => output !== undefined));
  });
}

test("the guides and the README have examples that run", (t) => {
  const silent = documents.filter(
    ({ path, text }) => /^(README\.md|docs\/guides\/)/.test(path) && examplesOf(text).length === 0,
  );
  t.deepEqual(
    silent.map(({ path }) => path),
    // For people who write no code: what it tells is held by the tests of the screens.
    ["docs/guides/console.md"],
  );
});

/** Links of a document to files of the repository, and the anchors in them. */
function linksOf({ path, text }: Document): { target: string; anchor: string }[] {
  return [...text.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].map(
    ([, file = "", anchor]) => ({
      target: file === "" ? path : normalize(join(dirname(path), file)),
      anchor: anchor ?? "",
    }),
  );
}

/** The anchors that GitHub makes of headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replace(/\s/g, "-"),
  );
}

test("every link of every document leads somewhere", async (t) => {
  const broken: string[] = [];
  let count = 0;
  for (const document of documents) {
    for (const { target, anchor } of linksOf(document)) {
      count += 1;
      const isThere = existsSync(`${root}${target}`);
      const isAnchored =
        anchor === "" || (isThere && anchorsOf(await readDocument(target)).includes(anchor));
      if (!isThere || !isAnchored) broken.push(`${document.path}: ${target}#${anchor}`);
    }
  }
  t.deepEqual(broken, []);
  t.true(count > 50);
});

const folders = "sql|src|bench|docs|demo|migrations|monitoring|test|scripts|tasks|\\.ci";

/** Files that a document names between backticks, from the root or as README of sql/ from there. */
function filesOf({ text }: Document): string[] {
  const names = text.matchAll(new RegExp(`\`((?:${folders})/[\\w./-]+)\``, "g"));
  return [...names].map((match) => match[1] ?? "");
}

test("every file that a document names is there", (t) => {
  const named = documents.flatMap((document) =>
    filesOf(document).map((file) => ({ path: document.path, file })),
  );
  t.deepEqual(
    named.filter(({ file }) => !existsSync(`${root}${file}`)),
    [],
  );
  t.true(named.length > 100);
});

test("ARCHITECTURE.md has every room, and answers fifteen questions with files", async (t) => {
  const text = await readDocument("ARCHITECTURE.md");
  const rows = [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, room]) => room ?? "");
  const folders = async (folder: string) =>
    (await readdir(`${root}${folder}`, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  t.deepEqual(rows.sort(), [...(await folders("sql")), ...(await folders("src"))].sort());
  const [, answers = ""] = text.split("## Where is ...");
  const questions = [...answers.matchAll(/^\| (.+\?) \| (.+) \|$/gm)];
  t.true(questions.length >= 15);
  for (const [, question, answer = ""] of questions)
    t.regex(answer, /`[\w/]+\.(sql|ts)`/, question);
});

test("every npm script that a document names is there", async (t) => {
  const { scripts } = JSON.parse(await readDocument("package.json"));
  const named = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/npm run ([\w:]+)/g)].map(([, script = ""]) => ({ path, script })),
  );
  t.deepEqual(
    named.filter(({ script }) => !(script in scripts)),
    [],
  );
  t.true(named.length > 10);
});

test("every metric that HTTP's page names is one that the rules of Prometheus watch", async (t) => {
  const rules = await readDocument("monitoring/alert-rules.yml");
  const page = await readDocument("docs/reference/http.md");
  const named = [...page.matchAll(/`(saldo_[a-z_]+|balance_sheet_valid)`/g)].map(
    ([, name]) => name,
  );
  t.deepEqual(
    named.filter((name) => !rules.includes(name ?? "")),
    [],
  );
  t.true(named.length > 10);
});

test("README is short, and the way to every document", async (t) => {
  const readme = await readDocument("README.md");
  t.true(readme.split("\n").length <= 251);
  const reached = new Set<string>(["README.md"]);
  for (const path of reached) {
    const document = documents.find((each) => each.path === path);
    for (const { target } of document ? linksOf(document) : []) reached.add(target);
  }
  t.deepEqual(
    documents.map(({ path }) => path).filter((path) => !reached.has(path)),
    [],
  );
});

const fence = "```";
const written = (language: string, source: string, output: string) =>
  `<!-- run: ${language} -->\n${fence}${language}\n${source}${fence}\n` +
  `<!-- output -->\n${fence}\n${output}${fence}\n`;

test("examples are run in their language, and errors have codes", async (t) => {
  const examples = examplesOf(
    written("sql", "select 1 as one, null as none;\nselect saldo.balance_at(0, now());\n", "x\n") +
      written("sh", 'echo "$DATABASE_URL" | grep -o saldo_test_; echo oh >&2\n', "y\n") +
      written("http", "GET /health\n\nGET /nowhere\n", "") +
      written("graphql", "{ members { totalCount } }\n", "") +
      written("js", 'import pg from "pg";\nconsole.log(typeof pg.Client);\n', ""),
  );
  t.deepEqual(
    examples.map(({ expected }) => expected),
    ["x\n", "y\n", "", "", ""],
  );
  const [sql, shell, http, graphql, js] = await outputsOf(examples);
  t.regex(sql ?? "", /^one \| none\n1 \| \nERROR SB\d{3}: .+\n$/);
  t.is(shell, "saldo_test_\noh\n");
  t.regex(http ?? "", /^200\n\{"status":"ok"\}\n404\n.*SB007/);
  t.deepEqual(JSON.parse(graphql ?? ""), { data: { members: { totalCount: 0 } } });
  t.is(js, "function\n");
});

test("a program of a document that fails is a failure, not an output", async (t) => {
  const [example] = examplesOf(written("js", 'throw new Error("no");\n', "x\n"));
  await t.throwsAsync(outputsOf([example as Example]));
});

test("an example whose output is missing, or in no language, is an error", (t) => {
  t.throws(() => examplesOf("<!-- run: sql -->\n```sql\nselect 1;\n```\n"));
  t.throws(() => examplesOf(written("cobol", "STOP RUN.\n", "x\n")));
});

test("a block of several operations can be pasted as it is: each has a name of its own", (t) => {
  for (const { path, text } of documents) {
    for (const [, block = ""] of text.matchAll(/^```graphql\n([\s\S]*?)^```/gm)) {
      const names = (parse(block).definitions as OperationDefinitionNode[]).map(
        ({ name }) => name?.value,
      );
      t.true(names.length === 1 || !names.includes(undefined), `${path}: ${block}`);
      t.is(new Set(names).size, names.length, `${path}: ${block}`);
    }
  }
});

test("statements end with a semicolon at the end of a line, operations begin with their word", (t) => {
  t.deepEqual(statementsOf("select 1;\ndo $$ begin\n  x;\nend $$;\n"), [
    "select 1",
    "do $$ begin\n  x;\nend $$",
  ]);
  t.deepEqual(operationsOf("mutation { a\n}\n\n{ b }\n"), ["mutation { a\n}\n\n", "{ b }\n"]);
});

test("ids, times, hashes and durations are masked, amounts are not", (t) => {
  t.is(
    masked("019aa6f1-7a3c-7cc0-8a53-0123456789ab 2025-11-19 16:19:29+07 12.5 ms 1900000 SB001"),
    "<uuid> <time> <duration> 1900000 SB001",
  );
  t.is(masked(`${"0a".repeat(32)} 0a0a`), "<hash> 0a0a");
});

test("links, anchors and files of a document are found", (t) => {
  const document = {
    path: "docs/a.md",
    text: "[x](../b.md#c-d) [y](#e) [z](https://x) `sql/x.sql`",
  };
  t.deepEqual(linksOf(document), [
    { target: "b.md", anchor: "c-d" },
    { target: "docs/a.md", anchor: "e" },
  ]);
  t.deepEqual(filesOf(document), ["sql/x.sql"]);
  t.deepEqual(anchorsOf("## Why: ranked causes\n"), ["why-ranked-causes"]);
});
