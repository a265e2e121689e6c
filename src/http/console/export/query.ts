/** What an export is made of: columns, a source, filters; and how a query becomes of them. */
import { z } from "zod";
import { Refusal } from "../../../errors/refusal.ts";

/** A piece of SQL with `%L` for each of its values, which the database writes as literals. */
export interface Part {
  readonly text: string;
  readonly values: readonly string[];
}

/** A piece of SQL. The text is never made of what a client has sent: that is for the values. */
export const part = (text: string, ...values: string[]): Part => ({ text, values });

/** A column of the file: its name and its SQL. */
export type Column = readonly [name: string, sql: string];

const FORMULA = "(^(?=[=+@\\t\\r\\n-])|[;\\t\\r\\n](?=[=+@-]))";

/**
 * A text: a spreadsheet would run what looks like a formula, and an apostrophe makes it a text. One
 * that has semicolons between cells, as in Indonesia, begins a cell at each semicolon of a text, too,
 * and at each of its lines. What is no text, an amount or a time, is left as it is.
 */
export const word = (name: string, sql: string): Column => [
  name,
  `regexp_replace((${sql})::text, E'${FORMULA}', E'\\\\1''', 'g')`,
];

/** An amount, a number, a time, an id, or a word of ours. */
export const plain = (name: string, sql: string): Column => [name, sql];

/** An amount without zeros at its end. */
export const amount = (name: string, sql: string): Column => [name, `trim_scale(${sql})`];

/** What an export goes by once its filters were read. */
export interface Query {
  readonly header: string;
  readonly part: Part;
}

/** An export that can be made. */
export interface Export {
  /** Filters by name, for documents. */
  readonly filters: z.ZodRawShape;
  /** @throws Refusal input_invalid for filters that are none, or have no such value */
  prepare(given: unknown): Query;
}

interface ExportParts<Filters extends z.ZodRawShape> {
  readonly filters: Filters;
  readonly columns: readonly Column[];
  from(given: z.output<z.ZodObject<Filters>>): Part;
  where?(given: z.output<z.ZodObject<Filters>>): readonly (Part | undefined)[];
  readonly order: string;
}

/** An export of its parts. An unknown filter is refused: the file would have more than was asked for. */
export function exportOf<Filters extends z.ZodRawShape>(parts: ExportParts<Filters>): Export {
  const schema = z.strictObject(parts.filters);
  const columns = parts.columns.map(([name, sql]) => `${sql} as ${name}`).join(", ");
  return {
    filters: parts.filters,
    prepare(brought) {
      const { data, error } = schema.safeParse(withoutEmpty(brought));
      if (error !== undefined) {
        const [issue] = error.issues;
        const where = issue?.path.join(".");
        throw new Refusal("input_invalid", `${where ? `${where}: ` : ""}${issue?.message}`);
      }
      const given = data as z.output<z.ZodObject<Filters>>;
      const from = parts.from(given);
      const conditions = (parts.where?.(given) ?? []).filter((each) => each !== undefined);
      const where = conditions.map(({ text }) => ` and ${text}`).join("");
      return {
        header: parts.columns.map(([name]) => name).join(","),
        part: {
          text: `select ${columns} from ${from.text} where true${where} order by ${parts.order}`,
          values: [...from.values, ...conditions.flatMap(({ values }) => values)],
        },
      };
    },
  };
}

/** A field of a form that nobody has filled comes empty. */
function withoutEmpty(brought: unknown): unknown {
  if (typeof brought !== "object" || brought === null) return brought;
  return Object.fromEntries(Object.entries(brought).filter(([, value]) => value !== ""));
}

const line = z.string().min(1).max(200);

/** Words that are searched for. */
export const searchFilter = line.optional();

/** What a thing is named by: its id in digits, or its code. */
export const nameFilter = line.optional();

/** A name of ours, as that of a rule or a source. */
export const wordFilter = line.optional();

/** Yes or no. */
export const flagFilter = z.enum(["true", "false"], { error: "true or false" }).optional();

/** A day. */
export const dayFilter = z
  .string()
  .refine((text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)), {
    error: "a day like 2026-11-26",
  })
  .optional();

/** A month. */
export const monthFilter = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, { error: "a month like 2026-11" })
  .optional();

/** A year. */
export const yearFilter = z
  .string()
  .regex(/^(19|2\d)\d\d$/, { error: "a year like 2026" })
  .optional();

/** An amount, as the API writes it. */
export const amountFilter = z
  .string()
  .regex(/^\d{1,20}(\.\d{1,10})?$/, { error: "an amount like 20000.50" })
  .optional();

/** One of some words. */
export const choiceFilter = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, { error: `one of ${words.join(", ")}` }).optional();

/** A condition where its filter is given, with the filter's value in place of `%L`. */
export const when = (value: string | undefined, text: string): Part | undefined =>
  value === undefined
    ? undefined
    : part(
        text,
        ...text
          .split("%L")
          .slice(1)
          .map(() => value),
      );

/** The id in a column is that of what a filter names, by id or by code. */
export function named(
  value: string | undefined,
  column: string,
  table: "account" | "member" | "customer" | "branch",
): Part | undefined {
  return value === undefined ? undefined : part(`${column} = ${idOf(table, value)}`, value);
}

/** SQL for the id of what a value names; null where there is none. */
export function idOf(table: "account" | "member" | "customer" | "branch", value: string): string {
  return /^\d{1,18}$/.test(value)
    ? "%L::bigint"
    : `(select named.id from saldo.${table} as named where named.code = %L)`;
}
