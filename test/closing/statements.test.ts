import test from "ava";
import { errorCode } from "../_support/database.ts";
import { type Books, figures, openBooks, type Row } from "./_books.ts";

const months = (books: Books, account_id: string, args: Row = {}) =>
  books.rows("monthly_balance", {
    account_id,
    from_month: "2026-01-01",
    to_month: "2026-12-01",
    ...args,
  });

test("each month has opening, movement and closing, also one without movement", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [cash, revenue] = [await books.account("asset"), await books.account("revenue")];
  await books.post("2025-11-05", cash, revenue, 40);
  await books.post("2026-02-10", cash, revenue, 100);
  await books.post("2026-04-10", revenue, cash, 30);
  const year = await months(books, cash);
  t.is(year.length, 12);
  t.deepEqual(figures(year[0]), [40, 0, 0, 0, 40]);
  t.deepEqual(figures(year[1]), [40, 100, 0, 0, 140]);
  t.deepEqual(figures(year[2]), [140, 0, 0, 0, 140]);
  t.deepEqual(figures(year[3]), [140, 0, 30, 0, 110]);
  t.deepEqual(figures(year[11]), [110, 0, 0, 0, 110]);
  t.deepEqual(figures((await months(books, revenue))[3]), [140, 30, 0, 0, 110]);
  // A back-dated posting moves all that comes after it.
  await books.post("2026-01-31", cash, revenue, 5);
  t.deepEqual(figures((await months(books, cash))[11]), [115, 0, 0, 0, 115]);
  t.is((await books.rows("monthly_balance", { account_id: cash })).length, 12);
  t.is(await errorCode(books.rows("monthly_balance", { account_id: 999_999 })), "SB101");
  t.is(await errorCode(months(books, cash, { from_month: "2027-01-01" })), "SB010");
  t.is(await errorCode(months(books, cash, { from_month: "1899-01-01" })), "SB010");
});

test("a statement has the lines with the balance after each", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [cash, revenue] = [await books.account("asset"), await books.account("revenue")];
  await books.post("2026-05-31", cash, revenue, 40);
  await books.post("2026-06-10", cash, revenue, 100);
  await books.post("2026-06-10", revenue, cash, 30);
  await books.post("2026-06-30", cash, revenue, 5);
  await books.post("2026-07-01", cash, revenue, 9);
  const lines = async (account_id: string, from_date: string, to_date: string) =>
    (await books.rows("account_statement", { account_id, from_date, to_date })).map((line) =>
      [line.debit, line.credit, line.balance].map(Number),
    );
  t.deepEqual(await lines(cash, "2026-06-01", "2026-06-30"), [
    [0, 0, 40],
    [100, 0, 140],
    [0, 30, 110],
    [5, 0, 115],
  ]);
  t.deepEqual(await lines(revenue, "2026-06-30", "2026-07-01"), [
    [0, 0, 110],
    [0, 5, 115],
    [0, 9, 124],
  ]);
  t.deepEqual(await lines(cash, "2026-08-01", "2026-08-31"), [[0, 0, 124]]);
  t.is(await errorCode(lines(cash, "2026-08-02", "2026-08-01")), "SB010");
  t.is(await errorCode(lines("999999", "2026-08-01", "2026-08-02")), "SB101");
});

test("reported and restated differ by month and agree over all time", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [cash, revenue] = [await books.account("asset"), await books.account("revenue")];
  await books.post("2026-06-15", cash, revenue, 100);
  await books.call("close_period", { month: "2026-06-01" });
  await books.post("2026-06-20", cash, revenue, 7);
  await books.post("2026-07-20", cash, revenue, 3);
  const at = async (basis: string) =>
    (await months(books, cash, { basis })).slice(5, 8).map((line) => Number(line.closing));
  t.deepEqual(await at("reported"), [100, 110, 110]);
  t.deepEqual(await at("restated"), [107, 110, 110]);
  const income = async (basis: string, from_date: string, to_date: string) =>
    Number((await books.rows("income_statement", { from_date, to_date, basis })).at(-1)?.amount);
  t.is(await income("reported", "2026-06-01", "2026-06-30"), 100);
  t.is(await income("restated", "2026-06-01", "2026-06-30"), 107);
  t.is(await income("restated", "2026-07-01", "2026-07-31"), 3);
  t.is(await income("restated", "2026-01-01", "2026-12-31"), 110);
  const total = async (args: Row) =>
    (await books.trial(args)).map((line) => Number(line.debit_balance));
  t.deepEqual(await total({ as_of: "2026-06-30", basis: "restated" }), [107, 0]);
  t.deepEqual(await total({ as_of: "2026-06-30" }), [100, 0]);
  t.is(await errorCode(books.trial({ as_of: "2026-06-29", basis: "restated" })), "SB010");
  t.is(await errorCode(books.trial({ as_of: "infinity" })), "SB010");
});

test("trial balance, income statement and balance sheet fit for any date", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const ids: Record<string, string> = {};
  for (const type of ["asset", "revenue", "expense", "equity", "liability"]) {
    ids[type] = await books.account(type);
  }
  const { asset, revenue, expense, equity, liability } = ids as Record<string, string>;
  await books.post("2025-12-31", asset as string, equity as string, 1000);
  await books.post("2026-03-01", asset as string, revenue as string, 300);
  await books.post("2026-03-31", expense as string, asset as string, 120);
  await books.post("2026-04-30", expense as string, liability as string, 50);
  for (const day of ["2025-12-31", "2026-03-01", "2026-03-30", "2026-03-31", "2026-05-15"]) {
    const trial = await books.trial({ as_of: day });
    const sum = (name: string) => trial.reduce((total, line) => total + Number(line[name]), 0);
    t.is(sum("debit_balance"), sum("credit_balance"), day);
    const sheet = await books.rows("balance_sheet", { as_of: day });
    const part = (section: string) =>
      sheet.filter((line) => line.section === section).reduce((s, l) => s + Number(l.balance), 0);
    t.is(part("assets"), part("liabilities") + part("equity"), day);
  }
  const between = await books.rows("trial_balance_between", {
    from_date: "2026-03-02",
    to_date: "2026-04-30",
  });
  const line = (id: string | undefined) => {
    const found = between.find(({ account_id }) => account_id === id);
    return [found?.opening, found?.debit, found?.credit, found?.closing].map(Number);
  };
  t.deepEqual(line(asset), [1300, 0, 120, 1180]);
  t.deepEqual(line(expense), [0, 170, 0, 170]);
  t.deepEqual(line(liability), [0, 0, 50, 50]);
  t.deepEqual(line(equity), [1000, 0, 0, 1000]);
});

test("statements may begin with the first day and end with the last one that there is", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [cash, revenue] = [await books.account("asset"), await books.account("revenue")];
  await books.post("1900-01-01", cash, revenue, 7);
  await books.post("2024-02-29", cash, revenue, 20);
  await books.post("9999-12-30", cash, revenue, 300);
  for (const basis of ["reported", "restated"]) {
    for (const [from_date, to_date, amount] of [
      ["1900-01-01", "9999-12-31", 327],
      ["1900-01-01", "1900-01-31", 7],
      ["2024-02-01", "2024-02-29", 20],
      ["9999-12-01", "9999-12-31", 300],
    ]) {
      const range = { from_date, to_date, basis };
      const income = await books.rows("income_statement", range);
      t.is(Number(income.at(-1)?.amount), amount as number, JSON.stringify(range));
      const trial = await books.rows("trial_balance_between", range);
      const line = trial.find(({ account_id }) => account_id === cash);
      t.is(Number(line?.debit), amount as number, JSON.stringify(range));
    }
  }
  const middle = { from_date: "1900-01-02", to_date: "1900-01-31", basis: "restated" };
  t.is(await errorCode(books.rows("income_statement", middle)), "SB010");
});

test("dropping all snapshots changes no figure, and each way to count comes to the same", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [cash, revenue, expense] = [
    await books.account("asset"),
    await books.account("revenue", { mode: "hot", slots: 2 }),
    await books.account("expense"),
  ];
  for (let month = 1; month <= 24; month += 1) {
    const day = `${2024 + Math.ceil(month / 12) - 1}-${String(((month - 1) % 12) + 1).padStart(2, "0")}-17`;
    await books.post(day, cash, revenue, 100 + month);
    if (month % 3 === 0) await books.post(day, expense, cash, month);
  }
  for (let month = 1; month <= 12; month += 1) {
    await books.call("close_period", { month: `2024-${String(month).padStart(2, "0")}-01` });
  }
  await books.call("close_year", { fiscal_year: 2024 });
  await books.call("close_period", { month: "2025-01-01" });
  await books.post("2024-06-30", cash, revenue, 11); // late

  const picture = async () => {
    const all: unknown[] = [];
    for (let month = 1; month <= 25; month += 1) {
      const last = new Date(Date.UTC(2024, month, 0)).toISOString().slice(0, 10);
      for (const basis of ["reported", "restated"]) {
        for (const is_before_closing of [false, true]) {
          all.push(await books.trial({ as_of: last, basis, is_before_closing }));
        }
      }
      all.push(await books.trial({ as_of: last.replace(/..$/, "16") }));
      all.push(await books.trial({ as_of: last.replace(/..$/, "17") }));
    }
    return JSON.stringify(all);
  };
  const sealed = await picture();
  await books.root("truncate saldo.closing_snapshot");
  t.is(await picture(), sealed);

  // The two ways that the nearest of would have been chosen from.
  const [differing] = await books.root(
    `select count(*)::integer as days
    from generate_series('2024-01-01'::date, '2026-02-01', interval '9 days') as day (at)
    where exists (
      select account_id, debit, credit from saldo_private.totals_until__backward(day.at::date)
      where (debit, credit) <> (0, 0)
      except
      select account_id, sum(debit), sum(credit)
      from saldo_private.totals_until__forward(day.at::date, null, null)
      group by account_id
    )`,
  );
  t.is(differing?.days, 0);
});

test("the totals of statements are those of their lines", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [cash, owed] = [await books.account("asset"), await books.account("liability")];
  const [revenue, expense] = [await books.account("revenue"), await books.account("expense")];
  await books.post("2026-06-15", cash, revenue, 100);
  await books.post("2026-06-16", expense, cash, 30);
  await books.post("2026-06-17", cash, owed, 50);
  await books.post("2026-07-01", cash, owed, 1);
  const totals = async (name: string, args: Row) =>
    Object.fromEntries(
      (await books.rows(name, args)).map(({ section, amount }) => [section, Number(amount)]),
    );
  const as_of = "2026-06-30";
  t.deepEqual(await totals("trial_balance_totals", { as_of }), { debit: 150, credit: 150 });
  t.deepEqual(await totals("balance_sheet_sums", { as_of }), {
    assets: 120,
    liabilities: 50,
    equity: 70,
    liabilities_and_equity: 120,
  });
  const range = { from_date: "2026-06-01", to_date: as_of };
  t.deepEqual(await totals("income_statement_sums", range), {
    revenue: 100,
    expense: 30,
    net_income: 70,
  });
  t.deepEqual(await totals("balance_sheet_sums", { as_of, currency: "QQQ" }), {});
  // Without zeros a statement has the same lines, but for accounts that have nothing.
  await Promise.all([books.account("asset"), books.account("revenue")]);
  await books.post("2026-06-18", revenue, cash, 100);
  const between: Row = { ...range, from_date: "2026-06-17" };
  const has = (line: Row, ...names: string[]) => names.some((name) => Number(line[name]) !== 0);
  for (const [name, args, figures] of [
    ["trial_balance", { as_of }, ["debit_balance", "credit_balance"]],
    ["trial_balance_between", between, ["opening", "debit", "credit"]],
    ["balance_sheet", { as_of }, ["balance"]],
    ["income_statement", range, ["amount"]],
  ] as const) {
    const all = await books.rows(name, args);
    const shown = await books.rows(name, { ...args, has_zeros: false });
    t.true(shown.length < all.length, name);
    const kept = all.filter((line) => line.account_id === null || has(line, ...figures));
    t.deepEqual(shown, kept, name);
  }
  const restated = { as_of: "2026-06-29", basis: "restated" };
  t.is(await errorCode(totals("trial_balance_totals", restated)), "SB010");
  t.is(await errorCode(totals("income_statement_sums", { ...range, to_date: null })), "SB010");
});
