/** What waits for the centre, and what the centre has said of it. */
import type { DatabaseSync } from "node:sqlite";
import type { PushAnswer, Verdict } from "../protocol/schema.ts";
import { allChains, type Chain, headOf } from "./chain.ts";
import type { Settings } from "./settings.ts";

/** How much waits, since when, and how much needs a person. */
export interface QueueState {
  waiting: number;
  oldest_waiting_at: string | null;
  attention: number;
}

/** A row that waits, as it is sent. */
export interface Waiting {
  position: number;
  seq: number;
  body: string;
}

/** The queue as it is now, from what the store holds. */
export function queueState(database: DatabaseSync): QueueState {
  const { waiting, first } = database
    .prepare(
      "select count(*) as waiting, min(position) as first from fact_state where state = 'waiting'",
    )
    .get() as unknown as { waiting: number; first: number | null };
  const { attention } = database
    .prepare(
      `select count(*) as attention from fact_state
      join fact using (position)
      where state in ('conflict', 'quarantined', 'refused')
        and not exists (select 1 from fact as other where other.voids = fact.id)`,
    )
    .get() as unknown as { attention: number };
  const oldest =
    first === null
      ? undefined
      : database.prepare("select occurred_at from fact where position = ?").get(first);
  return { waiting, oldest_waiting_at: (oldest?.["occurred_at"] as string) ?? null, attention };
}

/** Begins at what waits, which is little, and not at the epoch, which has all that was ever sold. */
export const waitingQuery = `
  select fact_state.position, seq, body from fact_state cross join fact using (position)
  where state = 'waiting' and epoch = ? and seq > ? order by fact_state.position limit ?`;

/** Waiting rows of an epoch in their order. */
export function waitingRows(
  database: DatabaseSync,
  epoch: string,
  limit: number,
  after = 0,
): Waiting[] {
  return database.prepare(waitingQuery).all(epoch, after, limit) as unknown as Waiting[];
}

/**
 * Keeps an answer of the centre, verdict by verdict. What the centre says that it does not have goes
 * back into the queue, whatever was said before: a centre that was restored has lost it.
 */
export function keepAnswer(
  database: DatabaseSync,
  settings: Settings,
  chain: Chain,
  answer: Omit<PushAnswer, "limits" | "protocol">,
  now: Date,
): void {
  if (isBehind(settings, chain, answer)) showAllAgain(database, settings);
  for (const verdict of [...answer.verdicts, ...answer.changes]) {
    keepVerdict(database, answer.centre_epoch, verdict, now);
  }
  reopenMissing(database, chain, answer, now);
  settings.set(`verdict_no:${chain.device}`, String(answer.verdict_no));
  settings.set(`centre_epoch:${chain.device}`, answer.centre_epoch);
  settings.set(`device_state:${chain.device}`, answer.device_state);
  settings.set("centre_epoch", answer.centre_epoch);
  settings.set(`seen_by:${chain.epoch}`, answer.centre_epoch);
}

/** The centre has given fewer verdicts than came from it: it was restored, and does not know. */
function isBehind(
  settings: Settings,
  { device }: Chain,
  answer: Pick<PushAnswer, "centre_epoch" | "verdict_no">,
): boolean {
  return (
    settings.get(`centre_epoch:${device}`) === answer.centre_epoch &&
    answer.verdict_no < Number(settings.get(`verdict_no:${device}`) ?? 0)
  );
}

/** Each epoch is pushed once more, if without rows: its answer tells what the centre lacks of it. */
function showAllAgain(database: DatabaseSync, settings: Settings): void {
  for (const { epoch } of allChains(database)) {
    if (settings.get(`seen_by:${epoch}`) !== undefined) settings.set(`seen_by:${epoch}`, "");
  }
}

function keepVerdict(database: DatabaseSync, centreEpoch: string, verdict: Verdict, now: Date) {
  const row = database.prepare("select position from fact where id = ?").get(verdict.id);
  // A protocol 0 row, or one of a store that is lost: not ours to know.
  if (row === undefined) return;
  const position = row["position"] as number;
  const at = now.toISOString();
  database
    .prepare(
      `insert into verdict (position, centre_epoch, verdict_no, body, received_at)
      values (?, ?, ?, ?, ?)`,
    )
    .run(position, centreEpoch, verdict.verdict_no, JSON.stringify(verdict), at);
  database
    .prepare(
      `update fact_state set state = ?, reason = ?, posting_date = ?, changed_at = ?
      where position = ?`,
    )
    .run(verdict.verdict, verdict.reason, verdict.posting_date, at, position);
}

const reopen = `
  update fact_state set state = 'waiting', changed_at = :at
  where state <> 'waiting'
    and position in (select position from fact where epoch = :epoch and seq between :from and :to)`;

function reopenMissing(
  database: DatabaseSync,
  chain: Chain,
  answer: Pick<PushAnswer, "seen">,
  now: Date,
) {
  const at = now.toISOString();
  const { seq, missing } = answer.seen;
  const head = headOf(database, chain).seq;
  for (const [from, last] of [...missing, [seq + 1, head] as const]) {
    const to = Math.min(last, head);
    if (from > to || isAllWaiting(database, chain, from, to)) continue;
    database.prepare(reopen).run({ epoch: chain.epoch, from, to, at });
  }
}

/** Whether these rows wait, all of them: a backlog does, and is not to be looked at row by row. */
function isAllWaiting(database: DatabaseSync, chain: Chain, from: number, to: number): boolean {
  const place = database.prepare("select position from fact where epoch = ? and seq = ?");
  const positionOf = (seq: number) => Number(place.get(chain.epoch, seq)?.["position"]);
  // Rows of a chain stand together.
  const row = database
    .prepare(
      `select count(*) as waiting from fact_state
      where state = 'waiting' and position between ? and ?`,
    )
    .get(positionOf(from), positionOf(to));
  return row?.["waiting"] === to - from + 1;
}
