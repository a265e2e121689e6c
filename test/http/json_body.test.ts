import test from "ava";
import { countValues } from "../../src/http/json_body.ts";

const limits = { byteCountMax: 1_000_000, valueCountMax: 1000, depthMax: 21 };

function codeOf(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return (error as { extensions?: { code: string } }).extensions?.code ?? error;
  }
  return "accepted";
}

/** Reads every value, as a look at each text would. */
function readEach(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.entries(value).reduce((sum, [, each]) => sum + readEach(each), 1);
}

const count = (json: string) => codeOf(() => countValues(Buffer.from(json), limits));

test("values are counted with the names of their fields, outside of texts only", (t) => {
  t.is(countValues(Buffer.from('{"a":[1,2],"b":"x,[{:\\",:"}'), limits), 7);
  t.is(count(`[${"1,".repeat(997)}1]`), "accepted");
  t.is(count(`[${"1,".repeat(999)}1]`), "SB012");
  t.is(count(`[${"[],".repeat(500)}1]`), "SB012");
  t.is(count(`{${'"a":1,'.repeat(500)}"b":1}`), "SB012");
  t.is(count(JSON.stringify(",".repeat(50_000))), "accepted");
  t.is(count(JSON.stringify("\\".repeat(50_000))), "accepted");
});

test("levels are counted before anything is built of them", (t) => {
  t.is(count("[".repeat(21) + "]".repeat(21)), "accepted");
  t.is(count("[".repeat(22) + "]".repeat(22)), "SB012");
  t.is(count("[".repeat(500_000)), "SB012");
});

test("bytes are counted, and what is no JSON is left to the parser", (t) => {
  t.is(count("1".repeat(1_000_001)), "SB012");
  for (const text of ["", '"', '"\\', "]]]]", "nonsense"]) t.is(count(text), "accepted", text);
});

test("texts that PostgreSQL cannot hold are refused wherever they stand", (t) => {
  t.is(count(JSON.stringify({ a: ["plain", "𝒳 e\u0301 \u200f", "\\u0000", "\\"] })), "accepted");
  t.is(count('{"a":"\\ud83d\\ude00\\u00e9"}'), "accepted");
  const halves = [
    "\\u0000",
    "\\ud800",
    "a\\udc00b",
    "\\ud800x",
    "\\ud800\\n",
    "\\ud800\\ud800\\udc00",
  ];
  for (const text of halves) {
    t.is(count(`{"text":"${text}"}`), "SB008", text);
    t.is(count(`{"list":[{"deep":["${text}"]}]}`), "SB008", text);
    t.is(count(`{"object":{"${text}":1}}`), "SB008", text);
  }
});

test("a list of 230,000 is refused for a small part of what reading it costs", (t) => {
  const list = Array.from({ length: 230_000 }, () => 1);
  const json = JSON.stringify({ query: "{ a }", variables: { list } });
  const bytes = Buffer.from(json);
  const costOf = (act: () => void) => {
    const costs = Array.from({ length: 5 }, () => {
      const startedAt = performance.now();
      act();
      return performance.now() - startedAt;
    });
    return Math.min(...costs);
  };
  const readAll = costOf(() => readEach(JSON.parse(json)));
  const refuse = costOf(() =>
    t.is(
      codeOf(() => countValues(bytes, limits)),
      "SB012",
    ),
  );
  t.true(refuse < readAll / 10, `${refuse} ms instead of ${readAll} ms`);
});
