-- Freezing: nothing is posted to an account until a human has looked at it.
--
-- Public: freeze_account, unfreeze_account; saldo.account_freeze. Private: freeze_accounts,
-- freeze_evidence, changed_accounts, freeze_changed, rule_account_freeze.
-- Where the journal itself was changed a heal would launder the change into the balance, so it
-- freezes the account instead. What was accepted before goes on: settlement, year end, holds that
-- end. An immediate account is frozen by its row, which every posting updates; a hot one has no
-- slots and no regular stripes while it is frozen, so that everybody has to ask its row.
-- Locks: of a customer those of lock_rating; of a hot account the row of hot_account, its own, its
-- stripes and its slots; then immediate accounts in id order.

create or replace function saldo_private.freeze_evidence(account_ids bigint[])
returns table (account_id bigint, evidence jsonb)
language sql
stable
as $$
  -- Postings move totals and journal alike: this stays until somebody touches the journal again.
  select a.id, jsonb_build_object(
    'debit', a.debit_total - coalesce(l.debit, 0), 'credit', a.credit_total - coalesce(l.credit, 0),
    'events', (
      select coalesce(jsonb_agg(g.id order by g.id), '[]')
      from saldo_private.unsettled_guard_event(a.id) as g
      where g.table_name like 'journal%'
    )
  )
  from saldo.account as a
  left join (
    select part.account_id, sum(part.debit) as debit, sum(part.credit) as credit
    from (
      select jl.account_id, jl.debit, jl.credit
      from saldo.journal_line as jl
      where jl.account_id = any (account_ids)
      union all
      select s.account_id, -s.debit, -s.credit
      from saldo_private.account_stripe as s
      where s.account_id = any (account_ids)
    ) as part
    group by part.account_id
  ) as l on l.account_id = a.id
  where a.id = any (account_ids)
$$;
comment on function saldo_private.freeze_evidence is
  'Evidence that the journal of these accounts was changed: how far their totals are from it, '
  'and the recorded writes past the engine.';

create or replace function saldo_private.freeze_accounts__empty(account_id bigint)
returns void
language plpgsql
as $$
declare
  v_lock_timeout text := current_setting('lock_timeout');
begin
  for v_attempt in 1 .. 100 loop
    begin
      perform set_config('lock_timeout', '100ms', true);
      insert into saldo_private.hot_account (account_id)
      values (account_id)
      on conflict on constraint hot_account_pkey do nothing;
      perform
      from saldo_private.hot_account as h
      where h.account_id = freeze_accounts__empty.account_id
      for update;
      perform
      from saldo.account as a
      where a.id = freeze_accounts__empty.account_id
      for update;
      -- Both wait for those who hold one; a writer that comes now finds none and waits for the row.
      perform saldo_private.remove_stripes(account_id);
      perform saldo_private.contest_uncounted(account_id);
      delete from saldo_private.account_slot as s
      where s.account_id = freeze_accounts__empty.account_id;
      perform set_config('lock_timeout', v_lock_timeout, true);
      return;
    exception
      when lock_not_available then
        -- A posting that has a stripe and makes slots again wants the first of these locks last: it
        -- goes first. With the block all of them are given back.
        null;
    end;
  end loop;
  perform saldo_private.fail('conflict_retry', format('account %s', account_id));
end
$$;
comment on function saldo_private.freeze_accounts__empty is
  'Takes stripes and slots of a hot account away, under its locks: SB015 conflict_retry when '
  'others do not let go of these for 10 s.';

create or replace function saldo_private.freeze_accounts(
  account_ids bigint[],
  reason text,
  finding_ids uuid[] default null
)
returns void
language plpgsql
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_hot_ids bigint[] := array(
    select a.id
    from saldo.account as a
    where a.id = any (account_ids)
    and a.mode = 'hot'
    order by a.id
  );
begin
  perform saldo_private.require_read_committed();
  perform saldo_private.freeze_accounts__empty(hot.id)
  from unnest(v_hot_ids) as hot (id);
  perform
  from saldo.account as a
  where a.id = any (account_ids)
  order by a.id
  for no key update;
  if exists (
    select
    from saldo.account as a
    where a.id = any (account_ids)
    and a.mode = 'hot'
    and a.id <> all (v_hot_ids)
  ) then -- since a moment ago
    perform saldo_private.fail('conflict_retry', 'an account became hot meanwhile');
  end if;

  insert into saldo.account_freeze (
    account_id, id, frozen_at, frozen_by, reason, finding_id, evidence
  )
  select e.account_id, saldo_private.uuid_v7(), v_now, saldo_private.actor(),
    freeze_accounts.reason, finding_ids[array_position(account_ids, e.account_id)], e.evidence
  from saldo_private.freeze_evidence(account_ids) as e;
  update saldo.account as a
  set frozen_at = v_now,
    frozen_reason = freeze_accounts.reason
  where a.id = any (account_ids);
end
$$;
comment on function saldo_private.freeze_accounts is
  'Freezes accounts that the caller has looked at. finding_ids: of each account, in their order. '
  'Errors: SB020 isolation_unsupported, SB015 conflict_retry when one becomes hot at this moment.';

create or replace function saldo_private.changed_accounts(plan saldo_private.planned_heal[])
returns table (account_id bigint, finding_id uuid)
language sql
stable
as $$
  select c.account_id, c.finding_id
  from (
    select distinct on (p.account_id) p.account_id, p.finding_id
    from unnest(plan) as p
    join saldo.account as a on a.id = p.account_id
    where p.is_journal_changed
    and a.frozen_at is null
    and a.closed_at is null
    -- With cash or revenue frozen, nothing would work any more: a human decides that.
    and a.code !~ saldo_private.system_code_pattern()
    order by p.account_id, p.rule, p.key
  ) as c
  where not exists (
    select
    from saldo.account_freeze as f
    join saldo_private.freeze_evidence(array[c.account_id]) as e on e.evidence = f.evidence
    where f.account_id = c.account_id
    and f.unfrozen_at is not null
  )
$$;
comment on function saldo_private.changed_accounts is
  'Accounts of a plan whose journal was changed, except the engine''s own and those that are '
  'frozen or that a human has unfrozen since with the same evidence.';

create or replace function saldo_private.freeze_changed(plan saldo_private.planned_heal[])
returns integer
language plpgsql
as $$
declare
  v_account_ids bigint[];
  v_finding_ids uuid[];
begin
  select array_agg(c.account_id order by c.account_id),
    array_agg(c.finding_id order by c.account_id)
  into v_account_ids, v_finding_ids
  from saldo_private.changed_accounts(plan) as c;
  if v_account_ids is null or cardinality(v_account_ids) > saldo_private.freeze_limit() then
    return 0;
  end if;
  perform saldo_private.freeze_accounts(
    v_account_ids, 'The journal of this account changed past the engine.', v_finding_ids
  );
  return cardinality(v_account_ids);
end
$$;
comment on function saldo_private.freeze_changed is
  'Freezes the accounts whose journal was changed (changed_accounts), unless they are more than '
  'one run may freeze. How many.';

create or replace function saldo.freeze_account(account_id bigint, reason text)
returns saldo.account
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(freeze_account.reason, 'reason');
  v_account saldo.account;
begin
  select a.*
  into v_account
  from saldo.account as a
  where a.id = freeze_account.account_id;
  if v_account.id is null then
    perform saldo_private.fail(
      'account_not_found', format('account %s', coalesce(account_id::text, 'none'))
    );
  elsif v_account.closed_at is not null then
    perform saldo_private.fail('account_closed', format('account %s', account_id));
  elsif v_account.code ~ '^(clearing|suspense):[A-Z]{3}$' then
    perform saldo_private.fail(
      'input_invalid', 'account_id: settlements book against this account, it stays open'
    );
  elsif v_account.frozen_at is not null then
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  end if;
  begin
    perform saldo_private.freeze_accounts(array[v_account.id], v_reason);
  exception
    when unique_violation then -- somebody was first
      perform saldo_private.fail('account_frozen', format('account %s', account_id));
  end;
  select a.*
  into v_account
  from saldo.account as a
  where a.id = freeze_account.account_id;
  perform saldo_private.require_durable_commit();
  return v_account;
end
$$;
comment on function saldo.freeze_account is
  'Freezes an account: nothing is posted to it, submitted or held on it (SB121 account_frozen) '
  'until it is unfrozen; what was accepted before is settled, and holds may end. Waits for the '
  'transactions under way on it. Whoever the account belongs to reads the reason. Errors in '
  'checking order: SB010 input_invalid, SB008 text_invalid, SB009 text_too_long, '
  'SB101 account_not_found, SB102 account_closed, SB010 input_invalid for an account that '
  'settlements book against, SB121 account_frozen when it is frozen already, '
  'SB020 isolation_unsupported, SB015 conflict_retry.';
revoke execute on function saldo.freeze_account from public;
grant execute on function saldo.freeze_account to saldo_admin;

create or replace function saldo_private.rule_account_freeze()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  select p.account_id::text, p.account_id, p.stored, p.derived, null::numeric,
    jsonb_build_object('slot_count', p.slot_count)
  from (
    select a.id as account_id,
      case when a.frozen_at is null then 'not frozen'
        else format('frozen, %s slots and stripes', held.slot_count) end as stored,
      case when f.id is null then 'not frozen' else 'frozen, 0 slots and stripes' end as derived,
      held.slot_count
    from saldo.account as a
    left join saldo.account_freeze as f on f.account_id = a.id and f.unfrozen_at is null
    cross join lateral (
      select (select count(*) from saldo_private.account_slot as s where s.account_id = a.id)
        + (select count(*) from saldo_private.account_stripe as s
          where s.account_id = a.id and s.stripe_no > 0) as slot_count
    ) as held
    where a.frozen_at is not null
    or f.id is not null
  ) as p
  where p.stored <> p.derived
$$;
comment on function saldo_private.rule_account_freeze is
  'Accounts that are frozen without a record of it, or not although there is one, and frozen hot '
  'ones with slots or stripes, past which postings go.';

select saldo_private.secure_table('saldo.account_freeze');
select saldo_private.guard_table('saldo.account_freeze');
drop policy if exists select_all on saldo.account_freeze;
create policy select_all on saldo.account_freeze for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.account_freeze to saldo_admin, saldo_operator;

comment on table saldo.account_freeze is 'When an account was frozen, by whom, and why.';
comment on column saldo.account_freeze.account_id is 'Account that was frozen.';
comment on column saldo.account_freeze.id is 'Id, ordered by time.';
comment on column saldo.account_freeze.frozen_at is 'When the account was frozen.';
comment on column saldo.account_freeze.frozen_by is 'Who froze it: token subject or login.';
comment on column saldo.account_freeze.reason is 'Why the account was frozen.';
comment on column saldo.account_freeze.finding_id is 'The finding, where a heal froze it.';
comment on column saldo.account_freeze.evidence is
  'How far its totals were from the journal, and the recorded writes past the engine.';
comment on column saldo.account_freeze.unfrozen_at is 'When it was unfrozen; null = it is frozen.';
comment on column saldo.account_freeze.unfrozen_by is 'Who unfroze it: token subject or login.';
comment on column saldo.account_freeze.unfreeze_reason is 'Why the account was unfrozen.';
