/** The body of a push, in a form that the database can take: a bad row must spoil no push. */
import { limits, pushSchema, returnSchema } from "../branch/protocol/schema.ts";
import { Refusal } from "../errors/refusal.ts";

// Deeper than any row; the database's own limit would end the whole statement.
const DEPTH_MAX = 10;
const TEXT_LENGTH_MAX = 10_000;

/**
 * The JSON text of a push for saldo_private.push_branch_rows: a bare array, or the envelope with what
 * belongs to it. A protocol that is not known here is handed on, for the database to refuse it.
 *
 * @throws Refusal push_too_large for too many rows, push_invalid for what is no envelope
 */
export function pushText(body: unknown): string {
  if (Array.isArray(body)) return JSON.stringify(legible(body));
  if (typeof body !== "object" || body === null) throw new Refusal("push_invalid", "body");
  if ("protocol" in body && Number.isInteger(body.protocol) && body.protocol !== 1) {
    return JSON.stringify({ protocol: body.protocol });
  }
  const rows = "rows" in body && Array.isArray(body.rows) ? legible(body.rows) : null;
  const { data, error } = pushSchema.safeParse({ ...body, rows });
  if (data === undefined) {
    throw new Refusal("push_invalid", error.issues[0]?.path.join(".") || "body");
  }
  return JSON.stringify(data);
}

/**
 * The JSON text of a call for rows that were sent before.
 *
 * @throws Refusal push_invalid
 */
export function returnText(body: unknown): string {
  const { data, error } = returnSchema.safeParse(body);
  if (data === undefined) {
    throw new Refusal("push_invalid", error.issues[0]?.path.join(".") || "body");
  }
  return JSON.stringify(data);
}

function legible(rows: unknown[]): unknown[] {
  if (rows.length > limits.rows) throw new Refusal("push_too_large", `${rows.length} rows`);
  return rows.map((row) => (isClean(row, 0) ? row : keptAsText(row)));
}

/** Whether a value has no U+0000 and no half of a surrogate pair, and is not nested too deep. */
function isClean(value: unknown, depth: number): boolean {
  if (typeof value === "string") return value.isWellFormed() && !value.includes("\u0000");
  if (typeof value !== "object" || value === null) return true;
  return (
    depth < DEPTH_MAX &&
    Object.entries(value).every(([key, each]) => isClean(key, depth) && isClean(each, depth + 1))
  );
}

/** What jsonb refuses, as a text of it beside the id and number that the row goes by. */
function keptAsText(row: unknown): object {
  const { id, seq } = row as { id?: unknown; seq?: unknown };
  return {
    ...(typeof id === "string" && isClean(id, 0) && { id: id.slice(0, 100) }),
    ...(typeof seq === "number" && { seq }),
    unreadable: textOf(row).slice(0, TEXT_LENGTH_MAX),
  };
}

function textOf(row: unknown): string {
  try {
    return JSON.stringify(row);
  } catch {
    return "nested too deep"; // the stack ended before the row did
  }
}
