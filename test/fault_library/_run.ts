import test, { type ExecutionContext } from "ava";
import type { PoolClient } from "pg";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { checkOf, type Finding, findingsOf, journalDigest } from "../_support/faults.ts";
import type { Fault, Room } from "./_library.ts";

/** What a transaction that plants a fault comes to. */
export interface Seen {
  rules: string[];
  cause: string;
  outcome: string;
}

/**
 * Two accounts, a member with two purchases (one pending, one refunded), some postings, and a hot
 * account with settled rows, a pending one and a hold.
 */
const commonBooks = `
  do $$
  declare
    v_purchase saldo.purchase;
    v_float saldo.account;
  begin
    perform saldo.open_account('till', 'Till', 'asset', min_balance => 0);
    perform saldo.open_account('owner', 'Owner', 'equity');
    perform saldo.transfer(1, 2, 1000, idempotency_key => 'first');
    perform saldo.create_member('m', 'M');
    perform saldo.create_product('p', 'P', 100, is_stock_tracked => true);
    perform saldo.add_stock_items(1, array['a', 'b', 'c', 'd', 'e']);
    perform saldo.top_up(1, 1000);
    perform saldo.purchase_with_balance_deduction(1, 1, 100, idempotency_key => 'buy');
    perform saldo.purchase_with_balance_deduction(1, 1, 100, hold_only => true);
    v_purchase := saldo.purchase_with_balance_deduction(1, 1, 100);
    perform saldo.refund_purchase(v_purchase.id, 'broken');
    v_float := saldo.open_account('float', 'Float', 'liability', min_balance => 0);
    perform saldo.make_account_hot(v_float.id, 2);
    perform saldo.submit_transaction(v_float.id, 500, 'credit', idempotency_key => 'submitted');
    perform saldo.submit_transaction(v_float.id, 20, 'debit');
    perform saldo.settle_sub_balances();
    perform saldo.submit_transaction(v_float.id, 7, 'debit');
    perform saldo.place_hold(v_float.id, 30);
    -- A row stays pending for as long as the faults of a room take.
    perform saldo.set_setting('settlement_lag_max_seconds', '3600');
  end
  $$;
  -- As the owner of the engine, in none of the ways that the guard knows.
  create function public.unseen(command text) returns void language plpgsql security definer
    as $$ begin execute command; end $$;
  alter function public.unseen owner to saldo_owner`;

/** All that caches say of the accounts: what a heal has to bring back. */
const figures = `
  select jsonb_build_object(
    'accounts', (select jsonb_agg(jsonb_build_array(t.account_id, t.debit_total, t.credit_total,
      t.held_total) order by t.account_id) from saldo_private.account_total as t),
    'months', (select jsonb_agg(to_jsonb(m) order by m.account_id, m.month) from (
      select p.account_id, p.month, sum(p.debit) as debit, sum(p.credit) as credit,
        sum(p.line_count) as line_count
      from saldo_private.posted_movement as p group by 1, 2) as m),
    'years', (select jsonb_agg(to_jsonb(y) order by y.account_id, y.year)
      from saldo_private.year_movement as y),
    'customers', (select jsonb_agg(to_jsonb(c) - 'last_calculated_at'
      order by c.account_id, c.month) from saldo.customer_month_total as c),
    'slots', (select jsonb_agg(to_jsonb(s) order by s.account_id) from (
      select a.account_id, sum(a.available) as available, sum(a.held) as held, sum(a.seq) as seq,
        sum(a.debit_total) as debit, sum(a.credit_total) as credit
      from saldo_private.account_slot as a group by 1) as s)
  )::text as figures`;

async function plant(client: PoolClient, { plant: text, unseen }: Fault): Promise<void> {
  await client.query("set local session_replication_role = replica");
  if (unseen) await client.query("select public.unseen($1)", [text]);
  else await client.query(text);
  await client.query("set local session_replication_role = origin");
}

/** What a heal does about it, and the check that it begins with. */
async function heal(client: PoolClient, rule: string): Promise<[string, Finding[]]> {
  const { rows } = await client.query(
    "select r.id, r.frozen_count, r.check_run_id from saldo.auto_heal(false) as r",
  );
  const actions = await client.query(
    `select distinct outcome::text from saldo.heal_action
    where heal_run_id = $1 and rule = $2 order by 1`,
    [rows[0].id, rule],
  );
  const outcomes = actions.rows.map(({ outcome }) => String(outcome).replace("_", " "));
  const isFrozen = ["", "refused"].includes(outcomes.join()) && rows[0].frozen_count > 0;
  return [
    isFrozen ? "frozen" : outcomes.join(", ") || "reported",
    await findingsOf(client, rows[0].check_run_id),
  ];
}

/** The findings of the latest check. */
async function latestFindings(client: PoolClient): Promise<Finding[]> {
  const { rows } = await client.query(
    "select id from saldo.check_run order by number desc limit 1",
  );
  return findingsOf(client, rows[0].id);
}

const causesOf = (findings: Finding[], rule: string) =>
  [
    ...new Set(
      findings
        .filter((finding) => finding.rule === rule)
        .map(({ cause, explanation }) => `${cause} ${/\((\w+)\)$/.exec(explanation)?.[1] ?? ""}`),
    ),
  ]
    .sort()
    .join(", ");

/** Plants a fault in a transaction that is rolled back, checks and heals; what came of it. */
export async function see(t: ExecutionContext, client: PoolClient, fault: Fault): Promise<Seen> {
  await client.query("begin");
  try {
    if (fault.before) await client.query(fault.before);
    const { rows: before } = await client.query(figures);
    await plant(client, fault);
    if (fault.twice) {
      t.is((await heal(client, fault.rules[0]))[0], "healed", "the first time");
      await plant(client, fault);
    }
    const digest = await journalDigest(client);
    const [outcome, findings] = await heal(client, fault.rules[0]);
    t.is(await journalDigest(client), digest, "a heal leaves the journal as it found it");
    if (outcome === "healed") {
      const { rows: after } = await client.query(figures);
      t.deepEqual(JSON.parse(after[0].figures), JSON.parse(before[0].figures));
      // A run that has healed something checks once more at its end.
      t.deepEqual(await latestFindings(client), [], "nothing is left of it");
    }
    return {
      rules: [...new Set(findings.map(({ rule }) => rule))].sort(),
      cause: causesOf(findings, fault.rules[0]),
      outcome,
    };
  } finally {
    await client.query("rollback");
  }
}

/** The books of a room, which a check finds in order. */
export async function openRoom(t: ExecutionContext, { books }: Room): Promise<TestDatabase> {
  const database = await openTestDatabase(2);
  await database.pool.query(commonBooks);
  if (books) await database.pool.query(books);
  t.deepEqual((await checkOf(database.pool)).findings, [], "in order before any fault");
  return database;
}

/** A test for each fault of the room, one after the other over the same books. */
export function testRoom(room: Room): void {
  let database: TestDatabase;
  let client: PoolClient;
  test.serial.before(async (t) => {
    database = await openRoom(t as ExecutionContext, room);
    client = await database.pool.connect();
  });
  for (const fault of room.faults) {
    test.serial(`${fault.fault}: ${fault.outcome}`, async (t) => {
      t.deepEqual(await see(t, client, fault), {
        rules: [...fault.rules].sort(),
        cause: fault.cause,
        outcome: fault.outcome,
      });
    });
  }
  test.serial("all faults are gone again", async (t) => {
    t.deepEqual((await checkOf(client)).findings, []);
  });
  test.after.always(async () => {
    client?.release();
    await database?.close();
  });
}
