import { EventEmitter } from "node:events";
import { type Client, escapeIdentifier } from "pg";
import { OwnClient } from "../database/own_client.ts";
import { Refusal } from "../errors/refusal.ts";
import type { Log } from "../log.ts";

/**
 * What comes over one channel, from the moment of subscribing. Whoever may connect to the database
 * can send anything: it is a hint to look, and no more. What is not yet taken is kept once each.
 */
export type Source = AsyncIterableIterator<string>;

/** Channels of PostgreSQL, over one connection that listens for all. */
export interface Notifications {
  /** Resolves when the database listens: nothing that is sent later is missed. */
  subscribe(channel: string): Promise<Source>;
  /** Ends all sources and the connection. */
  release(): Promise<void>;
}

/** Those of a standby, where nobody can listen. */
export const refusedNotifications: Notifications = {
  async subscribe() {
    throw new Refusal("read_only", "subscriptions");
  },
  async release() {},
};

/** A flood of words that nobody knows may not fill the memory: any of them makes its listener look. */
const WAITING_AT_MOST = 16;

/** Hears the words of one channel, until it is stopped, released, or the connection is lost. */
function hearing(emitter: EventEmitter, channel: string) {
  const waiting = new Set<string>();
  let end: { error?: Error } | undefined;
  let wake = () => {};
  const hear = (word: string) => {
    if (waiting.size < WAITING_AT_MOST) waiting.add(word);
    wake();
  };
  const lose = (error: Error) => {
    end ??= { error };
    wake();
  };
  const release = () => {
    end ??= {};
    wake();
  };
  emitter.on(channel, hear).on("error", lose).on("released", release);
  return {
    async next(): Promise<IteratorResult<string, undefined>> {
      while (waiting.size === 0 && end === undefined) {
        await new Promise<void>((done) => {
          wake = done;
        });
      }
      const [word] = waiting;
      if (word !== undefined) {
        waiting.delete(word);
        return { done: false, value: word };
      }
      const error = end?.error;
      end = {};
      if (error) throw error;
      return { done: true, value: undefined };
    },
    stop() {
      emitter.off(channel, hear).off("error", lose).off("released", release);
      waiting.clear();
      release();
    },
  };
}

/**
 * The library's subscriber does not say when it listens, and reports errors on the console only.
 * When the connection is lost all sources end with an error: listeners must read again, since
 * they may have missed something.
 */
export function makeNotifications(connectionString: string, log: Log): Notifications {
  let emitter = new EventEmitter().setMaxListeners(0);
  let connecting: Promise<Client> | undefined;
  const listenerCounts = new Map<string, number>();

  function lose(error: Error): void {
    if (connecting === undefined) return;
    log.warn("listening connection lost", { reason: error.message });
    const lost = emitter;
    connecting = undefined;
    emitter = new EventEmitter().setMaxListeners(0);
    listenerCounts.clear();
    // Without a listener an emitter throws an error at us.
    if (lost.listenerCount("error") > 0) lost.emit("error", error);
  }

  async function connect(): Promise<Client> {
    const client = new OwnClient({ connectionString, application_name: "saldo listen" });
    client.on("error", lose);
    client.on("end", () => lose(new Error("the connection ended")));
    client.on("notification", ({ channel, payload = "" }) => emitter.emit(channel, payload));
    try {
      await client.connect();
    } catch (error) {
      connecting = undefined;
      throw error;
    }
    return client;
  }

  function count(channel: string, change: 1 | -1): number {
    const next = (listenerCounts.get(channel) ?? 0) + change;
    if (next > 0) listenerCounts.set(channel, next);
    else listenerCounts.delete(channel);
    return next;
  }

  async function subscribe(channel: string): Promise<Source> {
    connecting ??= connect();
    const client = await connecting;
    const heard = hearing(emitter, channel);
    const mine = emitter;
    count(channel, 1);
    let isOver = false;
    const stop = async () => {
      if (isOver) return;
      isOver = true;
      heard.stop();
      // A connection that was lost meanwhile has taken its channels along.
      if (mine === emitter && count(channel, -1) === 0) {
        await client.query(`unlisten ${escapeIdentifier(channel)}`).catch(() => {});
      }
    };
    try {
      // Again for each: the one before may be waiting for its answer still.
      await client.query(`listen ${escapeIdentifier(channel)}`);
    } catch (error) {
      await stop();
      throw error;
    }
    const source: Source = {
      [Symbol.asyncIterator]: () => source,
      next: () => heard.next(),
      async return() {
        await stop();
        return { done: true, value: undefined };
      },
    };
    return source;
  }

  return {
    subscribe,
    async release() {
      const client = await connecting?.catch(() => undefined);
      connecting = undefined;
      emitter.emit("released");
      await client?.end();
    },
  };
}
