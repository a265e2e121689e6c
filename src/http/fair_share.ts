/**
 * Whose turn it is. Connections to the database are few, and are shared by caller: one who sends
 * many requests waits behind the own ones, not everybody behind them.
 */
import { Refusal } from "../errors/refusal.ts";
import type { Turn } from "../graphql/turn.ts";

/** What one caller may take of a lane. */
export interface Share {
  /** Who takes: a subject, an address. */
  readonly holder: string;
  readonly slotCountMax: number;
}

/** A request that wants to begin. */
export interface Demand {
  /** The caller first, in whose line it waits, then all who are held to account for it too. */
  readonly shares: readonly [Share, ...Share[]];
  /** Connections that it may take at once. */
  readonly slotCount: number;
  /** Requests of its caller that may wait, where that is less than those of others. */
  readonly queueMax?: number;
}

/** Sizes of a lane. */
export interface LaneSizes {
  readonly slotCount: number;
  /** Requests of one caller that may wait. */
  readonly callerQueueMax: number;
  /** Requests that may wait in all: what waits has its body in memory. */
  readonly queueMax: number;
  readonly waitMsMax: number;
}

/** A turn of whoever entered. */
export interface OwnTurn extends Turn {
  /** Ends the turn, as soon as no part of its work runs. */
  end(): void;
}

interface Waiting {
  readonly demand: Demand;
  start(): void;
}

/** Some slots, and lines of callers before them who are served in turns. */
export class Lane {
  readonly #sizes: LaneSizes;
  #free: number;
  #waitingCount = 0;
  #refusedCount = 0;
  readonly #held = new Map<string, number>();
  // The order of callers is that in which they are served.
  readonly #lines = new Map<string, Waiting[]>();

  constructor(sizes: LaneSizes) {
    this.#sizes = sizes;
    this.#free = sizes.slotCount;
  }

  /** Slots in all. */
  get slotCount(): number {
    return this.#sizes.slotCount;
  }

  /** Slots that are taken. */
  get runningCount(): number {
    return this.#sizes.slotCount - this.#free;
  }

  /** Requests that wait. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Requests that were sent away since the start, clients that left included. */
  get refusedCount(): number {
    return this.#refusedCount;
  }

  /**
   * Resolves when it is the demand's turn.
   *
   * @param signal of a client that has left: its place is given up
   * @throws Refusal busy where too many wait already, or the wait took too long
   */
  enter(asked: Demand, signal?: AbortSignal): Promise<OwnTurn> {
    const slotCount = Math.min(
      asked.slotCount,
      this.#sizes.slotCount,
      ...asked.shares.map((share) => share.slotCountMax),
    );
    const demand = { ...asked, slotCount };
    const { holder } = demand.shares[0];
    const line = this.#lines.get(holder) ?? [];
    if (line.length === 0 && this.#hasRoomFor(demand) && this.#waitingCount === 0) {
      return Promise.resolve(this.#begin(demand));
    }
    if (
      line.length >= (asked.queueMax ?? this.#sizes.callerQueueMax) ||
      this.#waitingCount >= this.#sizes.queueMax
    ) {
      return Promise.reject(this.#refusal());
    }
    return new Promise((done, refuse) => {
      const waiting: Waiting = {
        demand,
        start: () => {
          clearTimeout(limit);
          signal?.removeEventListener("abort", leave);
          done(this.#begin(demand));
        },
      };
      const leave = () => {
        clearTimeout(limit);
        this.#forget(holder, waiting);
        refuse(this.#refusal());
      };
      const limit = setTimeout(leave, this.#sizes.waitMsMax);
      signal?.addEventListener("abort", leave, { once: true });
      line.push(waiting);
      this.#lines.set(holder, line);
      this.#waitingCount += 1;
      this.#serve();
    });
  }

  #refusal(): Refusal {
    this.#refusedCount += 1;
    return new Refusal("busy");
  }

  #begin({ shares, slotCount }: Demand): OwnTurn {
    this.#take(shares, slotCount);
    let partCount = 0;
    let isEnded = false;
    let isGivenBack = false;
    const settle = () => {
      if (!isEnded || partCount > 0 || isGivenBack) return;
      isGivenBack = true;
      this.#take(shares, -slotCount);
      this.#serve();
    };
    return {
      begin() {
        partCount += 1;
        let isOver = false;
        return () => {
          if (isOver) return;
          isOver = true;
          partCount -= 1;
          settle();
        };
      },
      end() {
        isEnded = true;
        settle();
      },
    };
  }

  #take(shares: Demand["shares"], slotCount: number): void {
    this.#free -= slotCount;
    for (const { holder } of shares) {
      const held = (this.#held.get(holder) ?? 0) + slotCount;
      if (held > 0) this.#held.set(holder, held);
      else this.#held.delete(holder);
    }
  }

  #isWithinShares({ shares, slotCount }: Demand): boolean {
    return shares.every(
      ({ holder, slotCountMax }) => (this.#held.get(holder) ?? 0) + slotCount <= slotCountMax,
    );
  }

  #hasRoomFor(demand: Demand): boolean {
    return demand.slotCount <= this.#free && this.#isWithinShares(demand);
  }

  /** Starts what may start. Who was served goes to the end of the round. */
  #serve(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { holder } = next.demand.shares[0];
      this.#forget(holder, next);
      this.#moveToEnd(holder);
      next.start();
    }
  }

  #next(): Waiting | undefined {
    for (const [first] of this.#lines.values()) {
      if (first === undefined || !this.#isWithinShares(first.demand)) continue;
      // What wants many slots would never find them free if smaller ones went before it.
      return first.demand.slotCount <= this.#free ? first : undefined;
    }
    return undefined;
  }

  #moveToEnd(holder: string): void {
    const line = this.#lines.get(holder);
    if (line === undefined) return;
    this.#lines.delete(holder);
    this.#lines.set(holder, line);
  }

  #forget(holder: string, waiting: Waiting): void {
    const line = this.#lines.get(holder) ?? [];
    const place = line.indexOf(waiting);
    if (place < 0) return;
    line.splice(place, 1);
    this.#waitingCount -= 1;
    if (line.length === 0) this.#lines.delete(holder);
  }
}
