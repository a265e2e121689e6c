import { open, writeFile } from "node:fs/promises";
import type { Client } from "pg";
import {
  applyOptions,
  type Command,
  isDry,
  textOption,
  UsageError,
  type Words,
} from "./command.ts";
import { type Columns, type CsvRow, readCsvFile } from "./csv_file.ts";
import { withKeys, withPlainNumbers } from "./import_rows.ts";
import { Progress } from "./output.ts";

/** A kind of file, and how many of its rows one statement takes. */
interface Kind {
  columns: Columns;
  /** The columns that are numbers. */
  numbers: string[];
  batchSize: number;
  /** Whether rows count once by their key; others do by their code. */
  hasKey: boolean;
}

const kinds: Record<string, Kind> = {
  customers: {
    columns: { required: ["code", "name"], optional: ["currency"] },
    numbers: [],
    batchSize: 200,
    hasKey: false,
  },
  deposits: {
    columns: { required: ["customer", "amount", "occurred_at"], optional: ["description", "key"] },
    numbers: ["amount"],
    // All deposits go through one cash account, which a batch holds until it is done.
    batchSize: 200,
    hasKey: true,
  },
  meters: {
    columns: {
      required: ["customer", "code", "installed_at"],
      optional: ["kind", "start_index", "register_limit"],
    },
    numbers: ["start_index", "register_limit"],
    batchSize: 200,
    hasKey: false,
  },
  readings: {
    columns: {
      required: ["customer", "meter", "read_at"],
      optional: ["index_value", "volume", "quality", "is_rollover", "key"],
    },
    numbers: ["index_value", "volume"],
    batchSize: 2000,
    hasKey: true,
  },
};

/** What a row came to. */
interface RowResult {
  row_no: number;
  is_accepted: boolean;
  id: string | null;
  error_code: string | null;
  error_condition: string | null;
  detail: string | null;
  message?: string;
}

/** `saldo import`: files of customers, deposits, meters and readings. */
export const importCommand: Command = {
  usage: "import customers|deposits|meters|readings FILE [--apply] [--report FILE]",
  help: [
    "[--delimiter ';'] [--encoding windows-1252] [--decimal-comma] [--thousands]",
    "Tells what would become of the rows of a CSV file, and records them with --apply; which are",
    "refused and why. The same file again records nothing twice. Numbers are plain digits with a",
    "point: --decimal-comma for 1234,5, --thousands for 1,234.5, both for 1.234,5.",
    "docs/reference/metering.md has the columns.",
  ],
  options: {
    ...applyOptions,
    delimiter: { type: "string" },
    encoding: { type: "string" },
    "decimal-comma": { type: "boolean" },
    thousands: { type: "boolean" },
    report: { type: "string" },
  },
  prepare(words) {
    const { name, kind, file } = whatToImport(words);
    const format = {
      delimiter: textOption(words, "delimiter") ?? ",",
      encoding: textOption(words, "encoding") ?? "utf-8",
    };
    if (format.delimiter.length !== 1 || /["\r\n]/.test(format.delimiter)) {
      throw new UsageError("--delimiter takes one character, such as ';'.");
    }
    const style = {
      decimalComma: words.values["decimal-comma"] === true,
      thousands: words.values["thousands"] === true,
    };
    const isDryRun = isDry(words);
    const report = textOption(words, "report");
    return async () => {
      // Before any row is used: afterwards nobody would learn what became of the rows.
      if (report !== undefined) await requireWritable(report);
      const read = await readCsvFile(file, kind.columns, format);
      return async (client) => {
        const plain = await withPlainNumbers(client, read, kind.numbers, style);
        const rows = kind.hasKey ? await withKeys(client, plain, name) : plain;
        const results = await importRows(client, { name, kind, rows, isDryRun });
        if (report !== undefined) await writeFile(report, reportOf(results));
        return tell(results, isDryRun);
      };
    };
  },
};

function whatToImport({ positionals }: Words): { name: string; kind: Kind; file: string } {
  const [name = "", file, ...rest] = positionals;
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (kind === undefined) {
    throw new UsageError(`Say what to import: ${Object.keys(kinds).join(", ")}.`);
  }
  if (file === undefined || rest.length > 0) throw new UsageError("Give one file to import.");
  return { name, kind, file };
}

async function requireWritable(path: string): Promise<void> {
  try {
    await (await open(path, "a")).close();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`The report ${path} cannot be written (${code}).`);
  }
}

interface Import {
  name: string;
  kind: Kind;
  rows: CsvRow[];
  isDryRun: boolean;
}

async function importRows(client: Client, { name, kind, rows, isDryRun }: Import) {
  const results: RowResult[] = rows.flatMap(({ rowNo, refusal }) =>
    refusal === undefined ? [] : [refusedHere(rowNo, refusal)],
  );
  const good = rows.filter(({ refusal }) => refusal === undefined);
  const progress = new Progress(`importing ${name}`, good.length);
  // A dry run is one transaction, so that later rows are looked at with the earlier ones in place.
  if (isDryRun) await client.query("begin");
  let done = 0;
  try {
    while (done < good.length) {
      const batch = good.slice(done, done + kind.batchSize);
      results.push(...(await importBatch(client, name, batch, isDryRun)));
      done += batch.length;
      progress.at(done);
    }
  } catch (error) {
    progress.stop();
    process.stderr.write(
      isDryRun
        ? "The dry run was cut off: nothing is written.\n"
        : `The import was cut off after ${done} rows: run it again, no row counts twice.\n`,
    );
    throw error;
  } finally {
    if (isDryRun) await client.query("rollback").catch(() => {});
  }
  const { rows: catalogue } = await client.query<{ code: string; message: string }>(
    "select code, message from saldo.error_code",
  );
  const messages = new Map(catalogue.map(({ code, message }) => [code, message]));
  return results
    .map((result) => ({ ...result, message: messages.get(result.error_code ?? "") ?? "" }))
    .sort((one, other) => one.row_no - other.row_no);
}

function refusedHere(rowNo: number, refusal: NonNullable<CsvRow["refusal"]>): RowResult {
  const { code, condition, detail } = refusal.extensions;
  return {
    row_no: rowNo,
    is_accepted: false,
    id: null,
    error_code: code,
    error_condition: condition,
    detail: detail ?? null,
  };
}

async function importBatch(
  client: Client,
  name: string,
  batch: CsvRow[],
  isDryRun: boolean,
): Promise<RowResult[]> {
  const rows = JSON.stringify(batch.map(({ rowNo, fields }) => ({ ...fields, row_no: rowNo })));
  for (let attempt = 1; ; attempt += 1) {
    try {
      const result = await client.query<RowResult>(
        `select row_no, is_accepted, id, error_code, error_condition, detail
        from saldo.import_${name}($1::jsonb)`,
        [rows],
      );
      return result.rows;
    } catch (error) {
      // A collision with others' work undid the whole batch, and nothing more.
      const isCollision = ["40001", "40P01"].includes((error as { code?: string }).code ?? "");
      if (isDryRun || !isCollision || attempt === 5) throw error;
    }
  }
}

const reportColumns = ["row_no", "is_accepted", "id", "error_code", "message", "detail"] as const;

function reportOf(results: RowResult[]): string {
  const lines = results.map((result) =>
    reportColumns.map((column) => quoted(String(result[column] ?? ""))).join(","),
  );
  return `${[reportColumns.join(","), ...lines].join("\r\n")}\r\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function tell(results: RowResult[], isDryRun: boolean): number {
  const refused = results.filter((result) => !result.is_accepted);
  for (const { row_no: rowNo, error_code: code, message, detail } of refused) {
    process.stdout.write(`row ${rowNo}: ${code} ${message}${detail ? ` ${detail}` : ""}\n`);
  }
  const accepted = results.filter((result) => result.is_accepted);
  const before = accepted.filter(({ detail }) => detail?.startsWith("imported before")).length;
  const alike = accepted.filter(({ detail }) => detail?.includes("possibly the same"));
  for (const { row_no: rowNo, detail } of alike) {
    process.stdout.write(`row ${rowNo}: ${detail}\n`);
  }
  const unrated = accepted.flatMap(({ detail }) => unratedReason(detail) ?? []);
  for (const [reason, count] of countsOf(unrated)) {
    process.stdout.write(`not rated, ${reason}: ${count}\n`);
  }
  process.stdout.write(
    `${isDryRun ? "dry run, nothing written: " : ""}${results.length} rows, ` +
      `${results.length - refused.length - before} imported, ${before} imported before, ` +
      `${refused.length} refused${alike.length > 0 ? `, ${alike.length} possibly the same` : ""}` +
      `${unrated.length > 0 ? `, ${unrated.length} not rated` : ""}\n`,
  );
  return refused.length > 0 ? 1 : 0;
}

/** What is missing for a reading that was recorded and not rated, without its day. */
function unratedReason(detail: string | null): string | undefined {
  return /^not rated: (.+?)(?: for [0-9-]{10})?$/.exec(detail ?? "")?.[1];
}

function countsOf(reasons: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return counts;
}
