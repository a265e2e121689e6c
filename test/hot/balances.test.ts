import test from "ava";
import { asAnonymous, asMember, asOperator, errorCode } from "../_support/database.ts";
import { outcomes } from "../wallet/_wallet.ts";
import { type AccountPlan, many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

/** The figures as written here: settled, debit, credit, held, available, count. */
const figures = async (account: string) => {
  const row = await hot.balances(account);
  return [
    row.settled_balance,
    row.pending_debit,
    row.pending_credit,
    row.held,
    row.available_balance,
    row.pending_count,
  ].map(Number);
};

for (const [type, out, into] of [
  ["liability", "debit", "credit"],
  ["equity", "debit", "credit"],
  ["revenue", "debit", "credit"],
  ["asset", "credit", "debit"],
  ["expense", "credit", "debit"],
] as [AccountPlan["type"], "debit" | "credit", "debit" | "credit"][]) {
  for (const isPendingAvailable of [true, false]) {
    const when = isPendingAvailable ? "at once" : "at settlement";
    test.serial(`of a hot ${type} whose pending money is available ${when}`, async (t) => {
      const account = await hot.account({ type, funds: 100, slots: 4, isPendingAvailable });
      await hot.submit(account, "20.25", out);
      await hot.submit(account, 5, into);
      await hot.submit(account, 2, into);
      await hot.call("admin", "place_hold", { account_id: account, amount: 10 });
      const pending = out === "debit" ? [20.25, 7] : [7, 20.25];
      const available = isPendingAvailable ? 76.75 : 69.75;
      t.deepEqual(await figures(account), [100, ...pending, 10, available, 3]);
      await hot.settle();
      t.deepEqual(await figures(account), [86.75, 0, 0, 10, 76.75, 0]);
    });
  }
  test.serial(`of an immediate ${type} nothing is ever pending`, async (t) => {
    const account = await hot.account({ type, funds: 100 });
    await hot.call("admin", "place_hold", { account_id: account, amount: 10 });
    t.deepEqual(await figures(account), [100, 0, 0, 10, 90, 0]);
  });
}

test.serial("the minimum is not taken off, and there is none to take off", async (t) => {
  const limited = await hot.account({ funds: 100, minBalance: 40, slots: 2 });
  const free = await hot.account({ minBalance: null, slots: 2 });
  await hot.submit(free, 70, "debit");
  t.is((await hot.balances(limited)).available_balance, "100");
  t.is((await hot.balances(free)).available_balance, "-70");
});

test.serial("an account tells its balances as a field of its own", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2, currency: "USD" });
  await hot.submit(account, 1, "debit");
  const [row] = await hot.root(
    `select (saldo.account_balances(a)).* from saldo.account as a where a.id = $1`,
    [account],
  );
  t.deepEqual(row, await hot.call("admin", "balances", { account_id: account }));
  t.like(row, { account_id: account, currency: "USD", pending_debit: "1" });
});

/** Does something and tells what it did to the stamp of an account, by the database's clock. */
async function stamped(account: string, act: () => Promise<unknown>) {
  const look = async () => {
    const [row] = await hot.root(
      `select clock_timestamp()::text as now, b.last_updated_at::text as at, b.version
      from saldo.balances($1) as b`,
      [account],
    );
    return row as { now: string; at: string; version: string };
  };
  const before = await look();
  await act();
  const after = await look();
  const [row] = await hot.root(
    `select $1::timestamptz between $2::timestamptz and $3 as is_now,
      $1::timestamptz = $4::timestamptz as is_same`,
    [after.at, before.now, after.now, before.at],
  );
  return {
    change: row?.is_now ? "now" : row?.is_same ? "none" : "another",
    grew: Number(after.version) - Number(before.version),
  };
}

test.serial("balances tell when they last changed, and count their changes", async (t) => {
  const [one, other] = [await hot.account({ minBalance: null }), await hot.account()];
  const shop = await hot.account({ minBalance: null, slots: 2 });
  const [row] = await hot.root(
    `select b.last_updated_at = a.opened_at as is_opened, b.version
    from saldo.account as a cross join saldo.balances(a.id) as b where a.id = $1`,
    [other],
  );
  t.deepEqual(row, { is_opened: true, version: "0" });

  const move = (debit: string, credit: string) => () =>
    hot.call("admin", "transfer", {
      debit_account_id: debit,
      credit_account_id: credit,
      amount: 9,
    });
  const post = (debit: string, credit: string) => () =>
    hot.call("admin", "post_entries", {
      entries: JSON.stringify([
        {
          description: "Three lines",
          lines: [
            { account_id: Number(debit), debit: "4" },
            { account_id: Number(debit), debit: "5" },
            { account_id: Number(credit), credit: "9" },
          ],
        },
      ]),
    });
  // The first of a month, the plain one, to a hot account, and several lines.
  t.deepEqual(await stamped(other, move(one, other)), { change: "now", grew: 1 });
  t.deepEqual(await stamped(other, move(one, other)), { change: "now", grew: 1 });
  t.deepEqual(await stamped(one, move(one, shop)), { change: "now", grew: 1 });
  t.deepEqual(await stamped(shop, move(one, shop)), { change: "now", grew: 0 });
  t.deepEqual(await stamped(other, post(one, other)), { change: "now", grew: 1 });
  t.deepEqual(await stamped(shop, post(one, shop)), { change: "now", grew: 0 });
  // What others do changes nothing here, and a hold changes what is available only.
  t.deepEqual(await stamped(other, move(one, shop)), { change: "none", grew: 0 });
  const hold = () => hot.call("admin", "place_hold", { account_id: other, amount: 1 });
  t.deepEqual(await stamped(other, hold), { change: "none", grew: 0 });

  // A fold changes no figure, a submitted row and its settlement do.
  t.deepEqual(await stamped(shop, () => hot.settle()), { change: "none", grew: 1 });
  const submit = () => hot.submit(shop, 1, "credit");
  t.deepEqual(await stamped(shop, submit), { change: "now", grew: 0 });
  t.deepEqual(await stamped(shop, () => hot.truncateSlots()), { change: "none", grew: 0 });
  t.deepEqual(await stamped(shop, () => hot.settle()), { change: "now", grew: 1 });
});

test.serial("an account unchanged since the upgrade tells of its latest line", async (t) => {
  const account = await hot.account({ funds: 100 });
  await hot.root(`do $$ begin
    set local session_replication_role = replica;
    update saldo.account set last_updated_at = null where id = ${Number(account)};
  end $$`);
  const [row] = await hot.root(
    `select b.last_updated_at = e.posted_at as is_posted
    from saldo.balances($1) as b
    join saldo.journal_line as l on l.account_id = b.account_id
    join saldo.journal_entry as e on e.id = l.entry_id`,
    [account],
  );
  t.deepEqual(row, { is_posted: true });
});

test.serial("an account that is not there has no balances", async (t) => {
  for (const account_id of ["999999", null]) {
    t.like(await hot.call("admin", "balances", { account_id }), {
      account_id: null,
      available_balance: null,
    });
  }
});

test.serial("amounts as large and as small as they may be are exact", async (t) => {
  const account = await hot.account({ minBalance: null, slots: 3 });
  const large = "999999999999999.99";
  for (let count = 0; count < 12; count++) {
    await hot.submit(account, large, "credit");
    t.is((await hot.balances(account)).pending_credit, large);
    await hot.settle();
  }
  await hot.submit(account, "0.01", "debit");
  t.is((await hot.balances(account)).available_balance, "11999999999999999.87");
  await hot.settle();
  t.is((await hot.balances(account)).settled_balance, "11999999999999999.87");
});

test.serial("a reader sees settlements whole, never half", async (t) => {
  const account = await hot.account({ funds: 1000, slots: 4 });
  let isWriting = true;
  const write = async (index: number) => {
    for (let round = 0; round < 15; round++) {
      await hot.submit(account, 3, (index + round) % 2 === 0 ? "debit" : "credit");
    }
  };
  const settle = async () => {
    while (isWriting) await hot.rows("admin", "settle_sub_balances", { row_limit: 5 });
  };
  const sums: unknown[] = [];
  const read = async () => {
    while (isWriting) {
      const [settled = 0, debit = 0, credit = 0, , available = 0, count = 0] =
        await figures(account);
      sums.push([settled - debit + credit === available, (debit + credit) / 3 === count]);
      const [row] = await hot.root(
        `select count(*)::integer as count, (select pending_count from saldo.balances($1))::integer
          as told from saldo.pending_sub_balances($1)`,
        [account],
      );
      sums.push([row?.count === row?.told, true]);
    }
  };
  const background = [settle(), read(), read()];
  t.deepEqual(await outcomes(many(10, write)), { none: 10 });
  isWriting = false;
  await Promise.all(background);
  t.true(sums.length > 10);
  t.deepEqual([...new Set(sums.map(String))], ["true,true"]);
  await hot.settle();
  t.is((await hot.balances(account)).settled_balance, "1000");
});

test.serial("members see the balances and rows of their own account only", async (t) => {
  const [mine, theirs] = [await hot.member(100), await hot.member(100)];
  for (const { account_id } of [mine, theirs]) {
    await hot.call("admin", "make_account_hot", { account_id, slots: 2 });
    await hot.submit(account_id, 30, "debit");
    await hot.call("admin", "place_hold", { account_id, amount: 10 });
  }
  const look = (account_id: string) =>
    asMember(hot.pool, mine.id, async (client) => {
      const text = "select available_balance, held from saldo.balances($1)";
      return (await client.query(text, [account_id])).rows[0];
    });
  t.deepEqual(await look(mine.account_id), { available_balance: "60", held: "10" });
  t.deepEqual(await look(theirs.account_id), { available_balance: null, held: null });

  await hot.settle();
  for (const table of ["sub_balance", "hold", "settlement", "settlement_range"]) {
    const { rows } = await asMember(hot.pool, mine.id, (client) =>
      client.query(`select distinct account_id from saldo.${table}`),
    );
    t.deepEqual(rows, [{ account_id: mine.account_id }], table);
  }
  // Without slots the figures come from the rows: those are the member's as well.
  await hot.truncateSlots();
  t.deepEqual(await look(mine.account_id), { available_balance: "60", held: "10" });
});

test.serial("operators read balances, and nobody without a token does", async (t) => {
  const account = await hot.account({ funds: 10, slots: 2 });
  const read = async (as: typeof asOperator) =>
    errorCode(as(hot.pool, (client) => client.query("select saldo.balances($1)", [account])));
  t.is(await read(asOperator), "none");
  t.is(await read(asAnonymous), "42501");
});
