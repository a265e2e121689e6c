import test from "ava";
import { errorCode } from "../_support/database.ts";
import { type AccountPlan, many, openHot } from "../hot/_hot.ts";
import { outcomes, type Row } from "../wallet/_wallet.ts";

const hot = await openHot();
test.after.always(() => hot.close());
test.afterEach.always(async (t) => {
  await hot.rollbackSessions();
  t.deepEqual(await hot.findings(), []);
});

const transfer = (debit: string, credit: string, amount: unknown, extra: Row = {}) =>
  hot.call("admin", "transfer", {
    debit_account_id: debit,
    credit_account_id: credit,
    amount,
    ...extra,
  });
const other = (plan: AccountPlan = {}) => hot.account({ minBalance: null, ...plan });
/** All that tells a balance, from the journal on; each must say the same at any time. */
const told = async (account: string) => {
  const [row] = await hot.root(
    `select trim_scale(a.balance) as total, trim_scale(saldo.balance_at(a.account_id, now())) as at,
      (saldo.balances(a.account_id)).settled_balance as settled, (
        select trim_scale(abs(sum(m.debit - m.credit)))
        from saldo_private.posted_movement as m where m.account_id = a.account_id
      ) as months, (
        select trim_scale(abs(b.debit_total - b.credit_total)) from saldo.trial_balance() as b
        where b.account_id = a.account_id
      ) as trial
    from saldo_private.account_total as a where a.account_id = $1`,
    [account],
  );
  return [...new Set([...Object.values(row ?? {}), await hot.posted(account)])];
};
const cached = async (account: string) =>
  (
    await hot.root(
      `select trim_scale(balance) as balance, (
        select coalesce(sum(line_count), 0)::integer from saldo.month_movement where account_id = a.id
      ) as lines
      from saldo.account as a where id = $1`,
      [account],
    )
  )[0];

test.serial(
  "an entry of many lines is looked at as a whole where hot accounts are in it",
  async (t) => {
    const [rupiah, dollars] = [
      await other({ slots: 4 }),
      await other({ slots: 4, currency: "USD" }),
    ];
    const [from, closed] = [await other(), await other()];
    await hot.call("admin", "close_account", { account_id: closed });
    const post = (account: string, second: string) =>
      errorCode(
        hot.call("admin", "post_entries", {
          entries: JSON.stringify([
            {
              description: "Many",
              lines: [
                { account_id: from, debit: "3" },
                { account_id: account, credit: "1" },
                { account_id: second, credit: "2" },
              ],
            },
          ]),
        }),
      );
    t.is(await post(rupiah, dollars), "SB104");
    t.is(await post(rupiah, closed), "SB102");
    t.is(await post(rupiah, from), "none");
    t.is(await post(rupiah, await other({ slots: 4 })), "none");
  },
);

test.serial("a posting to a hot account leaves its row alone until it is folded", async (t) => {
  const account = await other({ slots: 4 });
  const from = await other();
  await transfer(from, account, 30);
  await transfer(account, from, 10);
  await hot.call("admin", "post_entries", {
    entries: JSON.stringify([
      {
        description: "Two lines of one account",
        lines: [
          { account_id: account, credit: "5" },
          { account_id: account, credit: "6.50" },
          { account_id: from, debit: "11.5" },
        ],
      },
    ]),
  });
  t.deepEqual(await cached(account), { balance: "0", lines: 0 });
  t.deepEqual(await told(account), ["31.5"]);
  await hot.settle();
  t.deepEqual(await cached(account), { balance: "31.5", lines: 4 });
  t.deepEqual(await told(account), ["31.5"]);
  await transfer(from, account, 1);
  t.deepEqual(await told(account), ["32.5"]);
});

test.serial("purchases credit the hot revenue account, and refunds debit it", async (t) => {
  const member = await hot.member(1000);
  const product = await hot.product(100);
  const revenue = String(product.revenue_account_id);
  const [account] = await hot.root("select code, mode, slots from saldo.account where id = $1", [
    revenue,
  ]);
  t.deepEqual(account, { code: "revenue:IDR", mode: "hot", slots: 64 });
  const purchase = await hot.buy(member, product);
  await hot.buy(member, product, { quantity: 2 });
  t.like(await cached(revenue), { balance: "0" });
  t.deepEqual(await told(revenue), ["300"]);
  await hot.call("admin", "refund_purchase", { purchase_id: purchase.id, reason: "Returned" });
  t.deepEqual(await told(revenue), ["200"]);
  await hot.settle();
  t.like(await cached(revenue), { balance: "200" });
  t.deepEqual(await told(revenue), ["200"]);
});

test.serial("postings of several months are folded into their months", async (t) => {
  const account = await other({ slots: 3 });
  const from = await other();
  for (const [month, amount] of [
    ["2026-01", 1],
    ["2026-02", 2],
    ["2026-02", 4],
    ["2026-03", 8],
  ]) {
    await transfer(from, account, amount, { occurred_at: `${month}-15T12:00:00+07:00` });
  }
  const at = async (time: string) =>
    Number((await hot.root("select saldo.balance_at($1, $2) as at", [account, time]))[0]?.at);
  const times = ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"];
  const expected = [0, 1, 7, 15];
  t.deepEqual(await Promise.all(times.map(at)), expected);
  await hot.settle();
  t.deepEqual(await Promise.all(times.map(at)), expected);
  const months = await hot.root(
    `select month::text, trim_scale(credit) as credit from saldo.month_movement
    where account_id = $1 order by month`,
    [account],
  );
  t.deepEqual(months, [
    { month: "2026-01-01", credit: "1" },
    { month: "2026-02-01", credit: "6" },
    { month: "2026-03-01", credit: "8" },
  ]);
});

test.serial("postings and submissions draw on the same funds", async (t) => {
  for (const type of ["liability", "asset"] as const) {
    const account = await hot.account({ type, funds: 100, slots: 4 });
    const to = await other();
    const post = (amount: unknown) =>
      errorCode(type === "asset" ? transfer(to, account, amount) : transfer(account, to, amount));
    const submit = (amount: unknown) =>
      errorCode(hot.submit(account, amount, type === "asset" ? "credit" : "debit"));
    t.is(await post("100.01"), "SB001");
    t.is(await post(40), "none");
    t.is(await submit("60.01"), "SB001");
    t.is(await submit(50), "none");
    t.is(await post("10.01"), "SB001");
    t.is(await post(10), "none");
    t.is(await submit("0.01"), "SB001");
    await hot.settle();
    t.deepEqual(await told(account), ["0"]);
  }
});

test.serial("posters and submitters at once take exactly what there is", async (t) => {
  for (const slots of [1, 8]) {
    const account = await hot.account({ funds: 100, slots });
    const to = await other();
    const result = await outcomes(
      many(50, (index) =>
        index % 2 === 0 ? transfer(account, to, 3) : hot.submit(account, 3, "debit"),
      ),
    );
    t.deepEqual(result, { none: 33, SB001: 17 });
    await hot.settle();
    t.deepEqual(await told(account), ["1"]);
  }
});

test.serial("posters of one hot account do not wait for each other", async (t) => {
  const account = await other({ slots: 8 });
  const from = await Promise.all(many(6, () => other()));
  // The month's stripes are made under the account's lock, by whoever comes first.
  await transfer(String(from[0]), account, 1);
  const sessions = await Promise.all(many(6, () => hot.session()));
  const codes: string[] = [];
  for (const [index, { client, call }] of sessions.entries()) {
    await client.query("set local lock_timeout = '300ms'");
    const args = { debit_account_id: from[index], credit_account_id: account, amount: 2 };
    codes.push(await errorCode(call("transfer", args)));
  }
  for (const { end } of sessions) await end("commit");
  t.deepEqual(
    codes,
    many(6, () => "none"),
  );
  t.deepEqual(await told(account), ["13"]);
});

test.serial("a posting under way is folded by the settlement after it", async (t) => {
  const account = await other({ slots: 4 });
  const from = await other();
  // Folded first: the posting below may take the very stripe that has it.
  await transfer(from, account, 1);
  await hot.settle();
  const session = await hot.session();
  await session.call("transfer", { debit_account_id: from, credit_account_id: account, amount: 2 });
  await hot.settle();
  t.like(await cached(account), { balance: "1" });
  await session.end("commit");
  t.deepEqual(await told(account), ["3"]);
  await hot.settle();
  t.like(await cached(account), { balance: "3" });
  t.deepEqual(await told(account), ["3"]);
});

test.serial("a balance read in any snapshot is whole while others post and fold", async (t) => {
  const [account, from] = [await other({ slots: 4 }), await other()];
  let isWriting = true;
  const write = async () => {
    for (let round = 0; round < 10; round++) await transfer(from, account, 1);
  };
  const fold = async () => {
    while (isWriting) await hot.rows("admin", "settle_sub_balances", {});
  };
  const seen = new Set<unknown>();
  const read = async () => {
    while (isWriting) {
      const [row] = await hot.root(
        `select t.balance = sum(l.credit) as is_total,
          (saldo.balances(t.account_id)).settled_balance = sum(l.credit) as is_settled
        from saldo_private.account_total as t
        join saldo.journal_line as l on l.account_id = t.account_id
        where t.account_id = $1
        group by t.account_id, t.balance`,
        [account],
      );
      if (row) seen.add(JSON.stringify(row));
    }
  };
  const background = [fold(), read(), read()];
  t.deepEqual(await outcomes(many(10, write)), { none: 10 });
  isWriting = false;
  await Promise.all(background);
  t.deepEqual([...seen], ['{"is_total":true,"is_settled":true}']);
  t.deepEqual(await told(account), ["100"]);
});
