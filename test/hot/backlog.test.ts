import test from "ava";
import { errorCode } from "../_support/database.ts";
import { many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const limitTo = (value: number) =>
  hot.call("admin", "set_setting", { name: "settlement_backlog_limit", value: String(value) });

test.serial(
  "a backlog at its limit refuses what would add to it, until it is settled",
  async (t) => {
    await limitTo(5);
    const account = await hot.account({ funds: 100, slots: 2 });
    const other = await hot.account({ funds: 100, slots: 2 });
    for (let count = 0; count < 5; count++) {
      t.is(await errorCode(hot.submit(account, 1, "debit")), "none");
    }
    for (const direction of ["debit", "credit"]) {
      t.is(await errorCode(hot.submit(account, 1, direction)), "SB202");
    }
    t.is(await errorCode(hot.submit(other, 1, "debit")), "none");
    t.like(await hot.balances(account), { available_balance: "95", pending_count: "5" });

    await hot.settle();
    t.is(await errorCode(hot.submit(account, 1, "debit")), "none");
  },
);

test.serial("a refused request leaves its key and its funds free", async (t) => {
  await limitTo(1);
  const account = await hot.account({ funds: 100, slots: 1 });
  const key = { idempotency_key: "k" };
  await hot.submit(account, 1, "debit");
  t.is(await errorCode(hot.submit(account, 40, "debit", key)), "SB202");
  t.like(await hot.balances(account), { available_balance: "99", pending_count: "1" });
  await hot.settle();
  t.is(await errorCode(hot.submit(account, 40, "debit", key)), "none");
});

test.serial(
  "of a batch the rows of a full account are refused, and the others stand",
  async (t) => {
    await limitTo(3);
    const full = await hot.account({ funds: 100, slots: 1 });
    const other = await hot.account({ funds: 100, slots: 1 });
    await hot.submit(full, 1, "debit");
    const batch = (count: number) =>
      many(count, (index) => [
        { account_id: full, amount: 1, direction: "debit", idempotency_key: `f${index}` },
        ...(index === 0 ? [{ account_id: other, amount: 1, direction: "debit" }] : []),
      ]).flat();
    const codes = async (count: number) =>
      (await hot.submitMany(batch(count))).map((answer) => answer.error_code);
    t.deepEqual(await codes(3), ["SB202", null, "SB202", "SB202"]);
    t.like(await hot.balances(full), { pending_count: "1", available_balance: "99" });
    t.deepEqual(await codes(2), [null, null, null]);
    t.like(await hot.balances(full), { pending_count: "3", available_balance: "97" });
  },
);

test.serial("holds are placed and given back while the backlog is full", async (t) => {
  await limitTo(1);
  const account = await hot.account({ funds: 100, slots: 1 });
  await hot.submit(account, 1, "debit");
  const hold = await hot.call("admin", "place_hold", { account_id: account, amount: 10 });
  t.is(await errorCode(hot.call("admin", "capture_hold", { hold_id: hold.id })), "SB202");
  await hot.call("admin", "void_hold", { hold_id: hold.id });
  t.like(await hot.balances(account), { available_balance: "99", held: "0" });
});

test.serial("many writers at once stay within one row a slot of the limit", async (t) => {
  await limitTo(20);
  const account = await hot.account({ minBalance: null, slots: 4 });
  const codes: string[] = [];
  for (let round = 0; round < 6; round++) {
    const sessions = await Promise.all(many(8, () => hot.session()));
    for (const { call, end } of sessions) {
      const args = { account_id: account, amount: 1, direction: "debit" };
      const code = await errorCode(call("submit_transaction", args));
      codes.push(code);
      if (code !== "none") await end("rollback");
    }
    for (const [index, { end }] of sessions.entries()) {
      if (codes[round * 8 + index] === "none") await end("commit");
    }
  }
  t.deepEqual([...new Set(codes)].sort(), ["SB202", "none"]);
  const accepted = codes.filter((code) => code === "none").length;
  t.is((await hot.balances(account)).pending_count, String(accepted));
  const slots = (await hot.slots(account)).length;
  t.true(accepted >= 20 && accepted <= 20 + slots, `${accepted} with ${slots} slots`);
});

/** Sets both totals of accounts past the engine for as long as something takes. */
async function withTotals(accounts: string[], total: string, act: () => Promise<unknown>) {
  const add = (amount: string) =>
    hot.root(`do $$ begin
      set local session_replication_role = replica;
      update saldo.account
      set debit_total = debit_total + ${amount}, credit_total = credit_total + ${amount}
      where id in (${accounts.join()});
    end $$`);
  await add(total);
  try {
    await act();
  } finally {
    await add(`-(${total})`);
  }
}

const nine = "900000000000000000000";
const largest = "999999999999999";

test.serial("rows that an account's totals could not take are not accepted", async (t) => {
  await limitTo(5);
  const account = await hot.account({ minBalance: null, slots: 2 });
  const counter = await hot.account({ minBalance: null });
  const [row] = await hot.root("select id from saldo.account where code = 'clearing:IDR'");
  const clearing = String(row?.id);
  const submit = (extra = {}) => errorCode(hot.submit(account, largest, "credit", extra));
  const submitMany = async (extra = {}) => {
    const request = { account_id: account, amount: largest, direction: "debit", ...extra };
    return (await hot.submitMany([request])).map(({ error_code }) => error_code);
  };
  // What is pending counts: the first one fits, the next does not.
  await withTotals([account], `${nine} - ${largest} - 1`, async () => {
    t.is(await submit(), "none");
    t.is(await submit(), "SB004");
    t.deepEqual(await submitMany(), [null]);
    t.deepEqual(await submitMany(), ["SB004"]);
    t.is((await hot.balances(account)).pending_count, "2");
  });
  await withTotals([clearing], nine, async () => {
    t.is(await submit(), "SB004");
    t.deepEqual(await submitMany(), ["SB004"]);
    t.is(await submit({ counter_account_id: counter }), "none");
  });
  await withTotals([counter], nine, async () => {
    const other = { counter_account_id: counter };
    t.is(await submit(other), "SB004");
    t.deepEqual(await submitMany(other), ["SB004"]);
    t.is(
      await errorCode(
        hot.call("admin", "place_hold", { account_id: account, amount: 1, ...other }),
      ),
      "SB004",
    );
    t.is(await submit(), "none");
  });
  await hot.settle();
});

test.serial("a hot account that can take no more holds up no other's fold", async (t) => {
  const [full, other] = [
    await hot.account({ minBalance: null, slots: 2 }),
    await hot.account({ minBalance: null, slots: 2 }),
  ];
  const source = await hot.account({ minBalance: null });
  const pay = (account: string) =>
    hot.call("admin", "transfer", {
      debit_account_id: source,
      credit_account_id: account,
      amount: 9,
    });
  await withTotals([full], `1${"0".repeat(21)} - 5`, async () => {
    await pay(full);
    await pay(other);
    await hot.settle();
    const rows = await hot.root(
      "select version::integer from saldo.account where id = any ($1) order by id",
      [[full, other]],
    );
    t.deepEqual(rows, [{ version: 0 }, { version: 1 }]);
    // By name it is refused, and loses nothing.
    t.is(
      await errorCode(hot.call("admin", "make_account_immediate", { account_id: full })),
      "23514",
    );
    t.is((await hot.balances(full)).settled_balance, "9");
  });
  await hot.settle();
  t.like(await hot.root("select version from saldo.account where id = $1", [full]), {
    0: { version: "1" },
  });
});
