/**
 * Tables of the store, and how an older store becomes a newer one: step by step, in one transaction,
 * after a copy of the file. A step that has been released never changes; what is new is a new step.
 */
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { StoreRefused } from "../till_error.ts";
import { APPLICATION_ID, inTransaction, read } from "./database.ts";

/*
 * fact: what happened, never changed. "body" is the row as it goes to the centre, word for word;
 * the other columns are what the till looks for. "effect" is the change of cash in the drawer, cash_after
 * the cash after it, in_after and out_after the totals of the epoch, as each push tells them.
 * "request" is what was asked for, so that the same request again is answered with the same fact.
 * fact_state: the centre's latest verdict, "waiting" before the first; verdict: all of them.
 * chain: the runs of sequence numbers; a new one begins where continuity cannot be proved.
 */
const steps: readonly string[] = [
  `
create table setting (
  name text primary key,
  value text not null
) strict, without rowid;

create table chain (
  number integer primary key,
  device text not null,
  epoch text not null unique,
  epoch_no integer not null,
  previous_epoch text,
  previous_seq integer not null,
  previous_hash text,
  began_at text not null,
  reason text not null
) strict;

create table fact (
  position integer primary key,
  id text not null unique,
  epoch text not null references chain (epoch),
  seq integer not null check (seq > 0),
  kind text not null check (kind in ('entry', 'void', 'count')),
  type text check (type in ('IN', 'OUT')),
  category text not null,
  amount integer not null check (amount >= 0),
  effect integer not null,
  description text not null,
  occurred_at text not null,
  business_date text not null,
  cashier text not null,
  voids text references fact (id),
  corrects text references fact (id),
  reason text not null,
  hash text not null,
  body text not null,
  request text,
  cash_after integer not null,
  in_after integer not null,
  out_after integer not null,
  unique (epoch, seq)
) strict;

create unique index fact_voids on fact (voids) where voids is not null;
create index fact_business_date on fact (business_date, effect);
create index fact_corrects on fact (corrects) where corrects is not null;

create trigger fact_is_not_changed before update on fact
begin
  select raise(abort, 'a fact is never changed: void it, or add a correction');
end;

create trigger fact_is_not_deleted before delete on fact
begin
  select raise(abort, 'a fact is never deleted: void it');
end;

create table fact_state (
  position integer primary key references fact (position),
  state text not null
    check (state in ('waiting', 'accepted', 'duplicate', 'conflict', 'quarantined', 'refused')),
  reason text,
  posting_date text,
  changed_at text not null
) strict;

create index fact_state_waiting on fact_state (position) where state = 'waiting';
create index fact_state_trouble on fact_state (position)
  where state in ('conflict', 'quarantined', 'refused');

create table verdict (
  number integer primary key,
  position integer not null references fact (position),
  centre_epoch text not null,
  verdict_no integer,
  body text not null,
  received_at text not null
) strict;

create index verdict_position on verdict (position);

create trigger verdict_is_not_changed before update on verdict
begin
  select raise(abort, 'a verdict is never changed');
end;
`,
];

/** The newest form of the store that this program knows. */
export const SCHEMA_VERSION = steps.length;

/** Brings the store up to date; the copy that is made before it stays in backups/. */
export function upgrade(database: DatabaseSync, file: string, chosen = steps): void {
  const version = Number(read(database, "pragma user_version"));
  if (version > chosen.length) {
    throw new StoreRefused(
      `The store was written by a newer program (form ${version}, this one knows ${chosen.length}). ` +
        "Nothing was touched: install the newer program again.",
    );
  }
  if (version === chosen.length) return;
  if (version > 0) copyBefore(database, file, version);
  inTransaction(database, () => {
    for (const step of chosen.slice(version)) database.exec(step);
    database.exec(`pragma application_id = ${APPLICATION_ID}`);
    database.exec(`pragma user_version = ${chosen.length}`);
  });
}

function copyBefore(database: DatabaseSync, file: string, version: number): void {
  const copy = join(dirname(file), "backups", `before-form-${version + 1}.db`);
  // A copy that was cut off by a kill is no copy.
  if (existsSync(copy)) rmSync(copy);
  database.prepare("vacuum into ?").run(copy);
}
