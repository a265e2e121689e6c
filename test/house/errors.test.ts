import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";

const root = fileURLToPath(new URL("../../", import.meta.url));

async function textOf(folder: string, ending: string): Promise<string> {
  const all = await readdir(`${root}${folder}`, { recursive: true });
  const files = all.filter((file) => file.endsWith(ending));
  return (
    await Promise.all(files.map((file) => readFile(`${root}${folder}/${file}`, "utf8")))
  ).join("\n");
}

const catalogue = await readFile(`${root}sql/foundation/error.sql`, "utf8");
const listed = new Map(
  [...catalogue.matchAll(/\('(SB\d{3})', '([a-z_]+)'/g)].map((match) => [match[2], match[1]]),
);
const sql = await textOf("sql", ".sql");
const typescript = await textOf("src", ".ts");
const tests = await textOf("test", ".ts");

test("codes and conditions are unique, and none is SB000", (t) => {
  const codes = [...catalogue.matchAll(/\('(SB\d{3})'/g)].map((match) => match[1]);
  t.is(new Set(codes).size, codes.length);
  t.is(listed.size, codes.length);
  t.false(codes.includes("SB000"));
  t.true(codes.length > 20);
});

test("every condition that is raised is in the catalogue", (t) => {
  const raised = [...sql.matchAll(/\bfail\(\s*'([a-z_]+)'/g)].map((match) => match[1]);
  t.deepEqual(
    [...new Set(raised)].filter((condition) => !listed.has(condition)),
    [],
  );
  t.true(raised.length > 20);
});

test("every condition of the catalogue is raised somewhere", (t) => {
  const raisers = sql.replace(catalogue, "") + typescript;
  t.deepEqual(
    [...listed.keys()].filter((condition) => !new RegExp(`\\b${condition}\\b`).test(raisers)),
    [],
  );
});

test("every code is asserted by a test", (t) => {
  t.deepEqual(
    [...listed.values()].filter((code) => !tests.includes(`"${code}"`)),
    [],
  );
});

test("a code that was ever given to a condition is never given to another", async (t) => {
  const text = await readFile(new URL("error_codes.txt", import.meta.url), "utf8");
  const given = new Map(
    [...text.matchAll(/^(SB\d{3}) (\w+)$/gm)].map(([, code, condition]) => [code, condition]),
  );
  t.true(given.size > 80);
  for (const [condition, code] of listed) {
    t.is(given.get(code ?? ""), condition, `add ${code} ${condition} to error_codes.txt`);
  }
});

test("a code is named by the room that it belongs to", (t) => {
  const rooms = ["foundation", "ledger", "hot", "wallet", "metering", "branch", "health"];
  t.deepEqual(
    [...listed.values()].filter((code) => Number(code?.[2]) >= rooms.length),
    [],
  );
});
