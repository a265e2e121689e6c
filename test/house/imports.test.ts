import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { betweenRooms, circlesOf, importsOf, roomOf, type Sources } from "./imports.ts";

/** No circle: a file can be read, and a room be changed, without all that stands above it. */

const root = fileURLToPath(new URL("../../", import.meta.url));

async function readSources(): Promise<Sources> {
  const sources = new Map<string, string>();
  for (const folder of ["src", "tasks"]) {
    for (const file of await readdir(`${root}${folder}`, { recursive: true })) {
      if (!/\.(tsx?|js)$/.test(file)) continue;
      const path = `${folder}/${file.replaceAll("\\", "/")}`;
      sources.set(path, await readFile(`${root}${path}`, "utf8"));
    }
  }
  return sources;
}

const sources = await readSources();

test("no files of src/ and tasks/ import each other in a circle", (t) => {
  const graph = importsOf(sources);
  t.deepEqual(circlesOf(graph), []);
  t.true([...graph.values()].reduce((sum, used) => sum + used.size, 0) > 100);
});

test("no rooms of src/ and tasks/ import each other in a circle", (t) => {
  t.deepEqual(circlesOf(betweenRooms(importsOf(sources))), []);
});

test("every import names a file that is there", (t) => {
  const missing = [...importsOf(sources)].flatMap(([file, used]) =>
    [...used]
      .filter((each) => /^(src|tasks)\/.*\.(tsx?|js)$/.test(each) && !sources.has(each))
      .map((each) => `${file}: ${each}`),
  );
  t.deepEqual(missing, []);
});

test("the till's program uses no room but its own", (t) => {
  const used = betweenRooms(importsOf(sources)).get("src/branch");
  t.deepEqual([...(used ?? [])], ["src/paths.ts"]);
});

test("pages use types of the till's API, and nothing that runs outside a browser", (t) => {
  const used = [...importsOf(sources)]
    .filter(([file]) => roomOf(file) === "src/web")
    .flatMap(([, others]) => [...others].filter((other) => roomOf(other) !== "src/web"));
  t.deepEqual([...new Set(used)], ["src/branch/api_types.ts"]);
  const text = sources.get("src/branch/api_types.ts") ?? "";
  t.notRegex(text, /^(import|export (const|function|class))/m);
});

const planted = (files: Record<string, string>) => importsOf(new Map(Object.entries(files)));

test("a circle of files is seen in every form of import", (t) => {
  for (const back of [
    'import { a } from "./a.ts";',
    'import type { A } from "./a.ts";',
    'import {\n  type A,\n  a,\n} from "./a.ts";',
    'export * from "./a.ts";',
    'export { a } from "./a.ts";',
    'import "./a.ts";',
    'const { a } = await import("./a.ts");',
  ]) {
    const graph = planted({ "src/x/a.ts": 'import { b } from "./b.ts";', "src/x/b.ts": back });
    t.deepEqual(circlesOf(graph), ["src/x/a.ts -> src/x/b.ts -> src/x/a.ts"], back);
  }
});

test("a circle of rooms is seen where no files are in one", (t) => {
  const graph = planted({
    "src/x/a.ts": 'import { b } from "../y/b.ts";',
    "src/y/b.ts": "",
    "src/y/c.ts": 'import { d } from "../z/d.ts";',
    "src/z/d.ts": 'import { e } from "../x/e.ts";',
    "src/x/e.ts": "",
  });
  t.deepEqual(circlesOf(graph), []);
  t.deepEqual(circlesOf(betweenRooms(graph)), ["src/x -> src/y -> src/z -> src/x"]);
});

test("tasks are a room, and a file that stands alone in src/ is one as well", (t) => {
  const graph = planted({
    "tasks/a.ts": 'import { b } from "../src/x/b.ts";',
    "src/x/b.ts": 'import { c } from "../c.ts";',
    "src/c.ts": 'import a from "../tasks/d.ts";',
  });
  t.deepEqual(circlesOf(betweenRooms(graph)), ["src/c.ts -> tasks -> src/x -> src/c.ts"]);
});

test("what two share is no circle, and a word in a text is no import", (t) => {
  const graph = planted({
    "src/x/a.ts": 'import { b } from "../y/b.ts";\nimport { c } from "../c.ts";',
    "src/y/b.ts": 'import { c } from "../c.ts";\nexport const text = join("../x/a.ts");',
    "src/c.ts": "// import of src/x/a.ts: not here\n",
  });
  t.deepEqual(circlesOf(graph), []);
  t.deepEqual(circlesOf(betweenRooms(graph)), []);
});
