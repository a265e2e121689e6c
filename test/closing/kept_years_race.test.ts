import test from "ava";
import type { PoolClient } from "pg";
import { errorCode } from "../_support/database.ts";
import { type Books, openBooks } from "./_books.ts";

const keep = "select saldo_private.keep_year() as year";
const posting = (day: string) =>
  `select saldo.transfer($1::bigint, $2::bigint, 1, occurred_at => '${day} 12:00+07')`;

/** A connection within a transaction. */
async function begin(books: Books, isolation = "read committed"): Promise<PoolClient> {
  const client = await books.pool.connect();
  await client.query(`begin isolation level ${isolation}`);
  return client;
}

async function end(client: PoolClient, how = "commit"): Promise<void> {
  await client.query(how);
  client.release();
}

/** Resolves once that many connections wait for a lock. */
async function waiting(books: Books, count: number): Promise<void> {
  for (;;) {
    const [row] = await books.root(
      `select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (Number(row?.["n"]) >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function opened() {
  const books = await openBooks();
  const accounts = [
    await books.account("asset"),
    await books.account("liability"),
    await books.account("liability", { mode: "hot", slots: 2 }),
  ] as const;
  await books.post("2021-03-01", accounts[0], accounts[1], 10);
  await books.post("2022-03-01", accounts[0], accounts[1], 10);
  const debit = async (year: number) =>
    (
      await books.root(
        `select debit::float from saldo_private.year_movement
        where account_id = $1 and year = $2`,
        [accounts[0], year],
      )
    )[0]?.["debit"];
  return { books, accounts, debit };
}

test("a posting that is under way in a year keeps it from being kept, and counts in it later", async (t) => {
  const { books, accounts, debit } = await opened();
  t.teardown(books.close);
  const [a, b] = accounts;
  const poster = await begin(books);
  await poster.query(posting("2021-11-30"), [a, b]);
  t.is((await books.root(keep))[0]?.["year"], null);
  await end(poster);
  t.is((await books.root(keep))[0]?.["year"], 2021);
  t.is(await debit(2021), 11);
  // In another year nothing is in the way.
  const other = await begin(books);
  await other.query(posting("2021-11-30"), [a, b]);
  t.is((await books.root(keep))[0]?.["year"], 2022);
  await end(other);
  t.deepEqual([await debit(2021), await debit(2022)], [12, 10]);
  t.deepEqual(await books.findings(), []);
});

test("a posting into a year that is being kept waits and adds to it, one of today does not wait", async (t) => {
  const { books, accounts, debit } = await opened();
  t.teardown(books.close);
  const [a, b] = accounts;
  const keeper = await begin(books);
  await keeper.query(keep);
  const late = books.root(posting("2021-11-30"), [a, b]);
  await waiting(books, 1);
  await books.root("select saldo.transfer($1::bigint, $2::bigint, 1)", [a, b]);
  await end(keeper);
  await late;
  t.is(await debit(2021), 11);
  t.deepEqual(await books.findings(), []);
});

test("a fold waits for nobody who keeps a year, and is made the next time", async (t) => {
  const { books, accounts } = await opened();
  t.teardown(books.close);
  const [a, , hot] = accounts;
  await books.post("2021-05-01", a, hot, 4);
  const keeper = await begin(books);
  t.is((await keeper.query(keep)).rows[0].year, 2021);
  await books.root("select saldo.settle_sub_balances()");
  const stripes = async () =>
    (
      await books.root(
        "select sum(credit)::float as credit from saldo_private.account_stripe where account_id = $1",
        [hot],
      )
    )[0]?.["credit"];
  t.is(await stripes(), 4);
  await end(keeper);
  await books.root("select saldo.settle_sub_balances()");
  t.is(await stripes(), 0);
  const [year] = await books.root(
    "select credit::float from saldo_private.year_movement where account_id = $1",
    [hot],
  );
  t.is(year?.["credit"], 4);
  // The other way round: a fold that is under way keeps a year from being kept.
  await books.post("2022-05-01", a, hot, 3);
  const folder = await begin(books);
  await folder.query("select saldo.settle_sub_balances()");
  t.is((await books.root(keep))[0]?.["year"], null);
  await end(folder);
  t.is((await books.root(keep))[0]?.["year"], 2022);
  t.deepEqual(await books.findings(), []);
});

test("a posting of a snapshot that does not know of the kept year fails to be repeated", async (t) => {
  const { books, accounts, debit } = await opened();
  t.teardown(books.close);
  const [a, b] = accounts;
  for (const isolation of ["repeatable read", "serializable"]) {
    const poster = await begin(books, isolation);
    await poster.query("select count(*) from saldo.account");
    const kept = await books.root(keep);
    t.not(kept[0]?.["year"], null);
    t.is(await errorCode(poster.query(posting("2021-11-30"), [a, b])), "40001");
    await end(poster, "rollback");
    const again = await begin(books, isolation);
    await again.query(posting("2021-11-30"), [a, b]);
    await end(again);
  }
  t.is(await debit(2021), 12);
  t.deepEqual(await books.findings(), []);
});

test("who closes or heals keeps a year from being kept", async (t) => {
  const { books, accounts } = await opened();
  t.teardown(books.close);
  const closer = await begin(books);
  await closer.query("select saldo.close_period('2021-12-01')");
  t.is((await books.root(keep))[0]?.["year"], null);
  await closer.query("select saldo.close_year(2021)");
  await end(closer);
  const healer = await begin(books);
  await healer.query("select saldo.auto_heal(false)");
  t.is((await books.root(keep))[0]?.["year"], null);
  await end(healer);
  t.is((await books.root(keep))[0]?.["year"], 2021);
  // Late facts of a closed year are posted in the next one, and reopening is in the old one.
  await books.post("2021-06-01", accounts[0], accounts[1], 2);
  await books.call("reopen_period", { fiscal_year: 2021, number: 13, reason: "test" });
  t.deepEqual(await books.findings(), []);
});

test("years are kept while everybody posts into them, folds and changes modes", async (t) => {
  const { books, accounts } = await opened();
  t.teardown(books.close);
  const [a, b, hot] = accounts;
  const days = Array.from({ length: 36 }, (_, month) =>
    new Date(Date.UTC(2019, month, 9)).toISOString().slice(0, 10),
  );
  let kept = 0;
  const poster = async (seed: number) => {
    for (let turn = 0; turn < 25; turn += 1) {
      const day = days[(seed * 7 + turn * 5) % days.length] as string;
      const [debit, credit] = turn % 3 === 0 ? [hot, a] : turn % 3 === 1 ? [a, hot] : [a, b];
      await books.root(posting(day), [debit, credit]);
    }
  };
  const keeper = async () => {
    for (let turn = 0; turn < 40; turn += 1) {
      if ((await books.root(keep))[0]?.["year"] !== null) kept += 1;
      await books.root("select saldo.settle_sub_balances()");
    }
  };
  await Promise.all([1, 2, 3, 4].map(poster).concat(keeper()));
  while ((await books.root(keep))[0]?.["year"] !== null) kept += 1;
  t.true(kept > 0);
  t.deepEqual(await books.findings(), []);
  await books.call("make_account_immediate", { account_id: hot });
  await books.root(posting("2020-02-02"), [a, hot]);
  t.deepEqual(await books.findings(), []);
});
