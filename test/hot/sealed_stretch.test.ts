import test from "ava";
import { type Hot, openHot } from "./_hot.ts";

let hot: Hot;
test.before(async () => {
  hot = await openHot();
});
test.after.always(() => hot?.close());

const seal = async () => {
  const { seal_rows } = await hot.call("admin", "seal_rows", {});
  return Number(seal_rows);
};

/** Writes as a superuser for whom no trigger fires, those that are always on included. */
async function unseen(statement: string, values: unknown[] = []): Promise<void> {
  await hot.root("alter table saldo.sub_balance disable trigger all");
  await hot.root(statement, values);
  await hot.root("alter table saldo.sub_balance enable trigger all");
}

const differences = (account: string) =>
  hot.root(
    `select slot_no, first_seq, last_seq, trim_scale(debit)::text as debit, found_count,
      trim_scale(found_debit)::text as found_debit
    from saldo_private.stretch_difference($1)`,
    [account],
  );

test.serial("rows are sealed once, in stretches without gap, and what is new later", async (t) => {
  const account = await hot.account({ funds: 100_000, slots: 2 });
  for (let row = 0; row < 5; row++) await hot.submit(account, 10 + row, "debit");
  t.is(await seal(), 5);
  t.is(await seal(), 0);
  await hot.submit(account, 1, "debit");
  await hot.settle();
  t.is(await seal(), 2, "the row and the settlement");
  const [counted] = await hot.root(
    `select sum(last_seq - first_seq + 1) as rows, trim_scale(sum(debit))::text as debit
    from saldo_private.sealed_stretch where account_id = $1`,
    [account],
  );
  t.deepEqual(counted, { rows: "6", debit: "61" });
  t.deepEqual(await differences(account), []);
});

test.serial("a row that was changed, or taken away, is not what was sealed", async (t) => {
  const account = await hot.account({ funds: 100_000, slots: 1 });
  const row = await hot.submit(account, 100, "debit");
  await hot.submit(account, 7, "debit");
  await seal();
  await unseen("update saldo.sub_balance set amount = 5000 where id = $1", [row.id]);
  t.like((await differences(account))[0], { debit: "107", found_count: "2", found_debit: "5007" });
  await unseen("update saldo.sub_balance set amount = 100 where id = $1", [row.id]);
  t.deepEqual(await differences(account), [], "the right amount is the same row again");
  await unseen("update saldo.sub_balance set counter_account_id = account_id where id = $1", [
    row.id,
  ]);
  t.like((await differences(account))[0], { debit: "107", found_debit: "107" });
  await unseen("delete from saldo.sub_balance where id = $1", [row.id]);
  t.like((await differences(account))[0], { debit: "107", found_count: "1", found_debit: "7" });
});

test.serial("a row that its slot does not know is not sealed", async (t) => {
  const account = await hot.account({ funds: 100_000, slots: 1 });
  await hot.submit(account, 100, "debit");
  await unseen(
    `insert into saldo.sub_balance (account_id, id, seq, counter_account_id, slot_no, direction,
      amount, created_by)
    select account_id, gen_random_uuid(), 2, counter_account_id, 1, 'credit', 5000, 'x'
    from saldo.sub_balance where account_id = $1`,
    [account],
  );
  t.is(await seal(), 0);
  await unseen("delete from saldo.sub_balance where account_id = $1 and seq = 2", [account]);
  t.is(await seal(), 1);
});

test.serial(
  "settled stretches are pruned whole, and their missing rows are no finding",
  async (t) => {
    const account = await hot.account({ funds: 100_000, slots: 1 });
    const prune = async (through: number | null) => {
      const [row] = await hot.root("select saldo_private.prune_stretches($1, 1, $2) as seq", [
        account,
        through,
      ]);
      return row?.seq;
    };
    await hot.submit(account, 1, "debit");
    await hot.submit(account, 2, "debit");
    await seal();
    t.is(await prune(2), null, "pending rows stay");
    await hot.settle();
    await hot.submit(account, 3, "debit");
    await seal();
    t.is(await prune(1), null, "a stretch goes whole or not at all");
    t.is(await prune(null), null, "none without a number");
    t.is(await prune(3), "2");
    t.is(await prune(3), null, "once");
    await unseen("delete from saldo.sub_balance where account_id = $1 and seq <= 2", [account]);
    t.deepEqual(await differences(account), []);
    await unseen("update saldo.sub_balance set amount = 5 where account_id = $1", [account]);
    t.like((await differences(account))[0], { debit: "3", found_debit: "5" });
    await hot.settle();
    t.is(await prune(3), null, "what is in question stays");
  },
);
