/**
 * The canonical text of a branch's row and its hash: docs/reference/branch-protocol.md. A till and the
 * centre come to the same hash, each with code of its own; test/branch/hash_vectors.json holds both to it.
 */
import { createHash } from "node:crypto";
import type { Row } from "./schema.ts";

/** Where a row stands: its device and the epoch of the device's store. */
export interface Place {
  device: string;
  epoch: string;
}

/** What is hashed of a row: all of it but the hash. */
export type UnhashedRow = Omit<Row, "hash">;

function fieldText(field: string | number | null): string {
  if (field === null) return "\\N";
  return String(field).replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replaceAll("\n", "\\n");
}

/** The canonical text: one line with its LF. */
export function canonicalText({ device, epoch }: Place, row: UnhashedRow): string {
  const fields = [
    device,
    epoch,
    row.seq,
    row.id,
    row.payload_version,
    row.kind,
    row.type,
    row.category,
    row.amount,
    row.expected,
    row.currency,
    row.description,
    row.occurred_at,
    row.business_date,
    row.cashier,
    row.voids,
    row.corrects,
    row.reason,
    row.prev,
  ];
  return `${["saldo-branch-row-1", ...fields.map(fieldText)].join("\t")}\n`;
}

/** SHA-256 of the canonical text, in lower-case hexadecimal digits. */
export function rowHash(place: Place, row: UnhashedRow): string {
  return createHash("sha256").update(canonicalText(place, row), "utf8").digest("hex");
}

/** Checks a row against its own hash; whether `prev` is right, the row before tells. */
export function isHashRight(place: Place, row: Row): boolean {
  return rowHash(place, row) === row.hash;
}
