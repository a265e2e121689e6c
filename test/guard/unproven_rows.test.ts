import test from "ava";
import { errorCode } from "../_support/database.ts";
import { check, forced } from "../_support/faults.ts";
import { caches, freezes, openBooks, plantUnseen } from "./_rows.ts";

const insertRow = `insert into saldo.sub_balance (account_id, id, seq, counter_account_id, slot_no,
    direction, amount, created_by)
  select account_id, gen_random_uuid(), 3, counter_account_id, 1, 'credit', 5000, 'x'
  from saldo.sub_balance where account_id = $1 and seq = 1`;

test("a row that is added to a slot is recorded, not settled, and in no slot", async (t) => {
  const books = await openBooks();
  const { hot, pending } = books;
  try {
    const before = await caches(hot);
    await forced(hot.pool, (client) => client.query(insertRow, [pending]));
    const { findings } = await check(hot.pool);
    t.like(
      findings.find((each) => each.rule === "row_seal"),
      { account_id: pending, cause: "out_of_band_write" },
    );
    t.like(
      findings.find((each) => each.rule === "account_slot"),
      { account_id: pending, cause: "out_of_band_write" },
    );
    t.deepEqual(await hot.settle(), [], "it is not settled");
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.deepEqual(await caches(hot), before);
    t.true((await freezes(hot)).includes(pending));
    await hot.call("admin", "unfreeze_account", { account_id: pending, reason: "looked at" });
    t.is(await errorCode(hot.submit(pending, 1, "debit")), "SB121", "nor are slots made of it");
  } finally {
    await hot.close();
  }
});

test("a row that is added unseen is not sealed, and no slot is made of it", async (t) => {
  const books = await openBooks();
  const { hot, pending } = books;
  try {
    const before = await caches(hot);
    await plantUnseen(hot, "saldo.sub_balance", insertRow, [pending]);
    await hot.call("admin", "seal_rows", {});
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.deepEqual(await caches(hot), before);
    const { findings } = await check(hot.pool);
    t.true(findings.some((each) => each.rule === "account_slot" && each.account_id === pending));
    const [action] = await hot.root(
      "select outcome, reason from saldo.heal_action where rule = 'account_slot'",
    );
    t.like(action, { outcome: "refused" });
  } finally {
    await hot.close();
  }
});

test("settlement leaves a slot alone whose pending rows are not those that were sealed", async (t) => {
  const books = await openBooks();
  const { hot, pending } = books;
  try {
    const other = await hot.account({ funds: 100, slots: 1 });
    await hot.submit(other, 5, "debit");
    const change = "update saldo.sub_balance set amount = $2 where account_id = $1 and seq = 1";
    await plantUnseen(hot, "saldo.sub_balance", change, [pending, 5000]);
    t.deepEqual(
      (await hot.settle()).map((each) => each.account_id),
      [other],
      "others are settled",
    );
    await plantUnseen(hot, "saldo.sub_balance", change, [pending, 100]);
    t.deepEqual(
      (await hot.settle()).map((each) => each.account_id),
      [pending],
      "once it is restored, it is settled",
    );
  } finally {
    await hot.close();
  }
});

test("rows that an administrator accepts are proven from then on", async (t) => {
  const books = await openBooks();
  const { hot, pending, held } = books;
  try {
    await forced(hot.pool, (client) =>
      client.query("update saldo.sub_balance set amount = 90 where account_id = $1 and seq = 1", [
        pending,
      ]),
    );
    await forced(hot.pool, (client) =>
      client.query("delete from saldo.hold where account_id = $1", [held]),
    );
    for (const account_id of [pending, held]) {
      await hot.call("admin", "accept_rows", { account_id, reason: "it was a slip" });
    }
    const rules = (await check(hot.pool)).findings.map((each) => each.rule);
    t.deepEqual(rules, ["held_total"], "what follows from them is healed");
    await hot.root("select * from saldo.auto_heal(dry_run => false)");
    t.deepEqual((await check(hot.pool)).findings, []);
    t.is((await hot.settle()).length, 1);
    t.is(
      await errorCode(hot.call("admin", "accept_rows", { account_id: held, reason: "again" })),
      "SB007",
    );
    t.is(await errorCode(hot.call("admin", "accept_rows", { account_id: 0, reason: "" })), "SB009");
    t.is(
      await errorCode(hot.call("admin", "accept_rows", { account_id: 999, reason: "x" })),
      "SB101",
    );
  } finally {
    await hot.close();
  }
});

test("an incremental check finds what was written past the engine, and a changed seal", async (t) => {
  const books = await openBooks();
  const { hot, pending } = books;
  try {
    await check(hot.pool);
    await forced(hot.pool, (client) =>
      client.query("update saldo.sub_balance set amount = 90 where account_id = $1 and seq = 1", [
        pending,
      ]),
    );
    const kinds = async () => {
      const [run] = await hot.root("select id from saldo.reconcile()");
      const findings = await hot.root(
        `select distinct f.detail ->> 'kind' as kind from saldo.finding as f
        where f.check_run_id = $1 and f.rule = 'row_seal' order by 1`,
        [run?.id],
      );
      return findings.map((each) => each.kind);
    };
    t.deepEqual(await kinds(), ["row_changed", "row_contested"]);
    await hot.root("update saldo_private.sealed_stretch set debit = debit + 1");
    t.true((await kinds()).includes("seal_changed"));
  } finally {
    await hot.close();
  }
});

test("what the engine changes is sealed again, by each of its ways", async (t) => {
  const books = await openBooks();
  const { hot, pending, held } = books;
  try {
    for (const account_id of [pending, held]) {
      const [hold] = await hot.root(
        "select id from saldo.hold where account_id = $1 and status = 'HELD'",
        [account_id],
      );
      await hot.call("admin", "capture_hold", { hold_id: hold?.id, amount: 10, keep_rest: true });
      t.deepEqual((await check(hot.pool)).findings, []);
      await hot.call("admin", "seal_rows", {});
      await hot.call("admin", "void_hold", { hold_id: hold?.id });
      t.deepEqual((await check(hot.pool)).findings, []);
      await hot.call("admin", "seal_rows", {});
    }
    const [purchase] = await hot.root("select id from saldo.purchase");
    await hot.call("admin", "refund_purchase", { purchase_id: purchase?.id, reason: "back" });
    const [deposit] = await hot.root("select id from saldo.deposit");
    await hot.call("admin", "change_deposit", { deposit_id: deposit?.id, amount: 7 });
    const [reading] = await hot.root("select id from saldo.reading");
    await hot.call("admin", "change_reading", { reading_id: reading?.id, index_value: 6 });
    await hot.settle();
    t.deepEqual((await check(hot.pool)).findings, []);
    await hot.call("admin", "seal_rows", {});
    t.deepEqual((await check(hot.pool)).findings, []);
    t.is((await hot.call("admin", "seal_rows", {})).seal_rows, "0");
  } finally {
    await hot.close();
  }
});

test("one statement that writes the rows of very many accounts freezes none of them", async (t) => {
  const { hot, held } = await openBooks();
  try {
    for (const name of ["freeze_run_max_count", "freeze_run_max_percent"]) {
      await hot.root("select saldo.set_setting($1, '1')", [name]);
    }
    const careless = "update saldo.hold set description = description || '!'";
    await forced(hot.pool, (client) => client.query(`${careless} where account_id = ${held}`));
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.deepEqual(await freezes(hot), [held], "one is as many as may be");
    const other = await hot.account({ funds: 50 });
    await hot.call("admin", "place_hold", { account_id: other, amount: 5 });
    await forced(hot.pool, (client) => client.query(careless));
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.deepEqual(await freezes(hot), [held], "two more are too many");
    await hot.root("select saldo.evaluate_alerts()");
    const [alert] = await hot.root(
      "select text, resolved_at from saldo.alert where condition = 'freeze_held_back'",
    );
    t.regex(String(alert?.text), /^2 accounts have rows .* more than the 1 that a run freezes/);
    t.is(alert?.resolved_at, null);
    const [hold] = await hot.root("select id from saldo.hold where account_id = $1", [other]);
    t.is(await errorCode(hot.call("admin", "capture_hold", { hold_id: hold?.id })), "SB121");
    await hot.root("select saldo.set_setting('freeze_run_max_count', '20')");
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.is((await freezes(hot)).length, 3);
  } finally {
    await hot.close();
  }
});
