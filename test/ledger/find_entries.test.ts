import test from "ava";
import { asOperator, errorCode, openTestDatabase } from "../_support/database.ts";

const database = await openTestDatabase(4);
const { pool } = database;
test.after.always(() => database.close());

interface Found {
  id: string;
  is_match: boolean;
  description: string;
  amount: string | null;
  currency: string | null;
  debit_codes: string;
  credit_codes: string;
  status: string;
}

const find = (filters: string, values: unknown[] = []): Promise<Found[]> =>
  asOperator(pool, async (client) => {
    const { rows } = await client.query(`select * from saldo.find_entries(${filters})`, values);
    return rows as Found[];
  });
const names = async (filters: string, values: unknown[] = []) =>
  (await find(filters, values)).map(({ description }) => description);

test.before(async () => {
  await pool.query(`
    select saldo.open_account(code, code || ' of the shop', 'asset', currency)
    from (values ('till:1', 'IDR'), ('till:2', 'IDR'), ('bank', 'IDR'), ('dollars', 'USD'),
      ('dollar bank', 'USD')) as a (code, currency);
    select saldo.open_account('100%_sure', 'Discount of 50% given', 'expense');
  `);
  const pair = (description: string, amount: string, more: object, debit = "till:1") => ({
    description,
    lines: [
      { account_code: debit, debit: amount },
      { account_code: "bank", credit: amount },
    ],
    ...more,
  });
  await pool.query("select from saldo.post_entries($1)", [
    JSON.stringify([
      pair("Rare float of the till", "777.5", { idempotency_key: "float-1", source: "shop" }),
      pair("Rent for July", "1200", { occurred_at: "2026-07-03T10:00:00Z" }, "till:2"),
      {
        description: "Two currencies",
        lines: [
          { account_code: "till:2", debit: "10" },
          { account_code: "bank", credit: "10" },
          { account_code: "dollars", debit: "1" },
          { account_code: "dollar bank", credit: "1" },
        ],
      },
    ]),
  ]);
  await pool.query(`
    select from saldo.post_entries((
      select jsonb_agg(jsonb_build_object('description', 'sale ' || n, 'lines', jsonb_build_array(
        jsonb_build_object('account_code', 'till:1', 'debit', '5'),
        jsonb_build_object('account_code', 'bank', 'credit', '5')
      )) order by n)
      from generate_series(1, 5050) as n
    ))
  `);
});

test("a page shows what an entry is, and goes on where the last one ended", async (t) => {
  const [first, ...others] = await find("row_limit => 50");
  t.is(others.length, 49);
  t.like(first, {
    is_match: true,
    description: "sale 5050",
    debit_codes: "till:1",
    credit_codes: "bank",
    amount: "5",
    currency: "IDR",
    status: "posted",
  });
  const next = await find("before_id => $1, row_limit => 1", [others.at(-1)?.id]);
  t.is(next[0]?.description, "sale 5000");
  const two = await find("search => 'CURRENCIES two', from_date => current_date - 1");
  t.deepEqual(
    two.map(({ is_match }) => is_match),
    [false],
    "5,000 entries were gone through and it is not among them",
  );
  const [found] = await find("search => 'CURRENCIES two', before_id => $1", [two[0]?.id]);
  t.like(found, { is_match: true, amount: null, currency: null });
});

test("entries are found by day, account, amount, source, kind and reference", async (t) => {
  t.deepEqual(await names("to_date => '2026-07-31', from_date => '2026-07-01'"), ["Rent for July"]);
  const till = "(select saldo.id_of_account('till:2'))";
  t.deepEqual(await names(`account_id => ${till}`), ["Two currencies", "Rent for July"]);
  t.deepEqual(await names(`account_id => ${till}, min_amount => 11`), ["Rent for July"]);
  t.deepEqual(await names(`account_id => ${till}, max_amount => 11`), ["Two currencies"]);
  const [last] = await find(`account_id => ${till}, row_limit => 1`);
  t.deepEqual(await names(`account_id => ${till}, before_id => $1`, [last?.id]), ["Rent for July"]);
  const bank = "(select saldo.id_of_account('bank'))";
  const rare = "min_amount => 777, max_amount => 778";
  const [far] = await find(`account_id => ${bank}, ${rare}`);
  t.false(far?.is_match);
  for (const filters of [rare, "source => 'shop'", `account_id => ${bank}, ${rare}`]) {
    t.deepEqual(await names(`${filters}, before_id => $1`, [far?.id]), ["Rare float of the till"]);
  }
  t.deepEqual(await names("kind => 'closing', before_id => $1", [far?.id]), []);
  const [float] = await find("reference => 'float-1'");
  t.is(float?.amount, "777.5");
  const { rows } = await pool.query("select * from saldo.reverse_entry($1, 'counted again')", [
    float?.id,
  ]);
  t.deepEqual(await names("reference => $1", [float?.id]), [
    "counted again",
    "Rare float of the till",
  ]);
  t.deepEqual(await names("reference => 'no such key'"), []);
  const lines = await asOperator(pool, (client) =>
    client.query("select account_code, debit, credit from saldo.entry_lines($1)", [rows[0]?.id]),
  );
  t.deepEqual(lines.rows, [
    { account_code: "till:1", debit: "0", credit: "777.5" },
    { account_code: "bank", debit: "777.5", credit: "0" },
  ]);
});

test("accounts are found by the beginning of a code or words of a name", async (t) => {
  const accounts = (filters: string) =>
    asOperator(pool, async (client) => {
      const { rows } = await client.query(`select code from saldo.find_accounts(${filters})`);
      return rows.map(({ code }) => code);
    });
  t.deepEqual(await accounts("'till:'"), ["till:1", "till:2"]);
  t.deepEqual(await accounts("'SHOP till'"), ["till:1", "till:2"]);
  t.deepEqual(await accounts("'till:', after_code => 'till:1'"), ["till:2"]);
  t.deepEqual(await accounts("'50%'"), ["100%_sure"], "a percent sign is one");
  t.deepEqual(await accounts("'100__'"), []);
  t.deepEqual(await accounts("currency => 'USD', row_limit => 1"), ["dollar bank"]);
  t.deepEqual(await accounts("type => 'expense', is_frozen => false, is_closed => false"), [
    "100%_sure",
  ]);
  t.deepEqual(await accounts("'shop', is_frozen => true"), []);
  t.deepEqual(await accounts("'shop', mode => 'hot'"), []);
});

test("codes are a tree, with what is in the accounts of each step", async (t) => {
  const groups = (parent: string) =>
    asOperator(pool, async (client) => {
      const { rows } = await client.query(
        `select prefix, account_id is not null as is_account, account_count, balance
        from saldo.account_groups($1) where type = 'asset' and currency = 'IDR'`,
        [parent],
      );
      return rows;
    });
  const till = { prefix: "till:", is_account: false, account_count: "2" };
  const top = await groups("");
  t.like(
    top.find(({ prefix }) => prefix === "till:"),
    till,
  );
  const [bank] = top.filter(({ prefix }) => prefix === "bank");
  t.true(bank.is_account);
  const [one, two] = await groups("till:");
  t.like(two, { prefix: "till:2", is_account: true, account_count: "1", balance: "1210" });
  t.is(
    top.find(({ prefix }) => prefix === "till:").balance,
    String(Number(one.balance) + Number(two.balance)),
  );
  t.deepEqual(await groups("till:2"), []);
});

test("what is asked for has bounds", async (t) => {
  for (const name of ["find_entries", "find_accounts"]) {
    const ask = (filters: string) =>
      errorCode(
        asOperator(pool, (client) => client.query(`select from saldo.${name}(${filters})`)),
      );
    t.is(await ask("row_limit => 0"), "SB010", name);
    t.is(await ask("row_limit => null"), "SB010", name);
    t.is(await ask("search => repeat('x', 201)"), "SB009", name);
    t.is(await ask("search => repeat('%', 200)"), "none", name);
  }
  t.is(await errorCode(find("reference => repeat('x', 201)")), "SB009");
  const groups = asOperator(pool, (client) =>
    client.query("select from saldo.account_groups(row_limit => 0)"),
  );
  t.is(await errorCode(groups), "SB010");
});
