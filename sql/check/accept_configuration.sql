-- What an administrator has added to the engine, or has its server do, on purpose.
--
-- Public: saldo.configuration_acceptance, accept_configuration, withdraw_configuration_acceptance.
-- Private: acceptable_configuration, is_configuration_accepted.
-- An acceptance is of a key in the state that it has; in another state it is a finding again. What
-- is Saldo's own cannot be accepted away: a dropped policy or constraint, or a grant to one of its
-- roles, stays a finding.

create or replace function saldo_private.acceptable_configuration()
returns table (key text, stored text)
language sql
stable
set search_path = saldo, saldo_private, pg_temp
as $$
  select b.key, b.stored || ': ' || (b.detail ->> 'is')
  from saldo_private.rule_engine_configuration__built() as b
  where b.stored in ('added', 'changed')
  and not (b.detail ->> 'is_own')::boolean
  -- Nobody but the owner writes, whatever was granted.
  and not exists (
    select from saldo_private.rule_engine_configuration__tables() as t where t.key = b.key
  )
  union all
  select s.key, s.stored
  from saldo_private.rule_engine_configuration__durability() as s
  union all
  select a.key, a.stored
  from saldo_private.rule_engine_configuration__accounts() as a
  where a.key ~ ' min_balance$'
$$;
comment on function saldo_private.acceptable_configuration is
  'Deviations that somebody may have made on purpose, each with its state.';

create or replace function saldo_private.is_configuration_accepted(key text, stored text)
returns boolean
language sql
stable
as $$
  select coalesce((
    select not a.is_withdrawn and a.stored = is_configuration_accepted.stored
    from saldo.configuration_acceptance as a
    where a.key = is_configuration_accepted.key
    order by a.id desc
    limit 1
  ), false)
$$;
comment on function saldo_private.is_configuration_accepted is
  'Whether this state of it was accepted, and that was not withdrawn.';

create or replace function saldo_private.keep_configuration_acceptance(
  key text,
  stored text,
  is_withdrawn boolean,
  reason text
)
returns saldo.configuration_acceptance
language sql
as $$
  insert into saldo.configuration_acceptance (
    id, key, stored, is_withdrawn, reason, accepted_by, accepted_at
  )
  values (
    saldo_private.uuid_v7(), keep_configuration_acceptance.key,
    keep_configuration_acceptance.stored, keep_configuration_acceptance.is_withdrawn,
    keep_configuration_acceptance.reason, saldo_private.actor(), clock_timestamp()
  )
  returning *
$$;
comment on function saldo_private.keep_configuration_acceptance is
  'Keeps what an administrator has said about a deviation.';

create or replace function saldo.accept_configuration(key text, reason text)
returns setof saldo.configuration_acceptance
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(reason, 'reason');
  -- Of the signs of LIKE only % is one here: names have underscores.
  v_pattern text :=
    replace(replace(accept_configuration.key, '\', '\\'), '_', '\_');
begin
  return query
  select kept.*
  from (
    select c.key, c.stored
    from saldo_private.acceptable_configuration() as c
    where c.key like v_pattern
    and not saldo_private.is_configuration_accepted(c.key, c.stored)
    order by c.key
  ) as c
  cross join lateral saldo_private.keep_configuration_acceptance(
    c.key, c.stored, false, v_reason
  ) as kept;
  if not found then
    perform saldo_private.fail('not_found', format(
      'nothing that somebody has added, set or changed has the key %L', accept_configuration.key
    ));
  end if;
end
$$;
comment on function saldo.accept_configuration is
  'Says that what findings of engine_configuration have found under this key is there on purpose: '
  'a trigger, policy, grant, function or constraint of your own, a setting of the server or of a '
  'login, a changed min_balance. In the key % stands for anything, as in grant % to reports. It is '
  'no finding any more until it changes again. What is Saldo''s own and missing or changed is not '
  'accepted. Errors: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long for the reason, '
  'SB007 not_found when there is nothing to accept.';
revoke execute on function saldo.accept_configuration from public;
grant execute on function saldo.accept_configuration to saldo_admin;

create or replace function saldo.withdraw_configuration_acceptance(key text, reason text)
returns saldo.configuration_acceptance
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(reason, 'reason');
  v_last saldo.configuration_acceptance;
begin
  select *
  into v_last
  from saldo.configuration_acceptance as a
  where a.key = withdraw_configuration_acceptance.key
  order by a.id desc
  limit 1;
  if v_last.id is null or v_last.is_withdrawn then
    perform saldo_private.fail('not_found', format(
      'nothing is accepted under the key %L', withdraw_configuration_acceptance.key
    ));
  end if;
  return saldo_private.keep_configuration_acceptance(v_last.key, v_last.stored, true, v_reason);
end
$$;
comment on function saldo.withdraw_configuration_acceptance is
  'Takes an acceptance back: what stands under this key is a finding again. Errors: '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long for the reason, SB007 not_found '
  'when nothing is accepted under it.';
revoke execute on function saldo.withdraw_configuration_acceptance from public;
grant execute on function saldo.withdraw_configuration_acceptance to saldo_admin;

select saldo_private.secure_table('saldo.configuration_acceptance');
select saldo_private.guard_table('saldo.configuration_acceptance');
drop policy if exists select_all on saldo.configuration_acceptance;
create policy select_all on saldo.configuration_acceptance for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.configuration_acceptance to saldo_admin, saldo_operator;

comment on table saldo.configuration_acceptance is
  'What deviates from the engine as built on purpose, and who says so.';
comment on column saldo.configuration_acceptance.id is 'Id, ordered by time.';
comment on column saldo.configuration_acceptance.key is
  'Key of the findings that it is about, as grant SELECT on table account to reports.';
comment on column saldo.configuration_acceptance.stored is 'State that was accepted, in words.';
comment on column saldo.configuration_acceptance.is_withdrawn is
  'Whether the acceptance before is taken back by it.';
comment on column saldo.configuration_acceptance.reason is 'Why it is so, or is not any more.';
comment on column saldo.configuration_acceptance.accepted_by is
  'Who said so: token subject or login.';
comment on column saldo.configuration_acceptance.accepted_at is 'When that was said.';
