-- Holds: funds that are promised, and taken later or not (authorise, capture, void, expire).
--
-- Public: saldo.hold. A hold lowers what is available, not the balance, on immediate and hot
-- accounts alike. Truth: the open holds. Cache: account.held_total of an immediate account, the
-- slots of a hot one. States: HELD -> CAPTURED (capture_hold.sql) | VOIDED | EXPIRED
-- (place_hold.sql).

select saldo_private.secure_table('saldo.hold');
drop policy if exists select_all on saldo.hold;
create policy select_all on saldo.hold for select to saldo_admin, saldo_operator using (true);
grant select on saldo.hold to saldo_admin, saldo_operator, saldo_member;

comment on type saldo.hold_status is
  'HELD: open; CAPTURED: its money was taken, in whole or in part; VOIDED: given up; EXPIRED: its '
  'time ran out.';
comment on table saldo.hold is
  E'@foreignKey (account_id) references saldo.account (id)|@backwardBehavior -*\n'
  '@foreignKey (counter_account_id) references saldo.account (id)|@backwardBehavior -*\n'
  'Funds that are promised: they are not available, and still in the balance.';
comment on column saldo.hold.account_id is 'Account whose funds are held.';
comment on column saldo.hold.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.hold.status is 'HELD, CAPTURED, VOIDED or EXPIRED.';
comment on column saldo.hold.amount is 'Amount that was held at first.';
comment on column saldo.hold.open_amount is 'What is still held; 0 once it has ended.';
comment on column saldo.hold.captured_amount is 'Amount that was captured so far.';
comment on column saldo.hold.counter_account_id is 'Account that gets what is captured.';
comment on column saldo.hold.source is 'The function or room that placed it.';
comment on column saldo.hold.description is 'What it is for, in words.';
comment on column saldo.hold.idempotency_key is 'Key that the client gave, if any.';
comment on column saldo.hold.metadata is 'Whatever the client wants to keep with it.';
comment on column saldo.hold.created_at is 'When the hold was placed.';
comment on column saldo.hold.created_by is 'Who placed it: token subject or login.';
comment on column saldo.hold.expires_at is
  'When it ends by itself, at the next run of expire_holds.';
comment on column saldo.hold.closed_at is 'When it ended; null while it is open.';
comment on column saldo.hold.close_reason is 'Why it was voided or expired.';
comment on column saldo.hold.changed_in is
  'Transaction of the engine that wrote it last; null = before there were seals over rows.';
