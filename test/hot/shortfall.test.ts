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

test.serial("a posting with an old snapshot adds no slot of the old kind", async (t) => {
  const [account, other] = [
    await hot.account({ slots: 2 }),
    await hot.account({ minBalance: null }),
  ];
  await hot.submit(account, 100, "credit");
  await hot.settle();
  const old = await hot.session("repeatable read");
  await old.client.query("select count(*) from saldo.account");
  const changer = await hot.session();
  await changer.call("make_account_hot", {
    account_id: account,
    slots: 2,
    is_pending_available: false,
  });
  const posting = errorCode(
    old.call("transfer", { debit_account_id: other, credit_account_id: account, amount: 10 }),
  );
  await Promise.race([posting, hot.waitForWaiters(1)]);
  await changer.end("commit");
  const code = await posting;
  t.true(["SB020", "40001"].includes(code), code);
  await old.end("rollback");
  await hot.submit(account, 1000, "credit");
  t.is(await errorCode(hot.submit(account, 101, "debit")), "SB001");
  await hot.settle();
});

test.serial("slots do not grow without end under takers and givers", async (t) => {
  const account = await hot.account({ slots: 4, funds: 100 });
  const other = await hot.account({ minBalance: null });
  const transfer = (index: number) => {
    const [debit_account_id, credit_account_id] =
      index % 2 === 0 ? [account, other] : [other, account];
    return hot.call("admin", "transfer", {
      debit_account_id,
      credit_account_id,
      amount: 1 + ((index * 7) % 60),
    });
  };
  for (let round = 0; round < 12; round += 1) {
    await outcomes(many(40, (index) => transfer(index + round)));
  }
  t.true((await hot.slots(account)).length <= 128);
});

test.serial("two months of one account in one statement are no circle with others", async (t) => {
  const account = await hot.account({ slots: 4, funds: 1000 });
  const other = await hot.account({ minBalance: null });
  const post = (index: number) =>
    hot.query("admin", "select count(*) from saldo.post_entries($1)", [
      JSON.stringify(
        [
          ["2026-02-01", other, account, 3 + (index % 3)],
          ["2026-03-01", account, other, 40],
        ].map(([day, debit, credit, amount]) => ({
          occurred_at: `${day}T05:00:00Z`,
          description: "x",
          lines: [
            { account_id: debit, debit: amount },
            { account_id: credit, credit: amount },
          ],
        })),
      ),
    ]);
  const codes: Record<string, number> = {};
  for (let round = 0; round < 4; round += 1) {
    for (const [code, count] of Object.entries(await outcomes(many(30, post)))) {
      codes[code] = (codes[code] ?? 0) + count;
    }
  }
  t.deepEqual(
    Object.keys(codes).filter((code) => !["none", "SB001"].includes(code)),
    [],
  );
});
