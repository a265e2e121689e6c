import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const create = (args: Row) =>
  wallet.call("admin", "create_product", { code: "x", name: "X", price: 1, ...args });

test("a product's sales go to the revenue account of its currency by default", async (t) => {
  const product = await create({ code: "usual", name: "Usual", price: "12.50" });
  t.like(product, { price: "12.5", currency: "IDR", is_active: true, is_stock_tracked: false });
  const [account] = await wallet.root("select code from saldo.account where id = $1", [
    product.revenue_account_id,
  ]);
  t.is(account?.code, "revenue:IDR");
});

test("a product may have a revenue account of its own", async (t) => {
  const account = await wallet.call("admin", "open_account", {
    code: "revenue:hosting",
    name: "Hosting",
    type: "revenue",
  });
  const product = await create({ code: "own", revenue_account_id: account.id });
  t.is(product.revenue_account_id, account.id);
});

test("a revenue account that does not fit is refused by code", async (t) => {
  const open = async (code: string, extra: Row = {}) =>
    (await wallet.call("admin", "open_account", { code, name: code, type: "revenue", ...extra }))
      .id;
  const refused = async (id: unknown) =>
    errorCode(create({ code: "unfit", revenue_account_id: id }));
  t.is(await refused(999_999), "SB101");
  t.is(await refused(await open("foreign", { currency: "EUR" })), "SB104");
  t.is(await refused(await open("till", { type: "asset" })), "SB010");
  const closed = await open("gone");
  await wallet.call("admin", "close_account", { account_id: closed });
  t.is(await refused(closed), "SB102");
});

test("bad input for a product is refused by code", async (t) => {
  t.is(await errorCode(create({ code: null })), "SB010");
  t.is(await errorCode(create({ code: "" })), "SB009");
  t.is(await errorCode(create({ name: "a\u0002b" })), "SB008");
  t.is(await errorCode(create({ price: 0 })), "SB002");
  t.is(await errorCode(create({ price: "NaN" })), "SB002");
  t.is(await errorCode(create({ price: "0.005" })), "SB003");
  t.is(await errorCode(create({ price: "250.000" })), "SB003");
  t.is(await errorCode(create({ price: "1e15" })), "SB004");
  t.is(await errorCode(create({ currency: "Rp" })), "SB010");
  t.deepEqual(await wallet.root("select from saldo.product where code = 'x'"), []);
});

test("a product's code is taken once", async (t) => {
  await create({ code: "once" });
  t.is(await errorCode(create({ code: "once" })), "SB014");
});

test("a new price holds for purchases to come and changes none before", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  const before = await wallet.buy(member, product);
  await wallet.call("admin", "set_product_price", { product_id: product.id, price: 150 });
  t.is(await errorCode(wallet.buy(member, product)), "SB303");
  const after = await wallet.buy(member, product, { amount: 150 });
  t.is(after.unit_price, "150");
  const [kept] = await wallet.root("select unit_price from saldo.purchase where id = $1", [
    before.id,
  ]);
  t.is(kept?.unit_price, "100");
});

test("a product off sale cannot be bought until it is back", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  const setActive = (is_active: boolean | null) =>
    wallet.call("admin", "set_product_active", { product_id: product.id, is_active });
  await setActive(false);
  t.is(await errorCode(wallet.buy(member, product)), "SB301");
  await setActive(true);
  t.like(await wallet.buy(member, product), { status: "completed" });
  t.is(await errorCode(setActive(null)), "SB010");
});

test("setting something of an unknown product is refused", async (t) => {
  const product_id = 999_999;
  t.is(
    await errorCode(wallet.call("admin", "set_product_price", { product_id, price: 1 })),
    "SB301",
  );
  const active = wallet.call("admin", "set_product_active", { product_id, is_active: true });
  t.is(await errorCode(active), "SB301");
  const price = wallet.call("admin", "set_product_price", { product_id: 1, price: -1 });
  t.is(await errorCode(price), "SB002");
});

test("members read the catalogue of products", async (t) => {
  const member = await wallet.member();
  const product = await wallet.product(100);
  const rows = await wallet.query(
    { memberId: member.id },
    "select code from saldo.product where id = $1",
    [product.id],
  );
  t.is(rows.length, 1);
});
