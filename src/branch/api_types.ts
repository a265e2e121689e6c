/** What the local API gives, for the till's program and for its page. */

/** How a fact stands with the centre. */
export type Standing = "waiting" | "sent" | "attention";

/** A fact as the local API shows it. */
export interface FactView {
  id: string;
  /** CODE-device-epoch-seq, as on the receipt: no number is printed twice. */
  receipt_no: string;
  /** First digits of the hash, as they stand on the receipt. */
  short_hash: string;
  kind: "entry" | "void" | "count";
  type: "IN" | "OUT" | null;
  category: string;
  /** In the smallest unit, as all amounts here. */
  amount: number;
  /** What the drawer should have held, of a count; a decimal. */
  expected: string | null;
  description: string;
  cashier: string;
  reason: string;
  /** When it was stored, in UTC. */
  created_at: string;
  business_date: string;
  voids: string | null;
  voided_by: string | null;
  corrects: string | null;
  corrected_by: string | null;
  standing: Standing;
  verdict: string;
  verdict_reason: string | null;
  posting_date: string | null;
  is_synced: boolean;
}

/** What came in and went out on a day, what was voided taken off. */
export interface DayFigures {
  day: string;
  in: number;
  out: number;
  count: number;
}

/** Figures of the dashboard. */
export interface Summary {
  balance: number;
  today: DayFigures;
  month: { month: string; in: number; out: number; days: DayFigures[] };
}

/** A category of entries. */
export interface Category {
  type: "IN" | "OUT";
  category: string;
}

/** Whether the last push reached the centre; "local" is a till that knows none. */
export type Connection = "online" | "offline" | "stopped" | "local" | "unknown";

/** How this till is. */
export interface SystemStatus {
  status: "online" | "offline";
  connection: Connection;
  last_error: string | null;
  /** Milliseconds until the next push; null while one runs, and when none will come. */
  next_push_in_ms: number | null;
  last_contact: string | null;
  unsynced_count: number;
  oldest_unsynced_seconds: number | null;
  attention_count: number;
  last_verdicts: FactView[];
  /** How far this machine's clock is ahead of the centre's. */
  clock_offset_ms: number | null;
  warnings: string[];
  branch: string;
  device: string;
  device_no: string | null;
  epoch_no: number;
  centre: string | null;
  is_enrolled: boolean;
  currency: string;
  decimals: number;
  time_zone: string;
  program: string;
}
