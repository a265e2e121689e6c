import { setTimeout } from "node:timers/promises";
import test from "ava";
import { asAnonymous, asMember, asOperator, errorCode } from "../_support/database.ts";
import { arranged, brokenRules } from "../_support/faults.ts";
import type { Row } from "../wallet/_wallet.ts";
import { openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());

const health = async (): Promise<Row & { oldest_pending_age_seconds: number }> => {
  const row = await hot.call("admin", "settlement_health", {});
  return { ...row, oldest_pending_age_seconds: Number(row.oldest_pending_age_seconds) };
};

test.serial("a database without hot accounts has nothing to report", async (t) => {
  t.deepEqual(await health(), {
    hot_account_count: "0",
    pending_count: "0",
    oldest_pending_age_seconds: 0,
    last_settled_at: null,
    open_hold_count: "0",
    overdue_hold_count: "0",
    slot_rebuild_count: "0",
  });
});

test.serial("pending rows, their age and the last settlement are told", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  const other = await hot.account({ funds: 100, slots: 2 });
  const old = await hot.submit(account, 1, "debit");
  await hot.submit(account, 1, "debit");
  await hot.submit(other, 1, "debit");
  await arranged(
    hot.pool,
    "update saldo.sub_balance set created_at = now() - interval '50 seconds' where id = $1",
    [old.id],
  );
  // Both accounts and the clearing account, which is hot as well.
  const before = await health();
  t.like(before, { hot_account_count: "3", pending_count: "3", last_settled_at: null });
  t.true(before.oldest_pending_age_seconds >= 50);
  t.deepEqual(await brokenRules(hot.pool), []);

  const states = await hot.rows("operator", "hot_account_states", {});
  t.deepEqual(
    states.map(({ account_id, pending_count, pending_debit }) => [
      account_id,
      pending_count,
      pending_debit,
    ]),
    [
      [account, "2", "2"],
      [other, "1", "1"],
      [states[2]?.account_id, "0", "0"],
    ],
  );
  t.true(Number(states[0]?.oldest_pending_at) < Number(states[1]?.oldest_pending_at));
  t.like(states[2], { oldest_pending_at: null, last_settled_at: null, is_frozen: false });

  await hot.settle();
  const [settled] = await hot.root("select max(settled_at) as at from saldo.settlement");
  t.like(await health(), { pending_count: "0", oldest_pending_age_seconds: 0 });
  t.deepEqual((await health()).last_settled_at, settled?.at);
});

test.serial("connections that wait for a lock are counted", async (t) => {
  const waiting = () => hot.call("operator", "waiting_session_count", {});
  t.like(await waiting(), { waiting_session_count: "0" });
  const [first, second] = [await hot.pool.connect(), await hot.pool.connect()];
  try {
    const take = "lock table saldo.product in share row exclusive mode";
    await first.query(`begin; ${take}`);
    const waits = second.query(`begin; ${take}; rollback`);
    while ((await waiting()).waiting_session_count === "0") await setTimeout(20);
    t.like(await waiting(), { waiting_session_count: "1" });
    await first.query("commit");
    await waits;
    t.like(await waiting(), { waiting_session_count: "0" });
  } finally {
    first.release();
    second.release();
  }
});

test.serial("holds that are open, and those past their time, are told", async (t) => {
  const account = await hot.account({ funds: 100, slots: 2 });
  await hot.call("admin", "place_hold", { account_id: account, amount: 1 });
  await hot.call("admin", "place_hold", {
    account_id: account,
    amount: 1,
    expires_in: "1 microsecond",
  });
  t.like(await health(), { open_hold_count: "2", overdue_hold_count: "1" });
  await hot.rows("admin", "expire_holds", {});
  t.like(await health(), { open_hold_count: "1", overdue_hold_count: "0" });
});

test.serial(
  "each rebuild of slots is counted, and what is pending is told without slots",
  async (t) => {
    const account = await hot.account({ funds: 100, slots: 2 });
    await hot.submit(account, 1, "debit");
    const before = await health();
    await hot.truncateSlots();
    t.like(await health(), { pending_count: "1" });
    await hot.submit(account, 1, "debit");
    t.is(Number((await health()).slot_rebuild_count), Number(before.slot_rebuild_count) + 1);
    const [rebuild] = await hot.root(
      "select slot_count, rebuilt_by from saldo.slot_rebuild where account_id = $1 order by id desc limit 1",
      [account],
    );
    t.deepEqual(rebuild, { slot_count: 2, rebuilt_by: "admin" });
    await hot.settle();
  },
);

test.serial(
  "settlement that lags behind its setting is a finding, until it has caught up",
  async (t) => {
    const account = await hot.account({ funds: 100, slots: 2 });
    const lag = async (value: string) =>
      hot.call("admin", "set_setting", { name: "settlement_lag_max_seconds", value });
    await lag("60");
    const old = await hot.submit(account, 1, "debit");
    await hot.submit(account, 2, "debit");
    await arranged(
      hot.pool,
      "update saldo.sub_balance set created_at = now() - interval '61 seconds' where id = $1",
      [old.id],
    );
    t.deepEqual(await brokenRules(hot.pool), ["settlement_lag"]);
    await lag("3600");
    t.deepEqual(await brokenRules(hot.pool), []);
    await lag("60");
    await hot.settle();
    t.deepEqual(await brokenRules(hot.pool), []);
  },
);

test.serial("whoever watches may ask, members may not", async (t) => {
  const ask = (as: typeof asOperator) =>
    errorCode(as(hot.pool, (client) => client.query("select saldo.settlement_health()")));
  t.is(await ask(asOperator), "none");
  t.is(await ask(asAnonymous), "none");
  const member = await hot.member();
  t.is(await ask((pool, work) => asMember(pool, member.id, work)), "42501");
});

test.serial("settings of the hot room are checked", async (t) => {
  const set = (name: string, value: string | null) =>
    errorCode(hot.call("admin", "set_setting", { name, value }));
  for (const [name, good] of [
    ["hot_account_slots", "64"],
    ["settlement_backlog_limit", "1000000"],
    ["settlement_lag_max_seconds", "60"],
    ["hold_expires_in", "7 days"],
  ] as [string, string][]) {
    for (const value of ["0", "-1", "", "many", "1.5", "99999999999", null]) {
      t.is(await set(name, value), "SB010", `${name} ${value}`);
    }
    t.is(await set(name, good), "none");
  }
});
