/** Sends the rows of a file in bounded batches, and collects an answer to each. */
import { request } from "../../api/request.ts";
import type { CsvRow } from "./csv_file.ts";
import {
  type ImportAnswerFragment as Answer,
  ImportCustomers,
  ImportDeposits,
  ImportDigests,
  ImportMeters,
  ImportReadings,
} from "./import.documents.ts";
import type { Kind } from "./import_kinds.ts";

// Readings are recorded by the batch, the others row by row: neither keeps a request waiting long.
const READINGS_OF_BATCH = 500;
const ROWS_OF_BATCH = 100;
const DIGESTS_OF_BATCH = 1000;

type SentRow = { readonly [field: string]: string };

/** Rows of which each counts once, however often the file is sent. */
export async function withKeys(rows: readonly CsvRow[], kind: Kind): Promise<SentRow[]> {
  const plain = rows.map(({ rowNo, fields }) => ({ ...filled(fields), row_no: String(rowNo) }));
  if (kind !== "deposits" && kind !== "readings") return plain;
  const keyless = plain.filter((row: SentRow) => row["key"] === undefined);
  const keys = new Map<SentRow, string>();
  const copies = new Map<string, number>();
  for (const batch of batchesOf(keyless, DIGESTS_OF_BATCH)) {
    const { importDigests } = await request(ImportDigests, { kind, rows: batch as never });
    for (const [place, digest] of (importDigests ?? []).entries()) {
      const row = batch[place];
      if (row === undefined || digest === null) continue;
      const copy = (copies.get(digest) ?? 0) + 1;
      copies.set(digest, copy);
      keys.set(row, `csv:${digest}:${copy}`);
    }
  }
  return plain.map((row: SentRow) => {
    const key = keys.get(row);
    return key === undefined ? row : { ...row, key };
  });
}

/** The fields that say something. */
const filled = (fields: SentRow): SentRow =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value.trim() !== ""));

function batchesOf<Row>(rows: readonly Row[], size: number): Row[][] {
  const count = Math.ceil(rows.length / size);
  return Array.from({ length: count }, (_, place) => rows.slice(place * size, (place + 1) * size));
}

/** Sends them; `tell` hears of each batch, and gives false to stop before the next one. */
export async function sendRows(
  rows: readonly SentRow[],
  kind: Kind,
  dryRun: boolean,
  tell: (answers: readonly Answer[]) => boolean,
): Promise<void> {
  const size = kind === "readings" ? READINGS_OF_BATCH : ROWS_OF_BATCH;
  for (const batch of batchesOf(rows, size)) {
    if (!tell(await sendBatch(batch, kind, dryRun))) return;
  }
}

async function sendBatch(batch: SentRow[], kind: Kind, dryRun: boolean): Promise<Answer[]> {
  const variables = { rows: batch as never, dryRun };
  const payload = {
    customers: async () => (await request(ImportCustomers, variables)).importCustomers,
    meters: async () => (await request(ImportMeters, variables)).importMeters,
    deposits: async () => (await request(ImportDeposits, variables)).importDeposits,
    readings: async () => (await request(ImportReadings, variables)).importReadings,
  };
  const { result } = (await payload[kind]()) ?? { result: null };
  return (result ?? []).filter((answer) => answer !== null);
}
