import test from "ava";
import { errorCode } from "../_support/database.ts";
import { check, forced } from "../_support/faults.ts";
import { type Hot, openHot } from "../hot/_hot.ts";
import type { Row } from "../wallet/_wallet.ts";
import { makers, openBooks } from "./_rows.ts";

/** As a superuser who forgot nothing but the engine: triggers are on. */
const write = (hot: Hot, text: string, values: unknown[] = []) =>
  forced(hot.pool, (client) => client.query(text, values));

/** A copy of a row with an id of its own. */
const clone = (table: string, id: unknown) =>
  `insert into ${table} select (jsonb_populate_record(r,
    jsonb_build_object('id', gen_random_uuid(), 'idempotency_key', null))).*
  from ${table} as r where id = '${id}' returning id`;

/** How the engine pays out by a row, and what it is asked to. */
const payments: Record<
  string,
  (hot: Hot) => Promise<{ account: unknown; table: string; id: unknown; name: string; args: Row }>
> = {
  "a purchase is refunded": async (hot) => {
    const member = await hot.member(1000);
    const { id } = await hot.buy(member, await hot.product(10));
    const args = { purchase_id: id, reason: "late" };
    return {
      account: member.account_id,
      table: "saldo.purchase",
      id,
      name: "refund_purchase",
      args,
    };
  },
  "a part of a purchase is refunded": async (hot) => {
    const member = await hot.member(1000);
    const { id } = await hot.buy(member, await hot.product(10));
    const args = { purchase_id: id, reason: "late", amount: 4 };
    return {
      account: member.account_id,
      table: "saldo.purchase",
      id,
      name: "refund_purchase",
      args,
    };
  },
  "a hold is captured": async (hot) => {
    const account = await hot.account({ funds: 1000 });
    const { id } = await hot.call("admin", "place_hold", { account_id: account, amount: 40 });
    return { account, table: "saldo.hold", id, name: "capture_hold", args: { hold_id: id } };
  },
  "a hold is voided": async (hot) => {
    const account = await hot.account({ funds: 1000 });
    const { id } = await hot.call("admin", "place_hold", { account_id: account, amount: 40 });
    return { account, table: "saldo.hold", id, name: "void_hold", args: { hold_id: id } };
  },
  "a deposit is removed": async (hot) => {
    const account = await makers.customer(hot, "c");
    const [deposit] = await hot.root("select id from saldo.deposit where account_id = $1", [
      account,
    ]);
    const id = String(deposit?.id);
    const args = { deposit_id: id, reason: "wrong" };
    return { account, table: "saldo.deposit", id, name: "remove_deposit", args };
  },
};

for (const [name, prepare] of Object.entries(payments)) {
  test(`${name} only by rows that were written by the engine, or accepted`, async (t) => {
    const hot = await openHot();
    try {
      const payment = await prepare(hot);
      const before = await hot.root("select count(*) from saldo.journal_entry");
      await write(hot, clone(payment.table, payment.id));
      const pay = () => hot.call("admin", payment.name, payment.args);
      t.is(await errorCode(pay()), "SB121");
      t.deepEqual(await hot.root("select count(*) from saldo.journal_entry"), before);
      await write(hot, `delete from ${payment.table} where account_id = $1 and id <> $2`, [
        payment.account,
        payment.id,
      ]);
      const accepted = { account_id: payment.account, reason: "as it was" };
      t.is(await errorCode(hot.call("admin", "accept_rows", accepted)), "none");
      t.is(await errorCode(pay()), "none");
    } finally {
      await hot.close();
    }
  });
}

test("a write that changes nothing is recorded, and puts no row in question", async (t) => {
  const { hot, wallet } = await openBooks();
  try {
    for (const table of ["purchase", "hold", "deposit", "sub_balance", "rated_line"]) {
      await write(hot, `update saldo.${table} set account_id = account_id`);
    }
    const recorded = await hot.root("select distinct table_name from saldo.guard_event order by 1");
    t.is(recorded.length, 5, "each is recorded");
    t.deepEqual(await hot.root("select from saldo_private.contested_row"), []);
    await hot.root("select * from saldo.scheduled_maintenance()");
    t.deepEqual(await hot.root("select id from saldo.account where frozen_at is not null"), []);
    t.deepEqual((await check(hot.pool)).findings, []);
    await write(hot, "update saldo.purchase set created_by = 'x' where account_id = $1", [wallet]);
    t.is((await hot.root("select from saldo_private.contested_row")).length, 1);
  } finally {
    await hot.close();
  }
});

test("neither what was sealed nor that rows are in question is taken away by a statement", async (t) => {
  const { hot, pending } = await openBooks();
  try {
    const change = "update saldo.sub_balance set amount = 5000 where account_id = $1 and seq = 1";
    await write(hot, change, [pending]);
    const contested = await hot.root("select * from saldo_private.contested_row");
    t.is(contested.length, 1);
    for (const statement of [
      "delete from saldo_private.contested_row",
      "update saldo_private.contested_row set account_id = 0",
      "truncate saldo_private.contested_row",
      "delete from saldo_private.sealed_record",
      "update saldo_private.row_seal set reason = 'x'",
    ]) {
      t.is(await errorCode(hot.pool.query(statement)), "SB111", statement);
    }
    t.deepEqual(await hot.root("select * from saldo_private.contested_row"), contested);
    // Who silences the triggers is recorded.
    await write(hot, "delete from saldo_private.contested_row");
    const [event] = await hot.root(
      "select table_name, operation from saldo.guard_event order by id desc limit 1",
    );
    t.deepEqual(event, { table_name: "contested_row", operation: "delete" });
  } finally {
    await hot.close();
  }
});
