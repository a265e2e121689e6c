import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { Pool } from "pg";
import { openTestDatabase } from "../_support/database.ts";
import { settleAll } from "./_load.ts";

/*
 * Checks, most of them incremental, beside writers of all rooms: none finds anything. A rule that
 * alarms falsely under load would wake somebody each night.
 */

/** CI, which has its time, asks for fewer. */
const checkCount = Number(process.env["CHECK_RUNS"] ?? 300);
const fullEvery = 10;
/** Of each writer after each call: the books stay small enough for so many checks. */
const pauseMs = 40;

/** Refusals that belong to the load: not enough there, a collision, a backlog. */
const passing = /^(SB001|SB015|SB202|SB301|40P01)$/;

/** What one writer does again and again; its number tells one from the next. */
type Step = (pool: Pool, number: number) => Promise<unknown>;

interface Writers {
  done: Record<string, number>;
  refused: Record<string, number>;
  broken: string[];
  stop(): Promise<void>;
}

async function openBooks(pool: Pool): Promise<void> {
  await pool.query(`
    do $$
    declare
      v_float saldo.account;
    begin
      perform saldo.open_account('till', 'Till', 'asset');
      perform saldo.open_account('sales', 'Sales', 'revenue');
      v_float := saldo.open_account('float', 'Float', 'liability', min_balance => 0);
      perform saldo.make_account_hot(v_float.id, 4);
      perform saldo.submit_transaction(v_float.id, 100000, 'credit');
      perform saldo.create_member('m', 'M');
      perform saldo.create_member('n', 'N');
      perform saldo.top_up(1, 1000000);
      perform saldo.top_up(2, 1000000);
      perform saldo.create_product('p', 'P', 10);
      perform saldo.create_customer('c', 'C');
      perform saldo.install_meter(1, 'meter', installed_at => '2025-01-01');
      perform saldo.add_correction_factor('2025-01-01', 'fixed', factor => 2, customer_id => 1);
      perform saldo.add_tariff_version(10, '2025-01-01', customer_id => 1);
    end
    $$`);
}

const idOf = (code: string) => `(select id from saldo.account where code = '${code}')`;
const walletOf = (member: number) => `(select account_id from saldo.member where id = ${member})`;

const steps: Record<string, Step> = {
  transfer: (pool, number) =>
    pool.query(`select saldo.transfer(${idOf("till")}, ${idOf("sales")}, $1, occurred_at => $2)`, [
      1 + (number % 7),
      number % 3 === 0 ? `2024-${String(1 + (number % 12)).padStart(2, "0")}-10` : null,
    ]),
  submit: (pool, number) =>
    pool.query(`select saldo.submit_transaction(${idOf("float")}, $1, $2)`, [
      1 + (number % 5),
      number % 2 === 0 ? "credit" : "debit",
    ]),
  settle: async (pool) => {
    await pool.query("select from saldo.settle_sub_balances()");
    await sleep(50);
  },
  // What is sealed is compared by each check from then on: enough to seal beside all others.
  seal: async (pool, number) => {
    await sleep(1000);
    if (number < 30) await pool.query("select saldo.seal_rows()");
  },
  hold: async (pool, number) => {
    const account = number % 2 === 0 ? idOf("float") : walletOf(2);
    const { rows } = await pool.query(`select id from saldo.place_hold(${account}, 5)`);
    await sleep(5);
    if (number % 3 === 0) await pool.query("select saldo.void_hold($1)", [rows[0].id]);
    else await pool.query("select saldo.capture_hold($1)", [rows[0].id]);
  },
  purchase: async (pool, number) => {
    const { rows } = await pool.query(
      "select id, status from saldo.purchase_with_balance_deduction(1, 1, 10, hold_only => $1)",
      [number % 3 === 0],
    );
    const { id, status } = rows[0];
    if (status === "pending") await pool.query("select saldo.complete_purchase($1)", [id]);
    if (number % 2 === 0) await pool.query("select saldo.refund_purchase($1, 'broken')", [id]);
  },
  topUp: (pool) => pool.query("select saldo.top_up(1, 20)"),
  deposit: async (pool, number) => {
    const { rows } = await pool.query("select id from saldo.add_deposit(1, 100)");
    if (number % 4 === 0) await pool.query("select saldo.change_deposit($1, 90)", [rows[0].id]);
  },
  reading: async (pool, number) => {
    const readAt = new Date(Date.UTC(2025, 0, 2) + number * 6 * 3_600_000);
    if (readAt.getTime() > Date.now()) return;
    await pool.query("select saldo.add_reading(1, $1, $2)", [readAt, 10 * (number + 1)]);
    if (number % 25 !== 24) return;
    await pool.query("select saldo.add_tariff_version($1, $2, customer_id => 1)", [
      10 + (number % 5),
      new Date(readAt.getTime() - 48 * 3_600_000).toISOString().slice(0, 10),
    ]);
  },
  close: async (pool, number) => {
    await sleep(1000);
    if (number >= 12) return;
    await pool.query("select saldo.close_period($1)", [
      `2024-${String(number + 1).padStart(2, "0")}-01`,
    ]);
  },
};

function startWriters(pool: Pool): Writers {
  const writers: Writers = { done: {}, refused: {}, broken: [], stop: async () => {} };
  let isRunning = true;
  const write = async (name: string, step: Step) => {
    writers.done[name] = 0;
    for (let number = 0; isRunning; number += 1) {
      try {
        await step(pool, number);
        writers.done[name] = (writers.done[name] ?? 0) + 1;
      } catch (error) {
        const { code = "", message } = error as { code?: string; message: string };
        if (!passing.test(code)) writers.broken.push(`${name}: ${code} ${message}`);
        writers.refused[code] = (writers.refused[code] ?? 0) + 1;
      }
      await sleep(pauseMs);
    }
  };
  const all = Object.entries(steps).map(([name, step]) => write(name, step));
  writers.stop = async () => {
    isRunning = false;
    await Promise.all(all);
  };
  return writers;
}

/** However fast the checks are: each kind of writer was beside some of them. */
const haveAllWritten = ({ done, broken }: Writers) =>
  broken.length > 0 || Object.values(done).every((count) => count > 5);

test("checks beside writers of all rooms find nothing, and the sums are right", async (t) => {
  t.timeout(11 * 60_000);
  const database = await openTestDatabase(20);
  const { pool } = database;
  await openBooks(pool);
  const writers = startWriters(pool);
  const found: unknown[] = [];
  const scopes: Record<string, number> = {};
  let number = 0;
  try {
    for (; number < checkCount || !haveAllWritten(writers); number += 1) {
      const name = number % fullEvery === 0 ? "check_balance_health" : "reconcile";
      const { rows } = await pool.query(
        `select c.scope::text, c.status::text, f.rule, f.key, f.stored, f.derived
        from saldo.${name}() as c
        left join saldo.finding as f on f.check_run_id = c.id`,
      );
      scopes[rows[0].scope] = (scopes[rows[0].scope] ?? 0) + 1;
      found.push(...rows.filter(({ status }) => status !== "healthy"));
    }
  } finally {
    await writers.stop();
  }
  t.deepEqual(found, []);
  t.deepEqual(writers.broken, []);
  t.is(
    scopes["full"],
    Math.ceil(number / fullEvery),
    "the others are incremental: the books stay in order",
  );

  const client = await pool.connect();
  await settleAll(client as never);
  client.release();
  const { rows } = await pool.query(
    "select status::text, finding_count from saldo.check_balance_health()",
  );
  t.deepEqual(rows, [{ status: "healthy", finding_count: 0 }]);
  const { rows: sums } = await pool.query(`
    select sum(t.debit_total - t.credit_total)::numeric = 0 as sheet,
      sum(t.debit_total) = (select sum(debit) from saldo.journal_line) as debits,
      sum(t.credit_total) = (select sum(credit) from saldo.journal_line) as credits
    from saldo_private.account_total as t`);
  t.deepEqual(sums, [{ sheet: true, debits: true, credits: true }]);
  t.log(`done ${JSON.stringify(writers.done)}, refused ${JSON.stringify(writers.refused)}`);
  await database.close();
});
