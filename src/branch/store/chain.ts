/**
 * The chain of a store: sequence numbers without a gap, each row holding the hash of the one before.
 * Where the program cannot prove that it goes on from its own last row, it begins a new chain.
 */
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { type Anchor, readAnchor } from "./anchor.ts";
import { inTransaction } from "./database.ts";

/** A run of sequence numbers: an epoch of a device. */
export interface Chain {
  /** Order within the store. */
  number: number;
  device: string;
  epoch: string;
  /** 1 for the device's first epoch, and so on; it stands on receipts. */
  epoch_no: number;
  /** The device's last row that was known when it began; its hash is the first `prev` here. */
  previous_epoch: string | null;
  previous_seq: number;
  previous_hash: string | null;
  began_at: string;
  reason: ChainReason;
}

/** Why a chain began. */
export type ChainReason = "installed" | "enrolled" | "restored";

/** The last row of a chain; before the first: 0, and the hash that the first takes over. */
export interface Head {
  seq: number;
  hash: string | null;
}

/** A row that is known to have been the last one, of this store or of the one that it is a copy of. */
export interface LastKnown extends Head {
  epoch: string;
  epoch_no: number;
}

/** The chain that rows are added to. */
export function currentChain(database: DatabaseSync): Chain | undefined {
  return database.prepare("select * from chain order by number desc limit 1").get() as
    | Chain
    | undefined;
}

/** All chains, the oldest first. */
export function allChains(database: DatabaseSync): Chain[] {
  return database.prepare("select * from chain order by number").all() as unknown as Chain[];
}

/** The head of a chain. */
export function headOf(database: DatabaseSync, chain: Chain): Head {
  const row = database
    .prepare("select seq, hash from fact where epoch = ? order by seq desc limit 1")
    .get(chain.epoch) as unknown as Head | undefined;
  return { seq: row?.seq ?? 0, hash: row?.hash ?? chain.previous_hash };
}

/** Begins a chain after the device's last one, if there is any, or after a later row that is known. */
export function beginChain(
  database: DatabaseSync,
  device: string,
  reason: ChainReason,
  now: Date,
  known?: LastKnown,
): Chain {
  const chains = allChains(database);
  const before = chains.findLast((chain) => chain.device === device);
  const own: LastKnown | undefined = before && {
    epoch: before.epoch,
    epoch_no: before.epoch_no,
    ...headOf(database, before),
  };
  const last = known !== undefined && known.epoch_no >= (own?.epoch_no ?? 0) ? known : own;
  const chain: Chain = {
    number: (chains.at(-1)?.number ?? 0) + 1,
    device,
    epoch: randomUUID(),
    epoch_no: (last?.epoch_no ?? 0) + 1,
    previous_epoch: last?.epoch ?? null,
    previous_seq: last?.seq ?? 0,
    previous_hash: last?.hash ?? null,
    began_at: now.toISOString(),
    reason,
  };
  insertChain(database, chain);
  return chain;
}

/** Adds a chain as it is. */
export function insertChain(database: DatabaseSync, chain: Chain): void {
  database
    .prepare(
      `insert into chain values (:number, :device, :epoch, :epoch_no, :previous_epoch,
        :previous_seq, :previous_hash, :began_at, :reason)`,
    )
    .run({ ...chain });
}

/** Whether the store goes on from what the anchor says: it has that row, or later ones. */
function isContinued(database: DatabaseSync, chain: Chain, anchor: Anchor): boolean {
  if (anchor.epoch !== chain.epoch) return false;
  if (anchor.seq === 0) return true;
  const row = database
    .prepare("select hash from fact where epoch = ? and seq = ?")
    .get(anchor.epoch, anchor.seq);
  return row?.["hash"] === anchor.hash;
}

/** Begins a new chain where the store was restored, copied or moved to another machine. */
export function requireContinuity(
  database: DatabaseSync,
  anchorFolder: string,
  storeFolder: string,
  now: Date,
): Chain {
  const chain = currentChain(database);
  if (chain === undefined) {
    return inTransaction(database, () => beginChain(database, randomUUID(), "installed", now));
  }
  const anchor = readAnchor(anchorFolder, chain.device);
  // A copy in another folder may run beside the first: both would go on from one row.
  const isHere = anchor?.folder === storeFolder;
  if (isHere && isContinued(database, chain, anchor)) return chain;
  return inTransaction(database, () => beginChain(database, chain.device, "restored", now, anchor));
}
