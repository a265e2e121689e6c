import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openBooks, type Row } from "./_books.ts";

async function withBooks() {
  const books = await openBooks();
  const [cash, revenue] = [await books.account("asset"), await books.account("revenue")];
  const begin = async (isolation = "read committed") => {
    const client = await books.pool.connect();
    await client.query(`begin isolation level ${isolation}`);
    return {
      query: async (text: string, values: unknown[] = []) =>
        (await client.query(text, values)).rows,
      end: async (how = "commit") => {
        await client.query(how);
        client.release();
      },
    };
  };
  const waiting = async (count: number) => {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      const rows = await books.root(
        `select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
      );
      if (rows.length >= count) return;
      await new Promise((done) => setTimeout(done, 10));
    }
    throw new Error("nobody waits");
  };
  return { ...books, cash, revenue, begin, waiting };
}

const ENTRY = (cash: string, revenue: string, extra: Row = {}) => ({
  description: "x",
  lines: [
    { account_id: cash, debit: "1" },
    { account_id: revenue, credit: "1" },
  ],
  ...extra,
});

test("a posting that waits while all periods are reopened is posted on its own day", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  await books.post("2026-09-10", books.cash, books.revenue, 100);
  await books.call("close_period", { month: "2026-09-01" });
  const closer = await books.begin();
  await closer.query("select saldo.begin_closing('2026-10-01')");
  const late = books.post("2026-09-10", books.cash, books.revenue, 5);
  const many = books.rows("post_entries", {
    entries: JSON.stringify(
      ["2026-09-11", "2026-09-12"].map((day) =>
        ENTRY(books.cash, books.revenue, { occurred_at: `${day}T05:00:00Z` }),
      ),
    ),
  });
  await books.waiting(2);
  await closer.query("select saldo.cancel_closing('2026-10-01', 'x')");
  await closer.query("select saldo.reopen_period(2026, 9, 'x')");
  await closer.end();
  t.like(await late, { posting_date: "2026-09-10", origin_month: null });
  t.deepEqual(
    (await many).map(({ posting_date }) => posting_date),
    ["2026-09-11", "2026-09-12"],
  );
});

test("a closing entry is not reversed by hand", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  await books.post("2025-12-10", books.cash, books.revenue, 158);
  await books.call("close_period", { month: "2025-12-01" });
  await books.call("close_year", { fiscal_year: 2025 });
  const [entry] = await books.root("select id from saldo.journal_entry where kind = 'closing'");
  t.is(await errorCode(books.call("reverse_entry", { entry_id: entry?.id, reason: "x" })), "SB106");
});

for (const what of ["all totals", "some totals"]) {
  test(`a closing is right where ${what} of the seal before it are gone`, async (t) => {
    const books = await withBooks();
    t.teardown(books.close);
    const other = await books.account("liability");
    await books.post("2025-12-10", books.cash, books.revenue, 158);
    await books.post("2025-12-11", books.cash, other, 2);
    await books.call("close_period", { month: "2025-12-01" });
    await books.call("close_year", { fiscal_year: 2025 });
    await books.post("2026-01-10", books.cash, books.revenue, 20);
    await books.root(
      `delete from saldo.closing_snapshot
      where ${what === "all totals" ? "true" : `account_id = ${books.cash}`}`,
    );
    const before = await books.trial({ as_of: "2026-02-28" });
    t.is(Number(before.find(({ account_id }) => account_id === books.cash)?.debit_balance), 180);
    await books.call("close_period", { month: "2026-01-01", waive: ["rules"], reason: "known" });
    t.deepEqual(await books.trial({ as_of: "2026-02-28" }), before);
    const [sealed] = await books.root(
      "select debit, debit_total from saldo.closing_snapshot where account_id = $1 and fiscal_year = 2026",
      [books.cash],
    );
    t.deepEqual([Number(sealed?.debit), Number(sealed?.debit_total)], [20, 180]);
  });
}

test("a year ends whatever became of its income accounts since", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  const [closed, limited, hot] = [
    await books.account("revenue"),
    await books.account("revenue", { min_balance: 0 }),
    await books.account("revenue", { min_balance: 0, mode: "hot", slots: 2 }),
  ];
  for (const account of [closed, limited, hot]) {
    const entry = await books.post("2025-12-05", books.cash, account, 40);
    await books.call("reverse_entry", { entry_id: entry.id, reason: "x" });
  }
  await books.call("close_account", { account_id: closed });
  await books.call("close_period", { month: "2025-12-01" });
  await books.call("close_year", { fiscal_year: 2025 });
  // They are below zero until the year in which the reversal was posted ends as well.
  t.deepEqual(
    [...new Set((await books.findings()).map(({ rule }) => rule))].filter(
      (rule) => rule !== "min_balance",
    ),
    [],
  );
  t.is(await errorCode(books.root("select saldo.transfer($1, $2, 1)", [hot, books.cash])), "SB001");
  t.is(await errorCode(books.call("close_period", { month: "2026-01-01" })), "SB110");
});

test("a repeated request is answered with the first result, also when its month is locked", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  const entries = JSON.stringify([
    ENTRY(books.cash, books.revenue, { occurred_at: "2025-12-10T05:00:00Z", idempotency_key: "p" }),
  ]);
  const transfers = () =>
    books.root(
      `select entry_id from saldo.transfer_many(
        array[($1, $2, 1, null, 't', '2025-12-10')]::saldo.transfer_request[])`,
      [books.cash, books.revenue],
    );
  const [first] = await books.rows("post_entries", { entries });
  const [transfer] = await transfers();
  await books.call("close_period", { month: "2025-12-01" });
  await books.call("lock_period", { fiscal_year: 2025, number: 12, reason: "x" });
  t.is((await books.rows("post_entries", { entries }))[0]?.id, first?.id);
  t.deepEqual(await transfers(), [transfer as Row]);
});

test("nothing is waived that has no name", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  await books.post("2026-09-10", books.cash, books.revenue, 1);
  for (const waive of [[null], ["holds", null]]) {
    t.is(
      await errorCode(books.call("close_period", { month: "2026-09-01", waive, reason: "x" })),
      "SB010",
    );
  }
});

test("locking waits for what is under way about the month", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  const [other, another] = [await books.account("asset"), await books.account("equity")];
  const entry = await books.post("2026-09-10", other, another, 100);
  await books.call("close_period", { month: "2026-09-01" });
  const late = await books.begin();
  await late.query("select saldo.transfer($1, $2, 5, occurred_at => '2026-09-11')", [
    books.cash,
    books.revenue,
  ]);
  const reversing = await books.begin();
  await reversing.query("select saldo.reverse_entry($1, 'x')", [entry.id]);
  let isLocked = false;
  const locking = books
    .call("lock_period", { fiscal_year: 2026, number: 9, reason: "x" })
    .then(() => {
      isLocked = true;
    });
  await books.waiting(1);
  t.false(isLocked);
  await late.end();
  t.false(isLocked);
  await reversing.end();
  await locking;
  t.true(isLocked);
});

test("dates that are none are refused by code", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  const entry = (extra: Row) =>
    errorCode(
      books.rows("post_entries", {
        entries: JSON.stringify([ENTRY(books.cash, books.revenue, extra)]),
      }),
    );
  for (const origin_month of ["infinity", "garbage", "5000000-12-31", "1800-01-01"]) {
    t.is(await entry({ origin_month }), "SB010", origin_month);
  }
  for (const occurred_at of ["garbage", "infinity", "2026-13-01", "2026-01-01T25:00"]) {
    t.is(await entry({ occurred_at }), "SB010", occurred_at);
  }
  for (const name of ["begin_closing", "close_period"]) {
    for (const month of ["infinity", "-infinity", null]) {
      t.is(await errorCode(books.call(name, { month })), "SB010", `${name} ${month}`);
    }
  }
  t.is(await errorCode(books.call("cancel_closing", { month: "infinity", reason: "x" })), "SB010");
  for (const range of [
    { from_month: null, to_month: "4713-01-01 BC" },
    { from_month: "5000000-01-01", to_month: "5874897-12-31" },
    { from_month: "infinity", to_month: null },
  ]) {
    const args = { account_id: books.cash, ...range };
    t.is(await errorCode(books.rows("monthly_balance", args)), "SB010", JSON.stringify(range));
  }
  for (const name of ["trial_balance_between", "income_statement"]) {
    for (const [from_date, to_date] of [
      ["2025-12-31", "2025-01-01"],
      [null, "2025-12-31"],
      ["2025-12-01", null],
      ["-infinity", "2025-12-31"],
      ["2025-12-01", "infinity"],
      ["2025-12-01", "5874897-12-31"],
      ["5874897-12-30", "5874897-12-31"],
      ["1899-12-31", "2025-12-31"],
    ]) {
      t.is(await errorCode(books.rows(name, { from_date, to_date })), "SB010", `${from_date}`);
    }
  }
  for (const as_of of ["infinity", "-infinity", "1899-12-31"]) {
    t.is(await errorCode(books.rows("trial_balance", { as_of })), "SB010", as_of);
    t.is(await errorCode(books.rows("balance_sheet", { as_of })), "SB010", as_of);
  }
  for (const fiscal_year of [0, -2147483648, 2147483647]) {
    t.deepEqual(await books.rows("fiscal_periods", { fiscal_year }), []);
  }
});
