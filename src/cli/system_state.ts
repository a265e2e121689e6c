/** How `saldo test-system` finds a running system: by what it has written down about itself. */
import type { Client } from "pg";
import { expectSame, Fault, type Part, value } from "./system_probe.ts";

// Longer than settlements and seals of a healthy worker take, whatever their settings.
const settlementLateSeconds = 600;
const sealLateSeconds = 90_000;

const books: Part = {
  name: "books",
  async try(client) {
    const { rows } = await client.query(
      "select currency, is_valid from saldo.balance_sheet_totals()",
    );
    const lopsided = rows.filter(({ is_valid }) => is_valid !== true);
    if (lopsided.length > 0) {
      throw new Fault(`they do not balance in ${lopsided.map(({ currency }) => currency).join()}`);
    }
    return rows.length === 0
      ? "there are no accounts yet"
      : `assets are liabilities and equity in ${rows.map(({ currency }) => currency).join(", ")}`;
  },
};

const lastCheck: Part = {
  name: "last check",
  async try(client) {
    const { rows } = await client.query(
      `select is_healthy, is_overdue, drift_count, last_check_at from saldo.balance_health()`,
    );
    const [{ is_healthy, is_overdue, drift_count, last_check_at }] = rows;
    if (last_check_at === null) throw new Fault("the balances were never checked");
    const at = last_check_at.toISOString();
    if (is_overdue) throw new Fault(`it is overdue: the last one was at ${at}`);
    if (!is_healthy) throw new Fault(`it found ${drift_count} findings at ${at}: npx saldo check`);
    return `nothing found at ${at}`;
  },
};

const worker: Part = {
  name: "jobs",
  async try(client) {
    const { rows } = await client.query(
      "select seen_at, is_silent from saldo_private.worker_state()",
    );
    const [{ seen_at, is_silent }] = rows;
    if (seen_at === null) throw new Fault("no worker was ever seen: npx saldo start, or worker");
    if (is_silent) throw new Fault(`they stand still since ${seen_at.toISOString()}`);
    const failed = await value(
      client,
      "select string_agg(name, ', ' order by name) from saldo.job where last_error is not null",
    );
    if (failed) throw new Fault(`failed at their last run: ${failed} (npx saldo job list)`);
    return `they run; seen at ${seen_at.toISOString()}`;
  },
};

const settlement: Part = {
  name: "settlement",
  async try(client) {
    const { rows } = await client.query(
      `select pending_count, oldest_pending_age_seconds as age, overdue_hold_count
      from saldo.settlement_health()`,
    );
    const [{ pending_count, age, overdue_hold_count }] = rows;
    if (Number(age) > settlementLateSeconds) {
      throw new Fault(`${pending_count} transactions wait, the oldest for ${Math.round(age)} s`);
    }
    return `${pending_count} transactions wait, ${overdue_hold_count} holds are past their time`;
  },
};

const seals: Part = {
  name: "seals",
  async try(client) {
    const { rows } = await client.query(
      `select sealed_entry_count as sealed, unsealed_entry_count as unsealed,
        oldest_unsealed_age_seconds as age
      from saldo.seal_status()`,
    );
    const [{ sealed, unsealed, age }] = rows;
    if (Number(age) > sealLateSeconds) {
      throw new Fault(`${unsealed} entries are not sealed, the oldest for ${Math.round(age)} s`);
    }
    return `${sealed} entries sealed, ${unsealed} not yet`;
  },
};

const alerts: Part = {
  name: "alerts",
  async try(client) {
    const open = await value(
      client,
      `select string_agg(distinct condition::text, ', ')
      from saldo.alert where resolved_at is null`,
    );
    if (open) throw new Fault(`open: ${open}`);
    return "none is open";
  },
};

/** The customer of this code: its balance, stored months and readings. */
export const customer = (code: string): Part => ({
  name: `customer ${code}`,
  async try(client: Client) {
    const { rows } = await client.query(
      `select c.id, c.currency, b.settled_balance as balance
      from saldo.customer as c
      cross join lateral saldo.balances(c.account_id) as b
      where c.code = $1`,
      [code],
    );
    const [found] = rows;
    if (found === undefined) throw new Fault("there is no such customer");
    const compared = await client.query(
      "select month_count, difference_count from saldo.compare_monthly_balances($1)",
      [found.id],
    );
    const [{ month_count, difference_count }] = compared.rows;
    expectSame("the number of stored months that differ", difference_count, "0");
    return `balance ${found.balance} ${found.currency}; ${month_count} months are as derived`;
  },
});

/** What is seen without writing anything. */
export const states: readonly Part[] = [books, lastCheck, worker, settlement, seals, alerts];
