import { readFile } from "node:fs/promises";
import { TextDecoder } from "node:util";
import { parse } from "csv-parse/sync";
import { Refusal } from "../errors/refusal.ts";
import { UsageError } from "./command.ts";

/** The columns of a kind of file; all are texts here, SQL looks at what they say. */
export interface Columns {
  required: readonly string[];
  optional: readonly string[];
}

/** How a file is written. */
export interface CsvFormat {
  delimiter: string;
  encoding: string;
}

/** A row of a file: its number as a spreadsheet shows it, and its fields by column. */
export interface CsvRow {
  rowNo: number;
  fields: Record<string, string>;
  /** Why the row cannot even be handed on; undefined for one that can. */
  refusal?: Refusal;
}

/** Reads a whole file before any row is used, so that a broken one leaves nothing half done. */
export async function readCsvFile(
  file: string,
  columns: Columns,
  format: CsvFormat,
): Promise<CsvRow[]> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`The file ${file} cannot be read (${error.code}).`);
  });
  return rowsOf(decode(bytes, format.encoding), columns, format.delimiter);
}

function decode(bytes: Buffer, encoding: string): string {
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(encoding, { fatal: true });
  } catch {
    throw new UsageError(`There is no encoding ${encoding}: give one such as windows-1252.`);
  }
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Refusal("file_encoding_wrong", `expected ${decoder.encoding}`);
  }
}

function rowsOf(text: string, columns: Columns, delimiter: string): CsvRow[] {
  const [header = [], ...records] = recordsOf(text, delimiter);
  const names = header.map((name) => name.trim());
  requireColumns(names, columns);
  return records.flatMap((record, index) =>
    record.every((field) => field.trim() === "") ? [] : [rowOf(record, names, index + 2)],
  );
}

function recordsOf(text: string, delimiter: string): string[][] {
  try {
    // All of them, or the end of the first line would decide how all others have to end.
    return parse(text, {
      delimiter,
      record_delimiter: ["\r\n", "\n", "\r"],
      relax_column_count: true,
    });
  } catch (error) {
    throw new Refusal("file_malformed", (error as Error).message);
  }
}

function requireColumns(names: string[], { required, optional }: Columns): void {
  const known = [...required, ...optional];
  const faults = [
    ["missing", required.filter((name) => !names.includes(name))],
    ["unknown", names.filter((name) => !known.includes(name))],
    ["double", names.filter((name, index) => names.indexOf(name) !== index)],
  ] as const;
  const detail = faults
    .filter(([, those]) => those.length > 0)
    .map(([fault, those]) => `${fault}: ${those.map((name) => name || '""').join(", ")}`);
  if (detail.length > 0) throw new Refusal("file_columns_wrong", detail.join("; "));
}

function rowOf(record: string[], names: string[], rowNo: number): CsvRow {
  const fields = Object.fromEntries(names.map((name, index) => [name, record[index] ?? ""]));
  if (record.length !== names.length) {
    const detail = `${record.length} fields, where the first row has ${names.length}`;
    return { rowNo, fields, refusal: new Refusal("file_malformed", detail) };
  }
  // JSON in PostgreSQL has no such character, and one row must not fail all others.
  if (record.some((field) => field.includes("\0"))) {
    return { rowNo, fields, refusal: new Refusal("text_invalid", "a zero byte") };
  }
  return { rowNo, fields };
}
