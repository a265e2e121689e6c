import test from "ava";
import { errorCode } from "../_support/database.ts";
import { outcomes, type Row } from "../wallet/_wallet.ts";
import { many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const debit = (account_id: unknown, amount: unknown, extra: Row = {}) => ({
  account_id,
  amount,
  direction: "debit",
  ...extra,
});
const credit = (account_id: unknown, amount: unknown, extra: Row = {}) => ({
  ...debit(account_id, amount, extra),
  direction: "credit",
});
const codes = async (requests: Row[]) =>
  (await hot.submitMany(requests)).map((answer) => answer.error_code ?? "none");
const rowsOf = (account: string) =>
  hot.root("select id, amount, metadata from saldo.sub_balance where account_id = $1 order by id", [
    account,
  ]);

test.serial(
  "answers come in the order given, and rows in the order of their requests",
  async (t) => {
    const [one, two] = [
      await hot.account({ funds: 1000, slots: 4 }),
      await hot.account({ funds: 1000, slots: 4 }),
    ];
    const requests = many(200, (index) =>
      debit(index % 3 === 0 ? one : two, 1 + (index % 7), { metadata: { index } }),
    );
    const answers = await hot.submitMany(requests);
    t.true(answers.every((answer) => answer.is_accepted && answer.is_new));
    t.true(
      answers.every((answer) => answer.error_code === null && answer.error_condition === null),
    );
    const rows = await hot.root(
      "select id, account_id, trim_scale(amount)::integer as amount, metadata from saldo.sub_balance",
    );
    const byId = new Map(rows.map(({ id, ...row }) => [id, row]));
    t.deepEqual(
      answers.map((answer) => byId.get(answer.id)),
      requests.map(({ account_id, amount, metadata }: Row) => ({ account_id, amount, metadata })),
    );
    const sequence = await hot.root(
      `select array_agg((metadata ->> 'index')::integer order by seq) as indexes
    from saldo.sub_balance where account_id = $1`,
      [one],
    );
    t.deepEqual(
      sequence[0]?.indexes,
      many(67, (index) => index * 3),
    );
  },
);

test.serial("each bad row is refused with its code, and the others stand", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  const immediate = await hot.account({ funds: 100 });
  const dollars = await hot.account({ currency: "USD", minBalance: null });
  const closed = await hot.account({ minBalance: null });
  await hot.call("admin", "close_account", { account_id: closed });
  const cases: [string, Row][] = [
    ["SB002", debit(account, null)],
    ["SB002", debit(account, 0)],
    ["SB002", debit(account, -5)],
    ["SB002", debit(account, "NaN")],
    ["SB002", debit(account, "Infinity")],
    ["SB002", debit(account, "-Infinity")],
    ["SB004", debit(account, "1000000000000000")],
    ["SB003", debit(account, "1.001")],
    ["SB003", debit(account, "250.000")],
    ["SB010", { account_id: account, amount: 1 }],
    ["SB010", debit(null, 1)],
    ["SB009", debit(account, 1, { metadata: { text: "x".repeat(8000) } })],
    ["SB009", debit(account, 1, { idempotency_key: "" })],
    ["SB009", debit(account, 1, { idempotency_key: "k".repeat(201) })],
    ["SB008", debit(account, 1, { idempotency_key: "a\u0007" })],
    ["SB101", debit("999999", 1)],
    ["SB201", debit(immediate, 1)],
    ["SB101", debit(account, 1, { counter_account_id: "999999" })],
    ["SB104", debit(account, 1, { counter_account_id: dollars })],
    ["SB203", debit(account, 1, { counter_account_id: closed })],
    ["SB203", debit(account, 1, { counter_account_id: immediate })],
    ["SB203", debit(account, 1, { counter_account_id: account })],
    ["SB001", debit(account, 101)],
  ];
  const good = cases.map(() => debit(account, 1));
  const mixed = cases.flatMap(([, bad], index) => [bad, good[index] as Row]);
  const answers = await hot.submitMany(mixed);
  for (const [index, [code, bad]] of cases.entries()) {
    const [refused, accepted] = answers.slice(index * 2);
    t.like(
      refused,
      { id: null, is_accepted: false, is_new: false, error_code: code },
      JSON.stringify(bad).slice(0, 90),
    );
    t.true(accepted?.is_accepted);
    // The single call says the same.
    const { account_id, amount, direction, ...extra } = { direction: null, ...bad } as Row;
    t.is(await errorCode(hot.submit(account_id as string, amount, direction, extra)), code);
  }
  const conditions = new Map(answers.map((each) => [each.error_code, each.error_condition]));
  t.is(conditions.get("SB001"), "insufficient_balance");
  t.is(conditions.get("SB203"), "counter_account_unfit");
  const count = String(cases.length);
  t.like(await hot.balances(account), { pending_debit: count, pending_count: count });
});

test.serial("rows see in their order what those before have left", async (t) => {
  for (const slots of [1, 5]) {
    const account = await hot.account({ funds: 10, slots });
    t.deepEqual(
      await codes([
        debit(account, 8),
        debit(account, 3),
        debit(account, 2),
        debit(account, "0.01"),
        credit(account, 5),
        debit(account, "5.01"),
        debit(account, 5),
      ]),
      ["none", "SB001", "none", "SB001", "none", "SB001", "none"],
    );
    t.like(await hot.balances(account), { available_balance: "0", pending_count: "4" });
  }
});

test.serial("a credit that waits for settlement pays for nothing in its batch", async (t) => {
  const account = await hot.account({ funds: 10, slots: 3, isPendingAvailable: false });
  t.deepEqual(await codes([credit(account, 100), debit(account, 10), debit(account, 1)]), [
    "none",
    "none",
    "SB001",
  ]);
});

test.serial("several accounts in one batch keep their funds apart", async (t) => {
  const accounts = await Promise.all(
    many(4, (index) => hot.account({ funds: index + 1, slots: 2 })),
  );
  const requests = many(4, () => accounts.map((account) => debit(account, 1))).flat();
  const expected = many(4, (round) =>
    many(4, (index) => (index >= round ? "none" : "SB001")),
  ).flat();
  t.deepEqual(await codes(requests), expected);
});

test.serial("the same key in a later batch, or a single call, is the same row", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  const requests = many(5, (index) => debit(account, 2, { idempotency_key: `k${index}` }));
  const first = await hot.submitMany(requests);
  const again = await hot.submitMany(requests);
  t.deepEqual(
    again,
    first.map((answer) => ({ ...answer, is_new: false })),
  );
  const third = await hot.submit(account, 2, "debit", { idempotency_key: "k3" });
  t.is(first[3]?.id, third.id);

  const single = await hot.submit(account, "3.50", "credit", {
    idempotency_key: "single",
    metadata: { b: 1, a: [2] },
  });
  const [answer] = await hot.submitMany([
    credit(account, "3.5", { idempotency_key: "single", metadata: { a: [2], b: 1 } }),
  ]);
  t.like(answer, { id: single.id, is_accepted: true, is_new: false });
  t.is((await rowsOf(account)).length, 6);
});

test.serial("a key with another content is refused, also within one batch", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  const key = { idempotency_key: "k" };
  t.deepEqual(await codes([debit(account, 1, key), debit(account, 2, key)]), ["none", "SB005"]);
  t.deepEqual(await codes([credit(account, 1, key), debit(account, 1, key)]), ["SB005", "none"]);
  t.is((await rowsOf(account)).length, 1);
});

test.serial("a key that comes twice in a batch with the same content is one row", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  const answers = await hot.submitMany(many(3, () => debit(account, 1, { idempotency_key: "k" })));
  t.deepEqual(
    answers.map((answer) => [answer.is_accepted, answer.is_new]),
    [
      [true, true],
      [true, false],
      [true, false],
    ],
  );
  t.is(new Set(answers.map((answer) => answer.id)).size, 1);
  t.is((await rowsOf(account)).length, 1);
});

test.serial("a refused row gives its key back, and takes its repetition along", async (t) => {
  const account = await hot.account({ slots: 2 });
  const request = debit(account, 5, { idempotency_key: "k" });
  t.deepEqual(await codes([request, request]), ["SB001", "SB001"]);
  await hot.submit(account, 5, "credit");
  t.deepEqual(await codes([request, request]), ["none", "none"]);
  t.like(await hot.balances(account), { available_balance: "0", pending_count: "2" });
});

test.serial("batches of the same keys at once, in any order, make each row once", async (t) => {
  const account = await hot.account({ funds: 1000, slots: 4 });
  const other = await hot.account({ funds: 1000, slots: 4 });
  const requests = many(40, (index) =>
    debit(index % 2 === 0 ? account : other, 1, { idempotency_key: `k${index}` }),
  );
  const send = (index: number) =>
    hot.submitMany(index % 2 === 0 ? requests : [...requests].reverse());
  t.deepEqual(await outcomes(many(12, send)), { none: 12 });
  t.is((await rowsOf(account)).length, 20);
  t.is((await rowsOf(other)).length, 20);
});

test.serial("batches at once take exactly what there is", async (t) => {
  for (const slots of [1, 8]) {
    const account = await hot.account({ funds: 100, slots });
    const answers = await Promise.all(many(20, () => codes(many(10, () => debit(account, 3)))));
    t.is(answers.flat().filter((code) => code === "none").length, 33);
    t.like(await hot.balances(account), { available_balance: "1", pending_count: "33" });
  }
});

test.serial("the array has 1 to 10,000 rows", async (t) => {
  const account = await hot.account({ minBalance: null, slots: 2 });
  const send = (text: string) =>
    errorCode(hot.query("admin", `select * from saldo.submit_transactions(${text})`));
  t.is(await send("null"), "SB010");
  t.is(await send("array[]::saldo.submit_request[]"), "SB010");
  const of = (count: number) =>
    `array(select row(${account}, 1, 'debit', null, null, null)::saldo.submit_request
      from generate_series(1, ${count}))`;
  t.is(await send(of(10_001)), "SB010");
  t.is(await send("array[null]::saldo.submit_request[]"), "none");
  t.is(await send(of(10_000)), "none");
  t.like(await hot.balances(account), { pending_debit: "10000", pending_count: "10000" });
  t.deepEqual(await codes([{}]), ["SB002"]);
});

test.serial("the first transactions of a currency are accepted at once", async (t) => {
  // Nothing has asked for its clearing account so far.
  const opened = { code: "francs", name: "Francs", type: "liability", currency: "CHF" };
  const account = (await hot.call("admin", "open_account", { ...opened, mode: "hot" })).id;
  const clearing = () => hot.root("select id from saldo.account where code = 'clearing:CHF'");
  t.deepEqual(await clearing(), []);
  const answers = await hot.submitMany([credit(account, 5), debit(account, 2)]);
  t.deepEqual(
    answers.map(({ error_code }) => error_code),
    [null, null],
  );
  const [{ id } = {}] = await clearing();
  const rows = await hot.root(
    "select counter_account_id from saldo.sub_balance where account_id = $1",
    [account],
  );
  t.deepEqual(rows, [{ counter_account_id: id }, { counter_account_id: id }]);
});
