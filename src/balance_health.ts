/** The health of balances and of settlement, as public SQL functions tell it, for those who watch. */
import type { Pool } from "pg";
import { cached } from "./cached.ts";

/** The row of saldo.balance_health(); amounts are text, as the driver gives numeric. */
export interface BalanceHealth {
  /** Whether the balance sheet balances and the last check found nothing. */
  readonly is_healthy: boolean;
  /** Whether the balance sheet balances. */
  readonly is_valid: boolean;
  readonly currency: string;
  readonly total_assets: string;
  readonly total_liabilities: string;
  readonly total_equity: string;
  readonly drift_count: number;
  readonly pending_purchase_count: string;
  readonly last_check_status: string | null;
  readonly last_check_at: Date | null;
  readonly last_check_age_seconds: string | null;
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

// Short enough for a container's health check, long enough that calling it often costs nothing.
const CACHE_MS = 5000;

/** A reader of the balances' health that asks the database once in a few seconds at most. */
export function makeBalanceHealth(serverPool: Pool): () => Promise<BalanceHealth> {
  return cached(CACHE_MS, () => readAsAnonymous<BalanceHealth>(serverPool, "balance_health"));
}

/** A reader of how settlement is doing, kept as long. */
export function makeSettlementHealth(serverPool: Pool): () => Promise<SettlementHealth> {
  return cached(CACHE_MS, () => readAsAnonymous<SettlementHealth>(serverPool, "settlement_health"));
}

/** A reader of how far the journal is sealed, kept as long. */
export function makeSealStatus(serverPool: Pool): () => Promise<SealStatus> {
  return cached(CACHE_MS, () => readAsAnonymous<SealStatus>(serverPool, "seal_status"));
}

async function readAsAnonymous<Row extends object>(
  serverPool: Pool,
  name: "balance_health" | "settlement_health" | "seal_status",
): Promise<Row> {
  const client = await serverPool.connect();
  try {
    await client.query("begin read only");
    await client.query("set local role saldo_anonymous");
    await client.query("set local statement_timeout = '5s'");
    const { rows } = await client.query<Row>(`select * from saldo.${name}()`);
    await client.query("commit");
    client.release();
    return rows[0] as Row;
  } catch (error) {
    // The connection may be in a failed transaction, or dead: it is not worth keeping.
    client.release(true);
    throw error;
  }
}

declare global {
  interface JSON {
    // ECMAScript's own, not yet in the library that TypeScript ships.
    rawJSON(text: string): unknown;
  }
}

/** The row for JSON: figures as numbers with all of their digits, which a double would not keep. */
export function exactNumbers(health: BalanceHealth): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(health).map(([column, value]) => [
      column,
      typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value) ? JSON.rawJSON(value) : value,
    ]),
  );
}
