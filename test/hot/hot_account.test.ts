import test from "ava";
import { asOperator, errorCode } from "../_support/database.ts";
import { outcomes, type Row } from "../wallet/_wallet.ts";
import { many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const makeHot = (account_id: string | null, extra: Row = {}) =>
  hot.call("admin", "make_account_hot", { account_id, ...extra });
const makeImmediate = (account_id: string | null) =>
  hot.call("admin", "make_account_immediate", { account_id });
const transfer = (debit_account_id: string, credit_account_id: string, amount: unknown) =>
  hot.call("admin", "transfer", { debit_account_id, credit_account_id, amount });
/** Outcomes that a change of mode in the middle may have for a request: it may be sent again. */
const collided = ["SB015", "40P01"];

test.serial(
  "no figure changes when an account becomes hot, nor when it becomes immediate",
  async (t) => {
    const account = await hot.account({ funds: 100 });
    await hot.call("admin", "place_hold", { account_id: account, amount: 30 });
    const before = await hot.balances(account);
    t.like(await makeHot(account, { slots: 5 }), { mode: "hot", slots: 5, held_total: "0" });
    t.deepEqual(await hot.balances(account), before);

    await hot.submit(account, 20, "debit");
    await hot.submit(account, 5, "credit");
    await transfer(account, await hot.account({ minBalance: null }), 7);
    const { available_balance } = await hot.balances(account);
    t.is(available_balance, "48");
    t.like(await makeImmediate(account), {
      mode: "immediate",
      slots: null,
      held_total: "30",
      balance: "78",
    });
    t.like(await hot.balances(account), {
      settled_balance: "78",
      held: "30",
      available_balance: "48",
      pending_count: "0",
    });
    for (const table of ["account_slot", "account_stripe"]) {
      const left = await hot.root(`select from saldo_private.${table} where account_id = $1`, [
        account,
      ]);
      t.deepEqual(left, []);
    }
  },
);

test.serial("a hot account has as many slots as asked, else as the setting says", async (t) => {
  const account = await hot.account({ funds: 100 });
  t.is((await makeHot(account)).slots, 64);
  t.is((await hot.slots(account)).length, 64);
  await hot.call("admin", "set_setting", { name: "hot_account_slots", value: "3" });
  t.is((await makeHot(account)).slots, 3);
  await hot.call("admin", "set_setting", { name: "hot_account_slots", value: "64" });
});

test.serial(
  "a hot account may be made hot again, with other slots, in the middle of things",
  async (t) => {
    const account = await hot.account({ funds: 100, slots: 8 });
    await hot.submit(account, 40, "debit");
    await transfer(account, await hot.account({ minBalance: null }), 10);
    for (const slots of [1, 64, 2]) {
      await makeHot(account, { slots });
      t.like(await hot.balances(account), { available_balance: "50", pending_count: "1" });
      t.is(await errorCode(hot.submit(account, "50.01", "debit")), "SB001");
    }
    t.is(await errorCode(hot.submit(account, 50, "debit")), "none");
    await hot.settle();
    t.is(await hot.posted(account), "0");
  },
);

test.serial("whether pending money is available stays as it was unless told", async (t) => {
  const account = await hot.account({ funds: 10, slots: 2, isPendingAvailable: false });
  await hot.submit(account, 50, "credit");
  t.is((await makeHot(account, { slots: 3 })).is_pending_available, false);
  t.is((await hot.balances(account)).available_balance, "10");
  t.is((await makeHot(account, { is_pending_available: true })).is_pending_available, true);
  t.is((await hot.balances(account)).available_balance, "60");
  t.is(await errorCode(hot.submit(account, 60, "debit")), "none");
});

test.serial("an account becomes immediate once", async (t) => {
  const account = await hot.account({ funds: 10, slots: 2 });
  await makeImmediate(account);
  t.is(await errorCode(makeImmediate(account)), "SB201");
  t.is(await errorCode(hot.submit(account, 1, "debit")), "SB201");
  await makeHot(account, { slots: 2 });
  t.is(await errorCode(hot.submit(account, 10, "debit")), "none");
});

test.serial("bad changes are refused by code", async (t) => {
  const account = await hot.account({ funds: 10 });
  const closed = await hot.account();
  await hot.call("admin", "close_account", { account_id: closed });
  for (const slots of [0, -1, 1001]) t.is(await errorCode(makeHot(account, { slots })), "SB010");
  for (const unknown of ["999999", null]) {
    t.is(await errorCode(makeHot(unknown)), "SB101");
    t.is(await errorCode(makeImmediate(unknown)), "SB101");
  }
  t.is(await errorCode(makeHot(closed)), "SB102");
  t.is(await errorCode(makeImmediate(closed)), "SB201");
  for (const level of ["repeatable read", "serializable"]) {
    for (const name of ["make_account_hot", "make_account_immediate"]) {
      const session = await hot.session(level);
      t.is(await errorCode(session.call(name, { account_id: account })), "SB020");
      await session.end("rollback");
    }
  }
  const operator = asOperator(hot.pool, (client) =>
    client.query("select saldo.make_account_hot($1)", [account]),
  );
  t.is(await errorCode(operator), "42501");
  t.like(await hot.balances(account), { settled_balance: "10" });
});

test.serial("a hot account is closed once it is immediate and empty", async (t) => {
  const account = await hot.account({ funds: 10, slots: 2 });
  const close = () => errorCode(hot.call("admin", "close_account", { account_id: account }));
  await hot.submit(account, 10, "debit");
  t.is(await close(), "SB102");
  await makeImmediate(account);
  t.is(await close(), "none");
});

test.serial(
  "a change waits for a writer under way, and the next writers for the change",
  async (t) => {
    const account = await hot.account({ funds: 100, slots: 4 });
    const writer = await hot.session();
    await writer.call("submit_transaction", {
      account_id: account,
      amount: 10,
      direction: "debit",
    });
    const change = makeImmediate(account);
    await hot.waitForWaiters(1);
    await writer.end("commit");
    t.is((await change).balance, "90");

    const poster = await hot.session();
    const other = await hot.account({ minBalance: null });
    const args = { debit_account_id: account, credit_account_id: other, amount: 20 };
    await poster.call("transfer", args);
    const back = makeHot(account, { slots: 2 });
    await hot.waitForWaiters(1);
    const late = transfer(account, other, "70.01");
    await hot.waitForWaiters(2);
    await poster.end("commit");
    await back;
    t.is(await errorCode(late), "SB001");
    t.is(await errorCode(transfer(account, other, 70)), "none");
  },
);

test.serial("an account changes to and fro under load without a wrong figure", async (t) => {
  const [account, other] = [
    await hot.account({ funds: 500 }),
    await hot.account({ minBalance: null }),
  ];
  const posted: string[] = [];
  let isWriting = true;
  const write = async (index: number) => {
    const codes: Record<string, number> = {};
    for (let round = 0; round < 15; round++) {
      const amount = 1 + ((index + round) % 5);
      const isOut = round % 2 === 0;
      const code = await errorCode(
        round % 3 === 0
          ? transfer(isOut ? account : other, isOut ? other : account, amount)
          : hot.submit(account, amount, isOut ? "debit" : "credit", { counter_account_id: other }),
      );
      if (code === "none") posted.push(String(isOut ? -amount : amount));
      codes[code] = (codes[code] ?? 0) + 1;
    }
    return codes;
  };
  const change = async () => {
    for (let round = 0; isWriting; round++) {
      const code = await errorCode(
        round % 2 === 0 ? makeHot(account, { slots: 1 + (round % 4) }) : makeImmediate(account),
      );
      // Only a change that collided leaves the mode as it was.
      t.true(["none", "SB201", ...collided].includes(code), code);
    }
  };
  const watch = async () => {
    while (isWriting) {
      const [row] = await hot.root(
        `select sum(b.settled_balance) as total, min(b.available_balance)
          filter (where b.account_id = $1) as available
        from unnest(array[$1, $2]::bigint[]) as i (id)
        cross join lateral saldo.balances(i.id) as b`,
        [account, other],
      );
      // What one loses the other gets, in whichever snapshot.
      t.deepEqual([row?.total, Number(row?.available) >= 0], ["500", true]);
    }
  };
  const [changing, watching] = [change(), watch()];
  const codes = await Promise.all(many(15, write));
  isWriting = false;
  await Promise.all([changing, watching]);
  t.deepEqual(
    [...new Set(codes.flatMap((each) => Object.keys(each)))].filter(
      (code) => !["none", "SB201", ...collided].includes(code),
    ),
    [],
  );
  await hot.settle();
  const expected = posted.reduce((sum, amount) => sum + Number(amount), 500);
  t.is(await hot.posted(account), String(expected));
  t.is((await hot.balances(account)).available_balance, String(expected));
});

test.serial("funds are given away once, however the account changes meanwhile", async (t) => {
  const [account, other] = [
    await hot.account({ funds: 100 }),
    await hot.account({ minBalance: null }),
  ];
  const take = async (index: number) => {
    let taken = 0;
    for (let round = 0; round < 6; round++) {
      const code = await errorCode(
        (index + round) % 2 === 0 ? transfer(account, other, 1) : hot.submit(account, 1, "debit"),
      );
      if (code === "none") taken += 1;
      t.true(["none", "SB001", "SB201", ...collided].includes(code), code);
    }
    return taken;
  };
  const change = async () => {
    for (let round = 0; round < 8; round++) {
      await errorCode(round % 2 === 0 ? makeHot(account, { slots: 4 }) : makeImmediate(account));
    }
    return 0;
  };
  const taken = await Promise.all([...many(30, take), change()]);
  const sum = taken.reduce((total, each) => total + each, 0);
  t.true(sum <= 100);
  t.is((await hot.balances(account)).available_balance, String(100 - sum));
  await errorCode(makeHot(account, { slots: 4 }));
  t.is(await errorCode(hot.submit(account, 100 - sum + 0.01, "debit")), "SB001");
});

test.serial("a shop sells on while its revenue account changes to and fro", async (t) => {
  const members = await Promise.all(many(10, () => hot.member(1000)));
  const product = await hot.product(10);
  const revenue = String(product.revenue_account_id);
  const buy = async (index: number) => {
    let sold = 0;
    for (let round = 0; round < 8; round++) {
      const code = await errorCode(hot.buy(members[index % 10] as Row, product));
      if (code === "none") sold += 1;
      else t.true(collided.includes(code), code);
    }
    return sold;
  };
  let isSelling = true;
  const change = async () => {
    for (let round = 0; isSelling; round++) {
      await errorCode(round % 2 === 0 ? makeImmediate(revenue) : makeHot(revenue));
    }
  };
  const changing = change();
  const sold = (await Promise.all(many(20, buy))).reduce((sum, each) => sum + each, 0);
  isSelling = false;
  await changing;
  t.true(sold > 0);
  await hot.settle();
  t.is(await hot.posted(revenue), String(sold * 10));
  t.is((await hot.balances(revenue)).settled_balance, String(sold * 10));
});

test.serial("two changes at once are one after the other", async (t) => {
  const account = await hot.account({ funds: 100, slots: 4 });
  await hot.submit(account, 10, "debit");
  const result = await outcomes(
    many(12, (index) =>
      index % 2 === 0 ? makeImmediate(account) : makeHot(account, { slots: 3 }),
    ),
  );
  t.deepEqual(
    Object.keys(result).filter((code) => !["none", "SB201", ...collided].includes(code)),
    [],
  );
  await hot.settle();
  t.like(await hot.balances(account), { settled_balance: "90", available_balance: "90" });
});
