/** One exchange with the centre: what is sent of the store, and how its answer is kept. */
import { bootId } from "../boot_id.ts";
import { decimalText } from "../money.ts";
import { type PushAnswer, pushAnswerSchema, type Row } from "../protocol/schema.ts";
import { allChains, type Chain, headOf } from "../store/chain.ts";
import { epochTotals } from "../store/facts.ts";
import { keepAnswer, waitingRows } from "../store/queue.ts";
import type { Store } from "../store/store.ts";
import { callCentre, type Failure } from "./centre.ts";

/** How much one push may hold. */
export interface BatchLimit {
  rows: number;
  bytes: number;
}

/** How an exchange ended; `settled`: how many rows fewer wait than before. */
export type ExchangeResult =
  | { ok: true; sent: number; settled: number; answer: PushAnswer; clockOffsetMs: number }
  | { ok: false; sent: number; failure: Failure };

// The envelope around the rows is smaller than this.
const ENVELOPE_BYTES = 4096;

/** The chain to push for: the oldest that has something to send, otherwise the present one. */
export function chainToPush(store: Store): Chain | undefined {
  return dueChain(store) ?? pushable(store).find(({ number }) => number === store.chain.number);
}

/** The oldest chain that has rows to send, or that the centre has to be shown again. */
export function dueChain(store: Store): Chain | undefined {
  const { settings, database } = store;
  return pushable(store).find((chain) => {
    if (waitingRows(database, chain.epoch, 1).length > 0) return true;
    // A centre that was restored has to be shown each epoch of each device, to tell what it lost.
    const seenBy = settings.get(`seen_by:${chain.epoch}`);
    return seenBy !== undefined && seenBy !== settings.get("centre_epoch");
  });
}

function pushable(store: Store): Chain[] {
  return allChains(store.database).filter(({ device }) => keyOf(store, device) !== undefined);
}

/** The key for a device: the next one as soon as it is there, since its first use ends the old one. */
export function keyOf({ settings }: Store, device: string): string | undefined {
  if (settings.get(`key_refused:${device}`) !== undefined) return undefined;
  return settings.get(`next_key:${device}`) ?? settings.get(`key:${device}`);
}

/** A push of a chain, whole, as it is sent or written to a file. */
export function pushBody(store: Store, chain: Chain, limit: BatchLimit, after = 0, now: Date) {
  const { settings, database } = store;
  const { currency } = store.locality();
  const totals = epochTotals(database, chain.epoch);
  const head = headOf(database, chain);
  return {
    protocol: 1 as const,
    program: store.program,
    device: chain.device,
    epoch: chain.epoch,
    epoch_no: chain.epoch_no,
    previous:
      chain.previous_epoch === null
        ? null
        : { epoch: chain.previous_epoch, seq: chain.previous_seq, hash: chain.previous_hash },
    clock: { now: now.toISOString(), boot: bootId() },
    head,
    totals: {
      count: head.seq,
      in: decimalText(totals.in, currency),
      out: decimalText(totals.out, currency),
    },
    have: {
      centre_epoch: settings.get(`centre_epoch:${chain.device}`) ?? null,
      verdict_no: Number(settings.get(`verdict_no:${chain.device}`) ?? 0),
    },
    rows: batch(store, chain, limit, after),
  };
}

function batch(store: Store, chain: Chain, limit: BatchLimit, after: number): Row[] {
  const rows: Row[] = [];
  let bytes = ENVELOPE_BYTES;
  for (const { body } of waitingRows(store.database, chain.epoch, limit.rows, after)) {
    bytes += Buffer.byteLength(body) + 1;
    if (rows.length > 0 && bytes > limit.bytes) break;
    rows.push(JSON.parse(body) as Row);
  }
  return rows;
}

/** Sends what waits of a chain, up to the limit, and keeps what the centre says of it. */
export async function exchange(
  store: Store,
  chain: Chain,
  limit: BatchLimit,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ExchangeResult> {
  const { settings } = store;
  const key = keyOf(store, chain.device);
  const body = pushBody(store, chain, limit, 0, store.now());
  const sent = body.rows.length;
  const outcome = await callCentre({
    centre: settings.get("centre") ?? "",
    path: "/api/v1/sync/push",
    key,
    body,
    data: pushAnswerSchema,
    timeoutMs,
    signal,
  });
  if (!outcome.ok) {
    const { failure } = outcome;
    if (failure.kind === "refused") refuseKey(store, chain.device, key, failure.reason);
    return { ok: false, sent, failure };
  }
  const { data: answer, sentAt, receivedAt } = outcome;
  const roundTrip = receivedAt - sentAt;
  const clockOffsetMs = Math.round(
    Date.parse(body.clock.now) + roundTrip / 2 - Date.parse(answer.server_time),
  );
  const settled = store.transaction(() => {
    const count = keepAnswer(store.database, settings, chain, answer, store.now());
    settings.set("last_contact", store.now().toISOString());
    settings.set("clock_offset_ms", String(clockOffsetMs));
    if (key !== undefined && key === settings.get(`next_key:${chain.device}`)) {
      settings.set(`key:${chain.device}`, key);
      settings.remove(`next_key:${chain.device}`);
    }
    return count;
  });
  goOnAfter(store, chain, answer, body.head.seq);
  return { ok: true, sent, settled, answer, clockOffsetMs };
}

/** A next key that is not taken leaves the one before; without any other, pushing stops. */
function refuseKey(store: Store, device: string, key: string | undefined, reason: string): void {
  const { settings } = store;
  store.transaction(() => {
    if (key === settings.get(`next_key:${device}`)) settings.remove(`next_key:${device}`);
    else settings.set(`key_refused:${device}`, reason);
  });
}

/** The centre holds more of this epoch than the store: it is a copy that was restored. */
export function goOnAfter(
  store: Store,
  chain: Chain,
  answer: Pick<PushAnswer, "device_state" | "seen">,
  toldSeq: number,
): void {
  if (answer.device_state !== "restored" || chain.epoch !== store.chain.epoch) return;
  const { seq, hash } = answer.seen;
  // A cache on the way may give the answer of an older push, which had told less.
  if (seq <= toldSeq) return;
  store.beginChain(chain.device, "restored", {
    epoch: chain.epoch,
    epoch_no: chain.epoch_no,
    seq,
    hash,
  });
}
