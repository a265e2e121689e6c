import test from "ava";
import { migrate } from "../../src/database/migrate.ts";
import { urlOf } from "../_support/database.ts";
import { brokenRules, check, type Finding, forced } from "../_support/faults.ts";
import { openHot } from "../hot/_hot.ts";
import { caches, freezes, type Made, makers, openBooks, plantUnseen } from "./_rows.ts";

interface Fault {
  name: string;
  /** Table that is written, and the statement; $1 is the account. */
  table: string;
  statement: string;
  account: Made;
  /** What the evidence says; none where only the guard's record does. */
  kind?: string;
  isMoney?: boolean;
}

const faults: Fault[] = [
  {
    name: "a changed pending row",
    table: "saldo.sub_balance",
    statement: "update saldo.sub_balance set amount = 5000 where account_id = $1 and seq = 3",
    account: "pending",
    kind: "row_changed",
  },
  {
    name: "a deleted pending row",
    table: "saldo.sub_balance",
    statement: "delete from saldo.sub_balance where account_id = $1 and seq = 4",
    account: "pending",
    kind: "row_missing",
  },
  {
    name: "a changed settled row",
    table: "saldo.sub_balance",
    statement: "update saldo.sub_balance set created_by = 'x' where account_id = $1",
    account: "settled",
    kind: "row_changed",
  },
  {
    name: "a lowered hold",
    table: "saldo.hold",
    statement: "update saldo.hold set amount = 1, open_amount = 1 where account_id = $1",
    account: "held",
    kind: "row_changed",
  },
  {
    name: "a deleted hold",
    table: "saldo.hold",
    statement: "delete from saldo.hold where account_id = $1",
    account: "held",
    kind: "row_missing",
  },
  {
    name: "a hold of a hot account that was let go",
    table: "saldo.hold",
    statement: `update saldo.hold set status = 'VOIDED', open_amount = 0, closed_at = now()
      where account_id = $1`,
    account: "pending",
    kind: "row_changed",
  },
  {
    name: "a changed purchase",
    table: "saldo.purchase",
    statement: "update saldo.purchase set unit_price = 1, amount = 1 where account_id = $1",
    account: "wallet",
    kind: "row_changed",
  },
  {
    name: "a changed refund of a part",
    table: "saldo.purchase_refund",
    statement: "update saldo.purchase_refund set amount = 3 where account_id = $1",
    account: "refunded",
    kind: "row_changed",
  },
  {
    name: "a deleted refund of a part",
    table: "saldo.purchase_refund",
    statement: "delete from saldo.purchase_refund where account_id = $1",
    account: "refunded",
    kind: "row_missing",
  },
  {
    name: "an inserted refund of a part",
    table: "saldo.purchase_refund",
    statement: `insert into saldo.purchase_refund (account_id, entry_id, purchase_id, amount,
        restocked_quantity, reason, occurred_at, created_by, changed_in)
      select account_id, gen_random_uuid(), purchase_id, 1, 0, 'x', now(), 'x', null
      from saldo.purchase_refund where account_id = $1`,
    account: "refunded",
    kind: "row_inserted",
  },
  {
    name: "a deleted rated line",
    table: "saldo.rated_line",
    statement: "delete from saldo.rated_line where account_id = $1",
    account: "customer",
    kind: "row_missing",
  },
  {
    name: "a changed rated line",
    table: "saldo.rated_line",
    statement:
      "update saldo.rated_line set volume_sm3 = 77, volume_change = 77 where account_id = $1",
    account: "customer",
    kind: "row_changed",
  },
  {
    name: "a changed deposit",
    table: "saldo.deposit",
    statement: "update saldo.deposit set amount = 5 where account_id = $1",
    account: "customer",
    kind: "row_changed",
  },
  {
    name: "a deleted reading",
    table: "saldo.reading",
    statement: "delete from saldo.reading where account_id = $1",
    account: "customer",
    kind: "row_missing",
  },
  {
    name: "a changed settlement",
    table: "saldo.settlement",
    statement: "update saldo.settlement set debit = debit + 1 where account_id = $1",
    account: "settled",
    kind: "row_changed",
  },
  {
    name: "a changed stretch of a settlement",
    table: "saldo.settlement_range",
    statement: "update saldo.settlement_range set last_seq = 9 where account_id = $1",
    account: "settled",
    kind: "row_changed",
  },
  {
    name: "a changed entry of a settlement",
    table: "saldo.settlement_entry",
    statement: "update saldo.settlement_entry set credit = credit + 1 where account_id = $1",
    account: "settled",
    kind: "row_changed",
  },
  {
    name: "stock that was given away",
    table: "saldo.stock_item",
    statement: `update saldo.stock_item set account_id = null, purchase_id = null,
      assigned_at = null where account_id = $1`,
    account: "wallet",
    kind: "row_changed",
    isMoney: false,
  },
];

for (const isSeen of [true, false]) {
  const who = isSeen ? "in the guard's sight" : "with the guard switched off";
  test(`no heal makes good what is written past the engine, ${who}`, async (t) => {
    const hot = await openHot();
    try {
      const accounts: string[] = [];
      for (const [index, fault] of faults.entries()) {
        accounts.push(await makers[fault.account](hot, `c${index}`));
      }
      // Pending rows of those made before were settled by those made after.
      for (const [index, { account }] of faults.entries()) {
        if (account !== "pending") continue;
        await hot.submit(String(accounts[index]), 100, "debit");
        await hot.submit(String(accounts[index]), 7, "debit");
      }
      await hot.call("admin", "seal_rows", {});
      t.deepEqual((await check(hot.pool)).findings, [], "the books are in order");
      const before = await caches(hot);
      for (const [index, { table, statement }] of faults.entries()) {
        const values = [accounts[index]];
        if (isSeen) await forced(hot.pool, (client) => client.query(statement, values), "night");
        else await plantUnseen(hot, table, statement, values);
      }

      const findings = async () =>
        (await check(hot.pool)).findings.filter((each) => each.rule === "row_seal");
      const of = (index: number, all: Finding[]) =>
        all.filter(({ account_id, key }) =>
          faults[index]?.isMoney === false
            ? key.startsWith("stock_item")
            : account_id === accounts[index],
        );
      const first = await findings();
      const causes = new Set(first.map((each) => each.cause));
      t.deepEqual([...causes], [isSeen ? "out_of_band_write" : "record_changed"]);
      await hot.root("select * from saldo.scheduled_maintenance()");
      t.deepEqual(await caches(hot), before, "no cache follows it");
      const second = await findings();
      const frozen = await freezes(hot);
      for (const [index, { name, isMoney, kind }] of faults.entries()) {
        const said = isSeen ? /application 'night'/ : /no write is recorded/;
        t.true(of(index, first).length > 0, name);
        for (const { explanation } of of(index, first)) t.regex(explanation, said, name);
        t.true(
          of(index, first).some((each) => each.detail.kind === kind),
          `${name} is ${kind}`,
        );
        t.deepEqual(
          of(index, second).map((each) => each.key),
          of(index, first).map((each) => each.key),
          `${name} stays a finding`,
        );
        t.is(frozen.includes(accounts[index]), isMoney !== false, `${name}: frozen`);
      }
    } finally {
      await hot.close();
    }
  });
}

test("a transaction that nobody has had yet is no excuse for a record that is another", async (t) => {
  const { hot, held, wallet } = await openBooks();
  try {
    await plantUnseen(
      hot,
      "saldo.purchase",
      "update saldo.purchase set created_by = 'me', changed_in = '900000000000' where account_id = $1",
      [wallet],
    );
    await hot.call("admin", "seal_rows", {});
    const { findings } = await check(hot.pool);
    t.deepEqual(
      findings.filter((each) => each.rule === "row_seal").map((each) => each.account_id),
      [wallet],
    );
    // In another cluster such numbers are those of the former one, which had not sealed them yet.
    await plantUnseen(
      hot,
      "saldo.hold",
      "update saldo.hold set description = 'late', changed_in = '900000000001' where account_id = $1",
      [held],
    );
    await hot.root(`update saldo_private.row_seal_progress
      set cluster = 'former', sealed_until = '900000000000'`);
    await hot.call("admin", "seal_rows", {});
    t.deepEqual(await brokenRules(hot.pool), []);
  } finally {
    await hot.close();
  }
});

test("what the engine changes in another cluster before its first seal is no finding", async (t) => {
  const { hot, held } = await openBooks();
  try {
    await hot.call("admin", "seal_rows", {});
    // Numbers of transactions begin low again in a cluster that was restored into; a start sees it.
    await hot.root(`update saldo_private.row_seal_progress
      set cluster = 'former', sealed_until = '900000000000'`);
    const [database] = await hot.root("select current_database() as name");
    await migrate(urlOf(String(database?.["name"])));
    await hot.root("select saldo.void_hold(id) from saldo.hold where account_id = $1", [held]);
    const found = async () =>
      (await check(hot.pool)).findings.filter(({ rule }) => rule === "row_seal");
    t.deepEqual(await found(), []);
    await hot.call("admin", "seal_rows", {});
    t.deepEqual(await found(), []);
  } finally {
    await hot.close();
  }
});
