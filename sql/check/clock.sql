-- The clock: a row dated in the future was written by a clock that was ahead, and was set back.
--
-- Public: accept_clock; saldo.clock_acceptance. Private: latest_times, rule_clock.
-- Order goes by numbers, snapshots and transactions wherever it matters, and a time that has not
-- come yet counts as overdue, not as recent. What was written stays as it was dated, so the finding
-- stands until that time comes or an administrator accepts it: statements, expiry of holds and
-- retention went by that clock. A clock that only runs ahead cannot be told from a long silence.

create or replace function saldo_private.latest_times()
returns table (what text, latest_at timestamptz)
language sql
stable
as $$
  -- The newest of each by an index; ids are made of times.
  select 'check', (select max(c.finished_at) from saldo.check_run as c)
  union all
  select 'posting', (select e.posted_at from saldo.journal_entry as e order by e.id desc limit 1)
  union all
  select 'settlement', (select max(s.settled_at) from saldo.settlement as s)
  union all
  select 'seal', (
    select max(s.sealed_at)
    from (
      select each.sealed_at
      from saldo.journal_seal as each
      order by each.number desc
      limit 100
    ) as s
  )
  union all
  select 'heal', (select h.healed_at from saldo.heal_action as h order by h.id desc limit 1)
  union all
  select 'guard', (select max(g.occurred_at) from saldo.guard_event as g)
$$;
comment on function saldo_private.latest_times is
  'The latest time at which something was written, by kind: a few looks into indexes.';

create or replace function saldo_private.rule_clock()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
volatile
as $$
  select t.what, null::bigint, t.latest_at::text, format('not later than %s', now.at),
    round(extract(epoch from t.latest_at - now.at)),
    jsonb_build_object('what', t.what, 'latest_at', t.latest_at, 'found_at', now.at)
  from saldo_private.latest_times() as t
  cross join (select clock_timestamp() as at offset 0) as now
  where t.latest_at > now.at + interval '1 minute'
  and t.latest_at > coalesce(
    (select max(a.accepted_until) from saldo.clock_acceptance as a), '-infinity'
  )
$$;
comment on function saldo_private.rule_clock is
  'Kinds of records that are dated more than a minute later than now, unless that was accepted; '
  'the difference is in seconds.';

create or replace function saldo.accept_clock(reason text)
returns saldo.clock_acceptance
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(reason, 'reason');
  v_acceptance saldo.clock_acceptance;
begin
  insert into saldo.clock_acceptance (id, accepted_at, accepted_by, reason, accepted_until)
  select saldo_private.uuid_v7(), clock_timestamp(), saldo_private.actor(), v_reason,
    max((c.detail ->> 'latest_at')::timestamptz)
  from saldo_private.rule_clock() as c
  having count(*) > 0
  returning *
  into v_acceptance;
  if v_acceptance.id is null then
    perform saldo_private.fail('not_found', 'nothing is dated later than now');
  end if;
  return v_acceptance;
end
$$;
comment on function saldo.accept_clock is
  'Notes that a clock which was ahead has been looked into: what is dated later than now, up to '
  'the latest time there is, is no finding any more. Nothing else changes. Errors: '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long for the reason, SB007 not_found '
  'when nothing is dated later than now.';
revoke execute on function saldo.accept_clock from public;
grant execute on function saldo.accept_clock to saldo_admin;

select saldo_private.secure_table('saldo.clock_acceptance');
select saldo_private.guard_table('saldo.clock_acceptance');
drop policy if exists select_all on saldo.clock_acceptance;
create policy select_all on saldo.clock_acceptance for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.clock_acceptance to saldo_admin, saldo_operator;

comment on table saldo.clock_acceptance is 'A clock that was ahead, and who has looked into it.';
comment on column saldo.clock_acceptance.id is 'Id, ordered by time.';
comment on column saldo.clock_acceptance.accepted_at is 'When an administrator accepted it.';
comment on column saldo.clock_acceptance.accepted_by is 'Who accepted it: token subject or login.';
comment on column saldo.clock_acceptance.reason is 'What was found out about the clock.';
comment on column saldo.clock_acceptance.accepted_until is
  'Time up to which nothing is a finding that is dated later than now.';
