import test from "ava";
import { errorCode } from "../_support/database.ts";
import type { Row } from "../wallet/_wallet.ts";
import { many, openHot } from "./_hot.ts";

/*
 * What the server has of one caller at the same moment: the plain ones are made in one statement, others
 * by submit_transactions, and what is refused leaves no trace.
 */

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(() => hot.rollbackSessions());

const call = (account_id: unknown, amount: unknown, extra: Row = {}): Row => ({
  account_id,
  amount,
  direction: "credit",
  ...extra,
});
const debit = (account_id: unknown, amount: unknown, extra: Row = {}) =>
  call(account_id, amount, { direction: "debit", ...extra });

/** Hands over calls as the server does; what was made, by its place. */
async function make(calls: Row[], { role = "saldo_admin", subject = "till" } = {}) {
  const rows = await hot.root(
    `select m.request_no, to_jsonb(m.result) as result
    from saldo_private.submissions_of_caller($1, $2, $3::jsonb) as m order by m.request_no`,
    [role, subject, JSON.stringify(calls)],
  );
  return new Map(rows.map((row) => [Number(row["request_no"]), row["result"] as Row]));
}
const places = async (calls: Row[], caller = {}) => [...(await make(calls, caller)).keys()];

const keyCount = async (like: string) =>
  (await hot.root("select from saldo_private.idempotency_record where key like $1", [like])).length;

test.serial("all are made, each at its place, in the order of the batch", async (t) => {
  const [one, other] = [
    await hot.account({ funds: 1000, slots: 2 }),
    await hot.account({ slots: 1 }),
  ];
  const calls = many(40, (index) =>
    call(index % 4 === 0 ? other : one, `${index + 1}.50`, {
      direction: index % 8 === 1 ? "debit" : "credit",
      idempotency_key: index % 2 === 0 ? `all-${index}` : null,
    }),
  );
  const made = await make(calls);
  t.deepEqual(
    [...made].map(([place]) => place),
    many(40, (index) => index + 1),
  );
  for (const [place, row] of made) {
    const { account_id, amount, direction, idempotency_key } = calls[place - 1] as Row;
    t.like(row, {
      account_id: Number(account_id),
      amount: Number(amount),
      direction,
      idempotency_key,
      created_by: "till",
      metadata: null,
    });
  }
  const numbers = async (account: string) =>
    (
      await hot.root(
        "select id, seq, slot_no from saldo.sub_balance where account_id = $1 order by seq",
        [account],
      )
    ).map(({ id, seq, slot_no }) => [id, Number(seq), slot_no]);
  for (const account of [one, other]) {
    const rows = [...made.values()].filter((row) => String(row["account_id"]) === account);
    const [slot] = new Set(rows.map((row) => row["slot_no"]));
    t.deepEqual(
      await numbers(account),
      rows.map(({ id }, index) => [id, index + 1, slot]),
    );
  }
  const sum = (account: string, direction: string) =>
    calls
      .filter((each) => each["account_id"] === account && each["direction"] === direction)
      .reduce((total, each) => total + Number(each["amount"]), 0);
  t.like(await hot.balances(one), {
    pending_debit: String(sum(one, "debit")),
    pending_credit: String(sum(one, "credit")),
    available_balance: String(1000 + sum(one, "credit") - sum(one, "debit")),
  });
  await hot.settle();
  t.is(await hot.posted(other), String(sum(other, "credit")));
});

test.serial("a bad one is left out with no trace, and fails nobody", async (t) => {
  const account = await hot.account({ funds: 1000, slots: 2 });
  const immediate = await hot.account({ funds: 10 });
  const bad: Row[] = [
    call(account, "0"),
    call(account, "-1"),
    call(account, "1.000"),
    call(account, "NaN"),
    call(account, "1e15"),
    call(account, null),
    call(account, "1", { direction: null }),
    call(null, "1"),
    call("999999", "1"),
    call(immediate, "1"),
    call(account, "1", { idempotency_key: "a\u0007" }),
    call(account, "1", { idempotency_key: "" }),
    call(account, "1", { counter_account_id: "999999" }),
    call(account, "1", { counter_account_id: immediate }),
    debit(account, "1000000"),
  ].map((each, index) => ({ idempotency_key: `bad-${index}`, ...each }));
  const mixed = bad.flatMap((each) => [each, debit(account, "1")]);
  t.deepEqual(
    await places(mixed),
    bad.map((_, index) => index * 2 + 2),
  );
  t.is(await keyCount("bad-%"), 0, "they may be tried again");
  t.like(await hot.balances(account), {
    available_balance: String(1000 - bad.length),
    pending_count: String(bad.length),
  });
});

test.serial("funds go by the order of the batch where no slot has ample ones", async (t) => {
  const account = await hot.account({ funds: 10, slots: 3 });
  const other = await hot.account({ funds: 1000, slots: 1 });
  const calls = [
    debit(account, "6", { idempotency_key: "tight-1" }),
    debit(other, "1", { idempotency_key: "tight-2" }),
    debit(account, "5", { idempotency_key: "tight-3" }),
    debit(account, "4", { idempotency_key: "tight-4" }),
    debit(account, "0", { idempotency_key: "tight-5" }),
  ];
  t.deepEqual(await places(calls), [1, 2, 4]);
  t.is(await keyCount("tight-%"), 3);
  t.like(await hot.balances(account), { available_balance: "0", pending_count: "2" });
  t.is(await errorCode(hot.submit(account, 1, "debit", { idempotency_key: "tight-3" })), "SB001");
});

test.serial("a key makes one, in a batch, over batches, and with single calls", async (t) => {
  const account = await hot.account({ funds: 1000, slots: 2 });
  const key = { idempotency_key: "one" };
  const made = await make([
    call(account, "5", key),
    call(account, "5.0", key),
    call(account, "6", key),
  ]);
  t.deepEqual([...made.keys()], [1]);
  t.deepEqual(await places([call(account, "5", key), call(account, "1")]), [2]);
  t.is((await hot.submit(account, 5, "credit", key)).id, made.get(1)?.["id"] as string);
  t.is(await errorCode(hot.submit(account, 6, "credit", key)), "SB005");
  await hot.submit(account, 7, "credit", { idempotency_key: "single" });
  t.deepEqual(await places([call(account, "7", { idempotency_key: "single" })]), []);
  t.like(await hot.balances(account), { pending_count: "3" });
});

test.serial("a named counter account gets the other side", async (t) => {
  const account = await hot.account({ slots: 1 });
  const counter = await hot.account({ minBalance: null });
  const calls = [
    call(account, "1"),
    call(account, "2", { counter_account_id: counter, idempotency_key: "counter" }),
  ];
  const made = await make(calls);
  t.like(made.get(2), { counter_account_id: Number(counter), amount: 2, created_by: "till" });
  t.not(made.get(1)?.["counter_account_id"], Number(counter));
  t.deepEqual(await places(calls), [1]);
});

test.serial("what is not the caller's right is not made", async (t) => {
  const account = await hot.account({ slots: 1 });
  for (const role of ["saldo_operator", "saldo_owner", "saldo_member", "saldo_nobody"]) {
    t.deepEqual(await places([call(account, "1")], { role }), [], role);
  }
  t.deepEqual(await places([call(account, "1")], { subject: "" }), []);
  const session = await hot.session("repeatable read");
  const { rowCount } = await session.client
    .query("reset role")
    .then(() =>
      session.client.query(
        "select from saldo_private.submissions_of_caller('saldo_admin', 'x', $1)",
        [JSON.stringify([call(account, "1")])],
      ),
    );
  t.is(rowCount, 0, "a snapshot may be older than a lock");
  await session.end("rollback");
});

test.serial("slots that nobody has are made, and those in use are not waited for", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  await hot.truncateSlots();
  t.deepEqual(await places([debit(account, "1", { idempotency_key: "made" })]), [1]);
  const session = await hot.session();
  await session.client.query("reset role");
  await session.client.query(
    "select from saldo_private.account_slot where account_id = $1 for no key update",
    [account],
  );
  t.deepEqual(await places([call(account, "1", { idempotency_key: "added" })]), [1]);
  await session.end("rollback");
  t.is(await keyCount("made"), 1);
});

test.serial("a full backlog refuses its account's rows, and none of another's", async (t) => {
  const limit = (value: string) =>
    hot.call("admin", "set_setting", { name: "settlement_backlog_limit", value });
  await limit("10");
  const [full, other] = [await hot.account({ slots: 1 }), await hot.account({ slots: 1 })];
  const batch = (name: string, count: number) => [
    ...many(count, (index) => call(full, "1", { idempotency_key: `${name}-${index}` })),
    call(other, "1"),
  ];
  t.is((await make(batch("fits", 9))).size, 10);
  t.deepEqual(await places(batch("full", 2)), [3]);
  t.is(await keyCount("full-%"), 0);
  t.deepEqual(await places(batch("last", 1)), [1, 2]);
  t.is(await errorCode(hot.submit(full, 1, "credit")), "SB202");
  await hot.settle();
  t.is((await make(batch("full", 2))).size, 3);
  await limit("100000");
});

test.serial("batches at once, of the same keys and of others, make each row once", async (t) => {
  const accounts = [
    await hot.account({ funds: 100_000, slots: 1 }),
    await hot.account({ funds: 100_000, slots: 3 }),
  ];
  await Promise.all(
    many(12, async (writer) => {
      for (let time = 0; time < 8; time += 1) {
        const calls = many(20, (index) =>
          debit(accounts[(index + writer) % 2], "1.25", {
            idempotency_key:
              index % 4 === 0 ? `same-${time}-${index}` : `own-${writer}-${time}-${index}`,
          }),
        );
        // In another order each: keys are claimed in theirs.
        const made = await make(writer % 2 === 0 ? calls : calls.toReversed());
        t.true(made.size >= 15);
      }
    }),
  );
  for (const account of accounts) {
    const [{ count, gaps, keys } = {}] = await hot.root(
      `select count(*)::integer as count, count(distinct idempotency_key)::integer as keys,
        sum(last - numbered)::integer as gaps
      from saldo.sub_balance as b
      join (
        select slot_no, max(seq) as last, count(*) as numbered from saldo.sub_balance
        where account_id = $1 group by slot_no
      ) as s using (slot_no)
      where b.account_id = $1`,
      [account],
    );
    t.is(gaps, 0);
    t.is(keys, count);
    t.like(await hot.balances(account), {
      pending_count: String(count),
      available_balance: String(100_000 - Number(count) * 1.25),
    });
  }
});

test.serial("every rule is clean after all of this", async (t) => {
  t.deepEqual(await hot.findings(), []);
  await hot.settle();
  t.deepEqual(await hot.findings(), []);
});

test.serial("a key whose record is gone makes nothing a second time", async (t) => {
  const account = await hot.account({ slots: 1 });
  const calls = [call(account, "1"), call(account, "2", { idempotency_key: "gone" })];
  t.deepEqual(await places(calls), [1, 2]);
  await hot.root("delete from saldo_private.idempotency_record where key = 'gone'");
  t.deepEqual(await places(calls), [1]);
  t.is(await errorCode(hot.submit(account, 2, "credit", { idempotency_key: "gone" })), "SB022");
  t.like(await hot.balances(account), { pending_count: "3" });
});
