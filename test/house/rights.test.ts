import test from "ava";
import { rightsMatrix } from "../../scripts/rights_matrix.ts";
import { asMember } from "../_support/database.ts";
import { openWallet } from "../wallet/_wallet.ts";

/** The matrix of docs/reference/rights.md, which doc_tables.test.ts holds to the catalogue. */

const wallet = await openWallet();
test.after.always(() => wallet.close());

let titles: string[] = [];
let lines: string[][] = [];
test.before(async () => {
  const matrix = await rightsMatrix(wallet.pool);
  [titles = [], ...lines] = matrix
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()));
});

/** Things that a role has this right to. */
const having = (role: string, right: RegExp) =>
  lines
    .filter((cells) => right.test(cells[titles.indexOf(role)] ?? ""))
    .map((cells) => (cells[1] ?? "").replaceAll("`", ""));

test("what a function does as the owner for members and strangers was looked at", (t) => {
  // Each asks whose it is, or tells nothing that is anybody's.
  t.deepEqual(having("member", /as owner/), [
    "saldo.balance_health",
    "saldo.purchase_many",
    "saldo.purchase_with_balance_deduction",
    "saldo.wallet_balance",
    "saldo.wallet_balance_parts",
    "saldo.wallet_history",
    "saldo_private.current_account_id",
    "saldo_private.fail",
    "saldo_private.member_of_login",
    "saldo_private.period_status",
    "saldo_private.watch_account",
  ]);
  t.deepEqual(having("anonymous", /changes/), []);
  t.deepEqual(having("operator", /changes as owner/), [
    "saldo.check_balance_health",
    "saldo_private.watch_account",
  ]);
});

test("what cashiers, billers and applications do was looked at", (t) => {
  const wallet = [
    "purchase_many",
    "purchase_with_balance_deduction",
    "wallet_balance",
    "wallet_balance_parts",
    "wallet_history",
  ];
  const purchases = ["complete_purchase", "fail_purchase", ...wallet];
  // All of them may be told what is wrong.
  const functions = (role: string) =>
    having(role, /changes|as owner/)
      .filter((name) => name !== "saldo_private.fail")
      .map((name) => name.replace("saldo.", ""));
  t.deepEqual(functions("app"), ["complete_purchase", "create_member", ...purchases.slice(1)]);
  t.deepEqual(functions("cashier"), [
    "complete_purchase",
    "fail_purchase",
    "purchase_many",
    "purchase_with_balance_deduction",
    "refund_purchase",
    "top_up",
    "top_up_many",
    ...wallet.slice(2),
  ]);
  const metering =
    /reading|meter|tariff|correction|rerat|deposit|customer|compare_monthly_balances|create_customer|import_digests/;
  t.deepEqual(
    functions("biller").filter((name) => !metering.test(name)),
    [],
  );
  t.deepEqual(
    having("accountant", /changes as owner/).filter((name) => !name.startsWith("saldo_private.")),
    [
      "adjust_balance",
      "begin_closing",
      "cancel_closing",
      "check_balance_health",
      "close_account",
      "close_period",
      "close_year",
      "discard_draft",
      "edit_draft",
      "lock_period",
      "make_draft",
      "open_account",
      "post_draft",
      "post_entries",
      "propose_adjustment",
      "propose_closing",
      "reopen_period",
      "reverse_entry",
      "reverse_top_up",
      "transfer",
      "transfer_many",
    ].map((name) => `saldo.${name}`),
  );
  t.deepEqual(having("auditor", /./), having("operator", /./));
});

test("each function says itself who may call it, as the grants have it", async (t) => {
  const { rows } = await wallet.pool.query<{ name: string; said: string }>(
    `select format('saldo.%s', p.proname) as name,
      substring(obj_description(p.oid, 'pg_proc') from ' Who may: (.*)\\.$') as said
    from pg_proc as p
    where p.pronamespace = 'saldo'::regnamespace`,
  );
  const rights = new Map(lines.map(([, name = "", ...cells]) => [name.replaceAll("`", ""), cells]));
  t.true(rows.length > 100);
  for (const { name, said } of rows) {
    const may = titles.slice(2, -1).filter((_, place) => rights.get(name)?.[place] !== "");
    t.is(said, may.join(", "), name);
  }
});

test("nobody writes a table, makes things, or sees all rows who is not staff", (t) => {
  t.deepEqual(having("app", /^all$/), [
    "saldo.error_code",
    "saldo.member",
    "saldo.product",
    "saldo.purchase",
    "saldo.setting",
  ]);
  for (const role of titles.slice(2, -1)) {
    t.deepEqual(having(role, /insert|update|delete|truncate|trigger|references|make/), [], role);
  }
  t.deepEqual(having("member", /^all$/), ["saldo.error_code", "saldo.product", "saldo.setting"]);
  t.deepEqual(having("anonymous", /^(all|own)$/), ["saldo.error_code"]);
});

test("of each table that shows members their own rows two members see none in common", async (t) => {
  const own = having("member", /^(own|as caller)$/);
  t.true(own.length > 10);
  const product = await wallet.product(1000, 20);
  const members = [await wallet.member(50_000), await wallet.member(50_000)] as const;
  for (const member of members) {
    const { id } = await wallet.buy(member, product);
    await wallet.buy(member, product, { hold_only: true });
    await wallet.call("admin", "refund_purchase", {
      purchase_id: id,
      reason: "broken",
      amount: 300,
    });
  }
  const rowsOf = (memberId: string, table: string) =>
    asMember(wallet.pool, memberId, async (client) => {
      const { rows } = await client.query(`select to_jsonb(t)::text as row from ${table} as t`);
      return rows.map(({ row }) => String(row));
    });
  const seen: string[] = [];
  for (const table of own) {
    const [first, second] = [
      await rowsOf(members[0].id, table),
      new Set(await rowsOf(members[1].id, table)),
    ];
    t.deepEqual(
      first.filter((row) => second.has(row)),
      [],
      table,
    );
    t.deepEqual(await rowsOf("", table), [], `${table} for nobody`);
    if (first.length > 0 && second.size > 0) seen.push(table);
  }
  for (const table of [
    "account",
    "journal_entry",
    "journal_line",
    "hold",
    "purchase",
    "stock_item",
  ]) {
    t.true(seen.includes(`saldo.${table}`), table);
  }
});
