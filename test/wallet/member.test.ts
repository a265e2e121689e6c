import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

test("a new member has an empty liability account that cannot go below zero", async (t) => {
  const member = await wallet.call("admin", "create_member", { code: "anna", name: "Anna" });
  const [account] = await wallet.root("select * from saldo.account where id = $1", [
    member.account_id,
  ]);
  t.like(account, { code: "wallet:anna", type: "liability", currency: "IDR", min_balance: "0" });
  t.like(await wallet.balance(member), { balance: "0", held: "0", available: "0" });
});

test("a wallet tells when it last changed, and counts its changes", async (t) => {
  const member = await wallet.member(5000);
  const [row] = await wallet.root(
    `select b.version, b.last_updated_at = (saldo.balances(b.account_id)).last_updated_at as is_same,
      b.last_updated_at between m.created_at and clock_timestamp() as is_since
    from saldo.member as m cross join saldo.wallet_balance(m.id) as b where m.id = $1`,
    [member.id],
  );
  t.deepEqual(row, { version: "1", is_same: true, is_since: true });
});

test("a member may keep another currency than the default one", async (t) => {
  const member = await wallet.call("admin", "create_member", {
    code: "eur",
    name: "Eva",
    currency: "EUR",
  });
  t.like(await wallet.balance(member), { currency: "EUR" });
});

test("a member's code is taken once, also by two at the same time", async (t) => {
  const create = () => wallet.call("admin", "create_member", { code: "twin", name: "Twin" });
  const codes = await Promise.all([errorCode(create()), errorCode(create())]);
  t.deepEqual(codes.sort(), ["SB014", "none"]);
  t.is(await errorCode(create()), "SB014");
});

test("bad input for a member is refused by code", async (t) => {
  const create = (args: object) =>
    errorCode(wallet.call("admin", "create_member", { code: "x", name: "X", ...args }));
  t.is(await create({ code: null }), "SB010");
  t.is(await create({ name: null }), "SB010");
  t.is(await create({ code: "x\u0007" }), "SB008");
  t.is(await create({ code: " " }), "SB009");
  t.is(await create({ code: "x".repeat(91) }), "SB009");
  t.is(await create({ name: "x".repeat(181) }), "SB009");
  t.is(await create({ currency: "rupiah" }), "SB010");
  t.deepEqual(await wallet.root("select from saldo.member where code = 'x'"), []);
});

test("SQL in a name is kept as text", async (t) => {
  const name = "Robert'); drop table saldo.member; --";
  const member = await wallet.call("admin", "create_member", { code: "bobby", name });
  t.is(member.name, name);
});

test("the balance of a member who does not exist is refused", async (t) => {
  t.is(await errorCode(wallet.call("admin", "wallet_balance", { member_id: 999_999 })), "SB304");
  t.is(await errorCode(wallet.call("admin", "wallet_balance", { member_id: null })), "SB304");
});

test("a member asks for the own balance; another's answers like an absent one's", async (t) => {
  const own = await wallet.member(5000);
  const other = await wallet.member(7000);
  const actor = { memberId: own.id };
  t.like(await wallet.call(actor, "wallet_balance", { member_id: own.id }), { balance: "5000" });
  const refusals = await Promise.all(
    [other.id, "999999"].map((id) =>
      wallet.call(actor, "wallet_balance", { member_id: id }).catch((error) => error),
    ),
  );
  t.deepEqual(
    refusals.map((error) => error.code),
    ["SB007", "SB007"],
  );
  t.is(refusals[0].message, refusals[1].message);
});

test("a member sees the own rows only, in every table", async (t) => {
  const own = await wallet.member(5000);
  const other = await wallet.member(5000);
  const product = await wallet.product(1000, 4);
  for (const member of [own, other]) {
    await wallet.buy(member, product);
    await wallet.buy(member, product, { hold_only: true });
  }
  const actor = { memberId: own.id };
  const count = async (who: Parameters<typeof wallet.query>[0], table: string) =>
    (await wallet.query(who, `select from saldo.${table}`)).length;

  t.is(await count(actor, "member"), 1);
  t.is(await count(actor, "account"), 1);
  t.is(await count(actor, "purchase"), 2);
  t.is(await count(actor, "journal_entry"), 2);
  t.is(await count(actor, "journal_line"), 2);
  t.is(await count(actor, "month_movement"), 1);
  // The item of the pending purchase is reserved, its code is not shown yet.
  t.is(await count(actor, "stock_item"), 1);
  for (const table of ["member", "account", "purchase", "journal_entry", "stock_item"]) {
    t.true((await count("operator", table)) >= 2, table);
  }
});

test("a role without a member sees no wallets", async (t) => {
  await wallet.member(5000);
  t.deepEqual(await wallet.query({ memberId: "" }, "select from saldo.member"), []);
  t.is(await errorCode(wallet.query("anonymous", "select from saldo.member")), "42501");
});

test("no role but the owner writes a table of the room", async (t) => {
  for (const table of ["member", "product", "stock_item", "purchase"]) {
    for (const actor of ["admin", "operator", { memberId: "1" }] as const) {
      t.is(await errorCode(wallet.query(actor, `delete from saldo.${table}`)), "42501");
      t.is(
        await errorCode(wallet.query(actor, `update saldo.${table} set created_at = now()`)),
        "42501",
      );
    }
  }
});

test("members call the functions that are theirs, and no others", async (t) => {
  const member = await wallet.member(5000);
  const actor = { memberId: member.id };
  const refused: [string, object][] = [
    ["create_member", { code: "y", name: "Y" }],
    ["top_up", { member_id: member.id, amount: 1 }],
    ["create_product", { code: "y", name: "Y", price: 1 }],
    ["set_product_price", { product_id: 1, price: 1 }],
    ["set_product_active", { product_id: 1, is_active: true }],
    ["add_stock_items", { product_id: 1, codes: ["y"] }],
    ["complete_purchase", { purchase_id: "00000000-0000-7000-8000-000000000000" }],
    ["fail_purchase", { purchase_id: "00000000-0000-7000-8000-000000000000", reason: "y" }],
    ["refund_purchase", { purchase_id: "00000000-0000-7000-8000-000000000000", reason: "y" }],
  ];
  for (const [name, args] of refused) {
    for (const who of [actor, "operator", "anonymous"] as const) {
      t.is(await errorCode(wallet.call(who, name, { ...args })), "42501", name);
    }
  }
});

test("members are found by the beginning of a code and by words of a name", async (t) => {
  await wallet.query(
    "admin",
    `select saldo.create_member(m.code, m.name) from (values
      ('MB-0001', 'Siti Nurhaliza'), ('MB-0002', 'Budi Sitorus'), ('mb-001', 'O''Brien, 100% & Co'),
      ('nur', 'Someone Other')
    ) as m (code, name)`,
  );
  const find = async (search: string | null, more: object = {}) =>
    (await wallet.rows("operator", "find_members", { search, ...more })).map((row) => row.code);
  t.deepEqual(await find("mb-000"), ["MB-0001", "MB-0002"]);
  t.deepEqual((await find(" MB-00 ")).toSorted(), ["MB-0001", "MB-0002", "mb-001"]);
  t.deepEqual(await find("siti"), ["MB-0001"]);
  t.deepEqual(await find("SIT"), ["MB-0001", "MB-0002"]);
  t.deepEqual(await find("nur sit"), ["MB-0001"]);
  t.deepEqual(await find("nur"), ["nur", "MB-0001"], "the code that is searched for comes first");
  t.deepEqual(await find("o'brien"), ["mb-001"]);
  t.deepEqual(await find("100%"), ["mb-001"]);
  t.deepEqual(await find("%"), []);
  t.deepEqual(await find("' | siti:*"), ["MB-0001"]);
  t.is((await find("mb", { row_limit: 2 })).length, 2);
  for (const search of ["", " ", null, "x".repeat(201)]) {
    t.is(await errorCode(find(search)), "SB010", String(search?.length));
  }
  t.is(await errorCode(find("mb", { row_limit: 1_000_001 })), "SB010");
  const asMember = wallet.rows({ memberId: "1" }, "find_members", { search: "mb" });
  t.is(await errorCode(asMember), "42501");
});

test("a search reads an index, not all members", async (t) => {
  await wallet.root(
    `insert into saldo.account (code, name, type, currency)
    select 'bulk:' || n, 'Bulk', 'liability', 'IDR' from generate_series(1, 3000) as n`,
  );
  await wallet.root(
    `insert into saldo.member (code, name, account_id)
    select 'bulk-' || a.id, 'Bulk ' || a.id, a.id from saldo.account as a where a.code like 'bulk:%'`,
  );
  await wallet.root("analyze saldo.member");
  const plan = await wallet.root(
    `explain (format json) select from saldo.member as c
    where lower(c.code) ~>=~ 'bulk-12' and lower(c.code) ~<~ 'bulk-13'`,
  );
  t.regex(JSON.stringify(plan), /member_code_beginning/);
  const words = await wallet.root(
    `explain (format json) select from saldo.member as n
    where to_tsvector('simple', n.name) @@ to_tsquery('simple', '1234:*')`,
  );
  t.regex(JSON.stringify(words), /member_name_words/);
});
