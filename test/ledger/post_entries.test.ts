import test from "ava";
import { asAdmin, asMember, errorCode, openTestDatabase } from "../_support/database.ts";
import { brokenRules } from "../_support/faults.ts";

async function openBooks() {
  const database = await openTestDatabase(20);
  const { pool } = database;
  await pool.query(`
    select saldo.open_account('till', 'Till', 'asset', min_balance => 0);
    select saldo.open_account('owner', 'Owner', 'equity');
    select saldo.open_account('dollars', 'Dollars', 'asset', 'USD');
    select saldo.open_account('exchange', 'Exchange', 'asset', 'USD');
    select saldo.open_account('closed', 'Closed', 'asset');
    select saldo.close_account(5);
    select saldo.transfer(1, 2, 1000);
  `);
  const post = (...entries: unknown[]) =>
    asAdmin(pool, (client) =>
      client.query("select * from saldo.post_entries($1)", [JSON.stringify(entries)]),
    );
  const total = async () =>
    (
      await pool.query(
        "select sum(debit_total) as debits, sum(version) as postings from saldo.account",
      )
    ).rows[0];
  return { ...database, post, total };
}

const line = (account: string | number, side: "debit" | "credit", amount: unknown) => ({
  ...(typeof account === "number" ? { account_id: account } : { account_code: account }),
  [side]: amount,
});
const entry = (...lines: object[]) => ({ description: "Test", lines });

test("bad entries are refused by code, and nothing moves", async (t) => {
  const books = await openBooks();
  try {
    const before = await books.total();
    const good = [line("till", "debit", "5"), line("owner", "credit", "5")];
    const cases: [string, unknown][] = [
      ["SB010", "x"],
      ["SB010", { ...entry(...good), balance: 5 }],
      ["SB010", { ...entry(...good), kind: "reversal" }],
      ["SB010", entry({ ...line("till", "debit", "5"), price: "5" }, ...good.slice(1))],
      ["SB010", entry({ ...line("dollars", "debit", "5"), curency: "IDR" }, ...good.slice(1))],
      ["SB107", entry(line("till", "debit", "5"))],
      ["SB107", entry({ account_code: "till" }, line("owner", "credit", "5"))],
      ["SB107", entry({ account_code: "till", debit: "5", credit: "5" }, ...good)],
      ["SB107", entry({ account_code: "till", account_id: 1, debit: "5" }, ...good)],
      ["SB002", entry(line("till", "debit", "-5"), line("owner", "credit", "-5"))],
      ["SB002", entry(line("till", "debit", "0"), line("owner", "credit", "0"))],
      ["SB002", entry(line("till", "debit", "NaN"), line("owner", "credit", "NaN"))],
      ["SB002", entry(line("till", "debit", "0x10"), line("owner", "credit", "16"))],
      ["SB002", entry(line("till", "debit", "1_000"), line("owner", "credit", "1000"))],
      ["SB002", entry(line("till", "debit", " 5 "), line("owner", "credit", "5"))],
      ["SB002", entry(line("till", "debit", [5]), line("owner", "credit", "5"))],
      ["SB003", entry(line("till", "debit", "0.001"), line("owner", "credit", "0.001"))],
      ["SB003", entry(line("till", "debit", "250.000"), line("owner", "credit", "250.000"))],
      ["SB004", entry(line("till", "debit", "1".repeat(16)), line("owner", "credit", "5"))],
      ["SB008", { ...entry(...good), description: "a\u0007b" }],
      ["SB009", { ...entry(...good), description: "x".repeat(501) }],
      ["SB101", entry(line("nobody", "debit", "5"), line("owner", "credit", "5"))],
      ["SB101", entry(line(999, "debit", "5"), line("owner", "credit", "5"))],
      ["SB102", entry(line("closed", "debit", "5"), line("owner", "credit", "5"))],
      ["SB104", entry(line("dollars", "debit", "5"), line("owner", "credit", "5"))],
      ["SB104", entry({ ...line("till", "debit", "5"), currency: "USD" }, ...good.slice(1))],
      ["SB103", entry(line("till", "debit", "5"), line("owner", "credit", "6"))],
      ["SB001", entry(line("till", "credit", "2000"), line("owner", "debit", "2000"))],
    ];
    for (const [code, value] of cases) {
      t.is(await errorCode(books.post(value)), code, JSON.stringify(value));
      // A good entry beside a bad one is not posted either.
      t.is(await errorCode(books.post(entry(...good), value)), code);
    }
    t.deepEqual(await books.total(), before);
    t.is(await errorCode(books.post(entry(...good))), "none");
  } finally {
    await books.close();
  }
});

test("an entry in two currencies is posted when it balances in each", async (t) => {
  const books = await openBooks();
  try {
    const exchange = [
      line("till", "credit", "160"),
      line("owner", "debit", "160"),
      line("dollars", "debit", "1"),
      line("exchange", "credit", "1"),
    ];
    t.is(await errorCode(books.post(entry(...exchange))), "none");
    t.deepEqual(await brokenRules(books.pool), []);
  } finally {
    await books.close();
  }
});

test("the same key returns the first entry, in order, and other content is refused", async (t) => {
  const books = await openBooks();
  try {
    const keyed = (key: string, amount: string) => ({
      ...entry(line("till", "debit", amount), line("owner", "credit", amount)),
      idempotency_key: key,
    });
    const first = await books.post(keyed("a", "5"), keyed("b", "6"));
    const again = await books.post(keyed("b", "6"), keyed("c", "7"), keyed("a", "5"));
    t.is(again.rows[0].id, first.rows[1].id);
    t.is(again.rows[2].id, first.rows[0].id);
    t.is(await errorCode(books.post(keyed("a", "6"))), "SB005");
    const { rows } = await books.pool.query("select balance from saldo.account where id = 1");
    t.is(rows[0].balance, "1018");
    t.deepEqual(await brokenRules(books.pool), []);
  } finally {
    await books.close();
  }
});

test("the journal is append-only, for superusers too", async (t) => {
  const books = await openBooks();
  try {
    for (const statement of [
      "update saldo.journal_line set debit = 5",
      "delete from saldo.journal_line",
      "truncate saldo.journal_line",
      "update saldo.journal_entry set description = 'x'",
      "update saldo.journal_entry set status = 'reversed'",
      "delete from saldo.journal_entry",
      "truncate saldo.journal_entry",
    ]) {
      t.is(await errorCode(books.pool.query(statement)), "SB105", statement);
    }
    const append = `insert into saldo.journal_line (account_id, posting_date, entry_id, line_no,
        debit, credit)
      select account_id, posting_date, entry_id, line_no + 2, debit, credit
      from saldo.journal_line`;
    t.is(await errorCode(books.pool.query(append)), "SB107");
    t.is(await errorCode(asMember(books.pool, 1, (c) => c.query("select 1"))), "none");
    t.is(await errorCode(asMember(books.pool, 1, (c) => c.query(append))), "42501");
    t.deepEqual(await brokenRules(books.pool), []);
  } finally {
    await books.close();
  }
});

test("a reversal cancels once and exactly, and shows in both months", async (t) => {
  const books = await openBooks();
  try {
    const posted = await books.post({
      ...entry(line("till", "debit", "5"), line("owner", "credit", "5")),
      occurred_at: "2025-01-31T23:30:00+07:00",
    });
    const id = posted.rows[0].id;
    const reverse = () => books.pool.query("select * from saldo.reverse_entry($1, 'wrong')", [id]);
    const reversal = await reverse();
    t.like(reversal.rows[0], { kind: "reversal", reverses: id });
    t.is(await errorCode(reverse()), "SB106");
    t.is(
      await errorCode(
        books.pool.query("select saldo.reverse_entry($1, 'x')", [reversal.rows[0].id]),
      ),
      "SB106",
    );
    const at = (instant: string) =>
      books.pool
        .query("select saldo.balance_at(1, $1) as balance", [instant])
        .then(({ rows }) => rows[0].balance);
    t.is(await at("2025-01-31T23:29:59+07:00"), "0");
    t.is(await at("2025-01-31T23:30:00+07:00"), "5");
    t.is(await at("2100-01-01"), "1000");
    t.deepEqual(await brokenRules(books.pool), []);
  } finally {
    await books.close();
  }
});

test("sixteen clients on eight accounts crosswise never deadlock, and the sums are exact", async (t) => {
  const database = await openTestDatabase(16);
  try {
    await database.pool.query(
      "select saldo.open_account('a' || g, 'A', 'asset') from generate_series(1, 8) as g",
    );
    const errors: string[] = [];
    await Promise.all(
      Array.from({ length: 16 }, async (_, client) => {
        for (let round = 0; round < 40; round += 1) {
          const debit = 1 + ((client + round) % 8);
          const credit = 1 + ((client * 3 + round * 5 + 1) % 8);
          if (debit === credit) continue;
          const code = await errorCode(
            database.pool.query("select saldo.transfer($1, $2, 1)", [debit, credit]),
          );
          if (code !== "none") errors.push(code);
        }
      }),
    );
    t.deepEqual(errors, []);
    t.deepEqual(await brokenRules(database.pool), []);
    const { rows } = await database.pool.query("select sum(balance) from saldo.account");
    t.is(rows[0].sum, "0");
  } finally {
    await database.close();
  }
});

test("a batch looks its accounts up, and never reads all of them for each entry", async (t) => {
  const books = await openBooks();
  try {
    await books.pool.query(`
      select saldo.open_account('many-' || g, 'Many', 'asset') from generate_series(1, 2000) as g;
      analyze saldo.account;
    `);
    const entries = Array.from({ length: 50 }, (_, index) =>
      entry(line(`many-${index + 1}`, "debit", "1"), line(2, "credit", "1")),
    );
    const scans = await asAdmin(books.pool, async (client) => {
      const scansSoFar = async () => {
        const { rows } = await client.query<{ scans: string }>(
          `select seq_scan as scans from pg_catalog.pg_stat_xact_user_tables
          where relid = 'saldo.account'::regclass`,
        );
        return Number(rows[0]?.scans ?? 0);
      };
      // What the session did before is counted for a while.
      const before = await scansSoFar();
      await client.query("select from saldo.post_entries($1)", [JSON.stringify(entries)]);
      return (await scansSoFar()) - before;
    });
    t.true(scans < entries.length, `${scans} scans`);
  } finally {
    await books.close();
  }
});

test("a batch of transfers is posted whole or not at all, and answers in order", async (t) => {
  const books = await openBooks();
  try {
    const many = (...transfers: string[]) =>
      books.pool.query(
        `select * from saldo.transfer_many(array[${transfers.join(", ")}]::saldo.transfer_request[])`,
      );
    const before = await books.total();
    t.is(
      await errorCode(many("(1, 2, 5, null, null, null)", "(1, 2, 0, null, null, null)")),
      "SB002",
    );
    t.is(
      await errorCode(many("(1, 2, 5, null, null, null)", "(1, 3, 5, null, null, null)")),
      "SB104",
    );
    t.is(await errorCode(many("(1, 1, 5, null, null, null)")), "SB107");
    t.is(await errorCode(many("(2, 1, 2000, null, null, null)")), "SB001");
    t.deepEqual(await books.total(), before);

    const first = await many("(1, 2, 5, null, 'k1', null)", "(1, 2, 6, 'Six', 'k2', null)");
    t.deepEqual(
      first.rows.map(({ is_new }) => is_new),
      [true, true],
    );
    const again = await many("(1, 2, 6, 'Six', 'k2', null)", "(1, 2, 7, null, null, null)");
    t.deepEqual(
      again.rows.map(({ is_new }) => is_new),
      [false, true],
    );
    t.is(again.rows[0].entry_id, first.rows[1].entry_id);
    t.deepEqual(await brokenRules(books.pool), []);
  } finally {
    await books.close();
  }
});

test("a batch finds its accounts by their indexes, however many accounts there are", async (t) => {
  const { pool, close } = await openBooks();
  t.teardown(close);
  const accountCount = 1500;
  await pool.query(
    "select saldo.open_account('many:' || n, 'Many', 'asset') from generate_series(1, $1) as n",
    [accountCount],
  );
  const batch = Array.from({ length: 40 }, (_, index) =>
    entry(line(`many:${index + 1}`, "debit", "1"), line(2, "credit", "1")),
  );
  const client = await pool.connect();
  const readSoFar = async () => {
    const { rows } = await client.query(
      `select seq_tup_read::int + idx_tup_fetch::int as count
      from pg_stat_xact_user_tables where relid = 'saldo.account'::regclass`,
    );
    return rows[0].count as number;
  };
  await client.query("begin");
  const before = await readSoFar();
  await client.query("select saldo.post_entries($1)", [JSON.stringify(batch)]);
  const read = (await readSoFar()) - before;
  await client.query("rollback");
  client.release();
  // Some reads of the table belong to the batch, and none to each of its entries.
  t.true(read > 0 && read < 10 * accountCount, String(read));
});
