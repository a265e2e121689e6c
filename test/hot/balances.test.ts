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
