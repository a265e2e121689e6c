-- Setting a value; a limit that is raised is told, and far only by two people.
--
-- Public: set_setting. Private: raised_limit, may_raise_alone, require_setting_by_two.
-- Alerts that go nowhere, and another day for what is posted, are for two people as well; a server
-- that starts sets both from its environment.

create or replace function saldo_private.raised_limit(name text, value text)
returns numeric
language sql
stable
as $$
  select c.value::numeric
  from saldo.setting_change as c
  where c.name = raised_limit.name
  and raised_limit.name ~ '^(heal_(finding|rule|run)_max|heal_share|freeze_run_max'
    '|rule_suspect_percent'
    '|(top_up|refund|adjust)_(max|day)|(adjust|entry|unfreeze|waive|raise)_alone)'
  and raised_limit.value::numeric > (
    select s.value::numeric
    from saldo.setting as s
    where s.name = raised_limit.name
  )
  -- The last of those that are old enough, or the first of all.
  order by c.changed_at <= now() - interval '30 days' desc,
    case when c.changed_at <= now() - interval '30 days' then -c.number else c.number end
  limit 1
$$;
comment on function saldo_private.raised_limit is
  'What a limit was 30 days ago, or at first, where the value raises it; null where it does not, '
  'or is no limit.';

create or replace function saldo_private.may_raise_alone(old_value numeric, new_value numeric)
returns boolean
language sql
stable
as $$
  select new_value <= old_value
    * (1 + saldo_private.setting_value('raise_alone_percent')::numeric / 100)
$$;
comment on function saldo_private.may_raise_alone is
  'Whether a person may raise a limit so far without another one.';

create or replace function saldo_private.require_setting_by_two(name text, value text)
returns void
language plpgsql
stable
as $$
declare
  v_old text := saldo_private.setting_value(require_setting_by_two.name);
begin
  if (
    name = 'business_time_zone' and value <> v_old
    or name = 'alert_channels'
      and not string_to_array(v_old, ',') <@ string_to_array(coalesce(value, ''), ',')
  ) and not pg_has_role(saldo_private.role_in_force(), 'saldo_owner', 'usage')
  then
    perform saldo_private.require_second_person(format('%s from %L to %L', name, v_old, value));
  end if;
end
$$;
comment on function saldo_private.require_setting_by_two is
  'Refuses another time zone, and channels of alerts that are taken away, to one person alone; not '
  'to a server that starts, nor to whoever owns the engine: SB662 second_person_needed.';

create or replace function saldo_private.set_setting__write(name text, value text)
returns void
language plpgsql
as $$
declare
  v_setting saldo.setting;
begin
  -- Writing an equal value would make every server start wait for the other's transaction.
  update saldo.setting
  set value = set_setting__write.value
  where setting.name = set_setting__write.name
  and setting.value is distinct from set_setting__write.value
  returning *
  into v_setting;
  if v_setting.name is not null then
    perform saldo_private.keep_setting_change(v_setting);
  end if;
end
$$;
comment on function saldo_private.set_setting__write is
  'Writes a value where it is another one, and keeps it.';

create or replace function saldo_private.set_setting__check(name text, value text)
returns void
language plpgsql
stable
as $$
begin
  if set_setting__check.name = 'business_time_zone' and not exists (
    select from pg_catalog.pg_timezone_names as zone where zone.name = set_setting__check.value
  ) then
    perform saldo_private.fail('input_invalid', format('no time zone is named %L', value));
  end if;
  if set_setting__check.name = 'currency'
    and coalesce(set_setting__check.value, '') !~ '^[A-Z]{3}$'
  then
    perform saldo_private.fail(
      'input_invalid', format('a currency has three capital letters, not %L', value)
    );
  end if;

  if set_setting__check.name = 'rating_without_version'
    and coalesce(set_setting__check.value, '') not in ('provisional', 'held')
  then
    perform saldo_private.fail('input_invalid', 'rating_without_version: provisional or held');
  end if;

  perform saldo_private.set_setting__check_number(
    set_setting__check.name, set_setting__check.value
  );
  if not exists (select from saldo.setting as s where s.name = set_setting__check.name) then
    perform saldo_private.fail('not_found', format('no setting is named %L', name));
  end if;
end
$$;
comment on function saldo_private.set_setting__check is
  'Looks at a value: SB010 input_invalid, SB007 not_found for an unknown name.';

create or replace function saldo_private.set_setting__decide(name text, value text, base numeric)
returns void
language plpgsql
as $$
begin
  -- Or the one that says how far goes first, and then the others.
  if name = 'raise_alone_percent'
    or not saldo_private.may_raise_alone(base, value::numeric)
  then
    perform saldo_private.require_second_person(format(
      '%s from %s to %s, raise_alone_percent is %s', name, base, value,
      saldo_private.setting_value('raise_alone_percent')
    ));
  end if;
  perform saldo_private.record_decision(saldo_private.decision(
    action => 'set_setting',
    arguments => jsonb_build_object('name', name, 'value', value),
    before => jsonb_build_object('value', saldo_private.setting_value(name)),
    reason => null
  ), 'approved');
end
$$;
comment on function saldo_private.set_setting__decide is
  'Lets one person raise a limit a little above what it was 30 days ago, and keeps that it was '
  'alone: SB662 second_person_needed.';

create or replace function saldo.set_setting(name text, value text)
returns saldo.setting
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_limit numeric;
  v_setting saldo.setting;
begin
  perform saldo_private.set_setting__check(set_setting.name, set_setting.value);
  perform saldo_private.require_setting_by_two(set_setting.name, set_setting.value);
  v_limit := saldo_private.raised_limit(set_setting.name, set_setting.value);
  if v_limit is not null then
    perform saldo_private.set_setting__decide(set_setting.name, set_setting.value, v_limit);
  end if;
  perform saldo_private.set_setting__write(set_setting.name, set_setting.value);
  select s.*
  into v_setting
  from saldo.setting as s
  where s.name = set_setting.name;
  return v_setting;
end
$$;
comment on function saldo.set_setting is
  'Changes a setting for what is posted from now on; dates that are stored stay as they are. '
  'One that is a limit is raised by raise_alone_percent of what it was 30 days ago; further only '
  'by propose_setting and another administrator, and so are another business_time_zone and '
  'alert_channels that are taken away. Errors in checking order: SB010 input_invalid for '
  'a value of the wrong form, SB007 not_found for an unknown name, SB662 second_person_needed.';
revoke execute on function saldo.set_setting from public;
grant execute on function saldo.set_setting to saldo_admin;
