import test from "ava";
import { getNamedType, isRequiredArgument } from "graphql";
import { type Answer, BUY, openApi } from "../_support/api.ts";
import { inParallel } from "./_answers.ts";
import { schema } from "./_inputs.ts";

const api = await openApi();
const anna = await api.member("anna", "500000");
const budi = await api.member("budi", "300000");
const product = await api.product("voucher", "150000");
const bought = await api.post(BUY, { member: budi.id, product: product.id, amount: "150000" });
const purchase = bought.data.purchaseWithBalanceDeduction.result.id;
const [entry] = await api.root(
  "select entry_id as id from saldo.journal_line where account_id = $1 limit 1",
  [budi.accountId],
);
test.after.always(() => api.close());

const ABSENT = { BigInt: "987654321", UUID: "00000000-0000-4000-8000-000000000000", String: "zz" };
// What is somebody else's, by the type of the argument that would name it.
const FOREIGN = {
  BigInt: [budi.id, budi.accountId],
  UUID: [purchase, entry?.id].map(String),
  String: ["budi"],
};
type IdType = keyof typeof FOREIGN;

/** An answer without the value that was asked for; where in the document it stood says nothing. */
function shapeOf({ status, data, errors = [] }: Answer, value: string): string {
  const told = errors.map(({ message, extensions }) => ({ message, extensions }));
  return JSON.stringify({ status, data, told }).replaceAll(
    new RegExp(`\\b${value}\\b`, "g"),
    "...",
  );
}

test.serial("what is somebody else's answers as what does not exist, field by field", async (t) => {
  const tokens = [null, await api.memberToken(anna.id), await api.token({ role: "branch" })];
  let triedCount = 0;
  let foundCount = 0;
  const fields = Object.values(schema.getQueryType()?.getFields() ?? {});
  await inParallel(fields, 8, async (field) => {
    const required = field.args.filter(isRequiredArgument);
    const [argument] = required;
    const type = argument && getNamedType(argument.type).name;
    if (argument === undefined || required.length !== 1 || !(type && type in FOREIGN)) return;
    // Products, settings and errors are for everybody.
    if (/^(product|setting|errorCode)/.test(field.name)) return;
    const selection = "getFields" in getNamedType(field.type) ? " { __typename }" : "";
    const query = `query ($id: ${type}!) { ${field.name}(${argument.name}: $id)${selection} }`;
    const ask = (id: string, token: string | null | undefined) => api.post(query, { id }, token);
    const nothing = ABSENT[type as IdType];
    for (const token of tokens) {
      const absent = shapeOf(await ask(nothing, token), nothing);
      for (const foreign of FOREIGN[type as IdType]) {
        t.is(shapeOf(await ask(foreign, token), foreign), absent, `${field.name} ${foreign}`);
        triedCount += 1;
      }
    }
    for (const foreign of FOREIGN[type as IdType]) {
      if ((await ask(foreign, undefined)).data?.[field.name] != null) foundCount += 1;
    }
  });
  t.log(`${triedCount} answers compared, ${foundCount} of them of what is there`);
  t.true(triedCount > 60);
  t.true(foundCount > 5, "an administrator finds it");
});

test.serial(
  "a purchase of somebody else's wallet, or of none, is refused alike and changes nothing",
  async (t) => {
    const token = await api.memberToken(anna.id);
    const before = await api.digest();
    const buy = (member: string) =>
      api.post(BUY, { member, product: product.id, amount: "150000" }, token);
    const foreign = await buy(budi.id);
    t.is(foreign.code, "SB007");
    t.is(shapeOf(foreign, budi.id), shapeOf(await buy(ABSENT.BigInt), ABSENT.BigInt));
    t.is(await api.digest(), before);
  },
);

test.serial("how long an answer takes does not tell whether something is there", async (t) => {
  const token = await api.memberToken(anna.id);
  const query = "query ($id: BigInt!) { walletBalance(memberId: $id) { balance } }";
  const times: [number[], number[]] = [[], []];
  // In turns, so that whatever else the machine does slows both alike.
  for (let round = 0; round < 60; round += 1) {
    for (const [place, id] of [budi.id, ABSENT.BigInt].entries()) {
      const startedAt = performance.now();
      t.is((await api.post(query, { id }, token)).code, "SB007");
      times[place as 0 | 1].push(performance.now() - startedAt);
    }
  }
  const [foreign = 0, absent = 0] = times.map((each) => each.sort((a, b) => a - b)[30] ?? 0);
  t.log(`medians: ${foreign.toFixed(2)} ms where it is, ${absent.toFixed(2)} ms where it is not`);
  t.true(foreign < absent * 3 && absent < foreign * 3);
});

test.serial("another's idempotency key tells nothing", async (t) => {
  const variables = { product: product.id, amount: "150000", key: "one key" };
  await api.post(BUY, { member: budi.id, ...variables });
  const token = await api.memberToken(anna.id);
  const again = await api.post(BUY, { member: anna.id, ...variables }, token);
  t.is(again.errors, undefined);
  t.is(again.data.purchaseWithBalanceDeduction.result.amount, "150000");
});
