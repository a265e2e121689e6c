import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet, outcomes, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const add = (args: Row) => wallet.rows("admin", "add_stock_items", args);
const items = (product: Row) =>
  wallet.root("select * from saldo.stock_item where product_id = $1 order by id", [product.id]);
const sold = async (product: Row) =>
  (await items(product)).filter((item) => item.purchase_id !== null).length;

test.serial("stock items are added in the order given and sold in that order", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100, 0);
  const added = await add({ product_id: product.id, codes: ["b", "a", "c"] });
  t.deepEqual(
    added.map((item) => item.code),
    ["b", "a", "c"],
  );
  const purchase = await wallet.buy(member, product, { quantity: 2 });
  t.deepEqual(
    (await items(product)).map((item) => [item.code, item.purchase_id]),
    [
      ["b", purchase.id],
      ["a", purchase.id],
      ["c", null],
    ],
  );
});

test.serial("bad stock items are refused by code, all or none", async (t) => {
  const product = await wallet.product(100, 0);
  const plain = await wallet.product(100);
  const refused = (codes: unknown, product_id: unknown = product.id) =>
    errorCode(add({ product_id, codes }));
  await add({ product_id: product.id, codes: ["taken"] });
  t.is(await refused(null), "SB010");
  t.is(await refused([]), "SB010");
  t.is(await refused([["a"], ["b"]]), "SB010");
  t.is(await refused(["a", null]), "SB010");
  t.is(await refused(["a", "\u0003"]), "SB008");
  t.is(await refused(["a", ""]), "SB009");
  t.is(await refused(["a"], 999_999), "SB301");
  t.is(await refused(["a"], plain.id), "SB010");
  t.is(await refused(["a", "a"]), "SB014");
  t.is(await refused(["a", "taken"]), "SB014");
  t.is((await items(product)).length, 1);
});

test.serial("two products may have items of the same code", async (t) => {
  const [one, two] = [await wallet.product(100, 0), await wallet.product(100, 0)];
  await add({ product_id: one.id, codes: ["room 1"] });
  t.is((await add({ product_id: two.id, codes: ["room 1"] })).length, 1);
});

test.serial("a purchase of more than there is takes nothing", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100, 2);
  t.is(await errorCode(wallet.buy(member, product, { quantity: 3 })), "SB302");
  t.is(await sold(product), 0);
  t.like(await wallet.balance(member), { balance: "1000", held: "0" });
});

test.serial("stock that a member cannot pay stays free", async (t) => {
  const member = await wallet.member(50);
  const product = await wallet.product(100, 1);
  t.is(await errorCode(wallet.buy(member, product)), "SB001");
  t.is(await errorCode(wallet.buy(member, product, { hold_only: true })), "SB001");
  t.is(await sold(product), 0);
});

/** A purchase of one item in a transaction that stays open. */
const openPurchase = (member: Row, product: Row) =>
  wallet.open("select from saldo.purchase_with_balance_deduction($1, $2, $3)", [
    member.id,
    product.id,
    product.price,
  ]);
const openItem = (product: Row, code: string) =>
  wallet.open("select from saldo.stock_item where product_id = $1 and code = $2 for update", [
    product.id,
    code,
  ]);

test.serial(
  "a buyer waits for the last item, and gets it when the other buyer gives up",
  async (t) => {
    const [one, two] = [await wallet.member(1000), await wallet.member(1000)];
    const product = await wallet.product(100, 1);
    const end = await openPurchase(one, product);
    const waiting = wallet.buy(two, product);
    await wallet.waitForWaiters(1);
    await end("rollback");
    t.like(await waiting, { status: "completed" });
    t.is(await sold(product), 1);
  },
);

test.serial("a buyer waits for the last item, and is refused when it is sold", async (t) => {
  const [one, two] = [await wallet.member(1000), await wallet.member(1000)];
  const product = await wallet.product(100, 1);
  const end = await openPurchase(one, product);
  const waiting = errorCode(wallet.buy(two, product));
  await wallet.waitForWaiters(1);
  await end("commit");
  t.is(await waiting, "SB302");
  t.like(await wallet.balance(two), { balance: "1000" });
});

test.serial("a buyer does not wait while there is enough beside what others hold", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100, 3);
  const ends = [await openItem(product, `${product.code}-1`)];
  ends.push(await openItem(product, `${product.code}-2`));
  t.like(await wallet.buy(member, product), { status: "completed" });
  for (const end of ends) await end("rollback");
});

test.serial("a buyer who waits for one item does not sit on others", async (t) => {
  const [one, two] = [await wallet.member(1000), await wallet.member(1000)];
  const product = await wallet.product(100, 3);
  const endFirst = await openItem(product, `${product.code}-1`);
  const endSecond = await openItem(product, `${product.code}-2`);
  // The third item is all that buyer one can have now: too few, so the others are waited for.
  const waiting = errorCode(wallet.buy(one, product, { quantity: 2 }));
  await wallet.waitForWaiters(1);
  await endSecond("rollback");
  t.like(await wallet.buy(two, product, { quantity: 2 }), { status: "completed" });
  await endFirst("rollback");
  t.is(await waiting, "SB302");
});

test.serial("buyers of several items each never wait for each other in a circle", async (t) => {
  const product = await wallet.product(10, 30);
  const members = await Promise.all(Array.from({ length: 20 }, () => wallet.member(1000)));
  const result = await outcomes(
    members.map((member, index) => wallet.buy(member, product, { quantity: 2 + (index % 3) })),
  );
  t.is(result["40P01"], undefined);
  const taken = await sold(product);
  t.true(taken >= 27 && taken <= 30, `${taken} sold`);
  t.deepEqual(await wallet.findings(), []);
});
