import test from "ava";
import { errorCode } from "../_support/database.ts";
import { outcomes, type Row } from "../wallet/_wallet.ts";
import { many, openHot, type Session } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const debit = (account: string, amount: unknown) => errorCode(hot.submit(account, amount, "debit"));
const rebuilds = async (account: string) =>
  (await hot.root("select from saldo.slot_rebuild where account_id = $1", [account])).length;
const debitIn = (session: Session, account_id: string, amount: unknown) =>
  errorCode(session.call("submit_transaction", { account_id, amount, direction: "debit" }));
/** A session that gives up as soon as it would really wait. */
const impatient = async () => {
  const session = await hot.session();
  await session.client.query("set local lock_timeout = '300ms'");
  return session;
};

for (const [what, use] of [
  ["a submission", (account: string) => hot.submit(account, 10, "debit")],
  [
    "a batch",
    (account: string) => hot.submitMany([{ account_id: account, amount: 10, direction: "debit" }]),
  ],
  ["a hold", (account_id: string) => hot.call("admin", "place_hold", { account_id, amount: 10 })],
  [
    "a posting",
    async (account_id: string) =>
      hot.call("admin", "transfer", {
        debit_account_id: account_id,
        credit_account_id: await hot.account({ minBalance: null }),
        amount: 10,
      }),
  ],
] as [string, (account: string) => Promise<unknown>][]) {
  test.serial(`when slots are gone, ${what} rebuilds them, and that is recorded`, async (t) => {
    const account = await hot.account({ funds: 100, slots: 4 });
    await hot.submit(account, 25, "debit");
    await hot.submit(account, 5, "credit");
    await hot.call("admin", "place_hold", { account_id: account, amount: 20 });
    const before = await hot.balances(account);
    await hot.truncateSlots();
    t.deepEqual(await hot.balances(account), before);
    t.is(await rebuilds(account), 1);

    await use(account);
    t.is((await hot.balances(account)).available_balance, "50");
    t.is(await rebuilds(account), 2);
    t.is(await debit(account, "50.01"), "SB001");
    t.is(await debit(account, 50), "none");
    t.is(await rebuilds(account), 2);
  });
}

test.serial("when slots are gone, settlement, captures and voids go on", async (t) => {
  const account = await hot.account({ funds: 100, slots: 4 });
  const place = () => hot.call("admin", "place_hold", { account_id: account, amount: 20 });
  const [first, second] = [await place(), await place()];
  await hot.submit(account, 10, "debit");
  await hot.truncateSlots();
  await hot.call("admin", "capture_hold", { hold_id: first.id, amount: 15 });
  await hot.truncateSlots();
  await hot.call("admin", "void_hold", { hold_id: second.id });
  await hot.truncateSlots();
  await hot.settle();
  t.like(await hot.balances(account), {
    settled_balance: "75",
    available_balance: "75",
    pending_count: "0",
    held: "0",
  });
  t.is(await debit(account, "75.01"), "SB001");
  t.is(await debit(account, 75), "none");
});

test.serial("when slots are gone, a batch beyond the funds is refused", async (t) => {
  const account = await hot.account({ funds: 10, slots: 2 });
  await hot.truncateSlots();
  const request = { account_id: account, amount: 100, direction: "debit", idempotency_key: "k" };
  const [answer] = await hot.submitMany([request]);
  t.is(answer?.error_code, "SB001");
});

test.serial("forty requests that find no slots rebuild them once", async (t) => {
  const account = await hot.account({ funds: 100, slots: 8 });
  await hot.truncateSlots();
  t.deepEqual(await outcomes(many(40, () => hot.submit(account, 3, "debit"))), {
    none: 33,
    SB001: 7,
  });
  t.is(await rebuilds(account), 2);
  t.like(await hot.balances(account), { available_balance: "1", pending_count: "33" });
});

test.serial("slots may be truncated again and again while others write and settle", async (t) => {
  const account = await hot.account({ funds: 100, slots: 8 });
  const counter = await hot.account({ minBalance: null });
  const write = async (index: number) => {
    for (let round = 0; round < 8; round++) {
      const direction = (index + round) % 2 === 0 ? "credit" : "debit";
      await hot.submit(account, 1 + (index % 3), direction, { counter_account_id: counter });
    }
  };
  const truncate = async () => {
    for (let round = 0; round < 8; round++) {
      await hot.truncateSlots();
      await hot.rows("admin", "settle_sub_balances", {});
    }
  };
  t.deepEqual(await outcomes([...many(20, write), truncate()]), { none: 21 });
  await hot.settle();
  // Each writer puts in what it takes out.
  t.like(await hot.balances(account), {
    settled_balance: "100",
    available_balance: "100",
    pending_count: "0",
  });
  const [row] = await hot.root("select count(*) from saldo.sub_balance where account_id = $1", [
    account,
  ]);
  t.is(row?.count, "160");
});

for (const slots of [1, 8, 64]) {
  test.serial(`with ${slots} slots a debit that no single slot covers is accepted`, async (t) => {
    const account = await hot.account({ funds: 640, slots });
    const shares = await hot.slots(account);
    t.is(shares.length, slots);
    t.true(shares.every((slot) => slot.available === String(640 / slots)));
    t.is(await debit(account, "640.01"), "SB001");
    t.is(await debit(account, 640), "none");
    t.is(await debit(account, "0.01"), "SB001");
  });

  test.serial(
    `with ${slots} slots writers at once get all there is, and no cent more`,
    async (t) => {
      const account = await hot.account({ funds: "100.01", slots });
      const result = await outcomes(many(50, () => hot.submit(account, "3.03", "debit")));
      t.deepEqual(result, { none: 33, SB001: 17 });
      t.is(await debit(account, "0.03"), "SB001");
      t.is(await debit(account, "0.02"), "none");
      t.like(await hot.balances(account), { available_balance: "0", pending_debit: "100.01" });
    },
  );

  test.serial(`with ${slots} slots debits of all sizes at once never overdraw`, async (t) => {
    const account = await hot.account({ funds: 100, slots });
    const amounts = many(50, (index) => 1 + ((index * 7) % 23));
    const codes = await Promise.all(amounts.map((amount) => debit(account, amount)));
    const accepted = amounts.filter((_, index) => codes[index] === "none");
    const left = 100 - accepted.reduce((sum, amount) => sum + amount, 0);
    t.true(left >= 0);
    t.is((await hot.balances(account)).available_balance, String(left));
    // Funds only went down: each refusal would be right now as well.
    for (const [index, code] of codes.entries()) {
      if (code !== "none") t.deepEqual([code, (amounts[index] as number) > left], ["SB001", true]);
    }
  });
}

test.serial("an amount that slots cannot share evenly is shared to the last cent", async (t) => {
  const account = await hot.account({ funds: "10.01", slots: 3 });
  const available = (await hot.slots(account)).map((slot) => slot.available);
  t.deepEqual(available, ["3.35", "3.33", "3.33"]);
});

test.serial("a transaction that holds a slot makes nobody wait", async (t) => {
  const account = await hot.account({ funds: 100, slots: 8 });
  const holder = await hot.session();
  t.is(await debitIn(holder, account, 10), "none");
  const others = await Promise.all(many(6, impatient));
  const codes = await Promise.all(others.map((session) => debitIn(session, account, 5)));
  for (const session of others) await session.end("commit");
  await holder.end("commit");
  t.deepEqual(
    codes,
    many(6, () => "none"),
  );
  t.like(await hot.balances(account), { available_balance: "60", pending_count: "7" });
});

test.serial(
  "where all slots are in use, one is added for whoever gives or has no limit",
  async (t) => {
    const account = await hot.account({ minBalance: null, slots: 1 });
    const sessions = await Promise.all(many(6, impatient));
    const codes = await Promise.all(sessions.map((session) => debitIn(session, account, 5)));
    t.deepEqual(
      codes,
      many(6, () => "none"),
    );
    for (const session of sessions) await session.end("commit");
    t.is((await hot.slots(account)).length, 6);
    t.like(await hot.balances(account), { pending_debit: "30", pending_count: "6" });

    const limited = await hot.account({ funds: 10, slots: 1 });
    const holder = await hot.session();
    await debitIn(holder, limited, 1);
    const giver = await impatient();
    await giver.call("submit_transaction", { account_id: limited, amount: 5, direction: "credit" });
    await giver.end("commit");
    await holder.end("commit");
    t.is((await hot.slots(limited)).length, 2);
    t.is(await debit(limited, 14), "none");
    await hot.settle();
    t.is(await hot.posted(limited), "0");
  },
);

test.serial("slots that were added stay in use, and outlive a truncation", async (t) => {
  const account = await hot.account({ minBalance: null, slots: 1 });
  for (let round = 0; round < 3; round++) {
    const sessions = await Promise.all(many(4, impatient));
    await Promise.all(sessions.map((session) => debitIn(session, account, 1)));
    for (const session of sessions) await session.end("commit");
    t.is((await hot.slots(account)).length, 4);
    await hot.truncateSlots();
    await hot.submit(account, 1, "credit");
  }
});

test.serial(
  "only a debit that needs what others hold waits, and is answered rightly",
  async (t) => {
    const account = await hot.account({ funds: 100, slots: 2 });
    const holder = await hot.session();
    t.is(await debitIn(holder, account, 10), "none");
    // All together have 100 until the holder commits: 95 depends on it, 100.01 does not.
    const certain = await impatient();
    t.is(await debitIn(certain, account, "100.01"), "SB001");
    await certain.end("rollback");
    const waiting = await impatient();
    t.is(await debitIn(waiting, account, 95), "55P03");
    await waiting.end("rollback");

    const refused = debit(account, 95);
    await hot.waitForWaiters(1);
    await holder.end("commit");
    t.is(await refused, "SB001");

    const again = await hot.session();
    t.is(await debitIn(again, account, 60), "none");
    const accepted = debit(account, 90);
    await hot.waitForWaiters(1);
    await again.end("rollback");
    t.is(await accepted, "none");
    t.like(await hot.balances(account), { available_balance: "0" });
  },
);

test.serial("a credit that is not committed pays for nobody else's debit", async (t) => {
  const account = await hot.account({ slots: 2 });
  const giver = await hot.session();
  const args: Row = { account_id: account, amount: 50, direction: "credit" };
  await giver.call("submit_transaction", args);
  t.is(await debitIn(giver, account, 20), "none");
  t.is(await debit(account, 1), "SB001");
  t.like(await hot.balances(account), { available_balance: "0", pending_count: "0" });
  await giver.end("commit");
  t.is(await debit(account, 30), "none");
});

test.serial("what comes in by a slot that is added while all are gathered stays", async (t) => {
  const account = await hot.account({ funds: 10, slots: 2 });
  const counter_account_id = await hot.account({ minBalance: null });
  const give = { account_id: account, amount: 5, direction: "credit", counter_account_id };
  const gateLock = 4711;
  // The one who gathers waits for us between its look at the slots and its sharing out: at its
  // third check that the funds suffice.
  const [original] = await hot.root(
    "select pg_get_functiondef('saldo_private.move_slot__require'::regproc) as text",
  );
  const body = `
    perform set_config('test.checks', coalesce(current_setting('test.checks', true), '') || 'x', true);
    if current_setting('test.checks') = 'xxx' then
      perform pg_advisory_xact_lock_shared(${gateLock});
    end if;`;
  await hot.root(
    `create or replace function saldo_private.move_slot__require(
      account_id bigint, available numeric, needed numeric
    ) returns void language plpgsql as $$ begin ${body} end $$`,
  );
  const gate = await hot.session();
  await gate.client.query("set local role none");
  await gate.client.query("select pg_advisory_xact_lock($1)", [gateLock]);
  const gathering = hot.submit(account, 10, "debit");
  await hot.waitForWaiters(1);
  const giver = await hot.session();
  await giver.call("submit_transaction", give);
  await giver.end("commit");
  await gate.end("commit");
  await gathering;
  await hot.root(String(original?.text));
  t.is((await hot.balances(account)).available_balance, "5");
  t.is(await debit(account, 5), "none");
});
