import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { errorCode } from "../_support/database.ts";
import { type Books, openBooks, type Row } from "./_books.ts";

/** Keeps the next year that is over, as a maintenance does; null where there is none. */
async function keepYear(books: Books): Promise<unknown> {
  const [row] = await books.root("select saldo_private.keep_year() as year");
  return row?.["year"];
}

async function keepAll(books: Books): Promise<void> {
  while ((await keepYear(books)) !== null);
}

const years = (books: Books, account_id?: string) =>
  books.root(
    `select account_id::int, year, debit::float, credit::float, line_count::int
    from saldo_private.year_movement
    where account_id = coalesce($1, account_id) order by account_id, year`,
    [account_id ?? null],
  );

/** Net debit of each account by its lines: posted to the day, or restated by the month they are about. */
async function netByLines(books: Books, asOf: string, basis: string): Promise<Row> {
  const rows = await books.root(
    `select l.account_id::text as id, sum(l.debit - l.credit)::float as net
    from saldo.journal_line as l
    join saldo.journal_entry as e on e.id = l.entry_id
    where case when $2 = 'restated' and e.origin_month is not null
      then e.origin_month else l.posting_date end <= $1::date
    group by l.account_id having sum(l.debit - l.credit) <> 0`,
    [asOf, basis],
  );
  return Object.fromEntries(rows.map(({ id, net }) => [id, net]));
}

async function netByStatement(books: Books, as_of: string, basis: string): Promise<Row> {
  const rows = await books.rows("trial_balance", { as_of, basis, has_zeros: false });
  return Object.fromEntries(
    rows.map((row) => [
      String(row["account_id"]),
      Number(row["debit_balance"]) - Number(row["credit_balance"]),
    ]),
  );
}

/** Amounts without zeros at their end, of which there are more or fewer by the way of adding up. */
const plain = (_key: string, value: unknown) =>
  typeof value === "string" && /^-?\d+\.\d+$/.test(value) ? String(Number(value)) : value;

/** Everything that is made of totals of many accounts, a text for each statement. */
async function statements(books: Books, first: number, last: number): Promise<string[]> {
  const out: unknown[] = [];
  for (let year = first; year <= last; year += 1) {
    for (const month of ["02-28", "06-30", "07-31", "11-30", "12-31"]) {
      for (const basis of ["reported", "restated"]) {
        const as_of = `${year}-${month}`;
        out.push(await books.rows("trial_balance", { as_of, basis }));
        const range = { from_date: `${year}-${month.slice(0, 2)}-01`, to_date: as_of, basis };
        out.push(await books.rows("trial_balance_between", range));
        out.push(await books.rows("income_statement", { ...range, from_date: `${first}-02-01` }));
        out.push(await books.rows("balance_sheet", { as_of, basis, is_before_closing: true }));
      }
      const cut = { from_date: `${first}-08-17`, to_date: `${year + 1}-05-11` };
      out.push(await books.rows("trial_balance_between", cut));
    }
  }
  return out.map((statement) => JSON.stringify(statement, plain));
}

/** Without years: as they are before the first one is kept. */
async function withoutYears<T>(books: Books, work: () => Promise<T>): Promise<T> {
  const [state] = await books.root(
    "select years_through from saldo_private.book_state where id = 1",
  );
  await books.root("update saldo_private.book_state set years_through = null");
  const result = await work();
  await books.root("update saldo_private.book_state set years_through = $1", [
    state?.["years_through"],
  ]);
  return result;
}

type Step =
  | { kind: "post"; month: number; day: number; cents: number; from: number; to: number }
  | { kind: "many"; month: number; cents: number }
  | { kind: "reverse"; pick: number }
  | { kind: "settle" | "close" | "keep" | "mode" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("post" as const),
      month: fc.integer({ min: 0, max: 47 }),
      day: fc.integer({ min: 1, max: 28 }),
      cents: fc.integer({ min: 1, max: 99_999 }),
      from: fc.integer({ min: 0, max: 4 }),
      to: fc.integer({ min: 0, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("many" as const),
      month: fc.integer({ min: 0, max: 40 }),
      cents: fc.integer({ min: 1, max: 999 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("reverse" as const), pick: fc.nat(30) }) },
  ...(["settle", "close", "keep", "mode"] as const).map((kind) => ({
    weight: kind === "keep" ? 3 : 2,
    arbitrary: fc.constant({ kind }),
  })),
);

const dayOf = (month: number, day: number) =>
  new Date(Date.UTC(2021, month, day)).toISOString().slice(0, 10);
const noon = (day: string) => `${day}T12:00:00+07:00`;

/** Does the steps in books of five accounts, two of them hot. */
async function play(books: Books, steps: readonly Step[]): Promise<void> {
  const accounts = [
    await books.account("asset"),
    await books.account("revenue"),
    await books.account("expense"),
    await books.account("asset", { mode: "hot", slots: 2 }),
    await books.account("liability", { mode: "hot", slots: 2 }),
  ];
  const posted: unknown[] = [];
  let closed = 0;
  let isHot = true;
  for (const each of steps) {
    if (each.kind === "post" && each.from !== each.to) {
      const [from, to] = [accounts[each.from] as string, accounts[each.to] as string];
      const { id } = await books.post(dayOf(each.month, each.day), to, from, each.cents / 100);
      posted.push(id);
    } else if (each.kind === "many") {
      const [first, second] = [each.month, each.month + 5].map((month) => noon(dayOf(month, 9)));
      await books.root(
        `select saldo.transfer_many(array[
          ($1, $2, $4, null, null, $5), ($3, $1, $4, null, null, $6)
        ]::saldo.transfer_request[])`,
        [accounts[0], accounts[1], accounts[3], each.cents / 100, first, second],
      );
    } else if (each.kind === "reverse" && posted.length > 0) {
      const [entry_id] = posted.splice(each.pick % posted.length, 1);
      await books.call("reverse_entry", { entry_id, reason: "property" });
    } else if (each.kind === "settle") {
      await books.root("select saldo.settle_sub_balances()");
    } else if (each.kind === "close" && closed < 2) {
      // The first closing takes along what came before.
      for (let month = closed > 0 ? 0 : 11; month < 12; month += 1) {
        await books.call("close_period", { month: dayOf(12 * closed + month, 1) });
      }
      await books.call("close_year", { fiscal_year: 2021 + closed });
      closed += 1;
    } else if (each.kind === "keep") {
      await keepYear(books);
    } else if (each.kind === "mode") {
      isHot = !isHot;
      const args = isHot ? { account_id: accounts[3], slots: 2 } : { account_id: accounts[3] };
      await books.call(isHot ? "make_account_hot" : "make_account_immediate", args);
    }
  }
}

/** Statements are what the lines make, and the same without years, and with all of them. */
async function compare(t: ExecutionContext, books: Books): Promise<void> {
  for (const asOf of ["2021-06-30", "2022-03-31", "2022-12-31", "2023-08-31", "2025-12-31"]) {
    for (const basis of ["reported", "restated"]) {
      const [shown, due] = [
        await netByStatement(books, asOf, basis),
        await netByLines(books, asOf, basis),
      ];
      t.deepEqual(shown, due, `${asOf} ${basis}`);
    }
  }
  const some = await statements(books, 2021, 2023);
  t.deepEqual(await withoutYears(books, () => statements(books, 2021, 2023)), some);
  t.deepEqual(await books.findings(), []);
  await keepAll(books);
  t.deepEqual(await statements(books, 2021, 2023), some);
  await books.root("select saldo.settle_sub_balances()");
  t.deepEqual(await statements(books, 2021, 2023), some);
  t.deepEqual(await books.findings(), []);
}

test("any history: statements are sums of lines, whatever years are kept at whatever moment", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), async (steps) => {
      const books = await openBooks();
      try {
        await play(books, steps);
        await compare(t, books);
      } finally {
        await books.close();
      }
    }),
    {
      numRuns: Number(process.env["KEPT_YEARS_RUNS"] ?? 3),
      includeErrorInReport: true,
      endOnFailure: true,
    },
  );
});

test("a year is kept when its January is over too, and not before", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [a, b] = [await books.account("asset"), await books.account("liability")];
  await books.post("2019-03-01", a, b, 5);
  await books.post("2022-07-01", a, b, 7);
  const [now] = await books.root(`select extract(year from
    saldo_private.business_date(now()) - 31)::int as year`);
  const last = Number(now?.["year"]) - 1;
  await books.post(`${last + 1}-01-02`, a, b, 11);
  // Years without a movement are kept with the next one.
  t.deepEqual(
    [await keepYear(books), await keepYear(books), await keepYear(books)],
    [2019, 2022, null],
  );
  await books.post(`${last}-12-31`, a, b, 1);
  t.deepEqual([await keepYear(books), await keepYear(books)], [last, null]);
  t.deepEqual(
    (await years(books, a)).map(({ year, debit }) => [year, debit]),
    [
      [2019, 5],
      [2022, 7],
      [last, 1],
    ],
  );
  // What is dated back is in its year at once, one that had nothing as well.
  await books.post("2019-12-31", a, b, 3);
  await books.post("2018-01-01", a, b, 2);
  t.deepEqual(
    (await years(books, b)).map(({ year, credit, line_count }) => [year, credit, line_count]),
    [
      [2018, 2, 1],
      [2019, 8, 2],
      [2022, 7, 1],
      [last, 1, 1],
    ],
  );
  t.deepEqual(await books.findings(), []);
});

test("a scheduled maintenance keeps one more year, unless months are in question", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [a, b] = [await books.account("asset"), await books.account("liability")];
  await books.post("2021-03-01", a, b, 5);
  await books.post("2022-07-01", a, b, 7);
  await books.force("update saldo.month_movement set debit = 50000000 where account_id = $1", [a]);
  await books.call("scheduled_maintenance");
  t.deepEqual(await years(books), []);
  await books.force(
    "update saldo.month_movement set debit = 5 where account_id = $1 and month < '2022-01-01'",
    [a],
  );
  await books.force(
    "update saldo.month_movement set debit = 7 where account_id = $1 and month > '2022-01-01'",
    [a],
  );
  await books.call("scheduled_maintenance");
  t.deepEqual(
    (await years(books, a)).map(({ year }) => year),
    [2021],
  );
  await books.call("scheduled_maintenance");
  t.deepEqual(
    (await years(books, a)).map(({ year }) => year),
    [2021, 2022],
  );
});

test("a year that is wrong is found, explained, healed, and the heal can be undone", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [a, b, hot] = [
    await books.account("asset"),
    await books.account("liability"),
    await books.account("asset", { mode: "hot", slots: 2 }),
  ];
  await books.post("2021-03-01", a, b, 5);
  await books.post("2021-04-01", hot, b, 9);
  await keepAll(books);
  // In a stripe that is folded later.
  await books.post("2021-05-01", hot, b, 4);
  t.deepEqual(await books.findings(), []);
  const right = await years(books);
  t.is(
    await errorCode(books.root("update saldo_private.year_movement set debit = debit + 1")),
    "SB601",
  );
  t.is(await errorCode(books.root("truncate saldo_private.year_movement")), "SB601");
  const faults: [string, string][] = [
    [a, "update saldo_private.year_movement set debit = debit + 1 where account_id = $1"],
    [b, "delete from saldo_private.year_movement where account_id = $1"],
    [a, "insert into saldo_private.year_movement values ($1, 2040, 1, 0, 1)"],
    [a, "update saldo_private.year_movement set line_count = 7 where account_id = $1"],
  ];
  for (const [account, fault] of faults) {
    await books.force(fault, [account]);
    t.deepEqual(
      (await books.findings()).map(({ rule, account_id, cause }) => [rule, account_id, cause]),
      [["year_movement", account, "out_of_band_write"]],
      fault,
    );
    await books.call("auto_heal", { dry_run: false });
    t.deepEqual(await books.findings(), [], fault);
    t.deepEqual(await years(books), right, fault);
    await books.root("delete from saldo.heal_action");
  }
  await books.root("select saldo.settle_sub_balances()");
  t.deepEqual(await books.findings(), []);
  t.is((await years(books, hot))[0]?.["debit"], 13);
});

test("years that are kept further than they go are found", async (t) => {
  const books = await openBooks();
  t.teardown(books.close);
  const [a, b] = [await books.account("asset"), await books.account("liability")];
  await books.post("2021-03-01", a, b, 5);
  await books.post("2022-03-01", a, b, 5);
  await keepYear(books);
  await books.root("update saldo_private.book_state set years_through = '2022-12-31'");
  t.deepEqual(
    (await books.findings()).map(({ rule }) => rule),
    ["year_movement", "year_movement"],
  );
  await books.call("auto_heal", { dry_run: false });
  t.deepEqual(await books.findings(), []);
  t.deepEqual(
    (await years(books, a)).map(({ year }) => year),
    [2021, 2022],
  );
});
