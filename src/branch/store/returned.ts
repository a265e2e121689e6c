/**
 * Rows that come back from the centre: a store that was restored from a copy lacks what was sold after
 * the copy. They are history: they have their verdicts already, and are not sent again.
 */
import type { DatabaseSync } from "node:sqlite";
import { unitsOf } from "../money.ts";
import { isHashRight } from "../protocol/canonical.ts";
import type { ReturnAnswer, Row } from "../protocol/schema.ts";
import { allChains, type Chain, headOf, insertChain } from "./chain.ts";
import { cashNow, type EpochTotals, epochTotals, insertFact, totalsAfter } from "./facts.ts";
import { keepVerdicts } from "./queue.ts";
import type { Settings } from "./settings.ts";

/** How far an epoch is back: its last row that was looked at, and the sums up to it. */
interface Place {
  seq: number;
  hash: string | null;
  totals: EpochTotals;
}

/** Up to where the store has each epoch of a device, as the centre is asked. */
export function havePlaces(database: DatabaseSync, settings: Settings, device: string) {
  return allChains(database)
    .filter((chain) => chain.device === device)
    .map((chain) => ({ epoch: chain.epoch, seq: placeOf(database, settings, chain).seq }));
}

/**
 * Keeps rows that came back, each epoch as far as it goes on without a gap from what is here, row after
 * row by its hash. Belongs into a transaction.
 *
 * @returns how many rows are new here, and the epochs that do not go on from what is here
 */
export function keepReturned(
  database: DatabaseSync,
  settings: Settings,
  device: string,
  answer: ReturnAnswer,
  now: Date,
) {
  let count = 0;
  const broken: string[] = [];
  for (const { epoch, epoch_no, previous } of answer.epochs) {
    const chain = chainOf(database, { device, epoch, epoch_no, previous }, now);
    let place = placeOf(database, settings, chain);
    const before = place.seq;
    for (const { epoch: of, row, verdict } of answer.rows) {
      if (of !== epoch) continue;
      const next = placeAfter(place, chain, row);
      if (next === undefined) {
        broken.push(epoch);
        break;
      }
      place = next;
      if (!addReturned(database, chain, row, place)) continue;
      const centre_epoch = settings.get("centre_epoch") ?? "";
      keepVerdicts(database, { centre_epoch, verdicts: [verdict], changes: [] }, now);
      count += 1;
    }
    if (place.seq === before) continue;
    const { seq, hash, totals } = place;
    settings.set(
      `returned_to:${epoch}`,
      JSON.stringify({ seq, hash, in: String(totals.in), out: String(totals.out) }),
    );
    // A centre that is restored later has to be shown this epoch as well.
    settings.set(`seen_by:${epoch}`, settings.get("centre_epoch") ?? "");
  }
  return { count, broken };
}

function placeOf(database: DatabaseSync, settings: Settings, chain: Chain): Place {
  const own: Place = { ...headOf(database, chain), totals: epochTotals(database, chain.epoch) };
  const text = settings.get(`returned_to:${chain.epoch}`);
  if (text === undefined) return own;
  const { seq, hash, in: came, out } = JSON.parse(text);
  return seq > own.seq ? { seq, hash, totals: { in: BigInt(came), out: BigInt(out) } } : own;
}

/** Undefined where the row does not go on from the place, or is not what it was. */
function placeAfter({ seq, hash, totals }: Place, chain: Chain, row: Row): Place | undefined {
  const units = unitsOf(row.amount, row.currency);
  const goesOn = row.seq === seq + 1 && row.prev === hash && isHashRight(chain, row);
  if (!goesOn || units === null) return undefined;
  return { seq: row.seq, hash: row.hash, totals: totalsAfter(totals, row.type, units) };
}

/** Adds a row as history; a row that was entered here again under its id is here already. */
function addReturned(database: DatabaseSync, chain: Chain, row: Row, place: Place): boolean {
  const find = database.prepare("select 1 from fact where id = ?");
  const isHere = (id: string | null) => id !== null && find.get(id) !== undefined;
  if (isHere(row.id)) return false;
  // Voided here once more, as the first void was lost: the cash is taken back only once.
  const isVoidedHere =
    row.voids !== null &&
    database.prepare("select 1 from fact where voids = ?").get(row.voids) !== undefined;
  const units = unitsOf(row.amount, row.currency) ?? 0n;
  const moved = row.type === "IN" ? units : -units;
  const effect = row.type === null || isVoidedHere ? 0n : moved;
  insertFact(
    database,
    {
      row,
      epoch: chain.epoch,
      units,
      effect,
      request: null,
      cash: cashNow(database) + effect,
      totals: place.totals,
    },
    {
      voids: isVoidedHere || !isHere(row.voids) ? null : row.voids,
      corrects: isHere(row.corrects) ? row.corrects : null,
    },
  );
  return true;
}

type Known = {
  device: string;
  epoch: string;
  epoch_no: number;
  previous: { epoch: string; seq: number; hash: string | null } | null;
};

/** The chain of an epoch; one that the store never knew is put before all others. */
function chainOf(database: DatabaseSync, known: Known, now: Date): Chain {
  const { device, epoch, epoch_no, previous } = known;
  const chains = allChains(database);
  const found = chains.find((chain) => chain.epoch === epoch);
  if (found !== undefined) return found;
  const chain: Chain = {
    number: (chains[0]?.number ?? 1) - 1,
    device,
    epoch,
    epoch_no,
    previous_epoch: previous?.epoch ?? null,
    previous_seq: previous?.seq ?? 0,
    previous_hash: previous?.hash ?? null,
    began_at: now.toISOString(),
    reason: "restored",
  };
  insertChain(database, chain);
  return chain;
}
