import test from "ava";
import { errorCode } from "../_support/database.ts";
import { outcomes, type Row } from "../wallet/_wallet.ts";
import { many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  // That the accounts are below their minimum is what these tests are about.
  const findings = await hot.findings();
  t.deepEqual(
    findings.filter(({ rule }) => rule !== "rule_min_balance"),
    [],
  );
});

const available = async (account: string) =>
  Number((await hot.balances(account)).available_balance);

/** A hot account that lacks 100 to its minimum. */
const shortAccount = (slots = 4) => hot.account({ minBalance: 100, slots });

test.serial("what comes in fills what lacks first, and pays for nothing before", async (t) => {
  const account = await shortAccount();
  t.is(await errorCode(hot.submit(account, "0.01", "debit")), "SB001");
  for (const amount of [30, 30, 30]) await hot.submit(account, amount, "credit");
  t.is(await errorCode(hot.submit(account, "0.01", "debit")), "SB001");
  await hot.submit(account, 30, "credit");
  t.is(await available(account), 120);
  t.is(await errorCode(hot.submit(account, "20.01", "debit")), "SB001");
  await hot.submit(account, 20, "debit");
  t.is(await errorCode(hot.submit(account, "0.01", "debit")), "SB001");
  await hot.submit(account, 1000, "credit");
  t.is((await hot.slots(account)).filter((slot) => Number(slot.available) > 0).length, 1);
});

test.serial(
  "what comes in from many at once is given away to the last cent, and no further",
  async (t) => {
    const account = await shortAccount(8);
    const given = await outcomes(many(30, () => hot.submit(account, 5, "credit")));
    t.deepEqual(given, { none: 30 });
    const taken = await outcomes(many(60, () => hot.submit(account, 1, "debit")));
    t.deepEqual(taken, { none: 50, SB001: 10 });
  },
);

test.serial("takers and givers at once never go below the minimum", async (t) => {
  const account = await shortAccount(8);
  const result = await outcomes(
    many(60, (index) =>
      index % 2 === 0 ? hot.submit(account, 7, "credit") : hot.submit(account, 4, "debit"),
    ),
  );
  t.deepEqual(Object.keys(result).toSorted(), ["SB001", "none"]);
  t.true((await available(account)) >= 100);
});

test.serial("the rows of a batch are answered one by one", async (t) => {
  const account = await shortAccount();
  const request = (amount: number, direction: string): Row => ({
    account_id: account,
    amount,
    direction,
  });
  const codes = async (requests: Row[]) =>
    (await hot.submitMany(requests)).map((answer) => answer.error_code ?? "none");
  t.deepEqual(await codes([request(1, "debit")]), ["SB001"]);
  t.deepEqual(await codes([request(60, "credit"), request(1, "debit")]), ["none", "SB001"]);
  t.deepEqual(await codes([request(60, "credit"), request(15, "debit"), request(6, "debit")]), [
    "none",
    "none",
    "SB001",
  ]);
  t.is(await available(account), 105);
});

test.serial("a hold, a posting and a release see what lacks", async (t) => {
  const account = await shortAccount();
  const source = await hot.account({ minBalance: null });
  const transfer = (from: string, to: string, amount: number) =>
    hot.call("admin", "transfer", { debit_account_id: from, credit_account_id: to, amount });
  t.is(
    await errorCode(hot.call("admin", "place_hold", { account_id: account, amount: 1 })),
    "SB001",
  );
  await transfer(source, account, 60);
  t.is(await errorCode(transfer(account, source, 1)), "SB001");
  await transfer(source, account, 60);
  t.is(await errorCode(transfer(account, source, 21)), "SB001");
  await transfer(account, source, 20);
  t.is(await available(account), 100);
});

test.serial("when slots are gone, what lacks is found again", async (t) => {
  const account = await shortAccount();
  await hot.submit(account, 40, "credit");
  await hot.truncateSlots();
  t.is(await errorCode(hot.submit(account, 1, "debit")), "SB001");
  await hot.submit(account, 70, "credit");
  t.is(await errorCode(hot.submit(account, 11, "debit")), "SB001");
  await hot.submit(account, 10, "debit");
  t.is(await available(account), 100);
});

test.serial(
  "pending money that was spent is settled before it ceases to be available",
  async (t) => {
    const account = await hot.account({ slots: 4 });
    await hot.submit(account, 50, "credit");
    await hot.submit(account, 30, "debit");
    await hot.call("admin", "make_account_hot", {
      account_id: account,
      slots: 4,
      is_pending_available: false,
    });
    t.like(await hot.balances(account), {
      settled_balance: "20",
      available_balance: "20",
      pending_count: "0",
    });
    await hot.submit(account, 5, "credit");
    t.is(await errorCode(hot.submit(account, 21, "debit")), "SB001");
    await hot.submit(account, 20, "debit");
  },
);

test.serial(
  "a transaction under way while the account changes is right, or says try again",
  async (t) => {
    const [account, other] = [
      await hot.account({ slots: 4 }),
      await hot.account({ minBalance: null }),
    ];
    for (const isPendingAvailable of [false, true]) {
      const before = await available(account);
      const changer = await hot.session();
      await changer.call("make_account_hot", {
        account_id: account,
        slots: 4,
        is_pending_available: isPendingAvailable,
      });
      const single = errorCode(hot.submit(account, 100, "credit", { counter_account_id: other }));
      const batch = errorCode(
        hot.submitMany([{ account_id: account, amount: 100, direction: "credit" }]),
      );
      await hot.waitForWaiters(2);
      await changer.end("commit");
      const codes = await Promise.all([single, batch]);
      t.true(
        codes.every((code) => ["none", "SB015"].includes(code)),
        codes.join(),
      );
      const accepted = codes.filter((code) => code === "none").length;
      t.is(await available(account), before + (isPendingAvailable ? 100 * accepted : 0));
      await hot.settle();
      t.is(await available(account), before + 100 * accepted);
    }
  },
);
