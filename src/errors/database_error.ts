/**
 * The database's errors as clients see them: a code and a condition of the catalogue, what was
 * wrong, and what to do. Anything that is not listed here stays inside. SQL text never leaves the
 * server.
 */
import { type Condition, type Description, described, shorten } from "./refusal.ts";

interface DatabaseErrorLike {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly constraint?: string;
}

function asDatabaseError(error: unknown): DatabaseErrorLike | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? (error as DatabaseErrorLike) : undefined;
}

// Conditions by SQLSTATE, for what PostgreSQL refuses on its own. 22012 (division by zero) and
// 23503 (foreign key) are not here: a request that gets so far has found a fault of ours.
const CONDITION_BY_SQLSTATE: Readonly<Record<string, Condition>> = {
  "22003": "input_invalid",
  "22007": "input_invalid",
  "22008": "input_invalid",
  "22009": "input_invalid",
  "22021": "text_invalid",
  "22023": "input_invalid",
  "22P02": "input_invalid",
  "22P05": "text_invalid",
  "23502": "input_invalid",
  "23505": "not_unique",
  "25006": "read_only",
  "40001": "conflict_retry",
  "40P01": "conflict_retry",
  "42501": "forbidden",
  "53300": "unavailable",
  "55P03": "conflict_retry",
  "57014": "timeout",
  "57P01": "unavailable",
  "57P02": "unavailable",
  "57P03": "unavailable",
  ECONNREFUSED: "unavailable",
  ECONNRESET: "unavailable",
};

// Checks of the domains saldo.amount and saldo.total, which speak before the function does in a
// few places.
const CONDITION_BY_CONSTRAINT: Readonly<Record<string, Condition>> = {
  amount_is_a_number: "amount_invalid",
  amount_has_two_decimals: "amount_scale",
  amount_is_in_range: "amount_out_of_range",
  total_is_in_range: "amount_out_of_range",
};

/** What a client may know of an error that the database raised; undefined when nothing. */
export function describeDatabaseError(error: unknown): Description | undefined {
  const cause = asDatabaseError(error);
  if (cause === undefined) {
    return isLostConnection(error) ? described("unavailable") : undefined;
  }
  if (/^SB\d{3}$/.test(cause.code)) {
    return {
      message: cause.message,
      extensions: {
        code: cause.code,
        condition: cause.constraint ?? "",
        ...(cause.detail ? { detail: shorten(cause.detail) } : {}),
        ...(cause.hint ? { hint: cause.hint } : {}),
      },
    };
  }
  if (cause.code === "23514" && cause.constraint !== undefined) {
    const condition = CONDITION_BY_CONSTRAINT[cause.constraint];
    // A check is named after its rule, so that the name explains the refusal.
    return condition ? described(condition) : described("input_invalid", cause.constraint);
  }
  if (cause.code === "23505" && cause.constraint?.endsWith("_once_per_key")) {
    // What the key made is there, and the record that would give it back is not any more.
    return described("already_done", cause.constraint);
  }
  if (cause.code === "23505" && cause.constraint === "sub_balance_account_id_slot_no_seq_key") {
    // Slots give numbers in order: somebody else wrote a row, and settlement is about to tell.
    return described("account_frozen", "a row of the account was written past the engine");
  }
  const condition = CONDITION_BY_SQLSTATE[cause.code];
  if (condition === undefined) {
    return undefined;
  }
  // These messages quote the client's own value, and nothing else says which one it was.
  return described(condition, condition === "input_invalid" ? cause.message : "");
}

// The driver gives an error of its own, without a code, when the server dies under a query.
function isLostConnection(error: unknown): boolean {
  return (
    error instanceof Error && /^Connection terminated|^timeout exceeded when/.test(error.message)
  );
}

/** What the log keeps of an error: as an object it would be written as {}. */
export function causeOf(error: unknown): Record<string, unknown> {
  const { message, stack, code, where } = error as Partial<Error> & {
    code?: string;
    where?: string;
  };
  return { reason: message ?? String(error), sqlstate: code, where, stack };
}
