import test from "ava";
import { BUY, openApi } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

const SUBMIT = `mutation ($account: BigInt!, $amount: BigFloat!, $key: String) {
  submitTransaction(input: {
    accountId: $account, amount: $amount, direction: credit, idempotencyKey: $key
  }) { result { id seq amount createdAt createdBy account { id } } }
}`;

/** In how many transactions so many rows were written. */
const transactions = async (text: string, values: unknown[]) =>
  Number(
    (await api.root(`select count(distinct xmin::text) as count ${text}`, values))[0]?.["count"],
  );

test("purchases that wait at the same moment go together, each as its caller's own", async (t) => {
  const product = await api.product("joint", "10");
  const members = await Promise.all(
    Array.from({ length: 60 }, (_, index) => api.member(`joint ${index}`, "100")),
  );
  const tokens = await Promise.all(members.map(({ id }) => api.memberToken(id)));
  const admin = await api.token({ sub: "staff" });
  const answers = await Promise.all(
    members.map(({ id }, index) => {
      const isBad = index % 20 === 19;
      const isStaff = index % 3 === 0;
      return api.post(
        BUY,
        { member: id, product: product.id, amount: isBad ? "11" : "10", key: `once-${index}` },
        isStaff ? admin : (tokens[index] ?? ""),
      );
    }),
  );
  for (const [index, { code, data }] of answers.entries()) {
    if (index % 20 === 19) t.is(code, "SB303");
    else t.is(data?.purchaseWithBalanceDeduction.result.amount, "10", code);
  }
  const rows = await api.root(
    `select p.created_by, e.posted_by, m.id::text as member from saldo.purchase as p
    join saldo.journal_entry as e on e.id = p.entry_id join saldo.member as m on m.id = p.member_id
    where p.product_id = $1 order by m.id`,
    [product.id],
  );
  t.is(rows.length, 57);
  for (const { created_by, posted_by, member } of rows) {
    const index = members.findIndex(({ id }) => id === member);
    t.is(created_by, index % 3 === 0 ? "staff" : `member ${member}`);
    t.is(posted_by, created_by);
  }
  const count = await transactions("from saldo.purchase where product_id = $1", [product.id]);
  t.true(count < 40, `${count} transactions`);
});

test("submissions that wait at the same moment go together, and retries find theirs", async (t) => {
  const [account] = await api.root(
    "select (saldo.make_account_hot((saldo.open_account('h', 'h', 'liability', min_balance => 0)).id)).id",
  );
  const token = await api.token({ sub: "till" });
  const send = () =>
    Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        api.post(
          SUBMIT,
          {
            account: account?.["id"],
            amount: index % 20 === 19 ? "0" : "1.5",
            key: `s${index % 50}`,
          },
          token,
        ),
      ),
    );
  const first = await send();
  const again = await send();
  for (const answers of [first, again]) {
    for (const [index, { code, data }] of answers.entries()) {
      if (index % 20 === 19) t.is(code, "SB002");
      else t.like(data?.submitTransaction.result, { amount: "1.5", createdBy: "till" }, code);
    }
  }
  const idsOf = (answers: typeof first) =>
    answers.map(({ data }) => data?.submitTransaction?.result.id);
  t.deepEqual(idsOf(again), idsOf(first));
  t.is(new Set(idsOf(first)).size, 49);
  const unnamed = await Promise.all(
    Array.from({ length: 30 }, () =>
      api.post(SUBMIT, { account: account?.["id"], amount: "1" }, token),
    ),
  );
  t.true(unnamed.every(({ code }) => code === undefined));
  const [written] = await api.root(
    "select count(*)::integer as count from saldo.sub_balance where account_id = $1",
    [account?.["id"]],
  );
  t.is(written?.["count"], 48 + 30, "each once");
  const count = await transactions("from saldo.sub_balance where account_id = $1", [
    account?.["id"],
  ]);
  t.true(count < 40, `${count} transactions`);
});
