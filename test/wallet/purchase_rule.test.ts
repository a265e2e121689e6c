import test from "ava";
import type { PoolClient } from "pg";
import { openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

/**
 * Breaks something as a superuser without triggers, reads the rules' findings, and takes it back:
 * each fault is planted on sound books.
 */
async function findingsAfter(...faults: [text: string, values?: unknown[]][]) {
  const client = await wallet.pool.connect();
  try {
    await client.query("begin");
    await client.query("set local session_replication_role = replica");
    for (const [text, values] of faults) await client.query(text, values);
    return await rules(client);
  } finally {
    await client.query("rollback");
    client.release();
  }
}

async function rules(client: PoolClient) {
  const { rows } = await client.query<Row>(
    `select 'held_total' as rule, key, stored, derived, difference
    from saldo_private.rule_held_total()
    union all
    select 'purchase_entry', key, stored, derived, difference
    from saldo_private.rule_purchase_entry()
    union all
    select 'purchase_hold', key, stored, derived, difference
    from saldo_private.rule_purchase_hold()`,
  );
  return rows;
}

async function shop() {
  const member = await wallet.member(1000);
  const product = await wallet.product(100, 5);
  const completed = await wallet.buy(member, product);
  const pending = await wallet.buy(member, product, { hold_only: true });
  const paid = await wallet.buy(member, product);
  const refunded = await wallet.call("admin", "refund_purchase", {
    purchase_id: paid.id,
    reason: "Returned",
  });
  return { member, product, completed, pending, refunded };
}

test.serial("sound books have no findings", async (t) => {
  await shop();
  t.deepEqual(await findingsAfter(), []);
});

test.serial("a wrong held_total is found with what it should be", async (t) => {
  const { member } = await shop();
  t.deepEqual(
    await findingsAfter([
      "update saldo.account set held_total = 70 where id = $1",
      [member.account_id],
    ]),
    [
      {
        rule: "held_total",
        key: member.account_id,
        stored: "70",
        derived: "100",
        difference: "-30",
      },
    ],
  );
});

test.serial("a held_total without any hold left is found", async (t) => {
  const { member } = await shop();
  const findings = await findingsAfter([
    "delete from saldo.hold where account_id = $1",
    [member.account_id],
  ]);
  t.like(findings[0], { rule: "held_total", stored: "100", derived: "0" });
});

test.serial("a pending purchase and its hold are found when they differ", async (t) => {
  const { member, pending } = await shop();
  const rule = (findings: Row[]) => findings.filter((row) => row.rule === "purchase_hold");
  const faults: [text: string, values?: unknown[]][] = [
    ["delete from saldo.hold where id = $1", [pending.hold_id]],
    ["update saldo.hold set amount = 99, open_amount = 99 where id = $1", [pending.hold_id]],
    [
      "update saldo.hold set status = 'VOIDED', open_amount = 0, closed_at = now() where id = $1",
      [pending.hold_id],
    ],
    ["update saldo.purchase set unit_price = 200, amount = 200 where id = $1", [pending.id]],
    ["update saldo.purchase set hold_id = null where account_id = $1", [member.account_id]],
  ];
  for (const fault of faults) t.true(rule(await findingsAfter(fault)).length > 0, fault[0]);
  t.deepEqual(rule(await findingsAfter()), []);
});

test.serial("a pending purchase of an account that is gone is found", async (t) => {
  const { member } = await shop();
  const findings = await findingsAfter([
    "delete from saldo.account where id = $1",
    [member.account_id],
  ]);
  t.true(findings.some((row) => row.rule === "held_total" && row.stored === null));
});

test.serial("each way in which purchase, journal and stock can differ is found", async (t) => {
  const { member, product, completed, pending, refunded } = await shop();
  const other = await wallet.member(1000);
  const faults: Record<string, [text: string, values?: unknown[]][]> = {
    "payment's lines are gone": [
      ["delete from saldo.journal_line where entry_id = $1", [completed.entry_id]],
    ],
    "payment's entry is gone": [
      ["delete from saldo.journal_entry where id = $1", [completed.entry_id]],
    ],
    "the whole journal is gone": [["truncate saldo.journal_line, saldo.journal_entry"]],
    "payment has another amount": [
      [
        "update saldo.journal_line set debit = 90 where entry_id = $1 and debit > 0",
        [completed.entry_id],
      ],
    ],
    "payment is on another account": [
      [
        "update saldo.journal_line set account_id = $2 where entry_id = $1 and debit > 0",
        [completed.entry_id, other.account_id],
      ],
    ],
    "payment is marked reversed": [
      ["update saldo.journal_entry set status = 'reversed' where id = $1", [completed.entry_id]],
    ],
    "two purchases share a payment": [
      ["update saldo.purchase set entry_id = $2 where id = $1", [refunded.id, completed.entry_id]],
    ],
    "refund's lines are gone": [
      ["delete from saldo.journal_line where entry_id = $1", [refunded.refund_entry_id]],
    ],
    "refund reverses another entry": [
      [
        "update saldo.journal_entry set reverses = $2 where id = $1",
        [refunded.refund_entry_id, completed.entry_id],
      ],
    ],
    "purchase is gone, its payment is not": [
      ["delete from saldo.stock_item where purchase_id = $1", [completed.id]],
      ["delete from saldo.purchase where id = $1", [completed.id]],
    ],
    "item of a pending purchase is free": [
      [
        `update saldo.stock_item
        set account_id = null, purchase_id = null, assigned_at = null
        where purchase_id = $1`,
        [pending.id],
      ],
    ],
    "item of a refunded purchase is not free": [
      [
        `update saldo.stock_item
        set account_id = $2, purchase_id = $3, assigned_at = now()
        where id = (
          select id from saldo.stock_item where product_id = $1 and purchase_id is null limit 1
        )`,
        [product.id, member.account_id, refunded.id],
      ],
    ],
    "item of another product": [
      ["update saldo.stock_item set product_id = -1 where purchase_id = $1", [completed.id]],
    ],
    "product is gone": [["delete from saldo.product where id = $1", [product.id]]],
    "member is another": [
      ["update saldo.purchase set member_id = $2 where id = $1", [completed.id, other.id]],
    ],
  };
  for (const [name, steps] of Object.entries(faults)) {
    const findings = await findingsAfter(...steps);
    t.true(
      findings.some((row) => row.rule === "purchase_entry"),
      name,
    );
  }
  t.deepEqual(await findingsAfter(), []);
});

test.serial(
  "each way in which refunds of parts can differ from their records is found",
  async (t) => {
    const { member, product, completed } = await shop();
    const other = await wallet.member(1000);
    const partly = await wallet.buy(member, product, { quantity: 2 });
    await wallet.call("admin", "refund_purchase", {
      purchase_id: partly.id,
      reason: "One was broken",
      amount: 40,
      restock: 1,
    });
    const part = "select entry_id from saldo.purchase_refund where purchase_id = $1";
    const faults: Record<string, [text: string, values?: unknown[]][]> = {
      "refund of a part has another amount": [
        ["update saldo.purchase_refund set amount = 41 where purchase_id = $1", [partly.id]],
      ],
      "refund of a part has no entry": [
        [`delete from saldo.journal_line where entry_id = (${part})`, [partly.id]],
      ],
      "entry of a part is of another account": [
        [
          `update saldo.journal_line set account_id = $2 where credit > 0 and entry_id = (${part})`,
          [partly.id, other.account_id],
        ],
      ],
      "refund of a part has no record": [
        ["delete from saldo.purchase_refund where purchase_id = $1", [partly.id]],
      ],
      "parts are more than the purchase": [
        [
          "update saldo.journal_line set debit = debit * 9, credit = credit * 9 " +
            `where entry_id = (${part})`,
          [partly.id],
        ],
        ["update saldo.purchase_refund set amount = 360 where purchase_id = $1", [partly.id]],
      ],
      "a part is paid back and the state says none is": [
        ["update saldo.purchase set status = 'completed' where id = $1", [partly.id]],
      ],
      "the state says a part is paid back and none is": [
        ["update saldo.purchase set status = 'partially_refunded' where id = $1", [completed.id]],
      ],
      "an item of a part was not restocked": [
        [
          "update saldo.purchase_refund set restocked_quantity = 0 where purchase_id = $1",
          [partly.id],
        ],
      ],
    };
    for (const [name, steps] of Object.entries(faults)) {
      const findings = await findingsAfter(...steps);
      t.true(
        findings.some((row) => row.rule === "purchase_entry"),
        name,
      );
    }
    t.deepEqual(await findingsAfter(), []);
  },
);

test.serial("the heal of held_total writes what the pending purchases sum to", async (t) => {
  const { member } = await shop();
  const client = await wallet.pool.connect();
  await client.query("begin");
  await client.query("set local session_replication_role = replica");
  await client.query("update saldo.account set held_total = 70 where id = $1", [member.account_id]);
  const heal = async () =>
    (
      await client.query("select * from saldo_private.heal_held_total(array[$1::text])", [
        member.account_id,
      ])
    ).rows;
  const key = String(member.account_id);
  t.deepEqual(await heal(), [{ key, before: { held_total: "70" }, after: { held_total: "100" } }]);
  t.deepEqual(await rules(client), []);
  t.deepEqual(await heal(), []);
  await client.query("rollback");
  client.release();
});

test.serial("a heal waits for the holds that are under way, and counts them", async (t) => {
  const { member, product } = await shop();
  const client = await wallet.pool.connect();
  await client.query("begin");
  await client.query("set local session_replication_role = replica");
  await client.query("update saldo.account set held_total = 170 where id = $1", [
    member.account_id,
  ]);
  await client.query("commit");
  client.release();
  const end = await wallet.open(
    "select from saldo.purchase_with_balance_deduction($1, $2, 100, hold_only => true)",
    [member.id, product.id],
  );
  const healing = wallet.root("select * from saldo_private.heal_held_total(array[$1::text])", [
    member.account_id,
  ]);
  await wallet.waitForWaiters(1);
  await end("commit");
  t.like(await healing, [{ before: { held_total: "270" }, after: { held_total: "200" } }]);
  t.deepEqual(await wallet.findings(), []);
});

test.serial("healing beside holders makes no drift of its own", async (t) => {
  const product = await wallet.product(1);
  const members = await Promise.all(Array.from({ length: 4 }, () => wallet.member(1000)));
  let isRunning = true;
  const heal = async () => {
    let count = 0;
    while (isRunning) {
      for (const member of members) {
        await wallet.root("select from saldo_private.heal_held_total(array[$1::text])", [
          member.account_id,
        ]);
        count++;
      }
    }
    return count;
  };
  const hold = async (index: number) => {
    const member = members[index % members.length] as Row;
    for (let round = 0; round < 15; round++) {
      const purchase = await wallet.buy(member, product, { hold_only: true });
      const purchase_id = purchase.id;
      if (round % 3 === 0) await wallet.call("admin", "complete_purchase", { purchase_id });
      if (round % 3 === 1) {
        await wallet.call("admin", "fail_purchase", { purchase_id, reason: "Late" });
      }
    }
  };
  const healing = heal();
  await Promise.all(Array.from({ length: 12 }, (_, index) => hold(index)));
  isRunning = false;
  t.true((await healing) > 0);
  t.deepEqual(await wallet.findings(), []);
});
