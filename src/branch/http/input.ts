/** Forms of what the local API is given. */
import { z } from "zod";
import { isPlainLine } from "../protocol/schema.ts";
import { TillError } from "../till_error.ts";

const AMOUNT_MAX = 999_999_999_999_999;

const id = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "a UUID in lower case");

// What nobody sees could hide what a receipt says.
const isPlain = (text: string) => isPlainLine(text) && !/\p{Cc}|\p{Cs}/u.test(text);

function line(maxLength: number) {
  return z
    .string()
    .transform((text) => text.trim())
    .refine((text) => text.length <= maxLength, `at most ${maxLength} characters`)
    .refine(isPlain, "one line without control characters or marks of direction");
}

const filled = (maxLength: number) => line(maxLength).refine((text) => text !== "", "not empty");

/** An amount: a whole number of the smallest unit, as a number or as digits; never a fraction. */
const units = (least: number) =>
  z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,15}$/, "digits only")
        .transform(Number),
    ])
    .refine(Number.isSafeInteger, "a whole number of the smallest unit")
    .refine((value) => value >= least && value <= AMOUNT_MAX, `from ${least} to ${AMOUNT_MAX}`)
    .transform(BigInt);

const shared = { id: id.optional(), cashier: line(100).optional() };

/** The body of `POST /api/v1/transactions`. */
export const entrySchema = z
  .strictObject({
    ...shared,
    type: z.enum(["IN", "OUT"]),
    amount: units(1),
    category: filled(100),
    description: line(500).optional(),
    corrects: id.optional(),
    reason: line(500).optional(),
  })
  .refine((entry) => entry.corrects === undefined || entry.reason, {
    path: ["reason"],
    message: "a correction has one",
  });

/** The body of `POST /api/v1/transactions/{id}/void`. */
export const voidSchema = z.strictObject({ ...shared, reason: filled(500) });

/** The body of `POST /api/v1/shifts`. */
export const countSchema = z.strictObject({
  ...shared,
  at: z.enum(["open", "close"]),
  counted: units(0),
  note: line(500).optional(),
});

const day = z.string().regex(/^\d{4}-\d\d-\d\d$/);
const blank = z.literal("").transform(() => undefined);
const number = (max: number, normal: number) =>
  z.coerce.number().int().min(1).max(max).default(normal);

/** The parameters of `GET /api/v1/transactions`. */
export const searchSchema = z.object({
  page: number(1_000_000, 1),
  limit: number(100, 10),
  type: z.union([blank, z.enum(["IN", "OUT"])]).optional(),
  kind: z.union([blank, z.enum(["entry", "void", "count"])]).optional(),
  standing: z.union([blank, z.enum(["waiting", "sent", "attention"])]).optional(),
  category: z.union([blank, z.string().max(100)]).optional(),
  from: z.union([blank, day]).optional(),
  to: z.union([blank, day]).optional(),
  q: z.union([blank, z.string().trim().max(100)]).optional(),
});

/** The body of `POST /api/v1/system/enrol`. */
export const enrolInputSchema = z.strictObject({
  centre: z.url({ protocol: /^https?$/ }),
  code: filled(100),
});

/** The body of `POST /api/v1/system/key`. */
export const keyInputSchema = z.strictObject({ key: filled(200) });

/** Reads a body or parameters, or refuses them field by field. */
export function readInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
): z.infer<Schema> {
  const { success, data, error } = schema.safeParse(input ?? {});
  if (success) return data;
  const fields: Record<string, string> = {};
  for (const { path, message } of error.issues) fields[path.join(".") || "body"] ??= message;
  const named = Object.entries(fields).map(([name, message]) => `${name}: ${message}`);
  throw new TillError("input_invalid", `Not saved: ${named.join("; ")}.`, fields);
}
