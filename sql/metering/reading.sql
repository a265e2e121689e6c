-- Readings: what a meter showed, when.
--
-- Public: saldo.reading. A reading is never rewritten: a changed one is superseded by another row,
-- a removed one stays. add_reading.sql writes them. Private: reading_request.

create or replace function saldo_private.reading_request(
  meter_id bigint,
  read_at timestamptz,
  index_value numeric,
  volume numeric,
  quality saldo.reading_quality,
  is_rollover boolean
)
returns saldo.reading_request
language plpgsql
immutable
as $$
declare
  v_request saldo.reading_request;
begin
  v_request.meter_id := reading_request.meter_id;
  v_request.read_at := reading_request.read_at;
  v_request.index_value := reading_request.index_value;
  v_request.volume := reading_request.volume;
  v_request.quality := reading_request.quality;
  v_request.is_rollover := reading_request.is_rollover;
  return v_request;
end
$$;
comment on function saldo_private.reading_request is 'A reading to record. Call it by name.';

select saldo_private.secure_table('saldo.reading');
drop policy if exists select_all on saldo.reading;
create policy select_all on saldo.reading for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.reading to saldo_admin, saldo_operator, saldo_biller;

comment on domain saldo.volume is
  'A volume in cubic metres, or what a register shows: exact, at most 6 decimals, below 10^15.';
comment on type saldo.reading_quality is 'actual: read off; estimated: guessed, by whatever rule.';
comment on type saldo.reading_request is
  'A reading to record: the meter, when, index_value or volume, and as in add_reading.';
comment on table saldo.reading is 'A reading of a meter. A changed one is superseded by another.';
comment on column saldo.reading.account_id is 'Deposit account of the customer.';
comment on column saldo.reading.id is 'Id, version 7: ordered by the time of recording.';
comment on column saldo.reading.meter_id is 'Meter that was read.';
comment on column saldo.reading.read_at is 'When it was read, unique among the current ones.';
comment on column saldo.reading.read_on is
  'Business date of that, by the time zone at recording; it decides price, factor and month.';
comment on column saldo.reading.index_value is 'What the register showed; null = a flow meter.';
comment on column saldo.reading.volume is
  'Volume since the reading before, cubic metres; null = a meter of indexes.';
comment on column saldo.reading.is_rollover is
  'Whether the register has started again at zero since the reading before.';
comment on column saldo.reading.quality is 'actual: read off; estimated: an estimate in its place.';
comment on column saldo.reading.status is 'current, superseded or removed.';
comment on column saldo.reading.revision is 'Counts the changes of one reading, from 1.';
comment on column saldo.reading.supersedes is 'Reading in whose place it came; null = the first.';
comment on column saldo.reading.batch_id is 'Shared by the readings that were recorded at once.';
comment on column saldo.reading.recorded_at is
  'When the reading was recorded, which may be long after read_at.';
comment on column saldo.reading.recorded_by is 'Who recorded it: token subject or login.';
comment on column saldo.reading.changed_in is
  'Transaction of the engine that wrote it last; null = before there were seals over rows.';
comment on column saldo.reading.ended_at is 'When it was superseded or removed; null = current.';
comment on column saldo.reading.ended_by is
  'Who superseded or removed it: token subject or login; null = current.';
