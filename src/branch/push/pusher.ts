/** Hands over in the background what waits: the push is the probe of the network, and there is no other. */
import type { Connection, SystemStatus } from "../api_types.ts";
import { configSchema, keyAnswerSchema, limits } from "../protocol/schema.ts";
import { allChains } from "../store/chain.ts";
import type { Store } from "../store/store.ts";
import { callCentre } from "./centre.ts";
import { type BatchLimit, chainToPush, dueChain, exchange, keyOf } from "./exchange.ts";
import { defaultPace, type Pace, untilNextPush, untilRetry } from "./pace.ts";
import { fetchReturned, isReturnDue } from "./returned.ts";

/** How pushing goes. */
export type PusherState = Pick<SystemStatus, "connection" | "last_error" | "next_push_in_ms">;

/** What the pusher writes to: the program's log. */
export type Say = (message: string, fields?: Record<string, unknown>) => void;

const GROW_ROWS = 32;

/** One pusher of one store. */
export class Pusher {
  readonly #store: Store;
  readonly #pace: Pace;
  readonly #random: () => number;
  readonly #say: Say;
  readonly #stop = new AbortController();
  #limit: BatchLimit = { ...limits };
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #round: Promise<void> | undefined;
  #failureCount = 0;
  #isTakingBackOver = false;
  #connection: Connection = "unknown";
  #lastError: string | undefined;

  constructor(
    store: Store,
    { pace = defaultPace, random = Math.random, say = () => {} }: PusherOptions = {},
  ) {
    this.#store = store;
    this.#pace = pace;
    this.#random = random;
    this.#say = say;
  }

  /** Pushes at once, and then by itself. */
  start(): void {
    void this.pushNow();
  }

  /** Ends a push that runs; what it sent is sent again at the next start. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#round;
  }

  /** Pushes now, or waits for the push that runs. */
  async pushNow(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#due = 0;
    this.#round ??= this.#run().finally(() => {
      this.#round = undefined;
    });
    await this.#round;
  }

  /** Pushes at somebody's wish: also where pushing rests because a key was refused. */
  async pushAgain(): Promise<void> {
    await this.#round;
    const { settings, database } = this.#store;
    for (const { device } of allChains(database)) settings.remove(`key_refused:${device}`);
    await this.pushNow();
  }

  /** After a new row: pushes at once where the centre was reached last time. */
  async pushSoon(): Promise<void> {
    if (this.#connection === "online" && this.#round === undefined) await this.pushNow();
  }

  state(): PusherState {
    return {
      connection: this.#connection,
      last_error: this.#lastError ?? null,
      next_push_in_ms: this.#due === 0 ? null : Math.max(0, this.#due - Date.now()),
    };
  }

  async #run(): Promise<void> {
    let wait: number | undefined;
    try {
      wait = await this.#drain();
    } catch (error) {
      // The store could not keep an answer: the rows wait as before, and are sent again.
      wait = this.#failed((error as Error).message, undefined);
    }
    if (wait === undefined || this.#stop.signal.aborted) return;
    this.#due = Date.now() + wait;
    this.#timer = setTimeout(() => void this.pushNow(), wait);
  }

  /** Pushes until nothing waits; gives when to come again. */
  async #drain(): Promise<number | undefined> {
    for (;;) {
      const chain = chainToPush(this.#store);
      if (chain === undefined) return this.#idle();
      const told = Number(this.#store.settings.get(`verdict_no:${chain.device}`) ?? 0);
      const result = await exchange(
        this.#store,
        chain,
        this.#limit,
        this.#pace.timeoutMs,
        this.#stop.signal,
      );
      if (this.#stop.signal.aborted) return undefined;
      if (!result.ok) {
        const { failure } = result;
        if (failure.kind === "refused" && keyOf(this.#store, chain.device) !== undefined) continue;
        const isMany = result.sent > 1;
        const isTooMuch = failure.kind === "too_large" || failure.reason === "timeout";
        if (isTooMuch && isMany) this.#limit = halved(this.#limit, result.sent);
        if (failure.kind === "too_large" && isMany) continue;
        if (failure.kind === "refused") return this.#stopped(failure.reason);
        const asked = failure.kind === "unreachable" ? failure.retryAfterMs : undefined;
        return this.#failed(failure.reason, asked);
      }
      this.#succeeded(result.answer.limits);
      await this.#fetchWhatChanged(chain.device, result.answer);
      // What the centre lacks however often it is sent must not make this loop hot.
      const isStill = result.sent > 0 && result.settled <= 0;
      const isMore = result.answer.more && result.answer.verdict_no > told;
      // A new epoch is told at once, also when it has no row yet.
      const isOld = chain.epoch !== this.#store.chain.epoch;
      if (isStill || !(isMore || isOld || dueChain(this.#store) !== undefined)) {
        await this.#takeBack();
        return untilNextPush(this.#pace, this.#random);
      }
    }
  }

  #idle(): number | undefined {
    const { device } = this.#store.chain;
    const refused = this.#store.settings.get(`key_refused:${device}`);
    if (refused !== undefined) return this.#stopped(refused);
    this.#connection = "local";
    return undefined;
  }

  /** Pushing rests until there is another key, or somebody asks for a push. */
  #stopped(reason: string): undefined {
    this.#connection = "stopped";
    this.#lastError = reason;
    this.#say("the centre refuses the key; selling goes on, pushing rests", { reason });
    return undefined;
  }

  #failed(reason: string, retryAfterMs: number | undefined): number {
    this.#failureCount += 1;
    if (this.#connection !== "offline") this.#say("the centre is not reached", { reason });
    this.#connection = "offline";
    this.#lastError = reason;
    return untilRetry(this.#pace, this.#failureCount, this.#random, retryAfterMs);
  }

  #succeeded(allowed: BatchLimit): void {
    if (this.#connection === "offline") this.#say("the centre is reached again");
    this.#failureCount = 0;
    this.#connection = "online";
    this.#lastError = undefined;
    this.#limit = {
      rows: Math.max(1, Math.min(this.#limit.rows + GROW_ROWS, allowed.rows, limits.rows)),
      bytes: Math.min(allowed.bytes, limits.bytes),
    };
  }

  /** What a store lacks that came back from a copy; where it fails it is asked for again. */
  async #takeBack(): Promise<void> {
    if (this.#isTakingBackOver || !isReturnDue(this.#store)) return;
    const result = await fetchReturned(this.#store, this.#pace.timeoutMs, this.#stop.signal);
    if (result.ok) {
      this.#say("rows that were sent after the copy are back", { count: result.count });
    }
    // A centre of before this call has nothing to give.
    this.#isTakingBackOver = !result.ok && result.reason.startsWith("404");
  }

  /** Another configuration, or another key, that the centre has for us. What fails comes again. */
  async #fetchWhatChanged(
    device: string,
    answer: { config_version: string; rotate_key: boolean },
  ): Promise<void> {
    const { settings } = this.#store;
    const call = {
      centre: settings.get("centre") ?? "",
      key: keyOf(this.#store, device),
      timeoutMs: this.#pace.timeoutMs,
      signal: this.#stop.signal,
    };
    if (this.#store.config()?.config_version !== answer.config_version) {
      const path = "/api/v1/sync/config";
      const outcome = await callCentre({ ...call, path, data: configSchema });
      if (outcome.ok) {
        this.#store.transaction(() => settings.set("config", JSON.stringify(outcome.data)));
      }
    }
    if (answer.rotate_key && settings.get(`next_key:${device}`) === undefined) {
      const path = "/api/v1/sync/key";
      const outcome = await callCentre({
        ...call,
        path,
        body: { protocol: 1 },
        data: keyAnswerSchema,
      });
      if (outcome.ok) {
        this.#store.transaction(() => settings.set(`next_key:${device}`, outcome.data.key));
      }
    }
  }
}

/** What a pusher may be given. */
export interface PusherOptions {
  pace?: Pace;
  random?: () => number;
  say?: Say;
}

function halved(limit: BatchLimit, sent: number): BatchLimit {
  return { rows: Math.max(1, Math.floor(sent / 2)), bytes: limit.bytes };
}
