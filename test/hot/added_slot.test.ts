import test from "ava";
import { errorCode } from "../_support/database.ts";
import type { Row } from "../wallet/_wallet.ts";
import { type Hot, many, openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

/** As many slots as there are writers at once, each with a row of 10. */
async function grow(account: string, writers: number, direction = "credit"): Promise<void> {
  const sessions = await Promise.all(many(writers, () => hot.session()));
  for (const session of sessions) {
    await session.call("submit_transaction", { account_id: account, amount: 10, direction });
  }
  for (const session of sessions) await session.end("commit");
}

/** What the nightly job does about slots, for one account, with what counts as quiet. */
const prune = async (on: Pick<Hot, "root">, account: string, since = "0 seconds") => {
  const [row] = await on.root(
    `select * from saldo_private.prune_account_slots(now() - $2::interval, $1::bigint - 1)`,
    [account, since],
  );
  return Number(row?.deleted_count);
};
const slotCount = async (account: string) => (await hot.slots(account)).length;
const seqs = (account: string) =>
  hot.root(
    "select slot_no, max(seq)::int as seq from saldo.sub_balance where account_id = $1 group by 1",
    [account],
  );

test.serial("added slots go once their rows are settled, and what they had stays", async (t) => {
  const account = await hot.account({ funds: 1000, slots: 4 });
  await grow(account, 12);
  await hot.call("admin", "place_hold", { account_id: account, amount: 30 });
  const grown = await slotCount(account);
  t.true(grown >= 12);
  const before = await hot.balances(account);
  await prune(hot, account);
  t.deepEqual(await hot.balances(account), before);
  t.true((await slotCount(account)) > 4, "those with rows that are pending stay");

  await hot.settle();
  const settled = await hot.balances(account);
  t.true((await prune(hot, account)) > 0);
  t.is(await slotCount(account), 4);
  t.deepEqual(await hot.balances(account), settled);
  t.is(await errorCode(hot.submit(account, "1090.01", "debit")), "SB001");
  t.is(await errorCode(hot.submit(account, 1090, "debit")), "none");
});

test.serial("an added slot goes on with its numbers, and no mark is made twice", async (t) => {
  const account = await hot.account({ minBalance: null, slots: 2 });
  await grow(account, 8);
  await hot.settle();
  const [marks] = await hot.root(
    "select count(*) from saldo_private.settlement_mark where account_id = $1",
    [account],
  );
  for (let round = 0; round < 3; round++) {
    await prune(hot, account);
    t.is(await slotCount(account), 2);
    await grow(account, 8);
    await hot.settle();
  }
  t.deepEqual(
    (
      await hot.root("select count(*) from saldo_private.settlement_mark where account_id = $1", [
        account,
      ])
    )[0],
    marks,
  );
  const rows = (await seqs(account)).map((row: Row) => Number(row.seq));
  t.is(
    rows.reduce((sum, seq) => sum + seq, 0),
    32,
  );
  t.is((await hot.balances(account)).settled_balance, "320");
});

test.serial("nothing goes while somebody uses an added slot, or the account is busy", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  await grow(account, 6);
  await hot.settle();
  const grown = await slotCount(account);
  const sessions = await Promise.all(many(grown, () => hot.session()));
  for (const session of sessions) {
    await session.call("submit_transaction", {
      account_id: account,
      amount: 1,
      direction: "credit",
    });
  }
  t.is(await prune(hot, account), 0);
  for (const session of sessions) await session.end("rollback");

  await hot.submitMany(many(600, () => ({ account_id: account, amount: 1, direction: "credit" })));
  await hot.settle();
  t.is(await prune(hot, account, "1 hour"), 0, "600 rows in an hour");
  t.true((await prune(hot, account)) > 0, "none since");
});

test.serial("slots that a crash takes away are made again without those added", async (t) => {
  const account = await hot.account({ funds: 100, slots: 3 });
  await grow(account, 9);
  await hot.settle();
  await grow(account, 5);
  await hot.truncateSlots();
  await hot.submit(account, 1, "debit");
  const pending = new Set(
    (await hot.root("select slot_no from saldo.pending_sub_balances($1)", [account])).map(
      (row: Row) => row.slot_no,
    ),
  );
  const slots = (await hot.slots(account)).map(({ slot_no }) => slot_no);
  t.true(slots.every((slot_no) => slot_no <= 3 || pending.has(slot_no)));
  t.is((await hot.balances(account)).available_balance, "239");
});

test.serial("writers beside it lose and gain nothing", async (t) => {
  const account = await hot.account({ funds: 3000, slots: 2 });
  let taken = 0;
  let isWriting = true;
  const writer = async (no: number) => {
    for (let round = 0; round < 40; round++) {
      const isIn = (round * 7 + no) % 3 === 0;
      const amount = 1 + ((round * 13 + no * 5) % 9);
      const code = await errorCode(hot.submit(account, amount, isIn ? "credit" : "debit"));
      if (code === "none") taken += isIn ? -amount : amount;
      else t.is(code, "SB001");
    }
  };
  let pruned = 0;
  const pruner = async () => {
    while (isWriting) pruned += await prune(hot, account);
  };
  const settler = async () => {
    while (isWriting) await hot.settle();
  };
  const beside = [pruner(), settler()];
  await Promise.all(many(16, writer));
  isWriting = false;
  await Promise.all(beside);
  t.true(pruned > 0, "slots were taken away meanwhile");
  t.is((await hot.balances(account)).available_balance, String(3000 - taken));
  await hot.settle();
  await prune(hot, account);
  t.is((await hot.balances(account)).settled_balance, String(3000 - taken));
  t.is(await hot.posted(account), String(3000 - taken));
  const left = 3000 - taken;
  t.is(await errorCode(hot.submit(account, left + 0.01, "debit")), "SB001");
  if (left > 0) t.is(await errorCode(hot.submit(account, left, "debit")), "none");
});
