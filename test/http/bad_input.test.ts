import test from "ava";
import { type Answer, BUY, openApi, TOP_UP } from "../_support/api.ts";

// Everything here is refused, so all of it must leave every table as it was.
const api = await openApi();
const anna = await api.member("anna", "500000");
const budi = await api.member("budi", "500000");
const product = await api.product("voucher", "150000");
const dearProduct = await api.product("house", "900000000");
test.after.always(() => api.close());

const stockless = { member: anna.id, product: product.id };

async function assertRefused(
  t: { is(actual: unknown, expected: unknown, message?: string): void },
  cases: readonly (readonly [name: string, code: string, send: () => Promise<Answer>])[],
) {
  const before = await api.digest();
  for (const [name, code, send] of cases) {
    const answer = await send();
    t.is(answer.code, code, `${name}: ${answer.text.slice(0, 300)}`);
    t.is(answer.status < 500, true, `${name}: ${answer.status}`);
    t.is(/\b(select|insert|update|delete)\b.*\b(from|into|set)\b/i.test(answer.text), false, name);
    t.is(answer.text.length < 2500, true, `${name}: ${answer.text.length} characters`);
  }
  t.is(await api.digest(), before);
}

const buyFor = (amount: unknown) => () => api.post(BUY, { ...stockless, amount });

/** The purchase with the amount as it stands in the body, where JavaScript has no such number. */
const buyForJson = (amount: string) => async () =>
  api.send(
    JSON.stringify({ query: BUY, variables: { ...stockless, amount: 0 } }).replace(
      '"amount":0',
      `"amount":${amount}`,
    ),
    { authorization: `Bearer ${await api.token({})}` },
  );

const buyForLiteral = (amount: string) => () =>
  api.post(`mutation { purchaseWithBalanceDeduction(input: {
    memberId: "${anna.id}", productId: "${product.id}", ${amount}
  }) { result { id } } }`);

test.serial("an amount that is no positive plain number is invalid", async (t) => {
  const values = [
    -5,
    0,
    "-5",
    "0",
    "-0",
    "NaN",
    "Infinity",
    "-Infinity",
    "0x10",
    "1_000",
    " 5 ",
    "",
    "1e2",
    "１５００００",
    "١٥٠",
    "\u200f150000",
    "💰",
    [1],
    [150_000],
    true,
    {},
    null,
  ];
  await assertRefused(t, [
    ...values.map((value) => [JSON.stringify(value), "SB002", buyFor(value)] as const),
    ["missing variable", "SB002", () => api.post(BUY, stockless)],
    ["missing argument", "SB002", buyForLiteral("quantity: 1")],
    ["literal null", "SB002", buyForLiteral("amount: null")],
    ["literal true", "SB002", buyForLiteral("amount: true")],
    ["literal list", "SB002", buyForLiteral("amount: [1]")],
    ["literal -5", "SB002", buyForLiteral("amount: -5")],
  ]);
});

test.serial("an amount beyond every account is out of range", async (t) => {
  const values = [
    "1e400",
    "1e131071",
    "1e1000000",
    "1e21",
    1e21,
    "1000000000000000",
    "9223372036854775808",
    "9".repeat(50_000),
  ];
  await assertRefused(t, [
    ...values.map((value) => [String(value).slice(0, 20), "SB004", buyFor(value)] as const),
    ["JSON 1e400", "SB004", buyForJson("1e400")],
    ["JSON 20 digits", "SB004", buyForJson("9".repeat(20))],
    ["literal 1e400", "SB004", buyForLiteral("amount: 1e400")],
    ["literal of 30 digits", "SB004", buyForLiteral(`amount: ${"9".repeat(30)}`)],
  ]);
});

test.serial("an amount of more than two decimals is refused, never rounded", async (t) => {
  const values = [
    "250.000",
    "1.0000",
    "0.001",
    "10.005",
    10.005,
    0.001,
    1e-7,
    `0.${"0".repeat(40)}1`,
    0.1 + 0.2,
  ];
  await assertRefused(
    t,
    values.map((value) => [String(value), "SB003", buyFor(value)] as const),
  );
  await assertRefused(t, [["literal 250.000", "SB003", buyForLiteral("amount: 250.000")]]);
});

test.serial("amounts inside a journal entry are held to the same rules", async (t) => {
  const post = (debit: unknown) => () =>
    api.post(
      "mutation ($entries: JSON!) { postEntries(input: { entries: $entries }) { result { id } } }",
      {
        entries: [
          {
            description: "x",
            lines: [
              { account_id: anna.accountId, debit },
              { account_id: budi.accountId, credit: debit },
            ],
          },
        ],
      },
    );
  await assertRefused(t, [
    ...["NaN", "0x10", "1_000", " 5 ", "-5", "0", true, {}, [1]].map(
      (value) => [JSON.stringify(value), "SB002", post(value)] as const,
    ),
    ["10.005", "SB003", post("10.005")],
    ["250.000", "SB003", post("250.000")],
    ["1.250.000", "SB002", post("1.250.000")],
    ["1e15", "SB004", post("1000000000000000")],
    ["1e21", "SB004", post(1e21)],
  ]);
});

test.serial("text that PostgreSQL cannot hold, or that is too long, is refused", async (t) => {
  const topUp = (text: string) => () => api.post(TOP_UP, { member: anna.id, amount: "1", text });
  await assertRefused(t, [
    ["zero", "SB008", topUp("a\u0000b")],
    ["half a pair", "SB008", topUp("a\ud800")],
    ["control", "SB008", topUp("a\u0007")],
    ["90 KB", "SB009", topUp("x".repeat(90_000))],
    [
      "zero in a key",
      "SB008",
      () => api.post(TOP_UP, { member: anna.id, amount: "1", key: "k\u0000" }),
    ],
  ]);
});

test.serial("ids, dates and times of the wrong form are refused", async (t) => {
  const balanceAt = (at: unknown) => () =>
    api.post("query ($id: BigInt!, $at: Datetime!) { balanceAt(accountId: $id, at: $at) }", {
      id: anna.accountId,
      at,
    });
  const times = [
    "2025-02-31T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "294277-01-01T00:00:00Z",
    "now",
    "infinity",
    "2025-11-16",
    "",
    5,
  ];
  await assertRefused(t, [
    ...times.map((at) => [String(at), "SB010", balanceAt(at)] as const),
    ["uuid", "SB010", () => api.post('{ journalEntry(id: "x") { id } }')],
    ["id of 20 digits", "SB010", () => api.post(`{ account(id: "${"9".repeat(20)}") { id } }`)],
    [
      "id list",
      "SB010",
      () => api.post("query ($id: BigInt!) { account(id: $id) { id } }", { id: [1] }),
    ],
    ["date", "SB010", () => api.post('{ trialBalance(asOf: "31/02/2025") { nodes { code } } }')],
    [
      "31 February",
      "SB010",
      () => api.post('{ trialBalance(asOf: "2025-02-31") { nodes { code } } }'),
    ],
  ]);
});

test.serial("SQL in a text is stored as the text that it is", async (t) => {
  const text = "'); drop table saldo.account; --";
  const { data } = await api.post(TOP_UP, { member: budi.id, amount: "1", text, key: `${text}1` });
  t.is(data.topUp.result.description, text);
  const [row] = await api.root("select count(*)::int as count from saldo.account");
  t.true((row?.count as number) > 0);
});

test.serial("SQL where no text belongs is refused, or finds nothing", async (t) => {
  await assertRefused(t, [
    [
      "orderBy",
      "SB010",
      () => api.post('{ accounts(orderBy: ["id; drop table x"]) { nodes { id } } }'),
    ],
    ["cursor", "SB010", () => api.post('{ accounts(after: "x; drop table x") { nodes { id } } }')],
    [
      "forged cursor",
      "SB010",
      () => {
        const cursor = Buffer.from(JSON.stringify(["x", "1; drop table x"])).toString("base64");
        return api.post("query ($c: Cursor) { accounts(after: $c) { nodes { id } } }", {
          c: cursor,
        });
      },
    ],
    [
      "operator",
      "SB010",
      () => api.post('{ accounts(filter: { code: { like: "%" } }) { nodes { id } } }'),
    ],
    [
      "null filter",
      "SB010",
      () => api.post("{ accounts(filter: { code: null }) { nodes { id } } }"),
    ],
  ]);
  const quoted = await api.post(
    `{ accounts(filter: { code: { equalTo: "' or 1=1 --" } }) { nodes { id } } }`,
  );
  t.deepEqual(quoted.data.accounts.nodes, []);
});

test.serial("unknown fields and arguments are refused before execution", async (t) => {
  const documents = [
    `mutation { createMember(input: { code: "x", name: "x", balance: "5" }) { result { id } } }`,
    `mutation { updateAccount(input: { id: "1", balance: "5" }) { result { id } } }`,
    "{ idempotencyRecords { nodes { key } } }",
    "{ accounts { nodes { xmin } } }",
    "subscription { accounts { nodes { id } } }",
  ];
  await assertRefused(
    t,
    documents.map((query) => [query, "SB010", () => api.post(query)] as const),
  );
  t.is((await api.post(documents[0] as string)).status, 400);
});

test.serial("500 purchases in one document are refused, with and without aliases", async (t) => {
  const one = `purchaseWithBalanceDeduction(input: {
    memberId: "${anna.id}", productId: "${product.id}", amount: "150000"
  }) { result { id } }`;
  const many = (count: number, name: (index: number) => string) =>
    `mutation { ${Array.from({ length: count }, (_, index) => name(index) + one).join(" ")} }`;
  await assertRefused(t, [
    ["500 aliases", "SB012", () => api.post(many(500, (index) => `p${index}: `))],
    ["2 aliases", "SB012", () => api.post(many(2, (index) => `p${index}: `))],
    ["2 fields", "SB012", () => api.post(many(2, () => ""))],
  ]);
});

test.serial("queries that ask for too much are refused", async (t) => {
  const [down, up] = ["member { account { ".repeat(10), "} } ".repeat(10)];
  const deep = `{ accounts { nodes { ${down} id ${up} } } }`;
  await assertRefused(t, [
    ["depth", "SB012", () => api.post(deep)],
    [
      "directives",
      "SB012",
      () => api.post(`{ accounts ${"@skip(if: true) ".repeat(5000)} { nodes { id } } }`),
    ],
    ["cycle", "SB012", () => api.post("{ ...A } fragment A on Query { ...A }")],
    ["first", "SB013", () => api.post("{ accounts(first: 2147483647) { nodes { id } } }")],
    ["first -1", "SB013", () => api.post("{ accounts(first: -1) { nodes { id } } }")],
    ["first 1e10", "SB013", () => api.post("{ accounts(first: 1e10) { nodes { id } } }")],
    ["offset", "SB013", () => api.post("{ accounts(offset: 2147483647) { nodes { id } } }")],
    ["broken", "SB010", () => api.post("{ accounts {")],
  ]);
});

test.serial("3,000 aliases are refused in under 50 ms while others are served", async (t) => {
  const aliases = Array.from(
    { length: 3000 },
    (_, index) => `a${index}: accounts { nodes { id } }`,
  );
  const attack = `{ ${aliases.join(" ")} }`;
  const token = await api.token({});
  const ping = async () => {
    const startedAt = performance.now();
    const { data } = await api.post("{ accounts(first: 1) { nodes { id } } }", {}, token);
    t.is(data.accounts.nodes.length, 1);
    return performance.now() - startedAt;
  };
  await ping();
  await api.post(attack, {}, token);

  // The fastest of some, since other test files share the processors.
  const refusalMs: number[] = [];
  const pingMs: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const startedAt = performance.now();
    const refuse = async () => {
      const answer = await api.post(attack, {}, token);
      t.is(answer.status, 400);
      t.is(answer.code, "SB012");
      refusalMs.push(performance.now() - startedAt);
    };
    await Promise.all([refuse(), ping().then((ms) => pingMs.push(ms))]);
  }
  t.true(Math.min(...refusalMs) < 50, `refused after ${refusalMs} ms`);
  t.true(Math.min(...pingMs) < 200, `served after ${pingMs} ms`);
});

test.serial(
  "the same key with the same content is the first result, with other content an error",
  async (t) => {
    const variables = { ...stockless, amount: "150000", key: "order 1" };
    const first = await api.post(BUY, variables);
    const again = await api.post(BUY, variables);
    t.is(
      again.data.purchaseWithBalanceDeduction.result.id,
      first.data.purchaseWithBalanceDeduction.result.id,
    );
    await assertRefused(t, [
      ["other content", "SB005", () => api.post(BUY, { ...variables, amount: "150001" })],
      ["price", "SB303", () => api.post(BUY, { ...variables, amount: "1", key: "order 2" })],
    ]);
  },
);

test.serial("refusals of the rooms keep their codes", async (t) => {
  await assertRefused(t, [
    [
      "too little",
      "SB001",
      () => api.post(BUY, { member: budi.id, product: dearProduct.id, amount: "900000000" }),
    ],
    [
      "no product",
      "SB301",
      () => api.post(BUY, { member: anna.id, product: "999999", amount: "1" }),
    ],
    [
      "no member",
      "SB304",
      () => api.post(BUY, { member: "999999", product: product.id, amount: "150000" }),
    ],
  ]);
});
