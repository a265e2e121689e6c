-- Meters: what stands at a customer's and is read.
--
-- Public: saldo.meter, id_of_meter. Private: require_meter.
-- A meter of indexes shows a register that grows, and starts again at zero at its limit; a flow
-- meter gives the volume since the last reading. Installed by install_meter.sql,
-- exchanged by exchange_meter.sql.

create or replace function saldo_private.require_meter(meter_id bigint)
returns saldo.meter
language plpgsql
stable
as $$
declare
  v_meter saldo.meter;
begin
  select *
  into v_meter
  from saldo.meter
  where id = require_meter.meter_id;
  if v_meter.id is null then
    perform saldo_private.fail('meter_not_found', format('meter %s', meter_id));
  end if;
  return v_meter;
end
$$;
comment on function saldo_private.require_meter is 'The meter. Error: SB404 meter_not_found.';

create or replace function saldo.id_of_meter(customer_code text, meter_code text)
returns bigint
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_id bigint;
begin
  select m.id
  into v_id
  from saldo.meter as m
  join saldo.customer as c on c.account_id = m.account_id
  where c.code = normalize(id_of_meter.customer_code, nfc)
  and m.code = normalize(id_of_meter.meter_code, nfc)
  order by m.removed_at is not null, m.installed_at desc, m.id desc
  limit 1;
  if v_id is null then
    perform saldo_private.fail('meter_not_found', format('meter %L of customer %L',
      left(id_of_meter.meter_code, 100), left(id_of_meter.customer_code, 100)));
  end if;
  return v_id;
end
$$;
comment on function saldo.id_of_meter is
  'Id of the meter with this code at the customer with that code, for calls that take one: the '
  'one in place, otherwise the last. Error: SB404 meter_not_found.';
revoke execute on function saldo.id_of_meter from public;
grant execute on function saldo.id_of_meter to saldo_admin, saldo_operator, saldo_biller;

select saldo_private.secure_table('saldo.meter');
drop policy if exists select_all on saldo.meter;
create policy select_all on saldo.meter for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.meter to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.meter_kind is
  'index: a register that grows; volume: a flow meter that gives the volume since the last '
  'reading.';
comment on table saldo.meter is 'A meter at a customer''s, from its installation to its removal.';
comment on column saldo.meter.account_id is 'Deposit account of the customer.';
comment on column saldo.meter.id is 'Id, in the order of creation.';
comment on column saldo.meter.code is
  'Code for people, unique among a customer''s meters in place.';
comment on column saldo.meter.kind is
  'index: a register that grows; volume: each reading is a volume.';
comment on column saldo.meter.start_index is 'What the register showed when it was installed.';
comment on column saldo.meter.register_limit is
  'Where the register starts again at zero; null = a flow meter.';
comment on column saldo.meter.installed_at is 'When it was installed; readings are later.';
comment on column saldo.meter.removed_at is 'When it was taken down; null = in place.';
comment on column saldo.meter.replaces is 'Meter that stood in its place before; null = none.';
comment on column saldo.meter.created_at is
  'When the meter was recorded; when it was put in place is installed_at.';
comment on constraint meter_account_id_fkey on saldo.meter is
  E'@fieldName customer\n@foreignFieldName meters\nThe deposit account names the customer.';
