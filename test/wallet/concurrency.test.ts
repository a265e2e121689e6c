import test from "ava";
import { openWallet, outcomes, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const many = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));
const netOf = async (accountId: unknown) => {
  const [row] = await wallet.root(
    "select sum(credit - debit) as net from saldo.journal_line where account_id = $1",
    [accountId],
  );
  return row?.net;
};

test.serial("fifty buyers at once cannot overdraw one wallet", async (t) => {
  const member = await wallet.member(2000);
  const product = await wallet.product(100);
  const result = await outcomes(many(50, () => wallet.buy(member, product)));
  t.deepEqual(result, { none: 20, SB001: 30 });
  t.like(await wallet.balance(member), { balance: "0", held: "0" });
  t.is(await netOf(member.account_id), "0");
  t.is(await netOf(product.revenue_account_id), "2000");
  t.deepEqual(await wallet.findings(), []);
});

test.serial("holds and purchases at once cannot take more than there is", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  const result = await outcomes(
    many(50, (index) => wallet.buy(member, product, { hold_only: index % 2 === 0 })),
  );
  t.deepEqual(result, { none: 10, SB001: 40 });
  t.like(await wallet.balance(member), { available: "0" });
  t.deepEqual(await wallet.findings(), []);
});

test.serial("the last item is sold once to fifty buyers", async (t) => {
  const members = await Promise.all(many(50, () => wallet.member(100)));
  const product = await wallet.product(100, 1);
  const result = await outcomes(members.map((member) => wallet.buy(member, product)));
  t.deepEqual(result, { none: 1, SB302: 49 });
  const sold = await wallet.root(
    `select p.member_id, p.status
    from saldo.stock_item as s
    join saldo.purchase as p on p.account_id = s.account_id and p.id = s.purchase_id
    where s.product_id = $1`,
    [product.id],
  );
  t.is(sold.length, 1);
  const balances = await Promise.all(members.map((member) => wallet.balance(member)));
  t.is(balances.filter((row) => row.balance === "0").length, 1);
});

test.serial("the last item goes to the buyer who can pay", async (t) => {
  const members = await Promise.all(many(30, (index) => wallet.member(index === 17 ? 100 : 99)));
  const product = await wallet.product(100, 1);
  const result = await outcomes(members.map((member) => wallet.buy(member, product)));
  t.is(result.none, 1);
  t.is((result.SB001 ?? 0) + (result.SB302 ?? 0), 29);
  t.like(await wallet.balance(members[17] as Row), { balance: "0" });
});

test.serial("fifty buyers of ten items sell exactly ten", async (t) => {
  const members = await Promise.all(many(10, () => wallet.member(1000)));
  const product = await wallet.product(10, 10);
  const result = await outcomes(
    many(50, (index) => wallet.buy(members[index % 10] as Row, product)),
  );
  t.deepEqual(result, { none: 10, SB302: 40 });
  t.deepEqual(await wallet.findings(), []);
});

test.serial(
  "buyers, holds, completions, failures and refunds at once never deadlock",
  async (t) => {
    // Wallets opened before and after the revenue accounts: both lock orders come up.
    const early = await Promise.all(many(3, () => wallet.member(100_000)));
    const revenue = await Promise.all(
      many(3, (index) =>
        wallet.call("admin", "open_account", {
          code: `revenue:${index}`,
          name: `Revenue ${index}`,
          type: "revenue",
        }),
      ),
    );
    const late = await Promise.all(many(3, () => wallet.member(100_000)));
    const members = [...early, ...late];
    const products = await Promise.all(
      revenue.map((account, index) =>
        wallet.call("admin", "create_product", {
          code: `shared-${index}`,
          name: `Shared ${index}`,
          price: 10,
          is_stock_tracked: index < 2,
          revenue_account_id: account.id,
        }),
      ),
    );
    for (const product of products.slice(0, 2)) {
      const codes = many(60, String);
      await wallet.rows("admin", "add_stock_items", { product_id: product.id, codes });
    }

    const session = async (index: number) => {
      for (let round = 0; round < 6; round++) {
        const member = members[(index + round) % members.length] as Row;
        const product = products[(index * 2 + round) % products.length] as Row;
        const isHold = (index + round) % 2 === 0;
        const quantity = 1 + ((index + round) % 3);
        const purchase = await wallet.buy(member, product, { quantity, hold_only: isHold });
        const purchase_id = purchase.id;
        if (isHold && round % 2 === 0) {
          await wallet.call("admin", "complete_purchase", { purchase_id });
        } else if (isHold) {
          await wallet.call("admin", "fail_purchase", { purchase_id, reason: "Late" });
        }
        if (!isHold || round % 2 === 0) {
          await wallet.call("admin", "refund_purchase", { purchase_id, reason: "Returned" });
        }
      }
    };
    const result = await outcomes(many(50, session));
    t.deepEqual(
      Object.keys(result)
        .sort()
        .filter((code) => code !== "none" && code !== "SB302"),
      [],
    );
    t.true((result.none ?? 0) > 0);
    t.deepEqual(await wallet.findings(), []);
  },
);

test.serial("members and products may be created while others buy", async (t) => {
  const members = await Promise.all(many(5, () => wallet.member(100_000)));
  const product = await wallet.product(10);
  const buy = async (index: number) => {
    for (let round = 0; round < 20; round++) await wallet.buy(members[index % 5] as Row, product);
  };
  const create = async () => {
    for (let round = 0; round < 20; round++) {
      await wallet.product(10);
      await wallet.member(1);
    }
  };
  const result = await outcomes([...many(20, buy), ...many(10, create)]);
  t.deepEqual(result, { none: 30 });
  t.deepEqual(await wallet.findings(), []);
});
