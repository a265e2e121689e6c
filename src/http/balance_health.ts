/** The health of balances and of settlement, from public SQL functions, for monitoring. */
import type { Pool } from "pg";
import { withRole } from "../database/with_role.ts";
import { cached } from "./cached.ts";

/** The row of saldo.balance_health(); amounts are text, as the driver gives numeric. */
export interface BalanceHealth {
  /** Whether the balance sheet balances, and the last check found nothing and is not overdue. */
  readonly is_healthy: boolean;
  /** Whether the balance sheet balanced at the last check; null before the first. */
  readonly is_valid: boolean | null;
  readonly currency: string;
  readonly total_assets: string | null;
  readonly total_liabilities: string | null;
  readonly total_equity: string | null;
  readonly drift_count: number;
  readonly pending_purchase_count: string;
  readonly last_check_status: string | null;
  readonly last_check_at: Date | null;
  readonly last_check_age_seconds: string | null;
  readonly is_overdue: boolean;
  readonly rule_count: number | null;
  readonly account_count: string | null;
  readonly line_count: string | null;
}

/** The row of saldo.settlement_health(). */
export interface SettlementHealth {
  readonly hot_account_count: string;
  readonly pending_count: string;
  readonly oldest_pending_age_seconds: string;
  readonly last_settled_at: Date | null;
  readonly open_hold_count: string;
  readonly overdue_hold_count: string;
  readonly slot_rebuild_count: string;
}

/** The row of saldo.seal_status(). */
export interface SealStatus {
  readonly head_number: string;
  readonly head_hash: string | null;
  readonly sealed_at: Date | null;
  readonly sealed_entry_count: string;
  readonly unsealed_entry_count: string;
  readonly oldest_unsealed_age_seconds: string;
}

/** The row of saldo_private.worker_state(). */
export interface WorkerState {
  /** When a job last recorded that jobs run; null for never. */
  readonly seen_at: Date | null;
  /** Whether that is longer ago than silent_seconds. */
  readonly is_silent: boolean;
  readonly silent_seconds: number;
}

/** Whether the database follows another one, and how far behind it is. */
export interface ReplicaState {
  readonly is_standby: boolean;
  /** Seconds since the last commit of the primary that is seen here; null for a primary. */
  readonly replica_lag_seconds: number | null;
}

/** A row of saldo_private.health_metric(): a figure, with a label where there are several. */
export interface HealthFigure {
  readonly name: string;
  readonly label: string | null;
  readonly value: string | null;
}

// Short enough for a container's health check, long enough that calling it often costs nothing.
const CACHE_MS = 5000;

/** A reader of the balances' health that asks the database once in a few seconds at most. */
export function makeBalanceHealth(serverPool: Pool): () => Promise<BalanceHealth> {
  return cached(CACHE_MS, () => readRow<BalanceHealth>(serverPool, "balance_health"));
}

/** A reader of how settlement is doing, kept as long. */
export function makeSettlementHealth(serverPool: Pool): () => Promise<SettlementHealth> {
  return cached(CACHE_MS, () => readRow<SettlementHealth>(serverPool, "settlement_health"));
}

/** A reader of how far the journal is sealed, kept as long. */
export function makeSealStatus(serverPool: Pool): () => Promise<SealStatus> {
  return cached(CACHE_MS, () => readRow<SealStatus>(serverPool, "seal_status"));
}

/** A reader of whether jobs are done, by whatever process. */
export function makeWorkerState(serverPool: Pool): () => Promise<WorkerState> {
  return cached(1000, async () => {
    const statement = "select * from saldo_private.worker_state()";
    const rows = await readAs<WorkerState>("saldo_anonymous", serverPool, statement);
    return rows[0] as WorkerState;
  });
}

/** A reader of whether the database is a standby. A job commits every five seconds at the primary. */
export function makeReplicaState(serverPool: Pool): () => Promise<ReplicaState> {
  return cached(1000, async () => {
    const { rows } = await serverPool.query<ReplicaState>(
      `select pg_is_in_recovery() as is_standby,
        case when pg_is_in_recovery() then round(greatest(extract(epoch from
          clock_timestamp() - pg_last_xact_replay_timestamp()), 0), 1)::float end as replica_lag_seconds`,
    );
    return rows[0] as ReplicaState;
  });
}

/** A reader of the figures of alerts, checks, heals and the worker, kept as long. */
export function makeHealthFigures(serverPool: Pool): () => Promise<HealthFigure[]> {
  return cached(CACHE_MS, () =>
    readAs<HealthFigure>(
      "saldo_anonymous",
      serverPool,
      "select name, label, value from saldo_private.health_metric()",
    ),
  );
}

async function readRow<Row extends object>(
  serverPool: Pool,
  name: "balance_health" | "settlement_health" | "seal_status",
): Promise<Row> {
  const rows = await readAs<Row>("saldo_operator", serverPool, `select * from saldo.${name}()`);
  return rows[0] as Row;
}

// An operator sees amounts; what goes on to whom is the server's business.
async function readAs<Row extends object>(
  role: "saldo_operator" | "saldo_anonymous",
  serverPool: Pool,
  statement: string,
): Promise<Row[]> {
  const settings = { role, statement_timeout: "5s" };
  return await withRole(serverPool, { settings, mode: "read only" }, async (client) => {
    const { rows } = await client.query<Row>(statement);
    return rows;
  });
}

/**
 * What a container's health check is answered: 200 when the last check found all in order, is not
 * overdue, and jobs are done. The words say when that was, and to an insider over how much.
 */
export function answerOf(
  health: BalanceHealth | undefined,
  worker: WorkerState | undefined,
  { replica, isInsider }: { replica?: ReplicaState | undefined; isInsider: boolean },
): { httpStatus: number; body: object } {
  if (health === undefined || worker === undefined) {
    const body = { status: "error", balance_status: false, health: "unavailable", data: null };
    return {
      httpStatus: 503,
      body: { ...body, balance: "unknown", message: "The database did not answer." },
    };
  }
  const { is_healthy, is_valid, is_overdue, last_check_at } = health;
  let words = is_healthy ? "healthy" : "unhealthy";
  // What is wrong with the balances says more than that nobody looks after them.
  if (is_healthy && worker.is_silent) words = "jobs_stand_still";
  if (last_check_at === null) words = "unchecked";
  else if (is_overdue) words = "overdue";
  let balance = is_valid ? "balanced" : "unbalanced";
  if (is_valid === null) balance = "unknown";
  return {
    httpStatus: is_healthy && !worker.is_silent ? 200 : 503,
    body: {
      // Whether there is an answer, and whether it is good: a program that only looks at these two
      // is told false until the books were found in balance.
      status: "success",
      balance_status: is_valid === true,
      health: words,
      balance,
      message: worker.is_silent
        ? `${wordsOf(health, isInsider)} ${silenceOf(worker)}`
        : wordsOf(health, isInsider),
      data: {
        ...(isInsider ? exactNumbers(health) : toldToAll(health)),
        worker_seen_at: worker.seen_at,
        ...(replica?.is_standby && { replica_lag_seconds: replica.replica_lag_seconds }),
      },
    },
  };
}

/** Healthy or not, and when that was found. */
function toldToAll(health: BalanceHealth): Record<string, unknown> {
  const { is_healthy, is_valid, is_overdue, last_check_at, last_check_age_seconds } = health;
  return exactNumbers({ is_healthy, is_valid, is_overdue, last_check_at, last_check_age_seconds });
}

function wordsOf({ last_check_at, ...health }: BalanceHealth, isInsider: boolean): string {
  if (last_check_at === null) return "The balances were never checked.";
  if (!isInsider) return `Checked at ${last_check_at.toISOString()}.`;
  const { rule_count, line_count, account_count, drift_count } = health;
  return (
    `Checked at ${last_check_at.toISOString()}: ${rule_count} rules over ${line_count} journal ` +
    `lines and ${account_count} accounts, ${drift_count} findings.`
  );
}

/** Says since when no job was done. */
export function silenceOf({ seen_at }: WorkerState): string {
  return `Jobs stand still: none was done since ${seen_at?.toISOString() ?? "ever"}.`;
}

declare global {
  interface JSON {
    // ECMAScript's own, not yet in the library that TypeScript ships.
    rawJSON(text: string): unknown;
  }
}

/** The row for JSON: figures as numbers with all of their digits, which a double would not keep. */
export function exactNumbers(health: Partial<BalanceHealth>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(health).map(([column, value]) => [
      column,
      typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value) ? JSON.rawJSON(value) : value,
    ]),
  );
}
