-- Settings that the SQL itself needs. The server writes them from its environment at start.
--
-- Public: saldo.setting, set_setting. Private: setting_value.

insert into saldo.setting (name, value, description) values
  ('business_time_zone', 'Asia/Jakarta',
    'Time zone that decides the date, and so the month, on which an entry is posted.'),
  ('currency', 'IDR', 'Currency of accounts, members and products that name none.')
on conflict (name) do update
set description = excluded.description;

create or replace function saldo_private.setting_value(setting_name text)
returns text
language plpgsql
stable
as $$
begin
  -- PL/pgSQL for its cached plan: a sub-select keeps a function of language SQL from inlining.
  return (select value from saldo.setting where name = setting_name);
end
$$;
comment on function saldo_private.setting_value is 'Value of a setting; null when there is none.';
grant execute on function saldo_private.setting_value to
  saldo_admin, saldo_operator, saldo_member, saldo_branch;

create or replace function saldo.set_setting(name text, value text)
returns saldo.setting
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_setting saldo.setting;
begin
  if set_setting.name = 'business_time_zone' and not exists (
    select from pg_catalog.pg_timezone_names as zone where zone.name = set_setting.value
  ) then
    perform saldo_private.fail('input_invalid', format('no time zone is named %L', value));
  end if;
  if set_setting.name = 'currency' and coalesce(set_setting.value, '') !~ '^[A-Z]{3}$' then
    perform saldo_private.fail(
      'input_invalid', format('a currency has three capital letters, not %L', value)
    );
  end if;

  -- Writing an equal value would make every server start wait for the other's transaction.
  update saldo.setting
  set value = set_setting.value
  where setting.name = set_setting.name
  and setting.value is distinct from set_setting.value;

  select *
  into v_setting
  from saldo.setting
  where setting.name = set_setting.name;
  if v_setting.name is null then
    perform saldo_private.fail('not_found', format('no setting is named %L', set_setting.name));
  end if;
  return v_setting;
end
$$;
comment on function saldo.set_setting is
  'Changes a setting for what is posted from now on; dates that are stored stay as they are. '
  'Errors: SB010 for a value of the wrong form, SB007 for an unknown name.';
revoke execute on function saldo.set_setting from public;
grant execute on function saldo.set_setting to saldo_admin;

select saldo_private.secure_table('saldo.setting');
drop policy if exists select_all on saldo.setting;
create policy select_all on saldo.setting for select using (true);
grant select on saldo.setting to saldo_admin, saldo_operator, saldo_member, saldo_branch;

comment on table saldo.setting is 'Settings that the database itself goes by.';
comment on column saldo.setting.name is 'Name of the setting.';
comment on column saldo.setting.value is 'Its value, as text.';
comment on column saldo.setting.description is 'What it decides.';
