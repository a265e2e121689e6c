import test from "ava";
import { openWallet, outcomes, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const levels = ["read committed", "repeatable read", "serializable"];

/** Calls a function of the schema on a connection of its own, in a transaction of that level. */
async function apart(isolation: string, text: string, values: unknown[]) {
  const connection = await wallet.pool.connect();
  try {
    await connection.query(`begin isolation level ${isolation}`);
    const { rows } = await connection.query<Row>(text, values);
    await connection.query("commit");
    return rows;
  } catch (error) {
    await connection.query("rollback");
    throw error;
  } finally {
    connection.release();
  }
}

const chargeBack = (level: string, entry: Row, shortfall = "debt") =>
  apart(level, "select * from saldo.reverse_top_up($1, 'Bank', $2)", [entry.id, shortfall]);
const topUp = (level: string, member: Row, amount: number) =>
  apart(level, "select * from saldo.top_up($1, $2)", [member.id, amount]);
const buy = (level: string, member: Row, product: Row, isHold = false) =>
  apart(level, "select * from saldo.purchase_with_balance_deduction($1, $2, $3, hold_only => $4)", [
    member.id,
    product.id,
    product.price,
    isHold,
  ]);
const figures = async (member: Row) => {
  const { balance, held, debt } = await wallet.balance(member);
  return { balance: Number(balance), held: Number(held), debt: Number(debt) };
};
const only = (level: string, result: Record<string, number>, ...codes: string[]) => {
  const allowed = ["none", ...codes, ...(level === "read committed" ? [] : ["40001"])];
  return Object.keys(result).filter((code) => !allowed.includes(code));
};

test.serial("a top-up is charged back once, however many ask at once", async (t) => {
  for (const level of levels) {
    const member = await wallet.member();
    const [entry] = await topUp(level, member, 100);
    await wallet.buy(member, await wallet.product(60));
    const result = await outcomes(Array.from({ length: 8 }, () => chargeBack(level, entry as Row)));
    t.deepEqual(only(level, result, "SB309"), [], level);
    t.is(result.none, 1, level);
    if (level === "read committed") t.deepEqual(result, { none: 1, SB309: 7 });
    t.deepEqual(await figures(member), { balance: 0, held: 0, debt: 60 });
  }
  t.deepEqual(await wallet.findings(), []);
});

test.serial("several first debts of a member at once open one account", async (t) => {
  for (const level of levels) {
    const member = await wallet.member();
    const entries: Row[] = [];
    for (let index = 0; index < 6; index++) {
      entries.push((await topUp(level, member, 10))[0] as Row);
    }
    await wallet.buy(member, await wallet.product(55));
    const result = await outcomes(entries.map((entry) => chargeBack(level, entry)));
    t.deepEqual(only(level, result), [], level);
    const done = result.none ?? 0;
    t.true(done >= 1, level);
    if (level === "read committed") t.is(done, 6);
    t.deepEqual(await figures(member), { balance: 0, held: 0, debt: 10 * done - 5 }, level);
  }
  t.deepEqual(await wallet.findings(), []);
});

test.serial(
  "purchases and a charge-back at once share what there is to the last cent",
  async (t) => {
    for (const level of levels) {
      for (let round = 0; round < 6; round++) {
        const member = await wallet.member();
        const [entry] = await topUp(level, member, 100);
        const product = await wallet.product(30);
        const result = await outcomes([
          ...Array.from({ length: 2 }, () => buy(level, member, product)),
          chargeBack(level, entry as Row),
          ...Array.from({ length: 2 }, () => buy(level, member, product, true)),
        ]);
        t.deepEqual(only(level, result, "SB001"), [], level);
        const [sum] = await wallet.root(
          `select coalesce(sum(p.amount), 0)::float as bought,
          (select count(*)::integer from saldo.top_up_reversal as r
          where r.account_id = $1) as charged_back
        from saldo.purchase as p where p.account_id = $1 and p.status in ('completed', 'pending')`,
          [member.account_id],
        );
        const { balance, held, debt } = await figures(member);
        const isBack = sum?.charged_back === 1;
        t.is(balance - held - debt, 100 - Number(sum?.bought) - (isBack ? 100 : 0), level);
        if (isBack) t.is(balance - held, 0, level);
        if (level === "read committed") t.true(isBack);
      }
    }
    t.deepEqual(await wallet.findings(), []);
  },
);

test.serial("top-ups and charge-backs at once leave no debt beside money", async (t) => {
  for (const level of levels) {
    for (let round = 0; round < 6; round++) {
      const member = await wallet.member();
      const [first] = await topUp(level, member, 100);
      const [second] = await topUp(level, member, 40);
      await wallet.buy(member, await wallet.product(140));
      // Half of the rounds have a debt before: both the first debt and a later one come up.
      if (round % 2 === 0) await chargeBack(level, second as Row);
      const owed = round % 2 === 0 ? 40 : 0;
      const result = await outcomes([
        topUp(level, member, 25),
        topUp(level, member, 15),
        chargeBack(level, first as Row),
        topUp(level, member, 30),
        topUp(level, member, 5),
      ]);
      t.deepEqual(only(level, result), [], level);
      const [sum] = await wallet.root(
        `select sum(case e.source when 'top_up' then l.credit else -l.debit end)::float as net
        from saldo.journal_line as l
        join saldo.journal_entry as e on e.id = l.entry_id
        where l.account_id = $1`,
        [member.account_id],
      );
      const { balance, debt } = await figures(member);
      t.is(balance, Number(sum?.net), level);
      t.true(balance === 0 || debt === 0, `${level}: ${balance} beside a debt of ${debt}`);
      if (level === "read committed") {
        t.deepEqual(result, { none: 5 });
        t.is(balance - debt, 75 - 100 - owed);
      }
    }
  }
  t.deepEqual(await wallet.findings(), []);
});

test.serial("a reversal and a charge-back at once take a top-up back once", async (t) => {
  for (const level of levels) {
    for (let round = 0; round < 8; round++) {
      const member = await wallet.member(500);
      const [entry] = await topUp(level, member, 100);
      const reverse = () =>
        apart(level, "select * from saldo.reverse_entry($1, 'Mistake')", [(entry as Row).id]);
      const back = () => chargeBack(level, entry as Row);
      const result = await outcomes(round % 2 === 0 ? [reverse(), back()] : [back(), reverse()]);
      t.deepEqual(only(level, result, "SB106", "SB309"), [], level);
      t.is(result.none, 1, level);
      t.deepEqual(await figures(member), { balance: 500, held: 0, debt: 0 }, level);
    }
  }
  t.deepEqual(await wallet.findings(), []);
});

test.serial("a snapshot from before a charge-back reverses nothing of it", async (t) => {
  for (const level of levels.slice(1)) {
    const member = await wallet.member(500);
    const [entry] = await topUp("read committed", member, 100);
    const late = await wallet.pool.connect();
    await late.query(`begin isolation level ${level}`);
    await late.query("select count(*) from saldo.member");
    await wallet.call("admin", "reverse_top_up", { entry_id: entry?.id, reason: "Bank" });
    const error = await t.throwsAsync(
      late.query("select saldo.reverse_entry($1, 'Mistake')", [entry?.id]),
    );
    t.is((error as unknown as { code: string }).code, "40001");
    await late.query("rollback");
    late.release();
    t.deepEqual(await figures(member), { balance: 500, held: 0, debt: 0 });
  }
});

test.serial("members top up, buy and are charged back at once without a deadlock", async (t) => {
  const members = await Promise.all(Array.from({ length: 4 }, () => wallet.member(50)));
  const product = await wallet.product(7);
  const session = async (index: number) => {
    for (let round = 0; round < 8; round++) {
      const member = members[(index + round) % members.length] as Row;
      const entry = await wallet.call("admin", "top_up", { member_id: member.id, amount: 11 });
      await wallet.buy(member, product).catch((error) => {
        if (error.code !== "SB001") throw error;
      });
      if ((index + round) % 2 === 0) {
        await wallet.call("admin", "reverse_top_up", {
          entry_id: entry.id,
          reason: "Bank",
          shortfall: "debt",
        });
      }
    }
  };
  const result = await outcomes(Array.from({ length: 24 }, (_, index) => session(index)));
  t.deepEqual(result, { none: 24 });
  t.deepEqual(await wallet.findings(), []);
});
