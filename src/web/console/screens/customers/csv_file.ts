/** CSV files as spreadsheets save them, read in the browser within limits. */

/** A row with its number as a spreadsheet shows it, and its fields by column. */
export interface CsvRow {
  readonly rowNo: number;
  readonly fields: { readonly [column: string]: string };
}

/** Why a file is refused as a whole. */
export type FileFault =
  | { readonly fault: "tooLarge" | "notUtf8" | "noRows" | "quotes" | "tooManyRows" }
  | { readonly fault: "columns" | "thousands" | "width"; readonly detail: string };

export interface Columns {
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

/** What a browser takes; for more there is the command line. */
export const BYTES_MAX = 10_000_000;
export const ROWS_MAX = 20_000;
// With lines that have nothing in them. Beyond it nothing is read: a million short rows fit 10 MB.
const RECORDS_MAX = 2 * ROWS_MAX;

/** Reads a whole file before any row is used, so that a broken one leaves nothing half done. */
export async function readCsvFile(file: File, columns: Columns): Promise<CsvRow[] | FileFault> {
  if (file.size > BYTES_MAX) return { fault: "tooLarge" };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    return { fault: "notUtf8" };
  }
  return readCsv(text, columns);
}

/** Reads the text of a file. */
export function readCsv(text: string, columns: Columns): CsvRow[] | FileFault {
  const records = recordsOf(text);
  if (records === null) return { fault: "quotes" };
  const [header = [], ...rest] = records;
  const names = header.map((name) => name.trim());
  const columnFault = faultOf(names, columns);
  if (columnFault !== null) return { fault: "columns", detail: columnFault };
  if (records.length > RECORDS_MAX) return { fault: "tooManyRows" };
  const rows: CsvRow[] = [];
  for (const [index, record] of rest.entries()) {
    if (record.every((field) => field.trim() === "")) continue;
    const rowNo = index + 2;
    if (record.length !== names.length) return { fault: "width", detail: String(rowNo) };
    const fields = Object.fromEntries(names.map((name, place) => [name, record[place] ?? ""]));
    // No amount has three decimals: such a point stands between thousands, and would be lost.
    const amount = fields["amount"] ?? "";
    if (/^\s*-?\d{1,3}\.\d{3}\s*$/.test(amount)) {
      return { fault: "thousands", detail: `${rowNo}: ${amount}` };
    }
    rows.push({ rowNo, fields });
  }
  if (rows.length === 0) return { fault: "noRows" };
  return rows.length > ROWS_MAX ? { fault: "tooManyRows" } : rows;
}

/** What is wrong with the names of the columns; null = nothing. */
function faultOf(names: readonly string[], { required, optional }: Columns): string | null {
  const known = [...required, ...optional];
  const missing = required.filter((name) => !names.includes(name));
  const wrong = names.filter((name, place) => !known.includes(name) || names.indexOf(name) < place);
  const faults = [...missing.map((name) => `– ${name}`), ...wrong.map((name) => `+ ${name}`)];
  return faults.length === 0 ? null : faults.slice(0, 10).join(", ");
}

/** Records of fields, one more at most than are taken; null where a quote is left open or stands within a field. */
function recordsOf(file: string): string[][] | null {
  const text = file.replace(/^\uFEFF/, "");
  const delimiter = delimiterOf(text);
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  while (at < text.length && records.length <= RECORDS_MAX) {
    const field = text[at] === '"' ? quotedAt(text, at) : plainAt(text, at, delimiter);
    if (field === null) return null;
    record.push(field.value);
    const next = text[field.end];
    if (next === delimiter) {
      at = field.end + 1;
      if (at >= text.length) record.push("");
      continue;
    }
    if (next !== undefined && next !== "\n" && next !== "\r") return null;
    records.push(record);
    record = [];
    at = field.end + (text.startsWith("\r\n", field.end) ? 2 : 1);
  }
  if (record.length > 0) records.push(record);
  return records;
}

interface ReadField {
  readonly value: string;
  /** The place behind it. */
  readonly end: number;
}

function quotedAt(text: string, at: number): ReadField | null {
  let value = "";
  let from = at + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) return null;
    value += text.slice(from, quote);
    if (text[quote + 1] !== '"') return { value, end: quote + 1 };
    value += '"';
    from = quote + 2;
  }
}

function plainAt(text: string, at: number, delimiter: string): ReadField | null {
  let end = at;
  while (end < text.length && text[end] !== delimiter && text[end] !== "\n" && text[end] !== "\r") {
    end += 1;
  }
  const value = text.slice(at, end);
  return value.includes('"') ? null : { value, end };
}

/** What stands between the names of the columns: a comma, a semicolon or a tab. */
function delimiterOf(text: string): string {
  const header = /^[^\r\n]*/.exec(text)?.[0] ?? "";
  const count = (sign: string) => header.split(sign).length;
  return [",", ";", "\t"].reduce((best, sign) => (count(sign) > count(best) ? sign : best));
}
