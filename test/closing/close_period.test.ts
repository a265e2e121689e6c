import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openBooks, type Row } from "./_books.ts";

async function withBooks() {
  const books = await openBooks();
  const [cash, revenue] = [await books.account("asset"), await books.account("revenue")];
  return { ...books, cash, revenue };
}

test("a month goes from open over closing to closed and locked, and each step is kept", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  await books.post("2026-06-15", books.cash, books.revenue, 100);
  t.like(await books.call("begin_closing", { month: "2026-06-10" }), {
    fiscal_year: 2026,
    number: 6,
    status: "closing",
  });
  const closed = await books.call("close_period", { month: "2026-06-01" });
  t.like(closed, { status: "closed", closed_by: "admin", line_count: "2", account_count: "2" });
  t.like(await books.call("lock_period", { fiscal_year: 2026, number: 6, reason: "audited" }), {
    status: "locked",
  });
  const events = await books.root("select action, reason from saldo.period_event order by id");
  t.deepEqual(
    events.map(({ action }) => action),
    ["begin_closing", "close", "lock"],
  );
  const checked = await books.root("select item, outcome from saldo.period_check order by item");
  t.deepEqual(
    checked.map(({ item, outcome }) => `${item} ${outcome}`),
    [
      "branches passed",
      "drafts passed",
      "holds passed",
      "pending passed",
      "readings passed",
      "registered_rules passed",
      "reratings passed",
      "rules passed",
      "suspense passed",
    ],
  );
  const year = await books.rows("fiscal_periods", { fiscal_year: 2026 });
  t.deepEqual(
    year.map(({ status }) => status),
    [...Array(6).fill("locked"), ...Array(7).fill("open")],
  );
  t.deepEqual(await books.findings(), []);
});

test("what is about a closed month is posted on the first open day, with its month", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  await books.post("2026-06-15", books.cash, books.revenue, 100);
  await books.call("close_period", { month: "2026-06-01" });
  const dates = ({ posting_date, origin_month }: Row) => [posting_date, origin_month];
  t.deepEqual(dates(await books.post("2026-06-30", books.cash, books.revenue, 7)), [
    "2026-07-01",
    "2026-06-01",
  ]);
  t.deepEqual(dates(await books.post("2026-05-01", books.cash, books.revenue, 5)), [
    "2026-07-01",
    "2026-05-01",
  ]);
  t.deepEqual(dates(await books.post("2026-07-01", books.cash, books.revenue, 3)), [
    "2026-07-01",
    null,
  ]);
  const entries = await books.rows("post_entries", {
    entries: JSON.stringify(
      ["2026-06-30T16:59:59Z", "2026-06-30T17:00:00Z"].map((occurred_at) => ({
        occurred_at,
        description: "either side of midnight in Jakarta",
        lines: [
          { account_id: books.cash, debit: "1" },
          { account_id: books.revenue, credit: "1" },
        ],
      })),
    ),
  });
  t.deepEqual(entries.map(dates), [
    ["2026-07-01", "2026-06-01"],
    ["2026-07-01", null],
  ]);
  await books.root(
    `select count(*) from saldo.transfer_many(array[($1, $2, 1, null, null, '2026-06-02T00:00Z'),
      ($1, $2, 1, null, null, '2026-08-02T00:00Z')]::saldo.transfer_request[])`,
    [books.cash, books.revenue],
  );
  const many = await books.root(
    `select posting_date, origin_month from saldo.journal_entry
    where source = 'transfer' order by id desc limit 2`,
  );
  t.deepEqual(many.map(dates).toSorted(), [
    ["2026-07-01", "2026-06-01"],
    ["2026-08-02", null],
  ]);
  t.deepEqual(await books.findings(), []);
});

test("a correction of an entry is about its month", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  const entry = await books.post("2026-06-15", books.cash, books.revenue, 100);
  await books.call("close_period", { month: "2026-06-01" });
  const reversal = await books.call("reverse_entry", { entry_id: entry.id, reason: "wrong" });
  t.is(reversal.origin_month, "2026-06-01");
  const [line] = await books.rows("income_statement", {
    from_date: "2026-06-01",
    to_date: "2026-06-30",
    basis: "restated",
  });
  t.is(Number(line?.amount), 0);
});

test("in a locked month nothing is said about it any more", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  const entry = await books.post("2026-06-15", books.cash, books.revenue, 100);
  await books.call("close_period", { month: "2026-06-01" });
  await books.call("lock_period", { fiscal_year: 2026, number: 6, reason: "audited" });
  t.is(await errorCode(books.post("2026-06-30", books.cash, books.revenue, 7)), "SB108");
  const about = (origin_month: string) =>
    books.rows("post_entries", {
      entries: JSON.stringify([
        {
          origin_month,
          description: "late",
          lines: [
            { account_id: books.cash, debit: "1" },
            { account_id: books.revenue, credit: "1" },
          ],
        },
      ]),
    });
  t.is(await errorCode(about("2026-06-15")), "SB108");
  t.is(await errorCode(about("2026-07-15")), "none");
  // An error can still be put right, as a fact of today.
  const reversal = await books.call("reverse_entry", { entry_id: entry.id, reason: "wrong" });
  t.is(reversal.origin_month, null);
  t.is(
    await errorCode(books.call("reopen_period", { fiscal_year: 2026, number: 6, reason: "x" })),
    "SB109",
  );
});

test("periods are closed in order, once, and after their end", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  await books.post("2026-05-15", books.cash, books.revenue, 100);
  const close = (month: string) => errorCode(books.call("close_period", { month }));
  t.is(await close("2026-12-01"), "SB109"); // not over
  t.is(await close("1850-01-01"), "SB010");
  t.is(await errorCode(books.call("close_period", { month: null })), "SB010");
  t.is(await close("2026-05-01"), "none");
  t.is(await close("2026-05-01"), "SB109"); // twice
  t.is(await close("2026-04-01"), "SB109"); // closed with the first
  t.is(await close("2026-07-01"), "SB109"); // June comes first
  t.is(await errorCode(books.call("begin_closing", { month: "2026-06-01" })), "none");
  t.is(await errorCode(books.call("begin_closing", { month: "2026-06-01" })), "SB109");
  t.is(await close("2026-07-01"), "SB109"); // one after the other
  t.is(
    await errorCode(books.call("cancel_closing", { month: "2026-05-01", reason: "x" })),
    "SB109",
  );
  t.is(await errorCode(books.call("cancel_closing", { month: "2026-06-01", reason: "x" })), "none");
  t.is((await books.post("2026-06-05", books.cash, books.revenue, 1)).posting_date, "2026-06-05");
  t.is(await close("2026-06-01"), "none");
  const reopen = (number: number) =>
    errorCode(books.call("reopen_period", { fiscal_year: 2026, number, reason: "forgotten" }));
  t.is(await reopen(5), "SB109"); // June first
  t.is(await reopen(6), "none");
  t.is(await reopen(5), "none");
  t.is((await books.post("2026-05-05", books.cash, books.revenue, 1)).posting_date, "2026-05-05");
  t.is(
    await errorCode(books.call("reopen_period", { fiscal_year: 2026, number: 14, reason: "x" })),
    "SB010",
  );
  t.is(
    await errorCode(books.call("lock_period", { fiscal_year: 2026, number: 5, reason: "x" })),
    "SB109",
  );
  t.deepEqual(await books.findings(), []);
});

test("items of the checklist are settled, or waived by name and for a reason", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  await books.post("2026-06-15", books.cash, books.revenue, 100);
  const [suspense] = await books.root(
    "select saldo_private.system_account('suspense', 'IDR') as id",
  );
  await books.post("2026-06-16", books.cash, String(suspense?.id), 9);
  const hot = await books.account("liability", { mode: "hot", slots: 2 });
  await books.root("select saldo.submit_transaction($1, 5, 'credit')", [hot]);
  await books.root("select saldo.place_hold($1, 3)", [books.cash]);
  // They were there in June.
  for (const table of ["sub_balance", "hold"]) {
    await books.force(`update saldo.${table} set created_at = '2026-06-20'`);
  }
  for (const account of [hot, books.cash]) {
    await books.root("select saldo.accept_rows($1, 'a test made them older')", [account]);
  }
  await books.root(
    `insert into saldo.journal_entry (id, status, occurred_at, posting_date, description,
      line_count, draft_lines)
    values (gen_random_uuid(), 'draft', '2026-06-20', '2026-06-20', 'unfinished', 2, '[]')`,
  );
  const open = async () =>
    (await books.rows("period_checklist", { month: "2026-06-01" }))
      .filter(({ is_passed }) => !is_passed)
      .map(({ item, open_count }) => `${item} ${open_count}`);
  t.deepEqual(await open(), ["drafts 1", "pending 1", "holds 1", "suspense 1", "rules 1"]);

  const before = await books.root("select count(*) from saldo.check_run");
  const error = await t.throwsAsync(books.call("close_period", { month: "2026-06-01" }));
  t.is((error as { code?: string }).code, "SB110");
  t.regex(String((error as { detail?: string }).detail), /drafts: 1 open; pending: 1 open; holds/);
  t.deepEqual(await books.root("select count(*) from saldo.check_run"), before);
  t.is((await books.post("2026-06-17", books.cash, books.revenue, 1)).posting_date, "2026-06-17");

  // What is pending for so long is a finding as well.
  const waive = ["drafts", "pending", "holds", "suspense", "rules"];
  const close = (args: Row) =>
    errorCode(books.call("close_period", { month: "2026-06-01", ...args }));
  t.is(await close({ waive }), "SB010"); // without a reason
  t.is(await close({ waive: [...waive, "nothing"], reason: "agreed" }), "SB010");
  t.is(await close({ waive: waive.slice(1), reason: "agreed" }), "SB110");
  t.is(await close({ waive, reason: "agreed" }), "none");
  const waived = await books.root("select item from saldo.period_check where outcome = 'waived'");
  t.is(waived.length, 5);

  // What was pending then settles in the open month, and says what it is about.
  await books.rows("settle_sub_balances");
  const [entry] = await books.root(
    "select posting_date, origin_month from saldo.journal_entry where source = 'settlement'",
  );
  t.deepEqual(entry, { posting_date: "2026-07-01", origin_month: "2026-06-01" });
  t.deepEqual(await books.findings(), []);
});

for (const isolation of ["read committed", "repeatable read", "serializable"]) {
  test(`a posting under way while its month is closed is in it, or after it: ${isolation}`, async (t) => {
    const books = await withBooks();
    t.teardown(books.close);
    await books.post("2026-06-15", books.cash, books.revenue, 100);
    const begin = async () => {
      const client = await books.pool.connect();
      await client.query(`begin isolation level ${isolation}`);
      await client.query("select count(*) from saldo.journal_entry"); // the snapshot
      return client;
    };
    const post =
      "select posting_date::text from saldo.transfer($1, $2, 7, occurred_at => '2026-06-20')";
    const [early, late] = [await begin(), await begin()];
    await early.query(post, [books.cash, books.revenue]);
    let isClosed = false;
    const closing = books.call("close_period", { month: "2026-06-01" }).then(() => {
      isClosed = true;
    });
    await new Promise((done) => setTimeout(done, 200));
    t.false(isClosed, "it waits for the posting under way");
    await early.query("commit");
    early.release();
    await closing;

    const result = await late.query(post, [books.cash, books.revenue]).then(
      ({ rows }) => rows[0].posting_date,
      (error) => error.code,
    );
    await late.query("commit");
    late.release();
    t.is(result, isolation === "read committed" ? "2026-07-01" : "40001");
    const [line] = await books.rows("income_statement", {
      from_date: "2026-06-01",
      to_date: "2026-06-30",
    });
    t.is(Number(line?.amount), 107);
    t.deepEqual(await books.findings(), []);
  });
}

test("writers and closers at once: each entry is in a month that was open then", async (t) => {
  const books = await withBooks();
  t.teardown(books.close);
  await books.post("2026-01-15", books.cash, books.revenue, 1);
  const months = Array.from({ length: 9 }, (_, index) => `2026-0${index + 1}-01`);
  let isClosing = true;
  const write = async (index: number) => {
    let count = 0;
    for (let round = 0; isClosing || round < 20; round += 1) {
      const month = 1 + ((index * 5 + round * 7) % 9);
      await books.post(`2026-0${month}-1${index % 9}`, books.cash, books.revenue, 1);
      count += 1;
    }
    return count;
  };
  const close = async () => {
    for (const month of months) await books.call("close_period", { month });
    isClosing = false;
  };
  const counts = await Promise.all([
    ...Array.from({ length: 8 }, (_, index) => write(index)),
    close(),
  ]);
  const written = counts.reduce<number>((sum, count) => sum + Number(count ?? 0), 1);
  t.is(Number((await books.root("select count(*) from saldo.journal_entry"))[0]?.count), written);
  t.deepEqual(await books.findings(), []);
});
