/** What subscriptions are told: events of accounts, each checked with the rights of who listens. */
import type { Pool } from "pg";
import { type Caller, settingsFor } from "./auth.ts";
import type { Notifications, Source } from "./notifications.ts";
import { Refusal } from "./refusal.ts";

/** What a subscription asks for. */
export interface AccountTopic {
  readonly accountId: string;
  /** Only until this row has settled. */
  readonly subBalanceId?: string;
}

/** What it is told. */
export interface AccountEvent {
  readonly event: "subscribed" | "balance" | "settled";
  readonly account_id: string;
  readonly sub_balance_id?: string;
}

/** In the form that Grafast's `listen` takes; a topic is an AccountTopic as JSON. */
export interface AccountEvents {
  subscribe(topic: string): Promise<AsyncIterableIterator<AccountEvent>>;
}

// Within the time for which the database remembers that somebody listens (watch_account).
const WATCH_MS = 30_000;
// A row that settled without our hearing of it is noticed at the latest after this time.
const LOOK_AGAIN_MS = 5000;

/** The events that this caller may hear. */
export function accountEventsFor(
  caller: Caller,
  { pool, notifications, timeoutMs }: AccountEventSources,
): AccountEvents {
  const settings = settingsFor(caller, timeoutMs);
  const read = (text: string, values: unknown[]) => queryAs(pool, settings, text, values);

  async function* changes({ accountId }: AccountTopic, source: Source) {
    // At once, so that no change between an earlier query and this is missed.
    yield { event: "subscribed", account_id: accountId } as const;
    for await (const payload of source) yield JSON.parse(payload) as AccountEvent;
  }

  async function* settlement({ accountId, subBalanceId }: AccountTopic, source: Source) {
    let next = source.next();
    while (!(await isSettled(accountId, subBalanceId))) {
      const heard = await Promise.race([next, sleepUnref(LOOK_AGAIN_MS)]);
      if (heard?.done) return;
      if (heard) next = source.next();
    }
    yield { event: "settled", account_id: accountId, sub_balance_id: subBalanceId } as const;
  }

  /** Has postings to the account told as well, for as long as somebody listens. */
  async function watched(accountId: string, source: Source): Promise<Source> {
    const watch = () =>
      queryAs(pool, settings, "select saldo_private.watch_account($1)", [accountId], "read write");
    const timer = setInterval(() => void watch().catch(() => {}), WATCH_MS).unref();
    const stop = async () => {
      clearInterval(timer);
      await source.return?.();
    };
    try {
      await watch();
    } catch (error) {
      await stop();
      throw error;
    }
    const watchedSource: Source = {
      [Symbol.asyncIterator]: () => watchedSource,
      next: () => source.next(),
      async return() {
        await stop();
        return { done: true, value: undefined };
      },
    };
    return watchedSource;
  }

  async function isSettled(accountId: string, subBalanceId: string | undefined) {
    const [row] = await read(
      `select saldo.sub_balance_status(s) = 'SETTLED' as is_settled
      from saldo.sub_balance as s
      where s.account_id = $1
      and s.id = $2`,
      [accountId, subBalanceId],
    );
    if (row === undefined) throw new Refusal("not_found", `transaction ${subBalanceId}`);
    return row.is_settled === true;
  }

  return {
    async subscribe(topicText) {
      const topic = JSON.parse(topicText) as AccountTopic;
      const rows = await read("select from saldo.account where id = $1", [topic.accountId]);
      if (rows.length === 0) throw new Refusal("not_found", `account ${topic.accountId}`);
      if (topic.subBalanceId !== undefined) await isSettled(topic.accountId, topic.subBalanceId);
      const channel = await notifications.subscribe(`saldo:account:${topic.accountId}`);
      const source: Source =
        topic.subBalanceId === undefined ? await watched(topic.accountId, channel) : channel;
      const told: AsyncGenerator<AccountEvent> =
        topic.subBalanceId === undefined ? changes(topic, source) : settlement(topic, source);
      return releasing(told, source);
    },
  };
}

/** What events are made of. */
export interface AccountEventSources {
  readonly pool: Pool;
  readonly notifications: Notifications;
  readonly timeoutMs: number;
}

/** Lets go of the source however the listener goes, even before it has asked for anything. */
function releasing<Item>(told: AsyncGenerator<Item>, source: Source): AsyncIterableIterator<Item> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const result = await told.next();
        if (result.done) await source.return?.();
        return result;
      } catch (error) {
        await source.return?.();
        throw error;
      }
    },
    async return() {
      // First, or the generator would go on waiting for its next event.
      await source.return?.();
      await told.return(undefined);
      return { done: true, value: undefined };
    },
  };
}

function sleepUnref(ms: number): Promise<undefined> {
  return new Promise((done) => setTimeout(done, ms, undefined).unref());
}

async function queryAs(
  pool: Pool,
  settings: Record<string, string>,
  text: string,
  values: unknown[],
  access: "read only" | "read write" = "read only",
): Promise<Record<string, unknown>[]> {
  const client = await pool.connect();
  try {
    await client.query(`begin ${access}`);
    await client.query(
      "select set_config(each.key, each.value, true) from json_each_text($1) as each",
      [JSON.stringify(settings)],
    );
    const { rows } = await client.query<Record<string, unknown>>(text, values);
    await client.query("commit");
    client.release();
    return rows;
  } catch (error) {
    await client.query("rollback").then(
      () => client.release(),
      () => client.release(true),
    );
    throw error;
  }
}
