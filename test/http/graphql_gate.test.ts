import test from "ava";
import { getIntrospectionQuery } from "graphql";
import { makeCheckedDocuments } from "../../src/graphql/checked_documents.ts";
import { checkQuery, DEFAULT_QUERY_LIMITS, type Variables } from "../../src/graphql/query_cost.ts";

function codeOf(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return (error as { extensions?: { code: string } }).extensions?.code ?? error;
  }
  return "accepted";
}

const check = (query: string, variables: Variables = {}) =>
  codeOf(() => checkQuery(query, variables, DEFAULT_QUERY_LIMITS));

const repeat = (count: number, make: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => make(index)).join(" ");

/** Milliseconds of the fastest of some calls: other test files share the processors. */
function fastestOf(act: () => void): number {
  const times = Array.from({ length: 5 }, () => {
    const startedAt = performance.now();
    act();
    return performance.now() - startedAt;
  });
  return Math.min(...times);
}

const nest = (depth: number) => `${"{ a ".repeat(depth)}${"}".repeat(depth)}`;

test("an ordinary query and the standard introspection pass", (t) => {
  t.is(check("query Q($n: Int) { accounts(first: $n) { nodes { id } } }", { n: 10 }), "accepted");
  t.is(check(getIntrospectionQuery()), "accepted");
});

test("a document is read once, and measured again where a variable decides its size", (t) => {
  const checked = makeCheckedDocuments(DEFAULT_QUERY_LIMITS);
  const plain = "{ accounts(first: 5) { nodes { id } } }";
  const first = checked(plain, {});
  t.is(checked(plain, { n: 1 }).rootNames, first.rootNames, "the very names of before");
  t.not(first.hash, checked("{ accounts(first: 6) { nodes { id } } }", {}).hash);

  const paged = "query ($n: Int) { accounts(first: $n) { nodes { id } } }";
  t.deepEqual(checked(paged, { n: 10 }).rootNames, ["accounts"]);
  t.is(
    codeOf(() => checked(paged, { n: 100_000 })),
    "SB013",
  );
  t.deepEqual(checked(paged, { n: 10 }).rootNames, ["accounts"]);
  const refused = "{ accounts(first: 100000) { nodes { id } } }";
  for (let time = 0; time < 2; time += 1)
    t.not(
      codeOf(() => checked(refused, {})),
      "accepted",
    );
});

test("3,000 aliases are refused in under 50 ms", (t) => {
  const query = `{ ${repeat(3000, (index) => `a${index}: accounts { nodes { id } }`)} }`;
  t.is(check(query), "SB012");
  t.true(fastestOf(() => check(query)) < 50);
});

test("a document of many tokens costs no more than its first ones", (t) => {
  const query = `{ ${"a ".repeat(2_000_000)} }`;
  t.is(check(query), "SB012");
  t.true(fastestOf(() => check(query)) < 50);
});

test("an argument is no alias", (t) => {
  t.is(check(`{ a(${repeat(100, (index) => `x${index}: { y: 1 }`)}) }`), "accepted");
});

test("too many root fields, fields, directives and fragments are refused", (t) => {
  t.is(check(`{ ${repeat(11, (index) => `f${index}`)} }`), "SB012");
  t.is(check(`{ a { ${repeat(501, (index) => `f${index}`)} } }`), "SB012");
  t.is(check(`{ a ${"@skip(if: true) ".repeat(31)} }`), "SB012");
  t.is(check(`{ ${"... on Query { a } ".repeat(31)} }`), "SB012");
});

test("depth counts through fragments", (t) => {
  t.is(check(nest(12)), "accepted");
  t.is(check(nest(13)), "SB012");
  const half = nest(6);
  t.is(
    check(`query { a { a { a { a { a { a { ...F } } } } } } } fragment F on X ${half}`),
    "accepted",
  );
  t.is(
    check(`query { a { a { a { a { a { a { a { ...F } } } } } } } } fragment F on X ${nest(6)}`),
    "SB012",
  );
});

test("fragments that double at each level are refused early", (t) => {
  const levels = repeat(
    20,
    (index) => `fragment F${index} on X { ...F${index + 1} b ...F${index + 1} }`,
  );
  const query = `{ ...F0 } ${levels} fragment F20 on X { a }`;
  t.is(check(query), "SB012");
  t.true(fastestOf(() => check(query)) < 50);
});

test("a fragment that contains itself is refused", (t) => {
  t.is(check("{ ...A } fragment A on X { ...B } fragment B on X { ...A }"), "SB012");
  t.is(check("{ a { ...A } } fragment A on X { a { ...A } }"), "SB012");
});

test("a request has one mutation", (t) => {
  t.is(check("mutation { topUp { result { id } } }"), "accepted");
  t.is(check("mutation { a: topUp { result { id } } b: topUp { result { id } } }"), "SB012");
  t.is(check("mutation { ...F topUp } fragment F on Mutation { transfer }"), "SB012");
  t.is(check("mutation { topUp topUp }"), "SB012");
});

test("a page out of range is refused, as a literal, a variable and a default", (t) => {
  for (const page of [
    "first: 2147483647",
    "first: -1",
    "first: 1e10",
    "last: 1001",
    "offset: 100001",
  ]) {
    t.is(check(`{ accounts(${page}) { nodes { id } } }`), "SB013", page);
  }
  const query = "query ($n: Int = 9999) { accounts(first: $n) { nodes { id } } }";
  t.is(check(query), "SB013");
  t.is(check(query, { n: 10 }), "accepted");
  t.is(check(query, { n: -10 }), "SB013");
});

test("pages within pages are refused by the rows that they multiply up to", (t) => {
  const nested = (outer: number, inner: number) =>
    `{ members(first: ${outer}) { nodes { purchases(first: ${inner}) { nodes { id } } } } }`;
  t.is(check(nested(100, 100)), "accepted");
  t.is(check(nested(1000, 1000)), "SB012");
  t.is(
    check("{ members(first: 1000) { edges { node { purchases { nodes { id } } } } } }"),
    "SB012",
  );
});

test("broken syntax is refused as wrong input", (t) => {
  for (const query of [
    "",
    "{",
    "{ a ",
    "query { a(b: ) }",
    "{ a } }",
    '{ a(b: "x }',
    "\u0007",
    '{a(b:"\\uD800")}',
  ]) {
    t.is(check(query), "SB010", query);
  }
});

test("the character zero in a literal is refused as text", (t) => {
  t.is(check('{ a(b: "x\\u0000y") }'), "SB008");
  t.is(check('{ a(b: """x\u0000y""") }'), "SB008");
});
