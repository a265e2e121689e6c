/** Fields that several routes of the simple door have, and what they stand for in the database. */
import type { ClientBase } from "pg";
import { z } from "zod";
import { Refusal } from "../../errors/refusal.ts";
import {
  decimalReader,
  type ReadValue,
  readDatetime,
  readUuid,
} from "../../graphql/read_scalars.ts";

const readAs = (read: ReadValue) => (value: unknown) => read(value);

/** An amount: as text, or as a number that JSON carries exactly. */
export const amount = z
  .union([z.string(), z.number()])
  .transform(readAs(decimalReader(15)))
  .describe("positive, two decimals at most, as text (or a number that JSON carries exactly)");

/** A figure of a meter. */
export const volume = z
  .union([z.string(), z.number()])
  .transform(readAs(decimalReader(15)))
  .describe("plain digits, as text (or a number that JSON carries exactly)");

/** An instant with its offset. */
export const instant = z
  .string()
  .transform(readAs(readDatetime))
  .describe("a time with its offset, as 2026-11-16T05:44:21+07:00");

/** A uuid. */
export const uuid = z.string().transform(readAs(readUuid)).describe("a uuid");

/** A calendar month; the first day of it is what SQL gets. */
export const month = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, { error: "a month as 2026-08" })
  .transform((text) => `${text}-01`)
  .describe("a month, as 2026-08");

/** Rows of a page. */
export const limit = z
  .string()
  .regex(/^([1-9]\d?|1\d\d|200)$/, { error: "from 1 to 200" })
  .default("50")
  .describe("rows at most, from 1 to 200");

/** Rows that come before those of the page. */
export const offset = z
  .string()
  .regex(/^\d{1,7}$/, { error: "a number of rows" })
  .default("0")
  .describe("rows to leave out first");

/** A retry with the same key does nothing twice. */
export const idempotencyKey = z
  .string()
  .nullish()
  .describe("of your own for each request: the same request under it gives the first answer again");

/** An account, customer or meter by its id or its code. */
export const reference = z
  .union([z.string().min(1).max(200), z.int()])
  .transform(String)
  .describe("id or code");

/** The same, in a path. */
export const pathReference = z.string().min(1).max(200).describe("id or code");

/** Which of the two is meant, where one thing has an id that is another's code. */
export const by = z
  .enum(["id", "code"])
  .optional()
  .describe("what is meant, where the id of one is the code of another");

/** An amount of an answer. */
export const shownAmount = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/)
  .describe("exact, as text");
/** A 64-bit number of an answer. */
export const shownId = z.string().regex(/^\d+$/).describe("a 64-bit number, as text");
/** A time of an answer. */
export const shownInstant = z.iso.datetime();
/** A month of an answer. */
export const shownMonth = z.string().regex(/^\d{4}-\d\d$/);

/** What a reference can lead to. */
export type Named = "account" | "customer";

/**
 * The id of what a caller named by id or code, among those that the caller may see.
 *
 * @throws Refusal not_found; input_invalid where the id of one is the code of another
 */
export async function idOf(
  client: ClientBase,
  table: Named,
  named: string,
  meant?: "id" | "code",
): Promise<string> {
  const isNumber = /^\d{1,18}$/.test(named);
  const { rows } = await client.query<{ id: string }>(
    `select id from saldo.${table} where id = $1 or code = $2`,
    [isNumber && meant !== "code" ? named : null, meant === "id" ? null : named],
  );
  const [found, other] = rows;
  if (other !== undefined) {
    throw new Refusal("input_invalid", `${table} ${named}: the id of one, the code of another`, {
      hint: "Say by=id or by=code.",
    });
  }
  if (found === undefined) throw new Refusal("not_found", `${table} ${named}`);
  return found.id;
}

/** The row of a statement that always has one. */
export async function row<Row extends object>(
  client: ClientBase,
  text: string,
  values: unknown[] = [],
): Promise<Row> {
  const { rows } = await client.query(text, values);
  return rows[0] as Row;
}

/** The rows of a statement. */
export async function rowsOf<Row extends object>(
  client: ClientBase,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return (await client.query(text, values)).rows as Row[];
}

/**
 * SQL for a jsonb object whose values are shown as text: a figure in JSON would lose its last
 * digits in most programs.
 */
export const asTexts = (column: string): string =>
  `case when jsonb_typeof(${column}) = 'object' then (
    select jsonb_object_agg(j.key, j.value #>> '{}') from jsonb_each(${column}) as j
  ) end`;

/** What such an object is in an answer. */
export const shownTexts = z.record(z.string(), z.string().nullable()).nullable();
