-- Rebuilding slots from what is durable: totals, rows, marks and open holds.
--
-- Public: saldo.slot_rebuild (the record). Private: derived_funds, lock_hot_account,
-- remove_slots, rebuild_slots, rule_account_slot, heal_account_slot; table hot_account.
-- The row of hot_account is the lock under which slots come and go: settlement takes it weakly
-- (no key update), a writer that adds a slot weaker still (key share), a rebuild fully.

create or replace function saldo_private.derived_funds()
returns table (
  account_id bigint,
  pending_debit numeric,
  pending_credit numeric,
  pending_count bigint,
  held numeric,
  available numeric
)
language sql
stable
as $$
  select a.account_id, p.debit, p.credit, p.row_count, h.amount,
    saldo_private.available_funds(
      a.type, a.balance, h.amount, p.debit, p.credit, account.is_pending_available
    )
  from saldo_private.account_total as a
  join saldo.account on account.id = a.account_id
  cross join lateral (
    select coalesce(sum(d.debit_total - m.debit_total), 0) as debit,
      coalesce(sum(d.credit_total - m.credit_total), 0) as credit,
      coalesce(sum(d.pending_count), 0)::bigint as row_count
    from saldo_private.derived_slot() as d
    join saldo_private.settlement_mark as m
      on m.account_id = d.account_id and m.slot_no = d.slot_no
    where d.account_id = a.account_id
  ) as p
  cross join lateral (
    select coalesce(sum(hold.open_amount), 0) as amount
    from saldo.hold
    where hold.account_id = a.account_id
    and hold.status = 'HELD'
  ) as h
  where a.mode = 'hot'
$$;
comment on function saldo_private.derived_funds is
  'Of each hot account, from rows, marks, holds and posted totals: what is pending, held and '
  'available (its min_balance not yet taken off).';

create or replace function saldo_private.lock_hot_account(account_id bigint)
returns void
language plpgsql
as $$
declare
  v_lock_timeout text := current_setting('lock_timeout');
begin
  perform saldo_private.await_prepared(account_id);
  loop
    begin
      if v_lock_timeout = '0' then
        perform set_config('lock_timeout', '3s', true);
      end if;
      insert into saldo_private.hot_account (account_id)
      select a.id
      from saldo.account as a
      where a.id = lock_hot_account.account_id
      on conflict on constraint hot_account_pkey do nothing;
      perform
      from saldo_private.hot_account as h
      where h.account_id = lock_hot_account.account_id
      for update;
      perform set_config('lock_timeout', v_lock_timeout, true);
      return;
    exception
      when lock_not_available then
        perform saldo_private.require_no_prepared(account_id, 'saldo_private.hot_account');
        if v_lock_timeout <> '0' then
          raise;
        end if;
    end;
  end loop;
end
$$;
comment on function saldo_private.lock_hot_account is
  'The lock under which the slots of an account come and go; waits for who has it, but not for a '
  'prepared transaction that is left over. Error: SB207 prepared_transaction_open.';

create or replace function saldo_private.remove_slots(account_id bigint)
returns void
language plpgsql
as $$
declare
  v_lock_timeout text := current_setting('lock_timeout');
begin
  loop
    begin
      if v_lock_timeout = '0' then
        perform set_config('lock_timeout', '3s', true);
      end if;
      -- In the order in which a debit that needs several slots takes them.
      perform from saldo_private.account_slot as s
      where s.account_id = remove_slots.account_id
      order by s.slot_no
      for update;
      delete from saldo_private.account_slot as s
      where s.account_id = remove_slots.account_id;
      perform set_config('lock_timeout', v_lock_timeout, true);
      return;
    exception
      when lock_not_available then
        perform saldo_private.require_no_prepared(account_id, 'saldo_private.account_slot');
        if v_lock_timeout <> '0' then
          raise;
        end if;
    end;
  end loop;
end
$$;
comment on function saldo_private.remove_slots is
  'Takes the slots of an account away, under its lock; waits for everybody who holds one, but not '
  'for a prepared transaction that is left over. Error: SB207 prepared_transaction_open.';

create or replace function saldo_private.rebuild_slots(
  account_id bigint,
  is_forced boolean default false
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
begin
  perform saldo_private.require_read_committed();
  select *
  into v_account
  from saldo.account
  where id = rebuild_slots.account_id;
  if v_account.mode is distinct from 'hot' then -- since a moment ago
    perform saldo_private.fail('conflict_retry', format('account %s', account_id));
  end if;
  perform saldo_private.lock_hot_account(account_id);

  -- Only now is it sure what has happened before: somebody else may have been first.
  select *
  into v_account
  from saldo.account
  where id = rebuild_slots.account_id;
  if v_account.mode <> 'hot' then
    perform saldo_private.fail('conflict_retry', format('account %s', account_id));
  elsif v_account.frozen_at is not null then
    -- Without slots nobody goes past the account's row: that is what keeps it frozen.
    perform saldo_private.fail('account_frozen', format('account %s', account_id));
  end if;
  if not is_forced and exists (
    select
    from saldo_private.account_slot as s
    where s.account_id = rebuild_slots.account_id
  ) then
    return;
  elsif saldo_private.is_slot_source_unproven(account_id) then
    perform saldo_private.fail('account_frozen', format(
      'account %s: its rows or holds are not as the engine wrote them', account_id
    ));
  end if;
  perform saldo_private.remove_slots(account_id);
  perform saldo_private.rebuild_slots__fill(v_account);
end
$$;
comment on function saldo_private.rebuild_slots is
  'Makes the slots of a hot account from what is durable, and records it. Without force only when '
  'there are none. Whoever held one has ended by then: its removal waited for that. Errors: '
  'SB015 conflict_retry when the account is not hot, SB020 isolation_unsupported, '
  'SB207 prepared_transaction_open, SB121 account_frozen, also for rows or holds that are '
  'not proven.';

create or replace function saldo_private.rebuild_slots__fill(account saldo.account)
returns void
language plpgsql
as $$
declare
  v_clearing_account_id bigint := saldo_private.fit_clearing_account(account);
  v_slot_count integer;
begin
  insert into saldo_private.settlement_mark (account_id, slot_no)
  select account.id, g.slot_no
  from generate_series(1, account.slots) as g (slot_no)
  on conflict on constraint settlement_mark_pkey do nothing;

  insert into saldo_private.account_slot (
    account_id, slot_no, available, held, seq, checked_seq, debit_total, credit_total,
    debit_take, credit_take, clearing_account_id, is_short
  )
  select d.account_id, d.slot_no,
    -- Only regular slots get funds; the first takes what a division leaves, and all that lacks.
    case when account.min_balance is not null then
      case when d.slot_no = 1 then f.free - f.share * (account.slots - 1)
        when d.slot_no <= account.slots then f.share
        else 0 end
    end,
    case when d.slot_no = 1 then f.held else 0 end, d.seq, d.seq, d.debit_total, d.credit_total,
    saldo_private.take_sign(account, 'debit'), saldo_private.take_sign(account, 'credit'),
    v_clearing_account_id, coalesce(f.free < 0, false)
  from saldo_private.derived_slot() as d
  join (
    select funds.account_id, funds.held, funds.available - account.min_balance as free,
      trunc(greatest(funds.available - account.min_balance, 0) / account.slots, 2) as share
    from saldo_private.derived_funds() as funds
  ) as f on f.account_id = d.account_id
  where d.account_id = account.id
  -- One that was added and has nothing pending can be added again.
  and (d.slot_no <= account.slots or d.pending_count > 0);
  get diagnostics v_slot_count = row_count;
  delete from saldo_private.contested_row as c
  where c.account_id = account.id
  and c.source = 'account_slot';

  insert into saldo.slot_rebuild (account_id, id, slot_count, rebuilt_by)
  values (account.id, saldo_private.uuid_v7(), v_slot_count, saldo_private.actor());
end
$$;
comment on function saldo_private.rebuild_slots__fill is 'Writes the slots, under their lock.';

create or replace function saldo_private.rule_account_slot()
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
  with slot as (
    select s.account_id, sum(s.available) as available, sum(s.held) as held,
      sum(s.seq) as seq, sum(s.debit_total) as debit, sum(s.credit_total) as credit,
      count(*) filter (
        where (s.debit_take, s.credit_take) is distinct from (
          saldo_private.take_sign(a, 'debit'), saldo_private.take_sign(a, 'credit')
        )
        or clearing.code <> 'clearing:' || a.currency
        or (s.available < 0 and not s.is_short)
      ) as misrouted_count
    from saldo_private.account_slot as s
    left join saldo.account as a on a.id = s.account_id
    left join saldo.account as clearing on clearing.id = s.clearing_account_id
    group by s.account_id
  ),
  derived as (
    select d.account_id, sum(d.seq) as seq, sum(d.debit_total) as debit,
      sum(d.credit_total) as credit
    from saldo_private.derived_slot() as d
    left join saldo_private.account_slot as s
      on s.account_id = d.account_id and s.slot_no = d.slot_no
    -- A slot that was taken away has left its mark, and nothing pending.
    where s.slot_no is not null
    or d.pending_count > 0
    group by d.account_id
  ),
  pair as (
    select s.account_id, a.code,
      format('available %s, held %s, rows %s, debit %s, credit %s, misrouted slots %s',
        coalesce(trim_scale(s.available)::text, 'any'), trim_scale(s.held), s.seq,
        trim_scale(s.debit), trim_scale(s.credit), s.misrouted_count) as stored,
      format('available %s, held %s, rows %s, debit %s, credit %s, misrouted slots 0',
        coalesce(trim_scale(f.available - a.min_balance)::text, 'any'), trim_scale(f.held), d.seq,
        trim_scale(d.debit), trim_scale(d.credit)) as derived,
      s.available - (f.available - a.min_balance) as difference
    from slot as s
    left join saldo.account as a on a.id = s.account_id
    left join derived as d on d.account_id = s.account_id
    left join saldo_private.derived_funds() as f on f.account_id = s.account_id
  )
  select p.account_id::text, p.account_id, p.stored, p.derived, trim_scale(p.difference),
    jsonb_build_object('code', p.code)
  from pair as p
  where p.stored <> p.derived
$$;
comment on function saldo_private.rule_account_slot is
  'Accounts whose slots do not add up to what is available, held and written. difference: funds in '
  'slots less funds there are.';

create or replace function saldo_private.heal_account_slot(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
as $$
declare
  v_findings jsonb[];
begin
  select array_agg(to_jsonb(r) order by r.account_id)
  into v_findings
  from saldo_private.rule_account_slot() as r
  where r.key = any (keys);
  delete from saldo_private.account_slot as s
  using saldo.account as a
  where s.account_id in (select (f ->> 'account_id')::bigint from unnest(v_findings) as f)
  and a.id = s.account_id
  and a.mode <> 'hot';
  -- One after the other, in id order: each has locks of its own, and hot accounts are few.
  perform saldo_private.rebuild_slots(hot.id, is_forced => true)
  from (
    select a.id
    from saldo.account as a
    where a.id in (select (f ->> 'account_id')::bigint from unnest(v_findings) as f)
    and a.mode = 'hot'
    order by a.id
    offset 0
  ) as hot;
  return query
  select f ->> 'key',
    jsonb_build_object('surplus', f -> 'difference', 'slots', f -> 'stored'),
    jsonb_build_object('surplus', 0, 'slots', f -> 'derived')
  from unnest(v_findings) as f;
end
$$;
comment on function saldo_private.heal_account_slot is
  'Rebuilds the slots of these accounts. A row for each whose slots were wrong; surplus: funds in '
  'slots less funds there are.';

select saldo_private.secure_table('saldo_private.hot_account');
select saldo_private.secure_table('saldo.slot_rebuild');
drop policy if exists select_all on saldo.slot_rebuild;
create policy select_all on saldo.slot_rebuild for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.slot_rebuild to saldo_admin, saldo_operator;

comment on table saldo_private.hot_account is
  'A row for each account whose slots were ever built: the lock of settlement and rebuilding.';
comment on column saldo_private.hot_account.account_id is 'Hot account that has, or had, slots.';
comment on table saldo.slot_rebuild is
  'The slots of a hot account were made again: at its first transaction, and after a crash, a '
  'failover or a TRUNCATE.';
comment on column saldo.slot_rebuild.account_id is 'Hot account whose slots were made.';
comment on column saldo.slot_rebuild.id is 'Id, ordered by time.';
comment on column saldo.slot_rebuild.slot_count is 'Number of slots that were made.';
comment on column saldo.slot_rebuild.rebuilt_at is 'When the slots were made.';
comment on column saldo.slot_rebuild.rebuilt_by is 'Whose request it was: token subject or login.';
