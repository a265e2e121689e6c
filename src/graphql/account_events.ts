/** Events of accounts and jobs for subscriptions, with the rights of the listener. */
import type { Pool } from "pg";
import { type Caller, settingsFor } from "../auth/caller.ts";
import { type RoleTransaction, withRole } from "../database/with_role.ts";
import { Refusal } from "../errors/refusal.ts";
import type { Notifications, Source } from "./notifications.ts";

/** What a subscription asks for. */
export type Topic =
  | AccountTopic
  | { readonly customerId: string }
  | { readonly reratingId: string }
  | { readonly needs: "attention" };

interface AccountTopic {
  readonly accountId: string;
  /** Only until this row has settled. */
  readonly subBalanceId?: string;
}

/** What it gets. */
export type Told =
  | AccountEvent
  | { readonly rerating_id: string }
  | { readonly event: AttentionEvent };

/** What of that which needs a person may have changed. */
export type AttentionEvent = "subscribed" | "check" | "heal" | "decision" | "freeze" | "alert";

// Tables that announce themselves (sql/alert/attention.sql), in words of the API.
const attentionEvents: ReadonlyMap<string, AttentionEvent> = new Map([
  ["check_run", "check"],
  ["heal_run", "heal"],
  ["heal_proposal", "decision"],
  ["decision", "decision"],
  ["account_freeze", "freeze"],
  ["alert", "alert"],
]);

interface AccountEvent {
  readonly event: "subscribed" | "balance" | "settled";
  readonly account_id: string;
  readonly sub_balance_id?: string;
  /** Where a customer's deposit account was asked for. */
  readonly customer_id?: string;
}

/** In the form that Grafast's `listen` takes; a topic is a Topic as JSON. */
export interface AccountEvents {
  subscribe(topic: string): Promise<AsyncIterableIterator<Told>>;
}

// Within the time for which the database remembers that somebody listens (watch_account).
const WATCH_MS = 30_000;
// A row that settled without our hearing of it is noticed at the latest after this time.
const LOOK_AGAIN_MS = 5000;

/** Reads under the rights of the listener. */
type Read = (text: string, values: unknown[]) => Promise<Record<string, unknown>[]>;

/** The events that this caller may hear. */
export function accountEventsFor(
  caller: Caller,
  { pool, notifications, timeoutMs }: AccountEventSources,
): AccountEvents {
  const settings = settingsFor(caller, timeoutMs);
  const read: Read = (text, values) => queryAs(pool, settings, text, values);
  const watch = (accountId: string) =>
    queryAs(pool, settings, "select saldo_private.watch_account($1)", [accountId], "read write");

  async function ofAccount({ accountId, subBalanceId }: AccountTopic) {
    const rows = await read("select from saldo.account where id = $1", [accountId]);
    if (rows.length === 0) throw new Refusal("not_found", `account ${accountId}`);
    if (subBalanceId !== undefined) await isSettled(read, accountId, subBalanceId);
    const channel = await notifications.subscribe(`saldo:account:${accountId}`);
    if (subBalanceId !== undefined) {
      return releasing(settlement(read, accountId, subBalanceId, channel), channel);
    }
    const source = await watched(() => watch(accountId), channel);
    return releasing(changes(accountId, source), source);
  }

  return {
    async subscribe(topicText) {
      const topic = JSON.parse(topicText) as Topic;
      if ("accountId" in topic) return ofAccount(topic);
      if ("customerId" in topic) {
        const accountId = await accountOf(read, topic.customerId);
        const events = await ofAccount({ accountId });
        return releasing(ofCustomer(topic.customerId, events), events);
      }
      if ("needs" in topic) {
        // Whoever may not read checks is refused here.
        await read("select from saldo.check_run limit 0", []);
        const source = await notifications.subscribe("saldo:attention");
        return releasing(attention(source), source);
      }
      await isRerated(read, topic.reratingId);
      const source = await notifications.subscribe(`saldo:rerating:${topic.reratingId}`);
      return releasing(progress(read, topic.reratingId, source), source);
    },
  };
}

async function* changes(accountId: string, source: Source): AsyncGenerator<AccountEvent> {
  // At once, so that no change between an earlier query and this is missed.
  yield { event: "subscribed", account_id: accountId };
  for await (const word of source) yield { event: eventIn(word), account_id: accountId };
}

async function* attention(source: Source): AsyncGenerator<{ event: AttentionEvent }> {
  yield { event: "subscribed" };
  for await (const word of source) {
    const event = attentionEvents.get(String(word));
    if (event !== undefined) yield { event };
  }
}

/** The engine says what it was; anybody may say anything, and is heard as some change. */
function eventIn(word: string): AccountEvent["event"] {
  try {
    return (JSON.parse(word) as { event?: unknown } | null)?.event === "settled"
      ? "settled"
      : "balance";
  } catch {
    return "balance";
  }
}

async function* settlement(
  read: Read,
  accountId: string,
  subBalanceId: string,
  source: Source,
): AsyncGenerator<AccountEvent> {
  let next = source.next();
  while (!(await isSettled(read, accountId, subBalanceId))) {
    const heard = await Promise.race([next, sleepUnref(LOOK_AGAIN_MS)]);
    if (heard?.done) return;
    if (heard) next = source.next();
  }
  yield { event: "settled", account_id: accountId, sub_balance_id: subBalanceId };
}

async function* ofCustomer(customerId: string, events: AsyncIterableIterator<AccountEvent>) {
  for await (const event of events) yield { ...event, customer_id: customerId };
}

async function* progress(read: Read, reratingId: string, source: Source) {
  for (;;) {
    const isOver = await isRerated(read, reratingId);
    yield { rerating_id: reratingId };
    if (isOver || (await source.next()).done) return;
  }
}

/** Makes postings to an account announce themselves, for as long as somebody listens. */
async function watched(watch: () => Promise<unknown>, source: Source): Promise<Source> {
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

async function isSettled(read: Read, accountId: string, subBalanceId: string): Promise<boolean> {
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

/** The deposit account of a customer whom the caller may see. */
async function accountOf(read: Read, customerId: string): Promise<string> {
  const [row] = await read("select account_id from saldo.customer where id = $1", [customerId]);
  if (row === undefined) throw new Refusal("not_found", `customer ${customerId}`);
  return String(row.account_id);
}

/** Whether a re-rating is done or has failed. */
async function isRerated(read: Read, reratingId: string): Promise<boolean> {
  const [row] = await read(
    "select status in ('done', 'failed') as is_over from saldo.rerating where id = $1",
    [reratingId],
  );
  if (row === undefined) throw new Refusal("not_found", `rerating ${reratingId}`);
  return row.is_over === true;
}

/** What events are made of. */
export interface AccountEventSources {
  readonly pool: Pool;
  readonly notifications: Notifications;
  readonly timeoutMs: number;
}

/** Releases the source however the listener ends, even before it has asked for anything. */
function releasing<Item>(
  told: AsyncGenerator<Item>,
  source: Pick<AsyncIterableIterator<unknown>, "return">,
): AsyncIterableIterator<Item> {
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
  settings: RoleTransaction["settings"],
  text: string,
  values: unknown[],
  access: "read only" | "read write" = "read only",
): Promise<Record<string, unknown>[]> {
  return await withRole(pool, { settings, mode: access }, async (client) => {
    const { rows } = await client.query<Record<string, unknown>>(text, values);
    return rows;
  });
}
