-- Limits: how much a person may top up, pay back and adjust in one call and in one day.
--
-- Public: saldo.limit_use. Private: is_limited, count_use, use_limit, prune_limit_uses.
-- They hold for everybody but administrators, and members, who spend only what is their own. Each
-- is a setting: <action>_max_amount for a call, <action>_day_amount for a person, currency and
-- business day. The day's row is locked, so that calls that come at once count one after the
-- other; one that fails counts for nothing.

create or replace function saldo_private.is_limited()
returns boolean
language plpgsql
stable
as $$
declare
  v_role name;
begin
  -- By name first, as most callers are.
  if current_setting('role') in ('saldo_admin', 'saldo_member') then
    return false;
  end if;
  v_role := saldo_private.role_in_force();
  return not (
    pg_has_role(v_role, 'saldo_admin', 'usage') or pg_has_role(v_role, 'saldo_owner', 'usage')
  ) and (
    -- A role of one's own, too, that was given single functions.
    not pg_has_role(v_role, 'saldo_member', 'usage')
    or pg_has_role(v_role, 'saldo_cashier', 'usage')
    or pg_has_role(v_role, 'saldo_accountant', 'usage')
    or pg_has_role(v_role, 'saldo_app', 'usage')
  );
end
$$;
comment on function saldo_private.is_limited is
  'Whether limits hold for the caller: for everybody but administrators and members.';

create or replace function saldo_private.count_use(
  action text,
  amount numeric,
  currency text,
  person text
)
returns numeric
language sql
as $$
  insert into saldo.limit_use as u (person, action, currency, used_on, amount)
  values (
    count_use.person, count_use.action, count_use.currency,
    saldo_private.business_date(now()), count_use.amount
  )
  on conflict on constraint limit_use_pkey do update
  set amount = u.amount + excluded.amount
  returning u.amount
$$;
comment on function saldo_private.count_use is
  'Counts what a person moves; the sum of the day. Calls that come at once wait for each other.';

create or replace function saldo_private.use_limit(action text, amount numeric, currency text)
returns void
language plpgsql
as $$
declare
  v_call_max numeric;
  v_day_max numeric;
  v_used numeric;
begin
  if amount = 0 or not saldo_private.is_limited() then
    return;
  end if;
  v_call_max := saldo_private.setting_value(action || '_max_amount');
  v_day_max := saldo_private.setting_value(action || '_day_amount');
  if (use_limit.amount <= v_call_max) is not true then
    perform saldo_private.fail('call_limit_exceeded', format(
      '%s of %s %s, %s_max_amount is %s', action, amount, currency, action, v_call_max
    ));
  end if;
  v_used := saldo_private.count_use(action, amount, currency, saldo_private.actor());
  if (v_used <= v_day_max) is not true then
    perform saldo_private.fail('day_limit_exceeded', format(
      '%s of %s %s on a day, %s_day_amount is %s', action, v_used, currency, action, v_day_max
    ));
  end if;
end
$$;
comment on function saldo_private.use_limit is
  'Counts what a limited caller moves: SB660 call_limit_exceeded, SB661 day_limit_exceeded. For '
  'everybody else it does nothing.';

create or replace function saldo_private.prune_limit_uses(
  cutoff timestamptz,
  from_block bigint,
  out deleted_count bigint,
  out next_block bigint
)
language plpgsql
as $$
begin
  delete from saldo.limit_use as u
  where (u.person, u.action, u.currency, u.used_on) in (
    select each.person, each.action, each.currency, each.used_on
    from saldo.limit_use as each
    where each.used_on < saldo_private.business_date(cutoff)
    order by each.used_on
    limit 1000
  );
  get diagnostics deleted_count = row_count;
  next_block := case when deleted_count = 1000 then from_block end;
end
$$;
comment on function saldo_private.prune_limit_uses is
  'Deletes up to a thousand rows of days before the cutoff.';

select saldo_private.secure_table('saldo.limit_use');
drop policy if exists select_all on saldo.limit_use;
create policy select_all on saldo.limit_use for select to saldo_admin, saldo_operator using (true);
grant select on saldo.limit_use to saldo_admin, saldo_operator;

comment on table saldo.limit_use is
  'What a person has moved on a day of what has a limit.';
comment on column saldo.limit_use.person is 'Who moved it: token subject or login.';
comment on column saldo.limit_use.action is
  'top_up, refund or adjust; adjust_alone and entry_alone: without another person.';
comment on column saldo.limit_use.currency is 'Currency that the amount is in.';
comment on column saldo.limit_use.used_on is 'Business day.';
comment on column saldo.limit_use.amount is
  'Sum of the day; its limits are the settings <action>_day_amount.';
