--! Previous: sha1:cd65aa79e2a06d20c9f321b14bbfa900664701e5
--! Hash: sha1:6e626b2a8e1421236dde36c62547b542033af247
--! Message: captures once per hold, logins of members and servers, what rules read, reports

set local role saldo_owner;

-- A capture under a key is posted once for each hold. Where a lost record of a key has doubled one
-- already, the index begins after the last such capture, so that the start goes on.
do $index$
declare
  v_index constant text := $sql$
    create unique index if not exists hold_is_captured_once_per_key
      on saldo.journal_entry (idempotency_key, (metadata ->> 'hold_id'))
      where source = 'capture_hold' and idempotency_key is not null and recorded_at > %L
  $sql$;
begin
  execute format(v_index, '2026-11-01 00:00:00+00');
exception
  when unique_violation then
    execute format(v_index, (
      select max(later.recorded_at)
      from saldo.journal_entry as e
      join saldo.journal_entry as later on later.source = 'capture_hold'
        and later.idempotency_key = e.idempotency_key
        and later.metadata ->> 'hold_id' = e.metadata ->> 'hold_id'
        and later.id <> e.id
      where e.source = 'capture_hold'
    ));
end
$index$;
-- Seals over rows: from where on the cluster before this one had records that it had not sealed.
alter table saldo_private.row_seal_progress add column if not exists former_until xid8;
-- Registered rules: what of users' views and functions each comes to.
create table if not exists saldo_private.rule_reads (
  rule text not null
    constraint rule_reads_rule_fkey
    references saldo.registered_rule (name) on delete cascade,
  relation_ids oid[] not null,
  function_ids oid[] not null,
  constraint rule_reads_pkey primary key (rule)
);
-- Logins that act as members without the API.
create table if not exists saldo.member_login (
  login text not null,
  member_id bigint,
  assigned_at timestamptz not null default now(),
  assigned_by text not null,
  constraint member_login_pkey primary key (login),
  constraint member_login_member_fkey foreign key (member_id) references saldo.member (id)
);
-- The login of the API in this database, which servers share.
create table if not exists saldo_private.server_login (
  id integer not null,
  login text not null,
  password text not null,
  database_id oid not null,
  cluster text not null,
  made_at timestamptz not null default now(),
  constraint server_login_pkey primary key (id),
  constraint server_login_is_one check (id = 1)
);
-- Charge-backs are sealed as refunds are; of those that are there already the column is null.
alter table saldo.top_up_reversal add column if not exists changed_in xid8;
alter table saldo.top_up_reversal alter column changed_in set default pg_current_xact_id();
-- squawk-ignore require-concurrent-index-creation
create index if not exists top_up_reversal_changed_in_idx on saldo.top_up_reversal (changed_in)
  where changed_in is not null;
-- Views for reporting tools.
create schema if not exists saldo_report;

reset role;
