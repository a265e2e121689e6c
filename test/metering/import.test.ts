import test from "ava";
import { errorCode } from "../_support/database.ts";
import { type Metering, openMetering, outcomes, type Row } from "./_metering.ts";

let metering: Metering;
test.before(async () => {
  metering = await openMetering();
  await metering.call("create_customer", { code: "A", name: "Ayu" });
  await metering.call("create_customer", { code: "B", name: "Budi" });
  await imported("meters", [
    { customer: "A", code: "m", installed_at: "2025-01-01T00:00:00+07:00" },
    { customer: "B", code: "m", installed_at: "2025-01-01T00:00:00" },
    { customer: "B", code: "flow", kind: "volume", installed_at: "2025-01-01 00:00" },
  ]);
});
test.after.always(() => metering?.close());

/** Imports rows, numbered from 2 as in a file; the answers in their order. */
async function imported(kind: string, rows: Row[], dryRun = false): Promise<Row[]> {
  const numbered = rows.map((row, index) => ({ row_no: index + 2, ...row }));
  const answers = await metering.rows("admin", `import_${kind}`, {
    rows: JSON.stringify(numbered),
    dry_run: dryRun,
  });
  return answers.sort((one, other) => Number(one.row_no) - Number(other.row_no));
}

const codes = (answers: Row[]) => answers.map((answer) => answer.error_code ?? "ok");
const count = async (table: string) =>
  Number((await metering.root(`select count(*) as n from saldo.${table}`))[0]?.n);

test.serial("customers: each row is answered, and a bad one holds back no other", async (t) => {
  const rows = [
    { code: "c1", name: "One" },
    { code: "c1", name: "One again" },
    { code: "", name: "None" },
    { code: "c2", name: "Bell \u0007" },
    { code: "c3", name: "x".repeat(181) },
    { code: "c4", name: "Four", currency: "rupiah" },
    { code: "c5", name: "Five" },
  ];
  const answers = await imported("customers", rows);
  t.deepEqual(codes(answers), ["ok", "SB014", "SB010", "SB008", "SB009", "SB010", "ok"]);
  t.deepEqual(
    answers.map((answer) => answer.row_no),
    [2, 3, 4, 5, 6, 7, 8],
  );
  t.regex(String(answers[0]?.id), /^\d+$/);
  const again = await imported("customers", rows);
  t.like(again[0], { is_accepted: true, id: answers[0]?.id, detail: "imported before" });
  t.is(again[6]?.detail, "imported before");
  t.is(await count("customer where code in ('c1', 'c5')"), 2);
});

test.serial("deposits: amounts and times are taken as they stand, or refused", async (t) => {
  const at = "2025-02-01T08:00:00+07:00";
  const row = (extra: Row) => ({ customer: "A", amount: "100", occurred_at: at, ...extra });
  const answers = await imported("deposits", [
    row({ key: "d1", amount: "1000.50" }),
    row({ amount: "1,5" }),
    row({ amount: "1.555" }),
    row({ amount: "1000000000000000" }),
    row({ amount: "-5" }),
    row({ amount: "1e3" }),
    row({ customer: "nobody" }),
    row({ occurred_at: "01/02/2025" }),
    row({ occurred_at: "2025-02-30T08:00:00" }),
    row({ occurred_at: "" }),
    row({ occurred_at: "2025-02-01T24:00:00Z" }),
    row({ occurred_at: "2025-02-01 23:30:00", key: "d2" }),
    row({ occurred_at: "2025-02-01T08:00Z", key: "d3" }),
  ]);
  t.deepEqual(codes(answers), [
    ...["ok", "SB002", "SB003", "SB004", "SB002", "SB002", "SB401"],
    ...["SB433", "SB433", "SB433", "SB433", "ok", "ok"],
  ]);
  t.is(answers[7]?.detail, "occurred_at: '01/02/2025'");
  const stored = await metering.root(
    `select trim_scale(amount)::text as amount,
      to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as at
    from saldo.deposit order by id`,
  );
  t.deepEqual(stored, [
    { amount: "1000.5", at: "2025-02-01 01:00" },
    { amount: "100", at: "2025-02-01 16:30" },
    { amount: "100", at: "2025-02-01 08:00" },
  ]);
});

test.serial("a dry run answers the same and writes nothing", async (t) => {
  const rows = [
    { customer: "A", amount: "7", occurred_at: "2025-03-01T00:00:00Z", key: "dry" },
    { customer: "A", amount: "7,0", occurred_at: "2025-03-01T00:00:00Z" },
  ];
  const before = await metering.digest();
  t.deepEqual(codes(await imported("deposits", rows, true)), ["ok", "SB002"]);
  const reading = { customer: "B", meter: "m", read_at: "2025-03-01T00:00:00", index_value: "5" };
  t.deepEqual(codes(await imported("readings", [{ ...reading, key: "dry" }], true)), ["ok"]);
  t.deepEqual(await metering.digest(), before);
  t.deepEqual(codes(await imported("deposits", rows)), ["ok", "SB002"]);
});

test.serial("meters: kinds, figures and repeats", async (t) => {
  const row = (extra: Row) => ({
    customer: "A",
    code: "m2",
    installed_at: "2025-01-05T00:00:00",
    ...extra,
  });
  const rows = [
    row({ start_index: "12.5", register_limit: "99999" }),
    row({}),
    row({ code: "m3", kind: "water" }),
    row({ code: "m3", start_index: "12,5" }),
    row({ code: "m3", start_index: "2000000" }),
    row({ code: "m3", installed_at: "2999-01-01T00:00:00" }),
    row({ code: "m3", customer: "" }),
  ];
  const answers = await imported("meters", rows);
  t.deepEqual(codes(answers), ["ok", "SB014", "SB010", "SB434", "SB411", "SB409", "SB401"]);
  const again = await imported("meters", rows);
  t.like(again[0], { is_accepted: true, id: answers[0]?.id, detail: "imported before" });
});

test.serial("readings: every kind of bad row is reported, and all good ones are in", async (t) => {
  const row = (day: string, value: string, extra: Row = {}) => ({
    customer: "A",
    meter: "m",
    read_at: `2025-04-${day}T12:00:00`,
    index_value: value,
    ...extra,
  });
  const rows = [
    row("01", "100", { key: "r1" }),
    row("02", "200", { key: "r2" }),
    row("03", "150", { key: "r3" }),
    row("04", "300", { key: "r4" }),
    row("04", "301"),
    row("05", "1,5"),
    row("05", "-1"),
    row("31", "400"),
    row("05", "400", { customer: "nobody" }),
    row("05", "400", { meter: "none" }),
    row("05", "400", { quality: "guess" }),
    row("05", "400", { is_rollover: "perhaps" }),
    row("05", "400", { read_at: "2999-01-01T00:00:00" }),
    row("05", "400", { read_at: "2024-01-01T00:00:00" }),
    row("05", "400", { meter: "flow", customer: "B" }),
    row("05", "400", { key: "k".repeat(201) }),
    row("06", "350", { key: "r1" }),
    row("01", "100", { key: "r1" }),
    row("07", "350", { key: "r7", quality: "estimated" }),
    row("07", "", { meter: "flow", customer: "B", volume: "12.125" }),
  ];
  const answers = await imported("readings", rows);
  t.deepEqual(codes(answers), [
    ...["ok", "ok", "SB410", "ok", "SB408", "SB434", "SB411", "SB433", "SB401", "SB404"],
    ...["SB010", "SB010", "SB409", "SB405", "SB411", "SB009", "SB005", "ok", "ok", "ok"],
  ]);
  t.is(answers[17]?.id, answers[0]?.id);
  t.is(answers[2]?.id, null);
  t.is(await count("reading where status = 'current'"), 5);
  const again = await imported("readings", rows);
  t.deepEqual(
    again.filter((answer) => answer.detail === "imported before").map((answer) => answer.row_no),
    [2, 3, 5, 19, 20],
  );
  t.is(await count("reading"), 5, "nothing is doubled");
  t.deepEqual(
    [...new Set((await metering.findings()).map(({ rule }) => rule))],
    ["rule_reading_unrated"],
    "there is no price yet",
  );
});

test.serial(
  "a row says the same with blanks around it and with columns that are empty",
  async (t) => {
    const row = { customer: "B", meter: "flow", read_at: "2025-03-03T12:00:00", volume: "2" };
    const blank = { ...row, customer: " B", volume: "2 ", index_value: "", quality: " " };
    const [first] = await imported("readings", [{ ...row, key: "blanks" }]);
    const [again] = await imported("readings", [{ ...blank, key: "blanks " }]);
    t.like(again, { is_accepted: true, id: first?.id, detail: "imported before" });
    const [other] = await imported("readings", [{ ...row, volume: "3", key: "blanks" }]);
    t.is(other?.error_code, "SB005");
    const [control] = await imported("readings", [{ ...row, key: "k\u0007" }]);
    t.is(control?.error_code, "SB008", "a key is a text like any other");
  },
);

test.serial("a batch of good readings is one statement's work", async (t) => {
  const rows = Array.from({ length: 2000 }, (_, index) => ({
    customer: index % 2 ? "A" : "B",
    meter: "m",
    read_at: new Date(Date.UTC(2025, 5, 1, index)).toISOString(),
    index_value: String(1000 + index),
    key: `june ${index}`,
  }));
  const answers = await imported("readings", rows);
  t.true(answers.every((answer) => answer.is_accepted));
  const [batches] = await metering.root(
    `select count(*)::int as n, count(distinct batch_id)::int as batches
    from saldo.reading where read_at >= '2025-06-01T00:00Z'`,
  );
  t.deepEqual(batches, { n: 2000, batches: 1 });
});

test.serial("two imports of one file at once record it once", async (t) => {
  const rows = Array.from({ length: 50 }, (_, index) => ({
    customer: "B",
    meter: "flow",
    read_at: `2025-05-01T10:00:${String(index).padStart(2, "0")}`,
    volume: "1",
    key: `twice ${index}`,
  }));
  const both = await Promise.all([imported("readings", rows), imported("readings", rows)]);
  t.deepEqual(both.map(codes), [rows.map(() => "ok"), rows.map(() => "ok")]);
  t.is(await count("reading where read_on = '2025-05-01'"), 50);
});

test.serial("deposits in any order never deadlock with those that come meanwhile", async (t) => {
  // Customers that were there before the first deposit have lower accounts than cash.
  const fresh = await openMetering();
  t.teardown(fresh.close);
  const codes = Array.from({ length: 8 }, (_, index) => `d${index}`);
  for (const code of codes) await fresh.call("create_customer", { code, name: code });
  const row = (code: string, index: number) => ({
    row_no: index + 1,
    customer: code,
    amount: "1",
    occurred_at: `2025-0${1 + (index % 3)}-01T12:00:00`,
  });
  const imports = [codes, [...codes].reverse()].map((order) =>
    JSON.stringify([...order, ...order].map(row)),
  );
  const work = Array.from({ length: 15 }, (_, index) => [
    fresh.rows("admin", "import_deposits", { rows: imports[index % 2] }),
    fresh.call("add_deposit", { customer_id: 1 + (index % 8), amount: 1 }),
  ]).flat();
  t.deepEqual(Object.keys(await outcomes(work)), ["none"]);
  t.is((await fresh.root("select from saldo.deposit")).length, 15 * 16 + 15);
});

test.serial("what is no array of rows is refused as a whole", async (t) => {
  for (const rows of ["{}", "[]", "[1]", '[{"code": "x"}]', '[{"row_no": 0}]']) {
    const call = metering.rows("admin", "import_customers", { rows });
    t.is(await errorCode(call), "SB010", rows);
  }
  t.is(
    await errorCode(metering.rows("operator", "import_customers", { rows: "[]" })),
    "42501",
    "an operator may not",
  );
});

test.serial(
  "a field that a row of its kind does not have is refused, not passed over",
  async (t) => {
    const at = "2025-02-01T08:00:00+07:00";
    const rows: [string, Row][] = [
      ["customers", { code: "misspelt", name: "M", curency: "USD" }],
      ["deposits", { customer: "A", amount: "1", occurred_at: at, descripton: "x" }],
      ["meters", { customer: "A", code: "mm", installed_at: at, start: "5" }],
      ["readings", { customer: "B", meter: "flow", read_at: at, volume: "1", qualty: "estimated" }],
    ];
    for (const [kind, row] of rows) {
      const [answer] = await imported(kind, [row]);
      t.is(answer?.error_code, "SB010", kind);
      t.regex(String(answer?.detail), /^unknown: \{"(curency|descripton|start|qualty)"/);
    }
  },
);

test.serial("a key stands for what its row says, however it is written", async (t) => {
  const deposit = { customer: "A", amount: "12.50", occurred_at: "2025-02-05T08:00", key: "said" };
  const reading = { customer: "B", meter: "flow", read_at: "2025-02-05T08:00", volume: "3" };
  const [first] = await imported("deposits", [{ ...deposit, description: "Caf\u00e9" }]);
  const [again] = await imported("deposits", [
    { ...deposit, amount: "12.5", occurred_at: "2025-02-05T01:00Z", description: "Cafe\u0301 " },
  ]);
  t.like(again, { id: first?.id, detail: "imported before" });
  const [read] = await imported("readings", [{ ...reading, key: "read" }]);
  const [reread] = await imported("readings", [
    {
      ...reading,
      key: "read",
      read_at: "2025-02-05T01:00:00.0Z",
      volume: "3.00",
      quality: "actual",
    },
  ]);
  t.like(reread, { id: read?.id, detail: "imported before" });
});

test.serial("what is there under another key is told with its id, and is no refusal", async (t) => {
  const deposit = { customer: "A", amount: "77", occurred_at: "2025-02-06T08:00:00" };
  const reading = { customer: "B", meter: "flow", read_at: "2025-02-06T08:00", volume: "4" };
  const [first, second, other] = await imported("deposits", [
    { ...deposit, key: "one" },
    { ...deposit, amount: "77.00", key: "two" },
    { ...deposit, description: "Another thing", key: "three" },
  ]);
  t.like(first, { is_accepted: true, detail: null });
  t.like(second, { is_accepted: true, detail: `possibly the same as deposit ${first?.id}` });
  t.not(second?.id, first?.id);
  t.like(other, { is_accepted: true, detail: null });
  const [read, copy, differs] = await imported("readings", [
    { ...reading, key: "read one" },
    { ...reading, volume: "4.0", key: "read two" },
    { ...reading, volume: "5", key: "read three" },
  ]);
  t.like(copy, { is_accepted: true, id: read?.id, error_code: null });
  t.regex(String(copy?.detail), new RegExp(`possibly the same as reading ${read?.id}$`));
  t.is(differs?.error_code, "SB408");
  t.is(await count("reading where read_on = '2025-02-06'"), 1);
});

test.serial("rows have the same digest where they say the same", async (t) => {
  const row = (more: Row) => ({ customer: "A", amount: "5000", ...more });
  const rows = [
    row({ row_no: 2, occurred_at: "2025-03-01T08:00:00+07:00" }),
    row({ row_no: 3, occurred_at: "2025-03-01 08:00", amount: "5000.00" }),
    row({ row_no: 4, occurred_at: "2025-03-01T08:00:01+07:00" }),
  ];
  const digests = async (kind: string, given: unknown, actor: "admin" | "operator" = "admin") => {
    const [answer] = await metering.rows(actor, "import_digests", {
      kind,
      rows: JSON.stringify(given),
    });
    return answer?.import_digests as string[];
  };
  const [one, same, other] = await digests("deposits", rows);
  t.regex(String(one), /^[0-9a-f]{64}$/);
  t.is(same, one);
  t.not(other, one);
  t.not((await digests("readings", rows))[0], one);
  t.is(await errorCode(digests("others", rows)), "SB010");
  t.is(await errorCode(digests("deposits", [])), "SB010");
  t.is(await errorCode(digests("deposits", rows, "operator")), "42501");
});
