/** What waits for the centre, and what the centre has said of it. */
import type { DatabaseSync } from "node:sqlite";
import type { PushAnswer } from "../protocol/schema.ts";
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
 *
 * @returns how many rows fewer wait than before
 */
export function keepAnswer(
  database: DatabaseSync,
  settings: Settings,
  chain: Chain,
  answer: Omit<PushAnswer, "limits" | "protocol">,
  now: Date,
): number {
  if (isBehind(settings, chain, answer)) showAllAgain(database, settings);
  const answered = keepVerdicts(database, answer, now);
  const reopened = reopenMissing(database, chain, answer, now);
  settings.set(`verdict_no:${chain.device}`, String(answer.verdict_no));
  settings.set(`centre_epoch:${chain.device}`, answer.centre_epoch);
  settings.set(`device_state:${chain.device}`, answer.device_state);
  settings.set("centre_epoch", answer.centre_epoch);
  settings.set(`seen_by:${chain.epoch}`, answer.centre_epoch);
  return answered - reopened;
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

/**
 * Keeps verdicts of rows that are here.
 *
 * @returns how many of the rows waited until now
 */
export function keepVerdicts(
  database: DatabaseSync,
  answer: Pick<PushAnswer, "centre_epoch" | "verdicts" | "changes">,
  now: Date,
): number {
  const find = database.prepare(
    "select position, epoch, seq, state from fact join fact_state using (position) where id = ?",
  );
  const keep = database.prepare(
    `insert into verdict (position, centre_epoch, verdict_no, body, received_at)
    values (?, ?, ?, ?, ?)`,
  );
  const tell = database.prepare(
    `update fact_state set state = ?, reason = ?, posting_date = ?, changed_at = ?
    where position = ?`,
  );
  const at = now.toISOString();
  let answeredCount = 0;
  for (const verdict of [...answer.verdicts, ...answer.changes]) {
    const { verdict: state, reason, posting_date, verdict_no } = verdict;
    const row = find.get(verdict.id) as unknown as Place | undefined;
    // A protocol 0 row, or one of a store that is lost: not ours to know.
    if (row === undefined) continue;
    const { position, epoch, seq } = row;
    if (row.state === "waiting") answeredCount += 1;
    keep.run(position, answer.centre_epoch, verdict_no, JSON.stringify(verdict), at);
    tell.run(state, reason, posting_date, at, position);
    noteAnswered(database, epoch, seq);
  }
  return answeredCount;
}

type Place = { position: number; epoch: string; seq: number; state: string };

const answered = new WeakMap<DatabaseSync, Map<string, number>>();

/** The last row of each epoch that has ever had an answer, as far as it was asked for. */
function answeredOf(database: DatabaseSync): Map<string, number> {
  const known = answered.get(database) ?? new Map<string, number>();
  answered.set(database, known);
  return known;
}

function noteAnswered(database: DatabaseSync, epoch: string, seq: number): void {
  const known = answeredOf(database);
  const last = known.get(epoch);
  if (last !== undefined && seq > last) known.set(epoch, seq);
}

function answeredTo(database: DatabaseSync, epoch: string): number {
  const known = answeredOf(database);
  const last = known.get(epoch) ?? Number(database.prepare(lastAnswered).get(epoch)?.["seq"] ?? 0);
  known.set(epoch, last);
  return last;
}

const lastAnswered = `
  select seq from fact join fact_state using (position)
  where epoch = ? and state <> 'waiting' order by seq desc limit 1`;

const reopen = `
  update fact_state set state = 'waiting', changed_at = :at
  where state <> 'waiting'
    and position in (select position from fact where epoch = :epoch and seq between :from and :to)`;

function reopenMissing(
  database: DatabaseSync,
  chain: Chain,
  answer: Pick<PushAnswer, "seen">,
  now: Date,
): number {
  const at = now.toISOString();
  const { seq, missing } = answer.seen;
  const { epoch } = chain;
  // What has never had an answer waits anyway: a backlog is not to be looked at row by row.
  const head = Math.min(headOf(database, chain).seq, answeredTo(database, epoch));
  let reopened = 0;
  for (const [from, last] of [...missing, [seq + 1, head] as const]) {
    const to = Math.min(last, head);
    if (from > to) continue;
    reopened += Number(database.prepare(reopen).run({ epoch, from, to, at }).changes);
  }
  return reopened;
}
