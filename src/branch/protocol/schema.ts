/** Bodies of the branch protocol, as docs/reference/branch-protocol.md describes them. */
import { z } from "zod";

/** What one push may hold: rows, and bytes of its body before gzip. */
export const limits = { rows: 256, bytes: 256 * 1024 } as const;

/** The protocols that this program speaks. */
export const protocols = { min: 0, max: 1 } as const;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const uuid = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const seq = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** A moment in UTC with milliseconds, as `Date.toISOString` writes it. */
export const instant = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/** A day of the branch's own calendar. */
export const day = z.string().regex(/^\d{4}-\d\d-\d\d$/);

/** An amount, zero included, as the shortest decimal with at most 2 decimals. */
export const decimal = z.string().regex(/^(0|[1-9]\d{0,14})(\.\d?[1-9])?$/);
const signedDecimal = z.string().regex(/^-?(0|[1-9]\d{0,14})(\.\d?[1-9])?$/);
const sum = z.string().regex(/^(0|[1-9]\d{0,20})(\.\d?[1-9])?$/);

function text(maxLength: number) {
  return z.string().min(1).max(maxLength);
}

// Nobody sees these, and they make two names look alike: as saldo_private.require_line.
const seen =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /^[^\u0001-\u001F\u007F-\u009F\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]*$/;

/** Whether a text is one line, without marks of direction and what has no width. */
export function isPlainLine(text: string): boolean {
  return seen.test(text);
}

/** A name: one line with something in it. */
function name(maxLength: number) {
  return text(maxLength).regex(seen).regex(/[^ ]/);
}

/** A row of protocol 1. */
export const rowSchema = z.strictObject({
  id: uuid,
  seq,
  payload_version: z.literal(1),
  kind: z.enum(["entry", "void", "count"]),
  type: z.enum(["IN", "OUT"]).nullable(),
  category: name(100),
  amount: decimal,
  expected: signedDecimal.nullable(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  description: text(500).nullable(),
  occurred_at: instant,
  business_date: day,
  cashier: name(100).nullable(),
  voids: uuid.nullable(),
  corrects: uuid.nullable(),
  reason: text(500).nullable(),
  prev: hash.nullable(),
  hash,
});
export type Row = z.infer<typeof rowSchema>;

// What an older program wrote into a name comes back as it was sent.
const returnedRowSchema = rowSchema.extend({ category: text(100), cashier: text(100).nullable() });

/** A push of protocol 1. Rows are looked at one by one by the intake: a bad one spoils no push. */
export const pushSchema = z.object({
  protocol: z.literal(1),
  program: text(100),
  device: uuid,
  epoch: uuid,
  epoch_no: z.int().min(1).max(1_000_000),
  previous: z.object({ epoch: uuid, seq: count, hash: hash.nullable() }).nullable(),
  clock: z.object({ now: instant, boot: text(100).nullable() }),
  head: z.object({ seq: count, hash: hash.nullable() }),
  totals: z.object({ count, in: sum, out: sum }),
  have: z.object({ centre_epoch: uuid.nullable(), verdict_no: count }),
  rows: z.array(z.unknown()).max(limits.rows),
});
export type Push = z.infer<typeof pushSchema>;

/** A push as a till writes it: every row whole. */
export const tillPushSchema = pushSchema.extend({ rows: z.array(rowSchema).max(limits.rows) });
export type TillPush = z.infer<typeof tillPushSchema>;

/** A push of protocol 0: a bare array. Its rows, too, are looked at one by one. */
export const protocol0Schema = z.array(z.unknown()).max(limits.rows);

export const verdictSchema = z.object({
  id: z.string().nullable(),
  seq: seq.nullable(),
  verdict: z.enum(["accepted", "duplicate", "conflict", "quarantined", "refused"]),
  reason: z.string().nullable(),
  entry_id: uuid.nullable(),
  posting_date: day.nullable(),
  verdict_no: count,
});
export type Verdict = z.infer<typeof verdictSchema>;

const protocolRange = z.object({ min: z.int(), max: z.int() });
const limitsSchema = z.object({ rows: z.int(), bytes: z.int() });

/** `data` of an answer to a push. */
export const pushAnswerSchema = z.object({
  server_time: instant,
  centre_epoch: uuid,
  seen: z.object({
    seq: count,
    hash: hash.nullable(),
    missing: z.array(z.tuple([seq, seq])),
  }),
  device_state: z.enum(["ok", "restored", "forked", "closed"]),
  verdicts: z.array(verdictSchema),
  changes: z.array(verdictSchema),
  verdict_no: count,
  more: z.boolean(),
  config_version: z.string(),
  rotate_key: z.boolean(),
  limits: limitsSchema,
  protocol: protocolRange,
});
export type PushAnswer = z.infer<typeof pushAnswerSchema>;

/** The body of `POST /api/v1/sync/enrol`. */
export const enrolSchema = z.object({
  protocol: z.literal(1),
  program: text(100),
  code: text(100),
  device_name: text(100),
  /** The id under which it sells already; without one the centre makes it. */
  device: uuid.nullish(),
});
export type Enrol = z.infer<typeof enrolSchema>;

/** What a till shall know of its branch; the last one is good for as long as it is offline. */
export const configSchema = z.object({
  config_version: z.string(),
  branch: z.object({
    code: z.string(),
    name: z.string(),
    time_zone: z.string(),
    currency: z.string(),
  }),
  categories: z.array(z.object({ type: z.enum(["IN", "OUT"]), category: z.string() })),
});
export type Config = z.infer<typeof configSchema>;

/** `data` of an answer to an enrolment. The key is shown this once. */
export const enrolAnswerSchema = z.object({
  device: uuid,
  device_no: z.int(),
  key: z.string(),
  centre_epoch: uuid,
  server_time: instant,
  config: configSchema,
  limits: limitsSchema,
  protocol: protocolRange,
});
export type EnrolAnswer = z.infer<typeof enrolAnswerSchema>;

/** `data` of an answer to `POST /api/v1/sync/key`. */
export const keyAnswerSchema = z.object({ key: z.string() });
export type KeyAnswer = z.infer<typeof keyAnswerSchema>;

/** The body of `POST /api/v1/sync/rows`: up to where the store has each epoch of the device. */
export const returnSchema = z.object({
  protocol: z.literal(1),
  have: z.array(z.object({ epoch: uuid, seq: count })).max(3000),
});

/** `data` of its answer: rows of epochs that the device has left, and what became of them. */
export const returnAnswerSchema = z.object({
  epochs: z.array(
    z.object({
      epoch: uuid,
      epoch_no: z.int(),
      previous: z.object({ epoch: uuid, seq: count, hash: hash.nullable() }).nullable(),
    }),
  ),
  rows: z.array(z.object({ epoch: uuid, row: returnedRowSchema, verdict: verdictSchema })),
  more: z.boolean(),
});
export type ReturnAnswer = z.infer<typeof returnAnswerSchema>;

/** `data` of a refusal. */
export const refusalSchema = z.object({
  code: z.string(),
  condition: z.string(),
  detail: z.string().nullable(),
  hint: z.string().nullable(),
});
export type Refusal = z.infer<typeof refusalSchema>;

/** What every answer is. */
export function answerSchema<Data extends z.ZodType>(data: Data) {
  return z.discriminatedUnion("success", [
    z.object({ success: z.literal(true), message: z.string(), data }),
    z.object({ success: z.literal(false), message: z.string(), data: refusalSchema }),
  ]);
}
