-- Exchanging a meter: the old one ends with a last reading, the new one begins at its own start.
--
-- Public: exchange_meter. Locks: those of lock_rating, then those of a posting.

create or replace function saldo.exchange_meter(
  meter_id bigint,
  code text,
  final_value numeric,
  exchanged_at timestamptz default null,
  start_index numeric default 0,
  register_limit numeric default null,
  is_rollover boolean default false
)
returns saldo.meter
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_at timestamptz := saldo_private.require_occurred_at(exchange_meter.exchanged_at);
  v_old saldo.meter := saldo_private.require_meter(exchange_meter.meter_id);
  v_new saldo.meter;
begin
  perform saldo_private.lock_rating(array[v_old.account_id]);
  v_old := saldo_private.require_meter(exchange_meter.meter_id);
  if v_old.removed_at is not null or v_at <= v_old.installed_at or exists (
    select
    from saldo.reading as r
    where r.account_id = v_old.account_id
    and r.meter_id = v_old.id
    and r.status = 'current'
    and r.read_at > v_at
  ) then
    perform saldo_private.fail('meter_state', format(
      'meter %s: installed %s, removed %s, no reading after the exchange', v_old.id,
      v_old.installed_at, coalesce(v_old.removed_at::text, 'never')
    ));
  end if;

  perform saldo_private.record_readings(
    readings => array[saldo_private.reading_request(
      meter_id => v_old.id,
      read_at => v_at,
      index_value => case when v_old.kind = 'index' then exchange_meter.final_value end,
      volume => case when v_old.kind = 'volume' then exchange_meter.final_value end,
      quality => 'actual',
      is_rollover => exchange_meter.is_rollover
    )],
    batch_id => saldo_private.uuid_v7()
  );
  update saldo.meter as m
  set removed_at = v_at
  where m.account_id = v_old.account_id
  and m.id = v_old.id;
  v_new := v_old;
  v_new.code := exchange_meter.code;
  v_new.installed_at := v_at;
  v_new.replaces := v_old.id;
  return saldo_private.meter__record(
    v_new, exchange_meter.start_index,
    coalesce(exchange_meter.register_limit, v_old.register_limit)
  );
end
$$;
comment on function saldo.exchange_meter is
  'Takes a meter down with its last reading (final_value: index, or volume since the last '
  'reading) and puts another one of the kind in its place. exchanged_at: default now. Errors in '
  'checking order: SB010 input_invalid, SB404 meter_not_found, SB020 isolation_unsupported, '
  'SB405 meter_state for a meter that was exchanged before or read later, '
  'SB409 reading_in_future, SB411 reading_invalid, SB408 reading_duplicate, '
  'SB410 reading_out_of_order, SB004 amount_out_of_range, SB108 period_locked, '
  'SB102 account_closed, and those of a posting, then those of install_meter.';
revoke execute on function saldo.exchange_meter from public;
grant execute on function saldo.exchange_meter to saldo_admin, saldo_biller;
