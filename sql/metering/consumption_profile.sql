-- Consumption profiles: how much of a reading belongs to which of its days.
--
-- Public: set_consumption_profile. What it changes is rated again, as by a change of a price.
-- Locks: lock_rating of all.

create or replace function saldo.set_consumption_profile(
  profile text,
  days date[],
  weights numeric[]
)
returns bigint
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_profile text := saldo_private.require_line(set_consumption_profile.profile, 'profile', 100);
  v_count bigint;
begin
  if (cardinality(days) between 1 and 10000) is not true
    or cardinality(weights) is distinct from cardinality(days)
    or exists (
      select
      from unnest(days, weights) as w (day, weight)
      where (w.day between '1900-01-01' and '9999-12-31' and w.weight > 0 and w.weight <= 1000000)
        is not true
    )
    or (select count(distinct d) from unnest(days) as d) < cardinality(days)
  then
    perform saldo_private.fail('input_invalid',
      'days and weights: 1 to 10,000 days, each once, with a weight above 0 and up to 1,000,000');
  end if;
  perform saldo_private.lock_rating(null);
  insert into saldo.consumption_profile as c (profile, day, weight, recorded_by)
  select v_profile, w.day, trim_scale(w.weight), saldo_private.actor()
  from unnest(days, weights) as w (day, weight)
  on conflict on constraint consumption_profile_pkey do update
  set weight = excluded.weight,
    recorded_at = now(),
    recorded_by = excluded.recorded_by
  where c.weight <> excluded.weight;
  get diagnostics v_count = row_count;
  if v_count > 0 and exists (
    select
    from saldo.tariff_version as t
    where t.profile = v_profile
    and t.removed_at is null
  ) then
    perform saldo_private.rate_since(
      'set_consumption_profile', null, (select min(d) from unnest(days) as d), null, null
    );
  end if;
  return v_count;
end
$$;
comment on function saldo.set_consumption_profile is
  'Sets weights of days of a profile, which begins to be with its first day, and rates again what '
  'that affects. A day that is not set weighs 1. Returns how many weights are new or have changed. '
  'Errors in checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB010 input_invalid, SB020 isolation_unsupported, SB004 amount_out_of_range, '
  'SB108 period_locked, SB102 account_closed, and those of a posting. More readings than '
  'rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.set_consumption_profile from public;
grant execute on function saldo.set_consumption_profile to saldo_admin;
