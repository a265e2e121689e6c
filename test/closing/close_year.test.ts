import test from "ava";
import { errorCode } from "../_support/database.ts";
import { figures, openBooks } from "./_books.ts";

async function yearOf() {
  const books = await openBooks();
  const accounts = {
    cash: await books.account("asset"),
    revenue: await books.account("revenue", { mode: "hot", slots: 2 }),
    expense: await books.account("expense"),
    idle: await books.account("revenue"),
    foreign: await books.account("revenue", { currency: "USD" }),
    dollars: await books.account("asset", { currency: "USD" }),
  };
  // Idle in the year, with something left from the one before.
  await books.post("2024-10-01", accounts.cash, accounts.idle, 40);
  await books.post("2025-02-01", accounts.cash, accounts.revenue, 1000);
  await books.post("2025-03-01", accounts.expense, accounts.cash, 300);
  await books.post("2025-04-01", accounts.dollars, accounts.foreign, 7);
  return { ...books, ...accounts };
}

test("a year's end empties all income accounts, idle ones too, into retained earnings", async (t) => {
  const books = await yearOf();
  t.teardown(books.close);
  t.is(await errorCode(books.call("close_year", { fiscal_year: 2025 })), "SB109");
  await books.call("close_period", { month: "2025-12-01" });
  t.is(await errorCode(books.call("close_period", { month: "2026-01-01" })), "SB109");
  const closed = await books.call("close_year", { fiscal_year: 2025 });
  t.like(closed, { number: 13, status: "closed", line_count: "6" });
  t.is(await errorCode(books.call("close_year", { fiscal_year: 2025 })), "SB109");

  const sheet = await books.rows("balance_sheet", { as_of: "2025-12-31" });
  const earnings = sheet.filter(({ name }) => /earnings/i.test(String(name)));
  t.deepEqual(
    earnings.map(({ name, balance }) => `${name} ${Number(balance)}`),
    [
      "Retained Earnings IDR 740",
      "Current-year earnings 0",
      "Retained Earnings USD 7",
      "Current-year earnings 0",
    ],
  );
  const before = await books.rows("balance_sheet", {
    as_of: "2025-12-31",
    is_before_closing: true,
  });
  t.deepEqual(
    before.filter(({ name }) => /Current/.test(String(name))).map(({ balance }) => Number(balance)),
    [740, 7],
  );
  const income = await books.rows("income_statement", {
    from_date: "2025-01-01",
    to_date: "2025-12-31",
    currency: "IDR",
  });
  t.deepEqual(
    income.map(({ section, amount }) => [section, Number(amount)]),
    [
      ["revenue", 1000],
      ["revenue", 0],
      ["expense", 300],
      ["net_income", 700],
    ],
  );
  const [december, january] = await books.rows("monthly_balance", {
    account_id: books.revenue,
    from_month: "2025-12-01",
    to_month: "2026-01-01",
  });
  t.deepEqual(figures(december), [1000, 0, 0, -1000, 0]);
  t.deepEqual(figures(january), [0, 0, 0, 0, 0]);
  t.is(await errorCode(books.call("close_period", { month: "2026-01-01" })), "none");
  t.deepEqual(await books.findings(), []);
});

test("a year's end is undone by reversing its entries, and can be done again", async (t) => {
  const books = await yearOf();
  t.teardown(books.close);
  await books.call("close_period", { month: "2025-12-01" });
  await books.call("close_year", { fiscal_year: 2025 });
  await books.call("reopen_period", { fiscal_year: 2025, number: 13, reason: "a bill is missing" });
  const net = async () =>
    Number(
      (
        await books.rows("income_statement", {
          from_date: "2024-01-01",
          to_date: "2025-12-31",
          currency: "IDR",
        })
      ).at(-1)?.amount,
    );
  t.is(await net(), 740);
  await books.call("reopen_period", { fiscal_year: 2025, number: 12, reason: "a bill is missing" });
  await books.post("2025-12-30", books.expense, books.cash, 100);
  await books.call("close_period", { month: "2025-12-01" });
  await books.call("close_year", { fiscal_year: 2025 });
  t.is(await net(), 640);
  const sheet = await books.rows("balance_sheet", { as_of: "2025-12-31", currency: "IDR" });
  t.is(Number(sheet.find(({ name }) => /Retained/.test(String(name)))?.balance), 640);
  const kinds = await books.root(
    "select kind, status, count(*)::integer from saldo.journal_entry where source = 'close_year' group by 1, 2 order by 1, 2",
  );
  t.deepEqual(
    kinds.map(({ kind, status, count }) => [kind, status, count]),
    [
      ["closing", "posted", 2],
      ["closing", "reversed", 2],
      ["reversal", "posted", 2],
    ],
  );
  t.deepEqual(await books.findings(), []);
});

test("a year without income is closed as well", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [cash, equity] = [await books.account("asset"), await books.account("equity")];
  await books.post("2025-02-01", cash, equity, 10);
  await books.call("close_period", { month: "2025-12-01" });
  t.like(await books.call("close_year", { fiscal_year: 2025 }), { line_count: "0" });
  t.is(await errorCode(books.call("close_period", { month: "2026-01-01" })), "none");
  t.deepEqual(await books.findings(), []);
});

test("nobody posts as a year's end", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [cash, equity] = [await books.account("asset"), await books.account("equity")];
  const entry = {
    source: "close_year",
    description: "x",
    lines: [
      { account_id: cash, debit: "1" },
      { account_id: equity, credit: "1" },
    ],
  };
  t.is(await errorCode(books.rows("post_entries", { entries: JSON.stringify([entry]) })), "SB010");
});
