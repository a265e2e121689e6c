import type { Pool, PoolClient } from "pg";
import { errorCode, openTestDatabase, type TestDatabase } from "../_support/database.ts";

/** Books of every room, what may happen in them, and what may go wrong in what happened last. */

/**
 * Two plain accounts, two members with products (one of them tracked), two hot accounts, two
 * customers with meters, and a month of 2020 that is closed.
 */
export async function openNews(): Promise<TestDatabase> {
  const database = await openTestDatabase(10);
  // How long a row waits for its settlement is up to the machine here.
  await database.pool.query("select saldo.set_setting('settlement_lag_max_seconds', '3000')");
  await database.pool.query(`
    do $$
    declare
      v_hot saldo.account;
    begin
      perform saldo.open_account('till', 'Till', 'asset');
      perform saldo.open_account('owner', 'Owner', 'equity');
      perform saldo.transfer(1, 2, 1000, occurred_at => '2020-01-15');
      perform saldo.close_period('2020-01-01');
      perform saldo.create_product('plain', 'Plain', 10);
      perform saldo.create_product('tracked', 'Tracked', 20, is_stock_tracked => true);
      perform saldo.add_stock_items(2, array(select 'item-' || g from generate_series(1, 200) as g));
      perform saldo.add_tariff_version(10, '2025-01-01');
      perform saldo.add_correction_factor('2025-01-01', 'fixed', factor => 2);
      for number in 1..2 loop
        perform saldo.create_member('member-' || number, 'Member');
        perform saldo.top_up(number, 100000);
        v_hot := saldo.open_account('hot-' || number, 'Hot', 'liability', min_balance => 0);
        perform saldo.make_account_hot(v_hot.id, 2);
        perform saldo.submit_transaction(v_hot.id, 100000, 'credit');
        perform saldo.create_customer('customer-' || number, 'Customer');
        perform saldo.add_deposit(number, 1000);
        perform saldo.install_meter(number, 'meter-' || number,
          case number when 1 then 'index' else 'volume' end::saldo.meter_kind,
          installed_at => '2025-01-01');
      end loop;
    end
    $$
  `);
  return database;
}

/** One of what a query returns, by a number. */
const pick = (column: string, from: string) =>
  `(select ${column} from ${from} order by md5(id::text || $1) limit 1)`;
const hot = `(select id from saldo.account where code = 'hot-' || 1 + $1::integer % 2)`;
const held = pick("id", "saldo.hold where status = 'HELD' and source <> 'purchase'");
const bought = (status: string) => pick("id", `saldo.purchase where status = '${status}'`);
const current = (name: string) => pick("id", `saldo.${name} where status = 'current'`);
const at = "timestamptz '2025-01-02' + make_interval(mins => $1::integer)";

/** What happens in the books; $1 is a number that decides about what. */
export const steps: Record<string, string> = {
  transfer: "select saldo.transfer(1, 2, 1 + $1::integer % 50)",
  reverse: `select saldo.reverse_entry(${pick(
    "id",
    "saldo.journal_entry where source = 'transfer' and posting_date > '2021-01-01'",
  )}, 'wrong')`,
  buy: `select saldo.purchase_with_balance_deduction(1 + $1::integer % 2, 1 + $1::integer / 2 % 2,
    10 * (1 + $1::integer / 2 % 2), idempotency_key => 'buy-' || $1)`,
  reserve: `select saldo.purchase_with_balance_deduction(1 + $1::integer % 2, 2, 20,
    hold_only => true)`,
  complete: `select saldo.complete_purchase(${bought("pending")})`,
  fail: `select saldo.fail_purchase(${bought("pending")}, 'gone')`,
  refund: `select saldo.refund_purchase(${bought("completed")}, 'broken')`,
  submit: `select saldo.submit_transaction(${hot}, 1 + $1::integer % 9,
    case $1::integer % 3 when 0 then 'debit' else 'credit' end::saldo.entry_side)`,
  settle: "select saldo.settle_sub_balances(), $1::text",
  hold: `select saldo.place_hold(${hot}, 1 + $1::integer % 9)`,
  capture: `select saldo.capture_hold(${held})`,
  release: `select saldo.void_hold(${held})`,
  deposit: "select saldo.add_deposit(1 + $1::integer % 2, 1 + $1::integer)",
  change_deposit: `select saldo.change_deposit(${current("deposit")}, 1 + $1::integer)`,
  remove_deposit: `select saldo.remove_deposit(${current("deposit")}, 'wrong')`,
  read_index: `select saldo.add_reading(1, ${at}, $1::integer)`,
  read_volume: `select saldo.add_reading(2, ${at}, volume => 5)`,
  remove_reading: `select saldo.remove_reading(${current("reading")})`,
  price: `select saldo.add_tariff_version(10 + $1::integer % 7, '2025-01-02'::date
    + $1::integer % 300, customer_id => 1 + $1::integer % 2)`,
};

/** Takes a step; what Saldo refuses leaves no trace. Anything else is an error of the test. */
export async function take(pool: Pool, name: string, number: number): Promise<void> {
  const code = await errorCode(pool.query(steps[name] ?? "", [number]));
  // Who takes one step of many at a time may be the victim of a deadlock, and come again.
  if (code !== "none" && !code.startsWith("SB") && code !== "40P01") {
    throw new Error(`${name} ${number}: ${code}`);
  }
}

const posted = (source: string) =>
  `(select id from saldo.journal_entry where posted_at > $1 and source = '${source}'
    and kind = 'normal' order by id desc limit 1)`;
const settlement = `(select (metadata ->> 'settlement_id')::uuid from saldo.journal_entry
  where posted_at > $1 and source = 'settlement' order by id desc limit 1)`;
const settledRow = `(select s.id from saldo.settlement_range as r
  join saldo.sub_balance as s on s.account_id = r.account_id and s.slot_no = r.slot_no
    and s.seq between r.first_seq and r.last_seq
  where r.settlement_id = ${settlement} order by s.seq desc limit 1)`;
const purchase = `(select id from saldo.purchase where entry_id = ${posted("purchase")})`;
const customer = `(select l.account_id from saldo.journal_line as l
  join saldo.customer as c on c.account_id = l.account_id
  join saldo.journal_entry as e on e.id = l.entry_id
  where e.posted_at > $1 order by e.id desc limit 1)`;
const rated = `(select l.id from saldo.rated_line as l join saldo.journal_entry as e
  on e.id = l.entry_id where e.posted_at > $1 and l.superseded_at is null
  and not l.is_withdrawn and not l.is_provisional order by l.id desc limit 1)`;

/**
 * Faults in what was posted since $1: the rule that has to see each, and a statement that returns
 * a row when there was something to tamper with.
 */
export const faults: { name: string; rule: string; text: string }[] = [
  {
    name: "a reversed entry that says it is not",
    rule: "reversal",
    text: `update saldo.journal_entry set status = 'posted' where id = (select reverses
      from saldo.journal_entry where posted_at > $1 and kind = 'reversal' order by id desc limit 1)
      returning id`,
  },
  {
    name: "an entry that is dated in a closed month",
    rule: "closed_period",
    text: `update saldo.journal_entry set posting_date = '2020-01-20'
      where id = ${posted("transfer")} returning id`,
  },
  {
    name: "a settled row that is gone",
    rule: "sub_balance",
    text: `delete from saldo.sub_balance where id = ${settledRow} returning id`,
  },
  {
    name: "a settled row of another amount",
    rule: "settlement",
    text: `update saldo.sub_balance set amount = amount + 1 where id = ${settledRow} returning id`,
  },
  {
    name: "a settlement of another sum",
    rule: "settlement",
    text: `update saldo.settlement set credit = credit + 1 where id = ${settlement} returning id`,
  },
  {
    name: "a stretch that passes a row over",
    rule: "settlement_range",
    text: `update saldo.settlement_range set first_seq = first_seq - 1
      where settlement_id = ${settlement} returning slot_no`,
  },
  {
    name: "a mark that is not where its stretch ends",
    rule: "settlement_range",
    text: `update saldo_private.settlement_mark set seq = seq + 1 where (account_id, slot_no) in (
      select account_id, slot_no from saldo.settlement_range
      where settlement_id = ${settlement} limit 1) returning slot_no`,
  },
  {
    name: "a summary of rows that differs from its entry",
    rule: "settlement_entry",
    text: `update saldo.settlement_entry set credit = credit + 1
      where settlement_id = ${settlement} returning entry_id`,
  },
  {
    name: "a summary that is gone",
    rule: "settlement_entry",
    text: `delete from saldo.settlement_entry where settlement_id = ${settlement}
      returning entry_id`,
  },
  {
    name: "a purchase without its record",
    rule: "purchase_entry",
    text: `delete from saldo.purchase where id = ${purchase} returning id`,
  },
  {
    name: "a purchase of another amount",
    rule: "purchase_entry",
    text: `update saldo.purchase set amount = amount * 2, quantity = quantity * 2
      where id = ${purchase} returning id`,
  },
  {
    name: "a pending purchase whose item is free again",
    rule: "purchase_entry",
    text: `update saldo.stock_item set account_id = null, purchase_id = null, assigned_at = null
      where purchase_id = (select id from saldo.purchase where status = 'pending'
        and created_at > $1 limit 1) returning id`,
  },
  {
    name: "a deposit without its record",
    rule: "deposit_entry",
    text: `delete from saldo.deposit where entry_id = ${posted("deposit")} returning id`,
  },
  {
    name: "a deposit of another amount",
    rule: "deposit_entry",
    text: `update saldo.deposit set amount = amount + 1 where id = (select d.id from saldo.deposit as d
      join saldo.journal_entry as e on e.id = d.entry_id where e.posted_at > $1
      and d.status = 'current' order by d.id desc limit 1) returning id`,
  },
  {
    name: "a rated line of another amount",
    rule: "rated_line",
    text: `update saldo.rated_line set amount = amount + 1 where id = ${rated} returning id`,
  },
  {
    name: "a reading that says it was divided",
    rule: "rated_part",
    text: `update saldo.rated_line set parts = '{}' where id = ${rated} returning id`,
  },
  {
    name: "a charge that nobody posted",
    rule: "customer_charge",
    text: `insert into saldo.customer_charge (account_id, id, month, part_id, kind, name, quantity,
        price, amount, target_account_id, charged_by)
      select c.account_id, gen_random_uuid(), '2020-05-01', 1, 'tier', 'x', 1, 1, 1, 1, 'x'
      from saldo.customer as c where c.account_id = ${customer} returning id`,
  },
  {
    name: "a rated line that says it changed something else",
    rule: "rating_entry",
    text: `update saldo.rated_line set amount_change = amount_change + 1 where id = ${rated}
      returning id`,
  },
  {
    name: "a rated line that is gone",
    rule: "reading_rated",
    text: `delete from saldo.rated_line where id = ${rated} returning id`,
  },
  {
    name: "a month of a customer",
    rule: "customer_month_total",
    text: `update saldo.customer_month_total set others = others + 1
      where account_id = ${customer} returning month`,
  },
  {
    name: "an account that is frozen without a record",
    rule: "account_freeze",
    text: `update saldo.account set frozen_at = $1, frozen_reason = 'x'
      where id = 1 returning id`,
  },
  {
    name: "a re-rating that stands still",
    rule: "rerating",
    text: `insert into saldo.rerating (operation, from_date, reading_count, created_at, created_by)
      values ('x', '2025-01-01', 3, $1::timestamptz - interval '1 hour', 'x') returning id`,
  },
  {
    name: "a reading that waits for a price",
    rule: "reading_unrated",
    text: `insert into saldo_private.unrated_reading (account_id, reading_id, read_on)
      select r.account_id, r.id, r.read_on from saldo.reading as r
      where r.account_id = ${customer} and r.status = 'current'
      and $1 is not null limit 1 returning reading_id`,
  },
];

/** What a check found: rule and key, those of rules that incremental checks run. */
export async function found(client: PoolClient, name: string): Promise<string[]> {
  const { rows } = await client.query(`select * from saldo.${name}()`);
  const findings = await client.query(
    `select format('%s %s', f.rule, f.key) as finding from saldo.finding as f
    join saldo.balance_rule as r on r.name = f.rule
    where f.check_run_id = $1 and r.is_incremental order by 1`,
    [rows[0].id],
  );
  return [rows[0].scope, ...findings.rows.map(({ finding }) => finding)];
}
