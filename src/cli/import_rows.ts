import type { Client } from "pg";
import type { CsvRow } from "./csv_file.ts";

/** How the numbers of a file are written, where it is not plain digits with a point. */
export interface NumberStyle {
  decimalComma: boolean;
  thousands: boolean;
}

/**
 * Gives the rows with their numbers in plain form. A file of which one number is written in another
 * way than was said is refused as a whole: the others may not mean what they seem to either.
 */
export async function withPlainNumbers(
  client: Client,
  rows: CsvRow[],
  columns: readonly string[],
  { decimalComma, thousands }: NumberStyle,
): Promise<CsvRow[]> {
  let plain = rows;
  for (const column of columns) {
    const written = plain.filter(
      ({ fields, refusal }) => refusal === undefined && fields[column]?.trim(),
    );
    const { rows: answers } = await client.query<{ numbers: string[] }>(
      "select saldo_private.import_numbers($1, $2, $3, $4, $5) as numbers",
      [
        written.map(({ rowNo }) => rowNo),
        written.map(({ fields }) => fields[column]),
        column === "amount",
        decimalComma,
        thousands,
      ],
    );
    const numbers = new Map(
      written.map((row, index) => [row, answers[0]?.numbers[index] ?? ""] as const),
    );
    plain = plain.map((row) => {
      const number = numbers.get(row);
      return number === undefined ? row : { ...row, fields: { ...row.fields, [column]: number } };
    });
  }
  return plain;
}

// As many as import_keys takes at once, and less.
const keyBatchSize = 2000;

/**
 * Gives each row without a key one that is made of what it says, and of how many rows of the file
 * said the same before. So the same file again is the same, even with rows put in or taken out, and
 * whatever program saved it.
 */
export async function withKeys(client: Client, rows: CsvRow[], kind: string): Promise<CsvRow[]> {
  const keyless = rows.filter(({ fields, refusal }) => !(refusal || fields["key"]?.trim()));
  const copies = new Map<string, number>();
  const keys = new Map<CsvRow, string>();
  for (let from = 0; from < keyless.length; from += keyBatchSize) {
    const batch = keyless.slice(from, from + keyBatchSize);
    const { rows: answers } = await client.query<{ digests: string[] }>(
      "select saldo_private.import_keys($1, $2::jsonb) as digests",
      [kind, JSON.stringify(batch.map(({ rowNo, fields }) => ({ ...fields, row_no: rowNo })))],
    );
    for (const [index, digest] of (answers[0]?.digests ?? []).entries()) {
      const copy = (copies.get(digest) ?? 0) + 1;
      copies.set(digest, copy);
      keys.set(batch[index] as CsvRow, `csv:${digest}:${copy}`);
    }
  }
  return rows.map((row) => {
    const key = keys.get(row);
    return key === undefined ? row : { ...row, fields: { ...row.fields, key } };
  });
}
