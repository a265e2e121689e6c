-- Seals over rows: evidence, made after the commit, that a row is as the engine wrote it.
--
-- Private: tables row_seal, row_seal_progress, contested_row, sealed_record; row_seal_text,
-- make_row_seal, seal_horizon, differs_from_seal, is_contested, require_uncontested.
-- Rows of hot accounts are sealed by stretches of their slots (sealed_stretch.sql), records one by
-- one, each time the engine has changed them; whose turn it is says guard/seal_chain.sql.
-- A seal is of one source, has the hash of what it covers, and that of the seal before it. What a
-- heal or a settlement derives from is compared with this evidence first: a row that is another
-- now, or is gone, is a finding and not a source.
-- Contested is what the guard saw written past the engine: it counts as unproven until a human
-- accepts it, whatever the seals say.

create or replace function saldo_private.row_seal_text(seal saldo_private.row_seal)
returns text
language sql
stable
as $$
  select 'saldo-row-seal-1'
    || saldo_private.plain_field(seal.number::text)
    || saldo_private.plain_field(seal.source)
    || saldo_private.plain_field(seal.row_count::text)
    || saldo_private.plain_field(encode(seal.rows_hash, 'hex'))
    || saldo_private.plain_field(encode(seal.previous_hash, 'hex'))
    || saldo_private.instant_field(seal.sealed_at)
    || saldo_private.text_field(seal.sealed_by)
    || saldo_private.text_field(seal.reason)
    || E'\n'
$$;
comment on function saldo_private.row_seal_text is
  'Canonical text of a seal over rows, whose SHA-256 is its hash.';

create or replace function saldo_private.make_row_seal(
  source text,
  row_count bigint,
  rows_hash bytea,
  reason text default null
)
returns bigint
language plpgsql
as $$
declare
  v_seal saldo_private.row_seal;
begin
  select p.head_number + 1, p.head_hash
  into strict v_seal.number, v_seal.previous_hash
  from saldo_private.row_seal_progress as p
  where p.id = 1;
  v_seal.source := make_row_seal.source;
  v_seal.row_count := make_row_seal.row_count;
  v_seal.rows_hash := make_row_seal.rows_hash;
  v_seal.sealed_at := clock_timestamp();
  v_seal.sealed_by := saldo_private.actor();
  v_seal.reason := make_row_seal.reason;
  v_seal.hash := sha256(convert_to(saldo_private.row_seal_text(v_seal), 'UTF8'));
  insert into saldo_private.row_seal (
    number, source, row_count, rows_hash, previous_hash, hash, sealed_at, sealed_by, reason
  )
  values (
    v_seal.number, v_seal.source, v_seal.row_count, v_seal.rows_hash, v_seal.previous_hash,
    v_seal.hash, v_seal.sealed_at, v_seal.sealed_by, v_seal.reason
  );
  update saldo_private.row_seal_progress as p
  set head_number = v_seal.number,
    head_hash = v_seal.hash
  where p.id = 1;
  return v_seal.number;
end
$$;
comment on function saldo_private.make_row_seal is
  'Makes the next seal of the chain, for a caller that has locked it; returns its number.';

create or replace function saldo_private.seal_horizon(out sealed_until xid8, out begins_at xid8)
language sql
stable
as $$
  select p.sealed_until,
    -- Numbers of another cluster are higher, until all records were gone through.
    case when not p.is_catching_up and p.cluster = saldo_private.current_cluster()
      then pg_snapshot_xmax(pg_current_snapshot()) end
  from saldo_private.row_seal_progress as p
  where p.id = 1
$$;
comment on function saldo_private.seal_horizon is
  'Transactions whose changes may be there and not sealed yet: from sealed_until on, and before '
  'begins_at, where numbers begin that nobody has had; null = not known.';

create or replace function saldo_private.differs_from_seal(
  row_text text,
  row_changed_in xid8,
  seal_hash bytea,
  seal_changed_in xid8,
  sealed_until xid8,
  begins_at xid8
)
returns boolean
language sql
stable
as $$
  select case when row_text is not null
      then sha256(convert_to(row_text, 'UTF8')) end is distinct from seal_hash
    -- What the engine has changed since is not sealed yet.
    and (row_text is null or row_changed_in is not distinct from seal_changed_in
      or row_changed_in < sealed_until
      or (row_changed_in >= begins_at
        and row_changed_in is distinct from pg_current_xact_id_if_assigned()))
$$;
comment on function saldo_private.differs_from_seal is
  'Whether a record is not what its last seal says. row_text: what is hashed of it; null = it is '
  'gone.';

create or replace function saldo_private.is_contested(account_id bigint, sources text[])
returns boolean
language sql
stable
as $$
  select exists (
    select
    from saldo_private.contested_row as c
    where c.account_id = is_contested.account_id
    and c.source = any (sources)
  )
$$;
comment on function saldo_private.is_contested is
  'Whether rows of an account in these tables were written past the engine, and nobody has '
  'accepted them.';

create or replace function saldo_private.require_uncontested(account_id bigint, sources text[])
returns void
language plpgsql
as $$
begin
  if saldo_private.is_contested(account_id, sources) then
    perform saldo_private.fail('account_frozen', format(
      'account %s: rows of %s were written past the engine', account_id,
      array_to_string(sources, ', ')
    ));
  end if;
end
$$;
comment on function saldo_private.require_uncontested is
  'Refuses to pay out by rows that nobody has looked at since they were written past the engine: '
  'SB121 account_frozen.';

select saldo_private.secure_table('saldo_private.sealed_record');
select saldo_private.secure_table('saldo_private.row_seal');
select saldo_private.secure_table('saldo_private.row_seal_progress');
select saldo_private.secure_table('saldo_private.contested_row');

comment on table saldo_private.row_seal is
  'A seal over rows of one source, chained to the seal before. Append-only.';
comment on column saldo_private.row_seal.number is 'Its number, from 1 without gap.';
comment on column saldo_private.row_seal.source is 'Table whose rows it covers.';
comment on column saldo_private.row_seal.row_count is 'Rows that it covers.';
comment on column saldo_private.row_seal.rows_hash is
  'SHA-256 over a line for each stretch or record of it, in the order of their keys.';
comment on column saldo_private.row_seal.previous_hash is 'Hash of the seal before; null = first.';
comment on column saldo_private.row_seal.hash is 'SHA-256 of the text of this seal.';
comment on column saldo_private.row_seal.sealed_at is 'When the seal was made.';
comment on column saldo_private.row_seal.sealed_by is 'Who sealed: token subject or login.';
comment on column saldo_private.row_seal.reason is
  'Why an administrator accepted rows as they are; null = the sealer saw them first.';

comment on table saldo_private.row_seal_progress is 'How far the sealer of rows is; one row.';
comment on column saldo_private.row_seal_progress.id is 'Always 1.';
comment on column saldo_private.row_seal_progress.cluster is
  'System identifier of the cluster whose transaction numbers these are; null = never sealed.';
comment on column saldo_private.row_seal_progress.sealed_until is
  'What a transaction before this one wrote is sealed.';
comment on column saldo_private.row_seal_progress.is_catching_up is
  'Whether all rows are gone through once, whatever transaction wrote them.';
comment on column saldo_private.row_seal_progress.former_until is
  'What a transaction of the former cluster from this one on wrote was not sealed there; null = '
  'there was no other.';
comment on column saldo_private.row_seal_progress.head_number is 'Number of the last seal.';
comment on column saldo_private.row_seal_progress.head_hash is 'Hash of the last seal.';

comment on table saldo_private.contested_row is
  'Rows that were written past the engine, by account, table and slot: nothing is derived from '
  'them until an administrator has accepted them.';
comment on column saldo_private.contested_row.account_id is
  'Account of the rows; 0 = rows of no account.';
comment on column saldo_private.contested_row.source is 'Table of the rows.';
comment on column saldo_private.contested_row.slot_no is
  'Slot of the rows of a hot account; 0 = none.';
comment on column saldo_private.contested_row.contested_at is 'When the first write was seen.';

comment on table saldo_private.sealed_record is
  'A record as the engine had written it when it was sealed; its last seal counts. Append-only.';
comment on column saldo_private.sealed_record.source is 'Table of the record.';
comment on column saldo_private.sealed_record.owner_id is
  'Account of the record; of stock its product.';
comment on column saldo_private.sealed_record.id is 'Id of the record; a number as a UUID.';
comment on column saldo_private.sealed_record.seal_number is 'Seal that covers it.';
comment on column saldo_private.sealed_record.account_id is
  'Account that it is about; 0 = none.';
comment on column saldo_private.sealed_record.changed_in is
  'Transaction of the engine that wrote it so; null = before there were seals over rows.';
comment on column saldo_private.sealed_record.hash is
  'SHA-256 of its text; null = accepted as gone.';
