/** What the till refuses, or cannot do, in words for the person who stands at it. */

/** Name of a refusal, as clients of the local API see it. */
export type TillCondition =
  | "input_invalid"
  | "not_found"
  | "not_allowed"
  | "already_voided"
  | "id_taken"
  | "rows_waiting"
  | "disk_full"
  | "store_failed";

const statusOf: Record<TillCondition, number> = {
  input_invalid: 400,
  not_found: 404,
  not_allowed: 409,
  already_voided: 409,
  id_taken: 409,
  rows_waiting: 409,
  disk_full: 507,
  store_failed: 500,
};

/** A refusal of the till. Nothing was saved. */
export class TillError extends Error {
  readonly condition: TillCondition;
  readonly status: number;
  /** Which fields are wrong, and why. */
  readonly fields: Record<string, string>;

  constructor(condition: TillCondition, message: string, fields: Record<string, string> = {}) {
    super(message);
    this.name = "TillError";
    this.condition = condition;
    this.status = statusOf[condition];
    this.fields = fields;
  }
}

/** A store that may not be opened; the program ends with this sentence. */
export class StoreRefused extends Error {}

const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;

/** What an error of SQLite or of the file system means to the till. */
export function describeStoreError(error: unknown): TillError {
  if (error instanceof TillError) return error;
  const { errcode, code, message } = error as { errcode?: number; code?: string; message?: string };
  // The low byte is the kind, the rest tells it more exactly.
  const kind = errcode === undefined ? undefined : errcode & 0xff;
  if (kind === SQLITE_FULL || code === "ENOSPC") {
    return new TillError("disk_full", "NOT saved: the disk is full. Make room, then save again.");
  }
  const what = kind === SQLITE_IOERR ? "the disk could not be written" : "the store failed";
  return new TillError("store_failed", `NOT saved: ${what} (${message ?? "no reason given"}).`);
}
