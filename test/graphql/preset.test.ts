import { readFileSync } from "node:fs";
import test from "ava";
import {
  buildSchema,
  isInputObjectType,
  isScalarType,
  isSpecifiedScalarType,
  parse,
  validate,
} from "graphql";
import { FIRST_QUERY } from "../../src/graphql/graphiql_page.ts";
import { BUY, openApi, TOP_UP } from "../_support/api.ts";

const api = await openApi();
const anna = await api.member("anna", "500000");
const budi = await api.member("budi", "300000");
const product = await api.product("voucher", "150000");
await api.post(BUY, { member: anna.id, product: product.id, amount: "150000" });
await api.post(BUY, { member: budi.id, product: product.id, amount: "150000" });
// AVA takes tests only in one go: all that is awaited comes before the first of them.
test.after.always(() => api.close());

const publishedSchema = buildSchema(readFileSync("schema.graphql", "utf8"));

test("what stands in GraphiQL at first can be run as it is", (t) => {
  t.deepEqual(validate(publishedSchema, parse(FIRST_QUERY)), []);
});

const OWN_THINGS = `{
  accounts { nodes { id balance } }
  members { nodes { id code } }
  purchases { nodes { id memberId } }
  journalLines { nodes { accountId } }
}`;

test("nothing is filtered by the number of a transaction, which no text is compared with", (t) => {
  const filters = Object.values(publishedSchema.getTypeMap()).filter(isInputObjectType);
  const byNumber = filters.filter(
    (each) => /(Filter|Condition)$/.test(each.name) && "transactionId" in each.getFields(),
  );
  t.deepEqual(
    byNumber.map(({ name }) => name),
    [],
  );
});

test("a top-up and a purchase change the balance that a query shows", async (t) => {
  const member = await api.member("citra", "500000");
  const { data } = await api.post(BUY, {
    member: member.id,
    product: product.id,
    amount: "150000",
  });
  t.is(data.purchaseWithBalanceDeduction.result.amount, "150000");
  const query = `query ($id: BigInt!) { walletBalance(memberId: $id) { balance available } }`;
  const balance = await api.post(query, { id: member.id });
  t.deepEqual(balance.data.walletBalance, { balance: "350000", available: "350000" });
});

test("a member sees the own wallet, purchases and lines, and nobody else's", async (t) => {
  const { data } = await api.post(OWN_THINGS, {}, await api.memberToken(anna.id));
  t.deepEqual(data.accounts.nodes, [{ id: anna.accountId, balance: "350000" }]);
  t.deepEqual(data.members.nodes, [{ id: anna.id, code: "anna" }]);
  t.is(data.purchases.nodes.length, 1);
  t.deepEqual(
    new Set(data.purchases.nodes.map((row: { memberId: string }) => row.memberId)),
    new Set([anna.id]),
  );
  const accountIds = data.journalLines.nodes.map((row: { accountId: string }) => row.accountId);
  t.deepEqual(new Set(accountIds), new Set([anna.accountId]));
  // The rows that the member does not see are there.
  const [counts] = await api.root(
    `select (select count(*)::int from saldo.member) as members,
      (select count(*)::int from saldo.purchase) as purchases,
      (select count(distinct account_id)::int from saldo.journal_line) as accounts`,
  );
  t.true((counts?.members as number) >= 2);
  t.true((counts?.purchases as number) >= 2);
  t.true((counts?.accounts as number) >= 4);
});

test("an operator sees all of it", async (t) => {
  const { data } = await api.post(OWN_THINGS, {}, await api.token({ role: "operator" }));
  const codes = data.members.nodes.map((row: { code: string }) => row.code);
  t.true(codes.includes("anna") && codes.includes("budi"));
});

test("another member's wallet answers as one that does not exist", async (t) => {
  const query = "query ($id: BigInt!) { walletBalance(memberId: $id) { balance } }";
  const token = await api.memberToken(anna.id);
  const other = await api.post(query, { id: budi.id }, token);
  const absent = await api.post(query, { id: "999999" }, token);
  t.is(other.code, "SB007");
  t.is(absent.code, "SB007");
  t.is(other.errors?.[0]?.message, absent.errors?.[0]?.message);
  const own = await api.post(query, { id: anna.id }, token);
  t.is(own.data.walletBalance.balance, "350000");
  const variables = { member: budi.id, product: product.id, amount: "150000" };
  t.is((await api.post(BUY, variables, token)).code, "SB007");
});

test("two members may use the same idempotency key", async (t) => {
  const members = [await api.member("eka", "150000"), await api.member("fitri", "150000")];
  for (const { id } of members) {
    const variables = { member: id, product: product.id, amount: "150000", key: "order 1" };
    const { data } = await api.post(BUY, variables, await api.memberToken(id));
    t.is(data.purchaseWithBalanceDeduction.result.amount, "150000");
  }
});

test("another member's things by id are null", async (t) => {
  const query = `query ($account: BigInt!, $member: BigInt!) {
    account(id: $account) { id } member(id: $member) { id }
  }`;
  const variables = { account: budi.accountId, member: budi.id };
  const { data } = await api.post(query, variables, await api.memberToken(anna.id));
  t.deepEqual(data, { account: null, member: null });
});

test.serial("what a role may not do is forbidden, not masked, and changes nothing", async (t) => {
  const variables = { member: anna.id, amount: "1" };
  const before = await api.digest();
  t.is((await api.post(TOP_UP, variables, await api.memberToken(anna.id))).code, "SB006");
  t.is((await api.post(TOP_UP, variables, await api.token({ role: "operator" }))).code, "SB006");
  t.is((await api.post(TOP_UP, variables, await api.token({ role: "branch" }))).code, "SB006");
  t.is(await api.digest(), before);
});

test("without a token what needs one is unauthenticated", async (t) => {
  const { code, status } = await api.post("{ accounts { nodes { id } } }", {}, null);
  t.is(code, "SB011");
  t.is(status, 200);
  t.is((await api.post(TOP_UP, { member: anna.id, amount: "1" }, null)).code, "SB011");
});

test("an entry is posted by the subject of the token", async (t) => {
  const token = await api.token({ sub: "ops@example.com" });
  const member = await api.member("dewi");
  const { data } = await api.post(TOP_UP, { member: member.id, amount: "0.01" }, token);
  const [entry] = await api.root("select posted_by from saldo.journal_entry where id = $1", [
    data.topUp.result.id,
  ]);
  t.is(entry?.posted_by, "ops@example.com");
});

test("a top-up is charged back over the API, and the member sees the debt there", async (t) => {
  const member = await api.member("gita");
  const admin = await api.token({});
  const { data } = await api.post(TOP_UP, { member: member.id, amount: "20" }, admin);
  const [house] = await api.root(
    "select id from saldo.open_account('house:gita', 'House', 'revenue')",
  );
  const [wallet] = await api.root("select account_id from saldo.member where id = $1", [member.id]);
  await api.root("select from saldo.transfer($1, $2, 15)", [wallet?.account_id, house?.id]);
  const back = `mutation ($entry: UUID!) {
    reverseTopUp(input: { entryId: $entry, reason: "stolen", shortfall: debt }) {
      result { amount walletAmount debtAmount member { code } entry { source } }
    }
  }`;
  const entry = data.topUp.result.id;
  const own = await api.memberToken(member.id);
  t.is((await api.post(back, { entry }, own)).code, "SB006");
  t.deepEqual((await api.post(back, { entry }, admin)).data.reverseTopUp.result, {
    amount: "20",
    walletAmount: "5",
    debtAmount: "15",
    member: { code: "gita" },
    entry: { source: "top_up_reversal" },
  });
  t.is((await api.post(back, { entry }, admin)).code, "SB309");
  const seen = `query ($member: BigInt!) {
    walletBalance(memberId: $member) { balance debt }
    topUpReversals { nodes { debtAmount } }
  }`;
  t.deepEqual((await api.post(seen, { member: member.id }, own)).data, {
    walletBalance: { balance: "0", debt: "15" },
    topUpReversals: { nodes: [{ debtAmount: "15" }] },
  });
});

test("the role of a request does not stay on the connection", async (t) => {
  const admin = await api.token({});
  for (let round = 0; round < 20; round += 1) {
    const query = "{ members(first: 1) { totalCount } }";
    const [first, second] = await Promise.all([
      api.post(query, {}, admin),
      api.post(query, {}, null),
    ]);
    t.true(first.data.members.totalCount >= 2);
    t.is(second.code, "SB011");
  }
});

test("lists filter, order and page", async (t) => {
  const ordered = await api.post(
    `{ members(first: 1, orderBy: [CODE_DESC]) {
      nodes { code } pageInfo { hasNextPage endCursor }
    } }`,
  );
  const [highest] = ordered.data.members.nodes;
  t.true(highest.code >= "budi" && ordered.data.members.pageInfo.hasNextPage);
  const next = await api.post(
    `query ($after: Cursor) {
      members(first: 1, after: $after, orderBy: [CODE_DESC]) { nodes { code } }
    }`,
    { after: ordered.data.members.pageInfo.endCursor },
  );
  t.true(next.data.members.nodes[0].code < highest.code);
  const filtered = await api.post(
    `{ accounts(filter: {
      balance: { greaterThan: "-1" }, type: { equalTo: liability }
    }) { nodes { id } } }`,
  );
  const ids = filtered.data.accounts.nodes.map((row: { id: string }) => row.id);
  t.true(ids.includes(anna.accountId) && ids.includes(budi.accountId));
});

test("a page has its default size when none is asked for", async (t) => {
  const small = await openApi({ config: { pageSizeDefault: 2, pageSizeMax: 3 } });
  const { data } = await small.post("{ errorCodes { nodes { code } totalCount } }");
  t.is(data.errorCodes.nodes.length, 2);
  t.true(data.errorCodes.totalCount > 2);
  const nullFirst = await small.post(
    "query ($n: Int) { errorCodes(first: $n) { nodes { code } } }",
    {
      n: null,
    },
  );
  t.is(nullFirst.data.errorCodes.nodes.length, 2);
  const last = await small.post("{ errorCodes(last: 3) { nodes { code } } }");
  t.is(last.data.errorCodes.nodes.length, 3);
  t.is((await small.post("{ errorCodes(first: 4) { nodes { code } } }")).code, "SB013");
  await small.close();
});

test("introspection and suggestions are open only where that is set", async (t) => {
  const introspection = "{ __schema { queryType { name } } }";
  const closed = await api.post(introspection);
  t.is(closed.status, 400);
  t.is(closed.code, "SB010");
  const misspelt = await api.post("{ accountz { nodes { id } } }");
  t.false(misspelt.text.includes("Did you mean"));

  const open = await openApi({ config: { isIntrospectionEnabled: true } });
  t.is((await open.post(introspection)).data.__schema.queryType.name, "Query");
  t.true((await open.post("{ accountz { nodes { id } } }")).text.includes("Did you mean"));
  await open.close();
});

test("every scalar is described, and what JSON has for it is a text where a number would lose", (t) => {
  const scalars = Object.values(publishedSchema.getTypeMap()).filter(
    (type) => isScalarType(type) && !isSpecifiedScalarType(type),
  );
  t.true(scalars.length >= 14);
  for (const { name, description } of scalars) t.regex(description ?? "", /\w{3}.*\./, name);
  for (const name of ["Amount", "BigFloat", "BigInt", "HeldTotal", "Total", "Volume"]) {
    t.regex(publishedSchema.getType(name)?.description ?? "", /In JSON a text/, name);
  }
});

test("volumes, like amounts, are refused where they would be coerced", async (t) => {
  const query =
    "query ($v: Volume!) { meters(filter: { startIndex: { equalTo: $v } }) { totalCount } }";
  for (const v of ["0x10", "1_000", "NaN", [1], true]) {
    t.is((await api.post(query, { v })).code, "SB002", String(v));
  }
  t.is((await api.post(query, { v: "12.345678" })).errors, undefined);
});

test("the schema has no mutation but the functions, and ids are named id", async (t) => {
  const open = await openApi({ config: { isIntrospectionEnabled: true } });
  const { data } = await open.post(`{
    mutation: __type(name: "Mutation") { fields { name description } }
    account: __type(name: "Account") { description fields { name } }
  }`);
  await open.close();
  const functions = await api.root(
    `select distinct proname from pg_proc where pronamespace = 'saldo'::regnamespace
    and provolatile = 'v' and prorettype <> 'trigger'::regtype`,
  );
  const names = functions.map(({ proname }) =>
    (proname as string).replace(/_(\w)/g, (_match, letter: string) => letter.toUpperCase()),
  );
  const fields: { name: string; description: string }[] = data.mutation.fields;
  t.deepEqual(
    fields.map(({ name }) => name).filter((name) => !names.includes(name)),
    [],
  );
  t.true(fields.every(({ description }) => description.length > 20));
  t.true(data.account.fields.some(({ name }: { name: string }) => name === "id"));
  t.regex(data.account.description, /\w/);
});
