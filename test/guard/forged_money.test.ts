import test from "ava";
import { errorCode } from "../_support/database.ts";
import { check, forced } from "../_support/faults.ts";
import { type Hot, openHot } from "../hot/_hot.ts";
import { caches, freezes, makers, plantUnseen } from "./_rows.ts";

const insertRow = `insert into saldo.sub_balance (account_id, id, seq, counter_account_id, slot_no,
    direction, amount, created_by)
  select account_id, saldo_private.uuid_v7(), seq + 1, counter_account_id, slot_no, 'credit',
    5000000, 'postgres'
  from saldo.sub_balance where account_id = $1 order by slot_no desc, seq desc limit 1`;

/** A hot account, one row of it settled and one pending, nothing sealed. */
async function openAccount(hot: Hot) {
  const account = await hot.account({ funds: 1000, slots: 1 });
  await hot.submit(account, 100, "credit");
  await hot.settle();
  await hot.submit(account, 50, "credit");
  return account;
}

const forgeries: Record<string, string> = {
  "is added": insertRow,
  "is made larger":
    "update saldo.sub_balance set amount = 5000000 where account_id = $1 and seq = 2",
  "is gone": "delete from saldo.sub_balance where account_id = $1 and seq = 2",
};
for (const [how, statement] of Object.entries(forgeries)) {
  test(`a row that ${how} unseen before its seal is never money, after a crash neither`, async (t) => {
    const hot = await openHot();
    try {
      const account = await openAccount(hot);
      if (how === "is gone") await hot.submit(account, 7, "credit");
      const other = await hot.account({ funds: 100, slots: 1 });
      await hot.submit(other, 5, "debit");
      const posted = await hot.posted(account);
      await plantUnseen(hot, "saldo.sub_balance", statement, [account]);
      if (how === "is gone") {
        const renumber = "update saldo.sub_balance set seq = 2 where account_id = $1 and seq = 3";
        await plantUnseen(hot, "saldo.sub_balance", renumber, [account]);
      }
      t.deepEqual(
        (await hot.settle()).map((each) => each.account_id),
        [other],
        "only the other one is settled",
      );
      t.is(await hot.posted(account), posted);
      await hot.truncateSlots();
      await hot.truncateSlots();
      t.is(await errorCode(hot.submit(account, 1, "debit")), "SB121");
      await hot.call("admin", "seal_rows", {});
      await hot.settle();
      t.is(await hot.posted(account), posted, "nor afterwards");
      const finding = (await check(hot.pool)).findings.find(
        (each) => each.rule === "row_seal" && each.account_id === account,
      );
      t.like(finding, {
        key: `sub_balance of account ${account}, slot 1`,
        cause: "record_changed",
      });
      t.regex(String(finding?.explanation), /its slot counted other rows/);
      await hot.root("select * from saldo.scheduled_maintenance()");
      t.deepEqual(await freezes(hot), [account]);
    } finally {
      await hot.close();
    }
  });
}

test("who submits to a slot whose next number is taken is told why", async (t) => {
  const hot = await openHot();
  try {
    const account = await openAccount(hot);
    await plantUnseen(hot, "saldo.sub_balance", insertRow, [account]);
    await hot.settle();
    t.is(await errorCode(hot.submit(account, 1, "credit")), "SB121");
    const one = { account_id: account, amount: "1", direction: "credit" };
    t.is(await errorCode(hot.submitMany([one])), "SB121");
    const statement = "delete from saldo.sub_balance where account_id = $1 and amount = 5000000";
    await plantUnseen(hot, "saldo.sub_balance", statement, [account]);
    await hot.call("admin", "accept_rows", { account_id: account, reason: "taken away again" });
    t.is(await errorCode(hot.submit(account, 1, "credit")), "none");
  } finally {
    await hot.close();
  }
});

test("nor by way of another mode or of a freeze, which take the slots away", async (t) => {
  const hot = await openHot();
  try {
    const account = await openAccount(hot);
    const posted = await hot.posted(account);
    await plantUnseen(hot, "saldo.sub_balance", insertRow, [account]);
    t.is(
      await errorCode(hot.call("admin", "make_account_immediate", { account_id: account })),
      "SB201",
    );
    await hot.call("admin", "freeze_account", { account_id: account, reason: "to be looked at" });
    t.deepEqual(await hot.settle(), []);
    t.is(await hot.posted(account), posted);
    await hot.call("admin", "accept_rows", { account_id: account, reason: "it was a slip" });
    t.is((await hot.settle()).length, 1, "what a human has accepted is settled");
  } finally {
    await hot.close();
  }
});

test("a slot that was written past the engine holds up no row that is sealed", async (t) => {
  const hot = await openHot();
  try {
    const account = await openAccount(hot);
    await hot.call("admin", "seal_rows", {});
    await plantUnseen(
      hot,
      "saldo_private.account_slot",
      "update saldo_private.account_slot set credit_total = 7 where account_id = $1",
      [account],
    );
    t.is((await hot.settle()).length, 1);
  } finally {
    await hot.close();
  }
});

test("months are not derived from rated lines of which the journal says otherwise", async (t) => {
  const hot = await openHot();
  try {
    const customer = await makers.customer(hot, "c1");
    const before = await caches(hot);
    await plantUnseen(
      hot,
      "saldo.rated_line",
      "delete from saldo.rated_line where account_id = $1",
      [customer],
    );
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.deepEqual(await caches(hot), before);
    const actions = await hot.root(
      "select distinct outcome, reason from saldo.heal_action where rule = 'customer_month_total'",
    );
    t.is(actions.length, 1);
    t.is(actions[0]?.outcome, "refused");
    t.regex(String(actions[0]?.reason), /differ from the journal, or are gone/);
  } finally {
    await hot.close();
  }
});

test("a hold that is gone unseen before its seal releases nothing until a human approves", async (t) => {
  const hot = await openHot();
  try {
    const held = await makers.held(hot, "h");
    const before = await caches(hot);
    await plantUnseen(hot, "saldo.hold", "delete from saldo.hold where account_id = $1", [held]);
    const [run] = await hot.root("select * from saldo.scheduled_maintenance()");
    t.is(run?.status, "unhealthy");
    t.deepEqual(await caches(hot), before);
    const [action] = await hot.root(
      "select outcome, reason from saldo.heal_action where rule = 'held_total'",
    );
    t.is(action?.outcome, "needs_approval");
    t.regex(String(action?.reason), /would release 500/);
  } finally {
    await hot.close();
  }
});

test("a held_total that is raised in the guard's sight is healed", async (t) => {
  const hot = await openHot();
  try {
    const held = await makers.held(hot, "h");
    const before = await caches(hot);
    await forced(hot.pool, (client) =>
      client.query("update saldo.account set held_total = 900 where id = $1", [held]),
    );
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.deepEqual(await caches(hot), before);
  } finally {
    await hot.close();
  }
});

const letGo = `update saldo.hold set status = 'VOIDED', open_amount = 0, closed_at = now(),
  changed_in = pg_current_xact_id() where account_id = $1 and status = 'HELD'`;
for (const slots of [0, 2]) {
  const mode = slots > 0 ? "hot" : "immediate";
  test(`a sealed hold that is let go as if by the engine frees nothing: account ${mode}`, async (t) => {
    const hot = await openHot();
    try {
      const account = await hot.account({ funds: 1000, ...(slots > 0 ? { slots } : {}) });
      await hot.call("admin", "place_hold", { account_id: account, amount: 300 });
      await hot.call("admin", "seal_rows", {});
      const held = () => hot.root("select * from saldo.balances($1)", [account]);
      const before = await held();
      await plantUnseen(hot, "saldo.hold", letGo, [account]);
      await hot.root("select * from saldo.auto_heal(dry_run => false)");
      t.deepEqual(await held(), before, "nor before the sealer has looked");
      await hot.call("admin", "seal_rows", {});
      const finding = (await check(hot.pool)).findings.find((each) => each.rule === "row_seal");
      t.like(finding, { key: `hold of account ${account}`, cause: "record_changed" });
      t.regex(String(finding?.explanation), /do not come to what was held/);
      await hot.root("select * from saldo.scheduled_maintenance()");
      t.deepEqual(await freezes(hot), [account]);
      if (slots === 0) t.deepEqual(await held(), before);
      await hot.call("admin", "accept_rows", { account_id: account, reason: "it was let go" });
      await hot.call("admin", "unfreeze_account", { account_id: account, reason: "looked at" });
      await hot.root("select * from saldo.scheduled_maintenance()");
      t.deepEqual((await check(hot.pool)).findings, []);
    } finally {
      await hot.close();
    }
  });
}

test("a hold is sealed although held_total was set by somebody whom the guard saw", async (t) => {
  const hot = await openHot();
  try {
    const account = await hot.account({ funds: 1000 });
    await hot.call("admin", "place_hold", { account_id: account, amount: 300 });
    await forced(hot.pool, (client) =>
      client.query("update saldo.account set held_total = 7 where id = $1", [account]),
    );
    await hot.call("admin", "seal_rows", {});
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.deepEqual((await check(hot.pool)).findings, []);
  } finally {
    await hot.close();
  }
});
