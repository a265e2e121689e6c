import test from "ava";
import { type GraphQLObjectType, getNamedType, isObjectType } from "graphql";
import { BUY, openApi } from "../_support/api.ts";
import { inParallel } from "./_answers.ts";
import { freeFields, schema } from "./_inputs.ts";

// What belongs to somebody else has these in its texts and amounts, so that an answer shows a leak.
const MARK = "strictly-private";
const AMOUNT = "777123.45";

const api = await openApi();
const anna = await api.member("anna", "500000");
const other = await api.member(`${MARK}-member`, AMOUNT);
const product = await api.product("voucher", "150000");
for (const { id } of [anna, other]) {
  const key = id === other.id ? `${MARK}-key` : "own key";
  await api.post(BUY, { member: id, product: product.id, amount: "150000", key });
}
await api.root(
  `select from saldo.open_account('${MARK}-hot', '${MARK}', 'liability');
  select (saldo.make_account_hot(id, 2)).id from saldo.account where code = '${MARK}-hot';
  select (saldo.submit_transaction(id, ${AMOUNT}, 'credit')).id from saldo.account
  where code = '${MARK}-hot';
  select from saldo.create_customer('${MARK}-customer', '${MARK}');
  select from saldo.create_branch('PRIVATE1', '${MARK}');
  select from saldo.check_balance_health()`,
);
test.after.always(() => api.close());

/** A way through the schema: fields from the top level on, and what stands at its end. */
interface Path {
  readonly names: readonly string[];
  readonly query: string;
}

const leavesOf = (type: GraphQLObjectType) =>
  freeFields(type)
    .filter((field) => !isObjectType(getNamedType(field.type)))
    .map(({ name }) => name);

/** Rows of a field: a page of them, or the one. */
function rowsOf(type: GraphQLObjectType): { type: GraphQLObjectType; wrap(inner: string): string } {
  const nodes = type.getFields()["nodes"];
  const row = nodes === undefined ? undefined : getNamedType(nodes.type);
  return isObjectType(row)
    ? { type: row, wrap: (inner) => `{ nodes { ${inner} } }` }
    : { type, wrap: (inner) => `{ ${inner} }` };
}

/** Every way of so many relations through what needs no argument. */
function* pathsOf(
  type: GraphQLObjectType,
  depth: number,
  names: readonly string[],
  wrap: (inner: string) => string,
): Generator<Path> {
  for (const field of freeFields(type)) {
    const named = getNamedType(field.type);
    if (!isObjectType(named) || named.name === "PageInfo") continue;
    const rows = rowsOf(named);
    const leaves = leavesOf(rows.type);
    const around = (inner: string) => wrap(`${field.name} ${rows.wrap(inner)}`);
    const path = [...names, field.name];
    yield { names: path, query: `{ ${around(leaves.join(" ") || "__typename")} }` };
    // The same type again would go round in circles.
    if (depth > 1) yield* pathsOf(rows.type, depth - 1, path, around);
  }
}

const root = schema.getQueryType() as GraphQLObjectType;
const paths = [...pathsOf(root, 3, [], (inner) => inner)].filter(
  ({ names }) => names.length < 3 || names[0] === "members" || names[0] === "accounts",
);

const isLeak = (text: string) => text.includes(MARK) || text.includes("777123");

test("no way through the relations leads a caller to what is somebody else's", async (t) => {
  const callers = [
    ["anonymous", null],
    ["member", await api.memberToken(anna.id)],
    ["branch", await api.token({ role: "branch" })],
  ] as const;
  const leaks: string[] = [];
  let answeredCount = 0;
  let operatorCount = 0;
  const operator = await api.token({ role: "operator" });
  await inParallel(paths, 6, async ({ names, query }) => {
    for (const [name, token] of callers) {
      const { text, status, data } = await api.post(query, {}, token);
      if (status >= 500 || isLeak(text)) leaks.push(`${name}: ${names.join(".")}`);
      if (name === "member" && data?.[names[0] ?? ""] != null) answeredCount += 1;
    }
    if (isLeak((await api.post(query, {}, operator)).text)) operatorCount += 1;
  });
  t.log(`${paths.length} ways, ${answeredCount} answered to a member, ${operatorCount} lead there`);
  t.deepEqual(leaks, []);
  // The ways are ways: an operator is led there by them, and a member to what is its own.
  t.true(paths.length > 200);
  t.true(operatorCount > 20);
  t.true(answeredCount > 20);
});

test("nothing of somebody else is filtered, ordered or counted out of a list", async (t) => {
  const token = await api.memberToken(anna.id);
  const count = async (query: string) => (await api.post(query, {}, token)).text;
  for (const [list, field] of [
    ["members", "code"],
    ["accounts", "code"],
    ["members", "name"],
  ] as const) {
    const found = await count(
      `{ ${list}(filter: { ${field}: { greaterThan: "${MARK}" } }) { totalCount nodes { id } } }`,
    );
    const exact = await count(
      `{ ${list}(filter: { ${field}: { equalTo: "${MARK}-member" } }) { totalCount } }`,
    );
    t.false(isLeak(found));
    t.notRegex(exact, /"totalCount":"?[1-9]/, `${list}.${field}`);
  }
  const { data } = await api.post(
    "{ members { totalCount } journalLines { totalCount } }",
    {},
    token,
  );
  const [own] = await api.root(
    "select count(*)::int as lines from saldo.journal_line where account_id = $1",
    [anna.accountId],
  );
  t.is(Number(data.members.totalCount), 1);
  t.is(Number(data.journalLines.totalCount), Number(own?.["lines"]));
});
