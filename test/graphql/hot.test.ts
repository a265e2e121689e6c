import test from "ava";
import { openApi } from "../_support/api.ts";

const api = await openApi();
const [{ id: account } = {}] = await api.root(
  "select id from saldo.open_account('float', 'Float', 'liability', min_balance => 0)",
);
const [{ id: plain } = {}] = await api.root(
  "select id from saldo.open_account('plain', 'Plain', 'liability')",
);

test.after.always(() => api.close());

const SUBMIT = `mutation (
  $account: BigInt!, $amount: BigFloat!, $direction: EntrySide!, $counter: BigInt, $key: String
) {
  submitTransaction(input: {
    accountId: $account, amount: $amount, direction: $direction, counterAccountId: $counter,
    idempotencyKey: $key
  }) { result { id status amount settlement { rowCount } account { code } } }
}`;

const submit = (variables: object) =>
  api.post(SUBMIT, { account, amount: "10", direction: "credit", ...variables });

const BALANCES = `query ($account: BigInt!) {
  account(id: $account) {
    mode
    balances { settledBalance pendingDebit pendingCredit held availableBalance pendingCount }
  }
}`;

test.serial("an account is made hot, takes transactions and holds, and settles", async (t) => {
  const made = await api.post(
    `mutation ($account: BigInt!) {
      makeAccountHot(input: { accountId: $account, slots: 4 }) { result { mode slots } }
    }`,
    { account },
  );
  t.deepEqual(made.data.makeAccountHot.result, { mode: "hot", slots: 4 });

  const first = await submit({ amount: "100.50", key: "once" });
  t.like(first.data.submitTransaction.result, { status: "PENDING", settlement: null });
  const again = await submit({ amount: "100.50", key: "once" });
  t.is(again.data.submitTransaction.result.id, first.data.submitTransaction.result.id);

  const { data } = await api.post(
    `mutation ($account: BigInt!) {
      submitTransactions(input: { transactions: [
        { accountId: $account, amount: "1000", direction: debit }
        { accountId: $account, amount: "5", direction: debit }
      ] }) { result { isAccepted errorCode } }
    }`,
    { account },
  );
  t.deepEqual(data.submitTransactions.result, [
    { isAccepted: false, errorCode: "SB001" },
    { isAccepted: true, errorCode: null },
  ]);

  const held = await api.post(
    `mutation ($account: BigInt!) {
      placeHold(input: { accountId: $account, amount: "20", expiresIn: { hours: 1 } }) {
        result { id status openAmount }
      }
    }`,
    { account },
  );
  const hold = held.data.placeHold.result;
  t.like(hold, { status: "HELD", openAmount: "20" });
  t.deepEqual((await api.post(BALANCES, { account })).data.account, {
    mode: "hot",
    balances: {
      settledBalance: "0",
      pendingDebit: "5",
      pendingCredit: "100.5",
      held: "20",
      availableBalance: "75.5",
      pendingCount: "2",
    },
  });

  const captured = await api.post(
    `mutation ($id: UUID!) {
      captureHold(input: { holdId: $id, amount: "15", keepRest: true }) {
        result { status openAmount }
      }
    }`,
    { id: hold.id },
  );
  t.deepEqual(captured.data.captureHold.result, { status: "HELD", openAmount: "5" });
  const voided = await api.post(
    "mutation ($id: UUID!) { voidHold(input: { holdId: $id }) { result { status } } }",
    { id: hold.id },
  );
  t.is(voided.data.voidHold.result.status, "VOIDED");

  const settled = await api.post(
    "mutation { settleSubBalances(input: {}) { result { rowCount debit credit } } }",
  );
  t.deepEqual(settled.data.settleSubBalances.result, [
    { rowCount: "3", debit: "20", credit: "100.5" },
  ]);
  t.like((await api.post(BALANCES, { account })).data.account.balances, {
    settledBalance: "80.5",
    availableBalance: "80.5",
    pendingCount: "0",
  });
});

test.serial("what waits is listed, counted and summed up", async (t) => {
  await submit({ amount: "1" });
  await submit({ amount: "2" });
  const { data } = await api.post(
    `query ($account: BigInt!) {
      pendingSubBalances(accountId: $account, first: 10) { nodes { amount status } }
      settlementHealth { pendingCount hotAccountCount }
    }`,
    { account },
  );
  t.deepEqual(data.pendingSubBalances.nodes, [
    { amount: "1", status: "PENDING" },
    { amount: "2", status: "PENDING" },
  ]);
  t.is(data.settlementHealth.pendingCount, "2");
});

test.serial("bad transactions are refused by code, and leave everything as it was", async (t) => {
  const before = await api.digest();
  const cases: [variables: object, code: string][] = [
    [{ amount: "0" }, "SB002"],
    [{ amount: "NaN" }, "SB002"],
    [{ amount: "1.001" }, "SB003"],
    [{ amount: "250.000" }, "SB003"],
    [{ amount: "1000000000000000" }, "SB004"],
    [{ amount: "1000", direction: "debit" }, "SB001"],
    [{ direction: "sideways" }, "SB010"],
    [{ account: "999999" }, "SB101"],
    [{ account: plain }, "SB201"],
    [{ counter: "999999" }, "SB101"],
    [{ counter: account }, "SB203"],
    [{ key: "" }, "SB009"],
    [{ key: "once" }, "SB005"],
  ];
  for (const [variables, code] of cases) {
    t.is((await submit(variables)).code, code, JSON.stringify(variables));
  }
  const bad: [mutation: string, code: string][] = [
    [`placeHold(input: { accountId: "${account}", amount: "1000" }) { result { id } }`, "SB001"],
    [`captureHold(input: { holdId: "${before.length}" }) { result { id } }`, "SB010"],
    [
      'voidHold(input: { holdId: "00000000-0000-7000-8000-000000000000" }) { result { id } }',
      "SB204",
    ],
    ["settleSubBalances(input: { rowLimit: 0 }) { result { id } }", "SB010"],
    [`makeAccountHot(input: { accountId: "${account}", slots: 0 }) { result { id } }`, "SB010"],
    [`makeAccountImmediate(input: { accountId: "${plain}" }) { result { id } }`, "SB201"],
  ];
  for (const [mutation, code] of bad) {
    t.is((await api.post(`mutation { ${mutation} }`)).code, code, mutation);
  }
  t.is(await api.digest(), before);
});

test.serial("members and strangers submit, settle and change nothing", async (t) => {
  const member = await api.member("ayu", "100");
  const token = await api.memberToken(member.id);
  const before = await api.digest();
  for (const [caller, code] of [
    [token, "SB006"],
    [null, "SB011"],
  ] as const) {
    t.is(
      (await api.post(SUBMIT, { account, amount: "1", direction: "credit" }, caller)).code,
      code,
    );
    const settling = "mutation { settleSubBalances(input: {}) { result { id } } }";
    t.is((await api.post(settling, {}, caller)).code, code);
  }
  const own = await api.post(BALANCES, { account: member.accountId }, token);
  t.is(own.data.account.balances.availableBalance, "100");
  t.is((await api.post(BALANCES, { account }, token)).data.account, null);
  t.is(await api.digest(), before);
});

test.serial("figures of an account are exact before the next settlement too", async (t) => {
  const opened = await api.post(
    `mutation {
      openAccount(input: {
        code: "campaign", name: "Campaign", type: liability, minBalance: "0", mode: hot, slots: 2
      }) { result { id mode slots isPendingAvailable } }
    }`,
  );
  const { id, ...rest } = opened.data.openAccount.result;
  t.deepEqual(rest, { mode: "hot", slots: 2, isPendingAvailable: true });
  await api.root("select from saldo.transfer($1, $2, 70)", [plain, id]);
  await api.root("select from saldo.place_hold($1, 30)", [id]);
  const { data } = await api.post(
    "query ($id: BigInt!) { account(id: $id) { balance debitTotal creditTotal heldTotal } }",
    { id },
  );
  t.deepEqual(data.account, {
    balance: "70",
    debitTotal: "0",
    creditTotal: "70",
    heldTotal: "30",
  });
});
