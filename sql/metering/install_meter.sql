-- Installing a meter at a customer's.
--
-- Public: install_meter. Private: meter__record.
-- A standing charge is for the days with a meter: months that are charged are charged again.
-- Locks: those of lock_rating, then those of a posting.

create or replace function saldo_private.meter__record(
  meter saldo.meter,
  start_index numeric,
  register_limit numeric
)
returns saldo.meter
language plpgsql
as $$
declare
  v_meter saldo.meter;
begin
  if meter.installed_at > clock_timestamp() then
    perform saldo_private.fail('reading_in_future', format('installed_at %s', meter.installed_at));
  end if;
  if meter.kind = 'index' and (
    meter__record.register_limit between 1 and 1e12
    and scale(trim_scale(meter__record.register_limit)) = 0
    and meter__record.start_index >= 0
    and meter__record.start_index < meter__record.register_limit
    and scale(trim_scale(meter__record.start_index)) <= 6
  ) is not true then
    perform saldo_private.fail('reading_invalid', format(
      'start_index %s: at least 0, below register_limit %s (a whole number up to 10^12)',
      meter__record.start_index, meter__record.register_limit
    ));
  end if;
  insert into saldo.meter (
    account_id, code, kind, start_index, register_limit, installed_at, replaces
  )
  values (
    meter.account_id, saldo_private.require_line(meter.code, 'code', 100), meter.kind,
    case when meter.kind = 'index' then trim_scale(meter__record.start_index) else 0 end,
    case when meter.kind = 'index' then trim_scale(meter__record.register_limit) end,
    meter.installed_at, meter.replaces
  )
  on conflict (account_id, code) where removed_at is null do nothing
  returning * into v_meter;
  if v_meter.id is null then
    perform saldo_private.fail('not_unique', format('meter code %L', meter.code));
  end if;
  return v_meter;
end
$$;
comment on function saldo_private.meter__record is
  'Writes a meter; the figures come apart, to be looked at before they are volumes: '
  'SB409 reading_in_future, SB411 reading_invalid, SB010 input_invalid, SB008 text_invalid, '
  'SB009 text_too_long, SB014 not_unique.';

create or replace function saldo.install_meter(
  customer_id bigint,
  code text,
  kind saldo.meter_kind default 'index',
  installed_at timestamptz default null,
  start_index numeric default 0,
  register_limit numeric default 1000000
)
returns saldo.meter
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_meter saldo.meter;
begin
  v_meter.account_id := (saldo_private.require_customer(install_meter.customer_id)).account_id;
  perform saldo_private.lock_rating(array[v_meter.account_id]);
  v_meter.code := install_meter.code;
  v_meter.kind := coalesce(install_meter.kind, 'index');
  v_meter.installed_at := saldo_private.require_occurred_at(install_meter.installed_at);
  v_meter := saldo_private.meter__record(
    v_meter, install_meter.start_index, install_meter.register_limit
  );
  perform saldo_private.recharge_since(
    v_meter.account_id, saldo_private.business_date(v_meter.installed_at)
  );
  return v_meter;
end
$$;
comment on function saldo.install_meter is
  'Installs a meter at a customer''s. kind: index for a register that grows, volume for a flow '
  'meter that gives the volume since the last reading. start_index: what the register shows when '
  'it is installed; register_limit: where it starts again at zero. Months from then on that are '
  'charged are charged again. Errors in checking order: SB401 customer_not_found, '
  'SB020 isolation_unsupported, SB010 input_invalid, SB411 reading_invalid, '
  'SB409 reading_in_future, SB008 text_invalid, SB009 text_too_long, SB014 not_unique for a code '
  'that another meter of the customer has, SB108 period_locked, SB102 account_closed, and those of '
  'a posting.';
revoke execute on function saldo.install_meter from public;
grant execute on function saldo.install_meter to saldo_admin, saldo_biller;
