import { randomBytes } from "node:crypto";
import test from "ava";
import { Client } from "pg";
import { errorCode, urlOf } from "../_support/database.ts";
import { openWallet } from "../wallet/_wallet.ts";

const wallet = await openWallet();
const login = `report_${randomBytes(4).toString("hex")}`;
let password = "";

test.before(async () => {
  const product = await wallet.product(1000);
  const member = await wallet.member(50_000);
  await wallet.buy(member, product);
  await wallet.buy(member, product, { occurred_at: "2025-02-03T05:00:00Z" });
  await wallet.buy(member, product, { occurred_at: "2025-02-04T05:00:00Z" });
  await wallet.root(`
    select saldo.create_customer('c1', 'One');
    select saldo.add_deposit(1, 9000, occurred_at => '2025-01-05T05:00:00Z');
    select saldo.add_tariff_version(1500, '2025-01-01');
    select saldo.add_correction_factor('2025-01-01', 'fixed', factor => 1);
    select saldo.install_meter(1, 'm', installed_at => '2025-01-06T05:00:00Z');
    select saldo.add_reading(1, '2025-02-07T05:00:00Z', 3)`);
  const [made] = await wallet.root("select saldo.create_report_login($1) as password", [login]);
  password = String(made?.password);
});
test.after.always(async () => {
  await wallet.root(`drop owned by ${login}; drop role ${login}`);
  await wallet.close();
});

/** Works as the login of a reporting tool. */
async function reporting<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const [{ name } = {}] = await wallet.root("select current_database() as name");
  const client = new Client({ connectionString: urlOf(String(name), { name: login, password }) });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const views = [
  "accounts",
  "lines",
  "daily_balances",
  "monthly_balances",
  "customer_months",
  "findings",
];

test("the views have the figures of the functions", async (t) => {
  const shown: Record<string, unknown[]> = {};
  await reporting(async (client) => {
    for (const view of views) shown[view] = (await client.query(`select * from ${view}`)).rows;
  });
  const same = async (view: string, text: string) => {
    const [row] = await wallet.root(text);
    t.true(Number(row?.count) > 0, `${view} has rows`);
    t.is(shown[view]?.length, Number(row?.count), view);
    t.is(row?.wrong, "0", view);
  };
  await same(
    "accounts",
    `select count(*), count(*) filter (where r.balance <> t.balance or r.debits <> t.debit_total
      or r.last_updated_at <> coalesce(t.last_updated_at, r.opened_at)) as wrong
    from saldo_report.accounts as r join saldo_private.account_total as t using (account_id)`,
  );
  await same(
    "lines",
    `select count(*), count(*) filter (where r.debit <> l.debit or r.credit <> l.credit) as wrong
    from saldo_report.lines as r join saldo.journal_line as l using (account_id, entry_id, line_no)`,
  );
  await same(
    "daily_balances",
    `select count(*), count(*) filter (where r.balance <> coalesce((select sum(l.credit - l.debit)
      * case when a.type in ('asset', 'expense') then -1 else 1 end from saldo.journal_line as l
      where l.account_id = a.id and l.posting_date <= r.day), 0)) as wrong
    from saldo_report.daily_balances as r join saldo.account as a on a.id = r.account_id`,
  );
  await same(
    "monthly_balances",
    `select count(*), count(*) filter (where (r.opening, r.debits, r.credits, r.closing)
      is distinct from (m.opening, m.debit, m.credit, m.closing)) as wrong
    from saldo_report.monthly_balances as r
    cross join lateral saldo.monthly_balance(r.account_id, r.month, r.month) as m`,
  );
  await same(
    "customer_months",
    `select count(*), count(*) filter (where (r.opening, r.deposits, r.purchases, r.closing, r.volume_sm3)
      is distinct from (m.opening_balance, m.deposits, m.purchases, m.closing_balance, m.volume_sm3)) as wrong
    from saldo_report.customer_months as r
    cross join lateral saldo.customer_month(r.customer_id, r.month) as m`,
  );
});

test("what a check has found is there, and said to be of the last check", async (t) => {
  const client = await wallet.pool.connect();
  try {
    await client.query("begin");
    await client.query(`set local session_replication_role = replica;
      update saldo.account set debit_total = debit_total + 5 where code = 'wallet:m2'`);
    await client.query("set local session_replication_role = origin");
    await client.query("select saldo.check_balance_health()");
    const look =
      "select rule, difference, is_of_last_check from saldo_report.findings where account_code = 'wallet:m2'";
    const { rows } = await client.query(look);
    t.true(
      rows.some(({ rule, difference }) => rule === "account_balance" && Number(difference) === -5),
    );
    t.true(rows.every(({ is_of_last_check }) => is_of_last_check));
  } finally {
    await client.query("rollback");
    client.release();
  }
});

test("a report's login reads the views, and comes to nothing else of Saldo", async (t) => {
  const things = await wallet.root(
    `select c.oid::regclass::text as name from pg_class as c
    where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
    and c.relkind in ('r', 'p', 'v') and not c.relispartition`,
  );
  const callable = await wallet.root(
    `select p.oid::regprocedure::text as name from pg_proc as p
    where p.pronamespace::regnamespace::text ~ '^saldo' and has_function_privilege($1, p.oid, 'execute')`,
    [login],
  );
  // What a view calls, and what every writer is asked.
  t.deepEqual(callable.map(({ name }) => name).sort(), [
    "saldo_private.is_debit_normal(saldo.account_type)",
    "saldo_private.is_moved_by_trigger()",
    "saldo_private.is_past_engine()",
    "saldo_private.normal_sign(saldo.account_type)",
  ]);
  await reporting(async (client) => {
    for (const view of views) t.is(await errorCode(client.query(`table ${view}`)), "none", view);
    for (const { name } of things) {
      t.is(await errorCode(client.query(`select 1 from ${name}`)), "42501", String(name));
    }
    t.is(await errorCode(client.query("create table saldo_report.x ()")), "25006");
    await client.query("set default_transaction_read_only = off");
    for (const text of [
      "create table saldo_report.x ()",
      "update saldo_report.accounts set name = 'x'",
      "delete from saldo_report.lines",
      "select saldo.wallet_balance(1)",
      "set role saldo_admin",
      "set role saldo_owner",
    ]) {
      // A view that cannot be written is refused before anybody's rights are looked at.
      t.regex(await errorCode(client.query(text)), /^(42501|55000)$/, text);
    }
  });
});

test("members and strangers do not come to the views, and nobody writes through them", async (t) => {
  for (const actor of [{ memberId: "1" }, "anonymous"] as const) {
    t.is(await errorCode(wallet.query(actor, "table saldo_report.accounts")), "42501");
  }
  for (const actor of ["admin", "operator"] as const) {
    t.true((await wallet.query(actor, "table saldo_report.accounts")).length > 2);
  }
  const writable = await wallet.root(
    `select oid::regclass from pg_class where relnamespace = 'saldo_report'::regnamespace
    and pg_relation_is_updatable(oid, true) <> 0`,
  );
  t.deepEqual(writable, []);
});

test("each view and column says what it is, in a plain type", async (t) => {
  const rows = await wallet.root(
    `select c.relname, a.attname from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
    join pg_type as t on t.oid = a.atttypid
    where c.relnamespace = 'saldo_report'::regnamespace
    and (t.typnamespace <> 'pg_catalog'::regnamespace or col_description(c.oid, a.attnum) is null
      or obj_description(c.oid) is null or col_description(c.oid, a.attnum) ~ '@')`,
  );
  t.deepEqual(rows, []);
});

test("a login is made once, by those who may make roles, and by a name of one's own", async (t) => {
  const make = (name: string | null) =>
    errorCode(wallet.root("select saldo.create_report_login($1)", [name]));
  t.is(await make(login), "SB014");
  for (const name of [null, "", "pg_x", "saldo_x", "Upper", "a-b", "a".repeat(64), "a\nb"]) {
    t.is(await make(name), "SB010", String(name));
  }
  const asAdmin = wallet.query("admin", "select saldo.create_report_login($1)", [`${login}x`]);
  t.is(await errorCode(asAdmin), "42501");
});
