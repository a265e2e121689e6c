/** How this till is, for the bar at the edge of the page and for whoever looks after it. */
import type { SystemStatus } from "../api_types.ts";
import { currencyDecimals } from "../money.ts";
import type { Pusher } from "../push/pusher.ts";
import { allChains } from "../store/chain.ts";
import { findFacts } from "../store/lookup.ts";
import { waitingRows } from "../store/queue.ts";
import type { Store } from "../store/store.ts";

// The centre posts by its own clock from here on, and says so.
const CLOCK_OFFSET_MAX_MS = 5 * 60 * 1000;
const UNSENT_HOURS_MAX = 24;

/** Everything that the status tells. */
export function systemStatus(store: Store, pusher: Pusher): SystemStatus {
  const { settings, chain } = store;
  const { waiting, oldest_waiting_at, attention } = store.queue();
  const push = pusher.state();
  const ageMs =
    oldest_waiting_at === null ? null : store.now().getTime() - Date.parse(oldest_waiting_at);
  const offset = settings.get("clock_offset_ms");
  const offsetMs = offset === undefined ? null : Number(offset);
  return {
    status: push.connection === "online" ? "online" : "offline",
    connection: push.connection,
    last_error: push.last_error,
    next_push_in_ms: push.next_push_in_ms,
    last_contact: settings.get("last_contact") ?? null,
    unsynced_count: waiting,
    oldest_unsynced_seconds: ageMs === null ? null : Math.max(0, Math.round(ageMs / 1000)),
    attention_count: attention,
    last_verdicts: findFacts(store.database, { page: 1, limit: 5, standing: "attention" }).facts,
    clock_offset_ms: offsetMs,
    warnings: [
      ...store.warnings(),
      ...deviceWarnings(store),
      ...(Math.abs(offsetMs ?? 0) > CLOCK_OFFSET_MAX_MS ? ["clock_wrong"] : []),
      ...(push.connection !== "local" && (ageMs ?? 0) > UNSENT_HOURS_MAX * 3_600_000
        ? ["unsent_long"]
        : []),
    ],
    branch: store.branchName(),
    device: chain.device,
    device_no: settings.get(`device_no:${chain.device}`) ?? null,
    epoch_no: chain.epoch_no,
    centre: settings.get("centre") ?? null,
    is_enrolled: settings.get(`key:${chain.device}`) !== undefined,
    currency: store.locality().currency,
    decimals: currencyDecimals(store.locality().currency),
    time_zone: store.locality().timeZone,
    program: store.program,
  };
}

function deviceWarnings(store: Store): string[] {
  const { settings, chain } = store;
  const warnings: string[] = [];
  const state = settings.get(`device_state:${chain.device}`);
  if (state === "forked" || state === "closed") warnings.push(`device_${state}`);
  const chains = allChains(store.database);
  const devices = new Set(chains.map(({ device }) => device));
  // The centre knows no key for them: they wait until they are handed over by file.
  const isLeftBehind = chains.some(
    ({ device, epoch }) =>
      settings.get(`key:${device}`) === undefined &&
      settings.get(`key:${chain.device}`) !== undefined &&
      waitingRows(store.database, epoch, 1).length > 0,
  );
  if (isLeftBehind) warnings.push("rows_before_enrolment");
  if ([...devices].some((device) => settings.get(`key_refused:${device}`) !== undefined)) {
    warnings.push("key_refused");
  }
  return warnings;
}
