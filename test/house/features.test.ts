import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import test from "ava";
import { root } from "./docs.ts";

/** docs/features.md: each call of its rows is there, and the test that it names is about that call. */

const read = (path: string) => readFileSync(`${root}${path}`, "utf8");

interface Feature {
  feature: string;
  /** What kind of call it is: empty for what is called by its own words. */
  kind: string;
  call: string;
  test: string;
}

function featuresOf(text: string): Feature[] {
  const rows = text.matchAll(
    /^\| ([^|]+) \| (?:(table|job|setting|subscription) )?`([^`|]+)` \| \[[^\]]+\]\(\.\.\/([^)]+)\) \|$/gm,
  );
  return [...rows].map(([, feature = "", kind = "", call = "", file = ""]) => ({
    feature,
    kind,
    call,
    test: file,
  }));
}

const camelCase = (name: string) =>
  name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

const [, tables = "", functions = ""] = read("test/house/surface.txt").split(
  /^# (?:Tables|Functions|Internals).*$/m,
);
const schema = read("schema.graphql");
const settings = read(".env.example");
const rowsOfSettings = read("docs/guides/operations.md");
const paths = `${read("docs/reference/http.md")}\n${read("docs/reference/simple-door.md")}`;
const help = read("docs/reference/command-line.md");
const scripts: Record<string, string> = JSON.parse(read("package.json")).scripts;

/** What is wrong with a call of SQL: its name, or one of its arguments. */
function missingOfFunction(call: string): string[] {
  const [, name = "", given = ""] = /^saldo\.(\w+)\((.*)\)$/.exec(call) ?? [];
  const [, signature] = new RegExp(`^${name}\\((.*)\\)$`, "m").exec(functions) ?? [];
  if (signature === undefined) return [call];
  return given
    .split(", ")
    .filter((argument) => argument !== "")
    .filter((argument) =>
      argument.startsWith("'")
        ? !rowsOfSettings.includes(`\n${argument.replaceAll("'", "")} | `)
        : !new RegExp(`(^|, )${argument} `).test(signature),
    )
    .map((argument) => `${call}: ${argument}`);
}

/** What of a call is not there. */
function missingOf({ kind, call }: Feature): string[] {
  const [first = "", , third = ""] = call.split(" ");
  const isThere = (() => {
    if (kind === "table") return tables.includes(`\n${call.replace("saldo.", "")} for `);
    if (kind === "job") return existsSync(`${root}tasks/${call}.ts`);
    if (kind === "setting") return settings.includes(`${call}=`);
    if (kind === "subscription") {
      const [, fields = ""] = /^type Subscription \{([\s\S]*?)^\}/m.exec(schema) ?? [];
      return new RegExp(`^  ${call}[(:]`, "m").test(fields);
    }
    if (first === "npx") return help.includes(`\n  npx saldo ${third}`);
    if (first === "npm") return third in scripts;
    if (first === "GET" || first === "POST") return paths.includes(`\`${call}\``);
    return undefined;
  })();
  return isThere === undefined ? missingOfFunction(call) : isThere ? [] : [call];
}

/** The words by one of which, each, a test names a call. */
function namesOf({ kind, call }: Feature): string[][] {
  const [first = "", second = "", third = ""] = call.split(" ");
  const [, name] = /^saldo\.(\w+)/.exec(call) ?? [];
  if (name !== undefined) return [[name, camelCase(name)]];
  if (kind !== "") return [[call]];
  if (first === "npx" || first === "npm") return [[third]];
  const parts = second.split("/").filter((part) => part !== "" && !part.startsWith("{"));
  return [[parts.slice(0, 2).join("/")], [parts.at(-1) ?? ""]];
}

/** A test's text, with that of the files beside tests that it imports. */
function textOfTest(path: string): string {
  const text = read(path);
  const imports = [...text.matchAll(/from "(\.[^"]+)"/g)]
    .map(([, file = ""]) => normalize(join(dirname(path), file)))
    .filter((file) => file.startsWith("test/"));
  return [text, ...imports.map(read)].join("\n");
}

const document = read("docs/features.md");
const features = featuresOf(document);

test("every row has its form, and the count is that of the rows", (t) => {
  const rows = [...document.matchAll(/^\| (?!feature |-)/gm)].length;
  t.is(features.length, rows);
  t.is(/^(\d+) features:/m.exec(document)?.[1], String(rows));
  const names = features.map(({ feature }) => feature);
  t.deepEqual(
    names.filter((name, place) => names.indexOf(name) !== place),
    [],
  );
});

test("every call is there, with its arguments", (t) => {
  t.deepEqual(features.flatMap(missingOf), []);
});

test("every test is there, and names the call", (t) => {
  const silent = features.filter((feature) => {
    const text = textOfTest(feature.test);
    return !namesOf(feature).every((names) => names.some((name) => text.includes(name)));
  });
  t.deepEqual(silent, []);
});

test("functions are fields of GraphQL by their names, but for those that the page excepts", (t) => {
  const [, intro = ""] = /^A function of `saldo`([\s\S]*?)\n\n/m.exec(document) ?? [];
  const functionsOfSql = features.flatMap(({ call }) => /^saldo\.(\w+)\(/.exec(call)?.[1] ?? []);
  const apart = [...new Set(functionsOfSql)].filter(
    (name) => !new RegExp(`^  ${camelCase(name)}[(:]`, "m").test(schema),
  );
  t.deepEqual(
    apart.filter((name) => !intro.includes(`\`${name}\``)),
    [],
  );
  t.true(apart.length > 0);
});

test("a call, an argument, a path, a command and a test that are not there are seen", (t) => {
  for (const [kind, call] of [
    ["", "saldo.no_such()"],
    ["", "saldo.transfer(no_such)"],
    ["", "saldo.set_setting('no_such', value)"],
    ["table", "saldo.no_such"],
    ["job", "no_such"],
    ["setting", "SALDO_NO_SUCH"],
    ["subscription", "noSuch"],
    ["", "GET /no/such"],
    ["", "npx saldo no-such"],
    ["", "npm run no-such"],
  ] as const) {
    t.is(missingOf({ feature: "x", kind, call, test: "x" }).length, 1, call);
  }
});
