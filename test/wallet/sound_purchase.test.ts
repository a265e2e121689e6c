/**
 * What a purchase's columns must say together is looked at by a trigger, whoever writes the row and
 * whatever the session has silenced.
 */
import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

type State = "paid" | "pending" | "failed" | "refunded";
const ids = new Map<State, unknown>();
test.before(async () => {
  const product = await wallet.product(100);
  const member = await wallet.member(10_000);
  const paid = await wallet.buy(member, product, { quantity: 2 });
  const pending = await wallet.buy(member, product, { hold_only: true });
  const failed = await wallet.buy(member, product, { hold_only: true });
  await wallet.call("admin", "fail_purchase", { purchase_id: failed["id"], reason: "gone" });
  const refunded = await wallet.buy(member, product);
  await wallet.call("admin", "refund_purchase", { purchase_id: refunded["id"], reason: "back" });
  for (const [state, { id }] of Object.entries({ paid, pending, failed, refunded })) {
    ids.set(state as State, id);
  }
});

const unsound: readonly (readonly [string, State, string])[] = [
  ["another amount than price times quantity", "paid", "amount = 100"],
  ["another price", "paid", "unit_price = 99"],
  ["no quantity", "paid", "quantity = 0, amount = 0"],
  ["a negative quantity and price", "paid", "quantity = -2, unit_price = -100"],
  ["no price", "paid", "unit_price = 0, amount = 0"],
  ["a payment without its entry", "paid", "entry_id = null"],
  ["a payment without its time", "paid", "completed_at = null"],
  ["a paid one with a reason of a failure", "paid", "failure_reason = 'none'"],
  ["a paid one with the time of a failure", "paid", "failed_at = now()"],
  ["a paid one with a reason of a refund", "paid", "refund_reason = 'none'"],
  ["a paid one with an entry of a refund", "paid", "refund_entry_id = id"],
  ["a paid one with the time of a refund", "paid", "refunded_at = now()"],
  ["a paid one as pending", "paid", "status = 'pending'"],
  ["a paid one as refunded", "paid", "status = 'refunded'"],
  ["a part paid back without its entry", "paid", "status = 'partially_refunded', entry_id = null"],
  ["a pending one as completed", "pending", "status = 'completed'"],
  ["a pending one with an entry", "pending", "entry_id = id"],
  ["a failed one without its reason", "failed", "failure_reason = null"],
  ["a failed one with an entry", "failed", "entry_id = id, completed_at = now()"],
  ["a refunded one without its entry", "refunded", "refund_entry_id = null"],
  ["a refunded one without its payment", "refunded", "entry_id = null, completed_at = null"],
];
/** Writes by hand, as the superuser, and takes it back; the code of the refusal. */
async function write(role: string, text: string, values: unknown[]): Promise<string> {
  const client = await wallet.pool.connect();
  try {
    await client.query(`begin; set local session_replication_role = ${role}`);
    return await errorCode(client.query(text, values));
  } finally {
    await client.query("rollback");
    client.release();
  }
}

for (const role of ["origin", "replica"]) {
  for (const [title, state, change] of unsound) {
    test(`${title} is refused, session_replication_role ${role}`, async (t) => {
      t.is(
        await write(role, `update saldo.purchase set ${change} where id = $1`, [ids.get(state)]),
        "SB010",
      );
    });
  }

  test(`an unsound row is not added, session_replication_role ${role}`, async (t) => {
    const add = `insert into saldo.purchase
      select (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid()) || $2)).*
      from saldo.purchase as p
      where p.id = $1`;
    t.is(await write(role, add, [ids.get("paid"), { amount: 1 }]), "SB010");
    t.is(await write(role, add, [ids.get("paid"), { completed_at: null }]), "SB010");
    t.is(await write(role, add, [ids.get("paid"), {}]), "none");
  });

  test(`what is sound may be written, session_replication_role ${role}`, async (t) => {
    for (const id of ids.values()) {
      const touch = "update saldo.purchase set created_by = created_by where id = $1";
      t.is(await write(role, touch, [id]), "none");
    }
  });
}
