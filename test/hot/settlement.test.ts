import test from "ava";
import { errorCode } from "../_support/database.ts";
import { arranged } from "../_support/faults.ts";
import { outcomes, type Row } from "../wallet/_wallet.ts";
import { many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
// What a test finds settled is its own.
test.beforeEach(() => hot.settle());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const settleOnce = (row_limit = 50_000) => hot.rows("admin", "settle_sub_balances", { row_limit });
const entriesOf = (settlement: Row) =>
  hot.root(
    `select e.counter_account_id, e.row_count, e.debit, e.credit, j.source, j.line_count
    from saldo.settlement_entry as e
    join saldo.journal_entry as j on j.id = e.entry_id
    where e.settlement_id = $1
    order by e.counter_account_id`,
    [settlement.id],
  );
/** How many of an account's rows were settled so many times. */
const settledTimes = async (account: string) =>
  hot.root(
    `select r.times, count(*)::integer as rows
    from saldo.sub_balance as s
    cross join lateral (
      select count(*)::integer as times
      from saldo.settlement_range as each
      where each.account_id = s.account_id and each.slot_no = s.slot_no
      and s.seq between each.first_seq and each.last_seq
    ) as r
    where s.account_id = $1
    group by r.times`,
    [account],
  );

test.serial("a batch posts one summary entry an account and counter account", async (t) => {
  const accounts = [await hot.account({ funds: 100, slots: 4 }), await hot.account({ slots: 4 })];
  const [first, second] = accounts as [string, string];
  const [fees, gifts] = [
    await hot.account({ minBalance: null }),
    await hot.account({ minBalance: null }),
  ] as [string, string];
  for (const amount of [1, 2, 3]) {
    await hot.submit(first, amount, "debit", { counter_account_id: fees });
    await hot.submit(first, amount * 10, "credit", { counter_account_id: fees });
    await hot.submit(first, amount * 2, "debit", { counter_account_id: gifts });
    await hot.submit(second, amount, "credit", { counter_account_id: gifts });
  }
  const settlements = await settleOnce();
  t.is(settlements.length, 2);
  t.like(settlements[0], { account_id: first, row_count: "9", debit: "18", credit: "60" });
  t.like(settlements[1], { account_id: second, row_count: "3", debit: "0", credit: "6" });
  t.true(settlements.every((each) => each.settled_by === "admin"));
  t.true(settlements.every((each) => Number(each.settled_at) >= Number(each.started_at)));
  const summary = { source: "settlement" };
  t.deepEqual(await entriesOf(settlements[0] as Row), [
    {
      counter_account_id: fees,
      row_count: "6",
      debit: "6",
      credit: "60",
      line_count: 4,
      ...summary,
    },
    {
      counter_account_id: gifts,
      row_count: "3",
      debit: "12",
      credit: "0",
      line_count: 2,
      ...summary,
    },
  ]);
  t.deepEqual(await entriesOf(settlements[1] as Row), [
    {
      counter_account_id: gifts,
      row_count: "3",
      debit: "0",
      credit: "6",
      line_count: 2,
      ...summary,
    },
  ]);
  t.deepEqual(await Promise.all([first, second, fees, gifts].map(hot.posted)), [
    "142",
    "6",
    "-54",
    "6",
  ]);
  t.deepEqual(await settleOnce(), []);
});

test.serial("a row tells its status and the settlement that took it", async (t) => {
  const account = await hot.account({ funds: 10, slots: 2 });
  const { id } = await hot.submit(account, 4, "debit");
  const look = async () =>
    (
      await hot.root(
        `select saldo.sub_balance_status(s) as status, (saldo.sub_balance_settlement(s)).id
        from saldo.sub_balance as s where s.id = $1`,
        [id],
      )
    )[0];
  const pending = () => hot.rows("admin", "pending_sub_balances", { account_id: account });
  t.deepEqual(await look(), { status: "PENDING", id: null });
  t.deepEqual(
    (await pending()).map((row) => row.id),
    [id],
  );
  const [settlement] = await settleOnce();
  t.deepEqual(await look(), { status: "SETTLED", id: settlement?.id });
  t.deepEqual(await pending(), []);
});

test.serial(
  "a settlement takes up to its limit, and the next goes on where it ended",
  async (t) => {
    const account = await hot.account({ minBalance: null, slots: 4 });
    const sessions = await Promise.all(many(4, () => hot.session()));
    for (let round = 0; round < 6; round++) {
      for (const { call } of sessions) {
        await call("submit_transaction", { account_id: account, amount: 1, direction: "debit" });
      }
    }
    for (const { end } of sessions) await end("commit");
    const counts: number[] = [];
    for (;;) {
      const [settlement] = await settleOnce(7);
      if (settlement === undefined) break;
      counts.push(Number(settlement.row_count));
      const { settled_balance, pending_count } = await hot.balances(account);
      const sum = counts.reduce((total, count) => total + count, 0);
      t.deepEqual([settled_balance, pending_count], [String(-sum), String(24 - sum)]);
    }
    t.true(counts.length >= 4 && counts.every((count) => count <= 7));
    t.deepEqual(await settledTimes(account), [{ times: 1, rows: 24 }]);
  },
);

test.serial("rows of two business dates make two entries, each on its date", async (t) => {
  const account = await hot.account({ funds: 10, slots: 1 });
  const [old] = [await hot.submit(account, 1, "debit"), await hot.submit(account, 2, "debit")];
  await arranged(
    hot.pool,
    "update saldo.sub_balance set created_at = '2026-01-31 12:00+07' where id = $1",
    [old.id],
  );
  const [settlement] = await settleOnce();
  const entries = await hot.root(
    `select e.posting_date::text, e.debit, j.posting_date = e.posting_date as is_posted_then
    from saldo.settlement_entry as e join saldo.journal_entry as j on j.id = e.entry_id
    where e.settlement_id = $1 order by e.posting_date`,
    [settlement?.id],
  );
  t.is(entries.length, 2);
  t.deepEqual(entries[0], { posting_date: "2026-01-31", debit: "1", is_posted_then: true });
  t.like(entries[1], { debit: "2", is_posted_then: true });
});

test.serial("workers and writers at once settle each row once", async (t) => {
  const accounts = await Promise.all(many(3, () => hot.account({ funds: 1000, slots: 4 })));
  const counter = await hot.account({ minBalance: null });
  let isWriting = true;
  const write = async (index: number) => {
    for (let round = 0; round < 10; round++) {
      const account = accounts[(index + round) % 3] as string;
      const extra = round % 2 === 0 ? { counter_account_id: counter } : {};
      await hot.submit(account, 1 + (round % 4), round % 3 === 0 ? "credit" : "debit", extra);
    }
  };
  const work = async () => {
    let count = 0;
    while (isWriting) {
      for (const settlement of await settleOnce(7)) count += Number(settlement.row_count);
    }
    return count;
  };
  const workers = many(4, work);
  t.deepEqual(await outcomes(many(20, write)), { none: 20 });
  isWriting = false;
  const worked = (await Promise.all(workers)).reduce((sum, count) => sum + count, 0);
  const rest = (await hot.settle()).reduce((sum, each) => sum + Number(each.row_count), 0);
  t.is(worked + rest, 200);
  let rows = 0;
  for (const account of accounts) {
    const times = await settledTimes(account);
    t.deepEqual(
      times.map((each) => each.times),
      [1],
    );
    rows += Number(times[0]?.rows);
    const { settled_balance, available_balance, pending_count } = await hot.balances(account);
    t.deepEqual([settled_balance, pending_count], [await hot.posted(account), "0"]);
    t.is(available_balance, settled_balance);
  }
  t.is(rows, 200);
});

test.serial("a worker that dies settles nothing, and nobody waits for it", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  const other = await hot.account({ funds: 100, slots: 2 });
  // One of its own: the summary entries of a shared one would wait for each other.
  const counter_account_id = await hot.account({ minBalance: null });
  await hot.submit(account, 10, "debit");
  const dying = await hot.session();
  await dying.call("settle_sub_balances", { row_limit: 10 });

  // While it is under way others write, and settle other accounts.
  const impatient = await hot.session();
  await impatient.client.query("set local lock_timeout = '300ms'");
  for (const account_id of [account, other]) {
    const args = { account_id, amount: 5, direction: "debit", counter_account_id };
    await impatient.call("submit_transaction", args);
  }
  await impatient.end("commit");
  t.like(await hot.balances(account), { settled_balance: "100", pending_count: "2" });
  const worker = await hot.session();
  await worker.client.query("set local lock_timeout = '300ms'");
  const { rows } = await worker.client.query("select * from saldo.settle_sub_balances()");
  t.deepEqual(
    rows.map((row) => [row.account_id, row.row_count]),
    [[other, "1"]],
  );
  await worker.end("commit");

  await dying.end("rollback");
  t.deepEqual(
    (await settleOnce()).map((row) => [row.account_id, row.row_count]),
    [[account, "2"]],
  );
  t.like(await hot.balances(account), { settled_balance: "85", pending_count: "0" });
});

test.serial("a row that is not committed yet is left for a later settlement", async (t) => {
  const account = await hot.account({ funds: 100, slots: 4 });
  const late = await hot.session();
  await late.call("submit_transaction", { account_id: account, amount: 1, direction: "debit" });
  const gone = await hot.session();
  await gone.call("submit_transaction", { account_id: account, amount: 2, direction: "debit" });
  await hot.submit(account, 4, "debit");
  t.like((await settleOnce())[0], { row_count: "1", debit: "4" });
  await gone.end("rollback");
  await late.end("commit");
  t.like((await settleOnce())[0], { row_count: "1", debit: "1" });
  t.deepEqual(await settledTimes(account), [{ times: 1, rows: 2 }]);
  t.like(await hot.balances(account), { settled_balance: "95", available_balance: "95" });
});

test.serial("what waits for settlement becomes available with it", async (t) => {
  const account = await hot.account({ funds: 10, slots: 4, isPendingAvailable: false });
  await hot.submit(account, 50, "credit");
  t.is(await errorCode(hot.submit(account, "10.01", "debit")), "SB001");
  await settleOnce();
  t.is(await errorCode(hot.submit(account, "60.01", "debit")), "SB001");
  t.is(await errorCode(hot.submit(account, 60, "debit")), "none");
});

test.serial(
  "where the counter account was closed since, the money waits in suspense",
  async (t) => {
    const account = await hot.account({ funds: 100, slots: 2 });
    const counter = await hot.account({ minBalance: null });
    await hot.submit(account, 30, "debit", { counter_account_id: counter });
    await hot.call("admin", "close_account", { account_id: counter });
    const [settlement] = await settleOnce();
    const [entry] = await hot.root(
      `select a.code, e.counter_account_id from saldo.settlement_entry as e
    join saldo.account as a on a.id = e.booked_account_id where e.settlement_id = $1`,
      [settlement?.id],
    );
    t.deepEqual(entry, { code: "suspense:IDR", counter_account_id: counter });
    t.is(await hot.posted(account), "70");
  },
);

test.serial("a hot account may be the counter account of another, both ways at once", async (t) => {
  const [one, two] = [
    await hot.account({ minBalance: null, slots: 2 }),
    await hot.account({ minBalance: null, slots: 2 }),
  ] as [string, string];
  const write = async (index: number) => {
    const [from, to] = index % 2 === 0 ? [one, two] : [two, one];
    for (let round = 0; round < 5; round++) {
      await hot.submit(from, 1 + (index % 2), "debit", { counter_account_id: to });
      await settleOnce(3);
    }
  };
  t.deepEqual(await outcomes(many(20, write)), { none: 20 });
  await hot.settle();
  // 50 debits of 1 from the one, 50 of 2 from the other.
  t.deepEqual([await hot.posted(one), await hot.posted(two)], ["50", "-50"]);
});

test.serial("bad limits and isolation levels are refused by code", async (t) => {
  for (const row_limit of [0, -1, null, 1_000_001]) {
    t.is(await errorCode(hot.rows("admin", "settle_sub_balances", { row_limit })), "SB010");
  }
  for (const level of ["repeatable read", "serializable"]) {
    const session = await hot.session(level);
    t.is(await errorCode(session.call("settle_sub_balances", {})), "SB020");
    await session.end("rollback");
  }
});
