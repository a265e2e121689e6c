/** Asks the centre for what a store that came back from a copy lacks. */
import { returnAnswerSchema } from "../protocol/schema.ts";
import { havePlaces, keepReturned } from "../store/returned.ts";
import type { Store } from "../store/store.ts";
import { callCentre } from "./centre.ts";
import { keyOf } from "./exchange.ts";

/** Whether the present epoch began with a copy, and what the copy lacked is not back yet. */
export function isReturnDue({ chain, settings }: Store): boolean {
  return (
    chain.reason === "restored" &&
    settings.get(`returned:${chain.epoch}`) === undefined &&
    // Only then does the centre know that the epochs before it were left.
    settings.get(`seen_by:${chain.epoch}`) !== undefined
  );
}

const SEQ_MAX = 999_999_999_999_999;

/** How asking ended; `count`: rows that are back. */
export type ReturnResult = { ok: true; count: number } | { ok: false; reason: string };

/** Asks until there is nothing more, and keeps what comes. */
export async function fetchReturned(
  store: Store,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ReturnResult> {
  const { database, settings, chain } = store;
  let count = 0;
  const broken = new Set<string>();
  for (;;) {
    const have = havePlaces(database, settings, chain.device).map(({ epoch, seq }) => ({
      epoch,
      // What is behind a gap does not come nearer, however often it is asked for.
      seq: broken.has(epoch) ? SEQ_MAX : seq,
    }));
    const outcome = await callCentre({
      centre: settings.get("centre") ?? "",
      path: "/api/v1/sync/rows",
      key: keyOf(store, chain.device),
      body: { protocol: 1, have },
      data: returnAnswerSchema,
      timeoutMs,
      signal,
    });
    if (!outcome.ok) return { ok: false, reason: outcome.failure.reason };
    const { rows, more } = outcome.data;
    // A centre that says that there is more, and gives nothing, must not keep us here.
    const isEnd = !more || rows.length === 0;
    store.transaction(() => {
      const kept = keepReturned(database, settings, chain.device, outcome.data, store.now());
      count += kept.count;
      for (const epoch of kept.broken) broken.add(epoch);
      if (isEnd) settings.set(`returned:${chain.epoch}`, store.now().toISOString());
    });
    if (isEnd) return { ok: true, count };
  }
}
