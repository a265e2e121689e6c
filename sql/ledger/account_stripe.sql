-- Stripes: where postings to a hot account land, so that they do not queue for its one row.
--
-- Private: saldo_private.account_stripe, account_total, posted_movement, add_to_stripes,
-- require_read_committed. They are handed on in fold_stripes.sql.
-- Invariant: account totals plus stripes equal the posted lines, and so do months plus stripes; at
-- every commit. A balance is always read from both together (the views below).
-- Locks: a posting takes any stripe that nobody holds, or adds one: it waits for nobody but a
-- change of the mode, which a weak lock of the account's row (key share) makes sure of.

create or replace function saldo_private.require_read_committed()
returns void
language plpgsql
stable
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform saldo_private.fail('isolation_unsupported', current_setting('transaction_isolation'));
  end if;
end
$$;
comment on function saldo_private.require_read_committed is
  'For what locks a row and then reads what others have written until then, which a snapshot of '
  'the transaction''s beginning would not show: SB020 isolation_unsupported.';

create or replace view saldo_private.account_total with (security_invoker = true) as
select a.id as account_id, a.type, a.currency, a.mode, a.min_balance, a.held_total,
  a.debit_total + coalesce(s.debit, 0) as debit_total,
  a.credit_total + coalesce(s.credit, 0) as credit_total,
  a.balance + coalesce(s.debit - s.credit, 0)
    * saldo_private.normal_sign(a.type) as balance,
  greatest(a.last_updated_at, s.last_updated_at) as last_updated_at
from saldo.account as a
left join (
  select account_stripe.account_id, sum(account_stripe.debit) as debit,
    sum(account_stripe.credit) as credit, max(account_stripe.last_updated_at) as last_updated_at
  from saldo_private.account_stripe
  group by account_stripe.account_id
) as s on s.account_id = a.id;
comment on view saldo_private.account_total is
  'Totals and balance of each account, with what its stripes have not yet handed on.';

create or replace view saldo_private.posted_movement with (security_invoker = true) as
select m.account_id, m.month, m.debit, m.credit, m.line_count
from saldo.month_movement as m
union all
select s.account_id, s.month, s.debit, s.credit, s.line_count
from saldo_private.account_stripe as s
where s.line_count > 0;
comment on view saldo_private.posted_movement is
  'Movements by account and month in one or several rows: months, and what their stripes have not '
  'yet handed on.';

comment on column saldo_private.account_total.account_id is 'Account whose totals they are.';
comment on column saldo_private.account_total.type is
  'Account type, which decides the normal side.';
comment on column saldo_private.account_total.currency is 'Currency of the account.';
comment on column saldo_private.account_total.mode is 'immediate or hot.';
comment on column saldo_private.account_total.min_balance is
  'Minimum balance of the account; null = none.';
comment on column saldo_private.account_total.held_total is
  'Sum of open holds on an immediate account; 0 on a hot one, whose slots know.';
comment on column saldo_private.account_total.debit_total is 'Sum of all posted debits.';
comment on column saldo_private.account_total.credit_total is 'Sum of all posted credits.';
comment on column saldo_private.account_total.balance is 'Posted balance, on the normal side.';
comment on column saldo_private.account_total.last_updated_at is
  'When the totals last changed; null = not since this is kept.';
comment on column saldo_private.posted_movement.account_id is 'Account whose movement it is.';
comment on column saldo_private.posted_movement.month is 'First day of the month.';
comment on column saldo_private.posted_movement.debit is 'Sum of the posted debits of the month.';
comment on column saldo_private.posted_movement.credit is 'Sum of the posted credits of the month.';
comment on column saldo_private.posted_movement.line_count is
  'Number of posted lines of the month.';

create or replace function saldo_private.first_no()
returns integer
language sql
stable
as $$
  -- As many as stripes and slots by default. Where there are fewer, higher numbers take the last.
  select 1 + pg_backend_pid() % 64
$$;
comment on function saldo_private.first_no is
  'First stripe or slot: where a connection begins to look for a free one, downwards. Connections '
  'have neighbouring process numbers, so each mostly finds its first one free.';

create or replace function saldo_private.add_to_stripes(
  line saldo_private.line_sum,
  is_settlement boolean
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_stripe_no integer;
begin
  perform saldo_private.require_read_committed();
  select *
  into strict v_account
  from saldo.account
  where id = line.account_id
  for key share;
  if v_account.mode = 'immediate' then -- since a moment ago
    perform saldo_private.add_to_stripes__immediate(line, is_settlement);
    return;
  end if;

  if v_account.frozen_at is not null and not is_settlement then
    perform saldo_private.fail('account_frozen', format('account %s', v_account.id));
  end if;
  -- A frozen account has no regular stripes: postings would find them and ask nobody.
  if is_settlement and (v_account.min_balance is not null or v_account.frozen_at is not null) then
    v_stripe_no := saldo_private.add_to_stripes__settling_no(v_account.id, line.month);
  else
    v_stripe_no := saldo_private.add_to_stripes__new_no(v_account, line.month);
  end if;
  update saldo_private.account_stripe as s
  set debit = s.debit + line.debit,
    credit = s.credit + line.credit,
    line_count = s.line_count + line.line_count,
    last_updated_at = clock_timestamp()
  where s.account_id = v_account.id
  and s.month = line.month
  and s.stripe_no = v_stripe_no;
end
$$;
comment on function saldo_private.add_to_stripes is
  'The slow way of a posting to a hot account: makes the month''s stripes where they are missing, '
  'or one more where all are in use. Errors: SB020 isolation_unsupported, SB121 account_frozen, '
  'and those of a posting.';

create or replace function saldo_private.add_to_stripes__new_no(account saldo.account, month date)
returns integer
language plpgsql
as $$
begin
  -- A posting that makes all of them at this moment is not waited for.
  if pg_try_advisory_xact_lock(saldo_private.stripes_lock(account.id, month)) then
    insert into saldo_private.account_stripe (account_id, month, stripe_no, is_limited)
    select account.id, add_to_stripes__new_no.month, g.stripe_no, account.min_balance is not null
    from generate_series(1, account.slots) as g (stripe_no)
    on conflict on constraint account_stripe_pkey do nothing;
    if found then
      return least(saldo_private.first_no(), account.slots);
    end if;
  end if;
  -- Above all regular ones: slots are 1,000 at most.
  return saldo_private.add_to_stripes__one(
    account.id, month, 1001, 1, account.min_balance is not null
  );
end
$$;
comment on function saldo_private.add_to_stripes__new_no is
  'Adds the stripes of a month, or one more, and returns one that is ours.';

create or replace function saldo_private.add_to_stripes__settling_no(
  account_id bigint,
  month date
)
returns integer
language plpgsql
as $$
declare
  v_stripe_no integer;
begin
  select s.stripe_no
  into v_stripe_no
  from saldo_private.account_stripe as s
  where s.account_id = add_to_stripes__settling_no.account_id
  and s.month = add_to_stripes__settling_no.month
  and s.stripe_no <= 0
  order by s.stripe_no desc
  limit 1
  for no key update skip locked;
  return coalesce(
    v_stripe_no, saldo_private.add_to_stripes__one(account_id, month, 0, -1, true)
  );
end
$$;
comment on function saldo_private.add_to_stripes__settling_no is
  'A stripe for settlements, from 0 downwards, that is ours: their funds were taken long before.';

create or replace function saldo_private.add_to_stripes__one(
  account_id bigint,
  month date,
  first_no integer,
  step integer,
  is_limited boolean
)
returns integer
language plpgsql
as $$
declare
  v_stripe_no integer := first_no;
begin
  loop
    -- Somebody who adds the same number at this moment is not waited for.
    if pg_try_advisory_xact_lock(saldo_private.stripe_lock(account_id, month, v_stripe_no)) then
      insert into saldo_private.account_stripe (account_id, month, stripe_no, is_limited)
      values (account_id, month, v_stripe_no, is_limited)
      on conflict on constraint account_stripe_pkey do nothing;
      exit when found;
    end if;
    v_stripe_no := v_stripe_no + step;
  end loop;
  return v_stripe_no;
end
$$;
comment on function saldo_private.add_to_stripes__one is
  'Adds one stripe, with the first number in this direction that is free; there are never more '
  'than transactions were under way at once.';

create or replace function saldo_private.add_to_stripes__immediate(
  line saldo_private.line_sum,
  is_settlement boolean
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_change numeric;
begin
  select *
  into strict v_account
  from saldo.account
  where id = line.account_id
  for no key update;
  if v_account.frozen_at is not null and not is_settlement then
    perform saldo_private.fail('account_frozen', format('account %s', v_account.id));
  end if;
  v_change := (line.debit - line.credit) * saldo_private.normal_sign(v_account.type);
  if not is_settlement and not saldo_private.allows_change(
    v_account.balance + v_change, v_account.held_total, v_account.min_balance, v_change
  ) then
    perform saldo_private.fail('insufficient_balance', format(
      'account %s: available %s, needed %s', v_account.id,
      v_account.balance - v_account.held_total - v_account.min_balance, -v_change
    ));
  end if;
  update saldo.account as a
  set debit_total = a.debit_total + line.debit,
    credit_total = a.credit_total + line.credit,
    version = a.version + 1,
    last_updated_at = clock_timestamp()
  where a.id = v_account.id;
  insert into saldo.month_movement as m (account_id, month, debit, credit, line_count)
  values (v_account.id, line.month, line.debit, line.credit, line.line_count)
  on conflict on constraint month_movement_pkey do update
  set debit = m.debit + excluded.debit,
    credit = m.credit + excluded.credit,
    line_count = m.line_count + excluded.line_count;
end
$$;
comment on function saldo_private.add_to_stripes__immediate is
  'Posts to an account that ceased to be hot while the posting was under way: '
  'SB001 insufficient_balance.';

select saldo_private.secure_table('saldo_private.account_stripe');
drop policy if exists select_all on saldo_private.account_stripe;
create policy select_all on saldo_private.account_stripe for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo_private.account_stripe to saldo_admin, saldo_operator, saldo_member;
grant select on saldo_private.account_total, saldo_private.posted_movement
  to saldo_admin, saldo_operator, saldo_member;
comment on type saldo_private.line_sum is 'Lines of a posting on one account in one month.';
comment on table saldo_private.account_stripe is
  'Posted lines of a hot account that its row and its months do not have yet.';
comment on column saldo_private.account_stripe.account_id is 'Hot account that is posted to.';
comment on column saldo_private.account_stripe.month is
  'First day of the month of the posting dates.';
comment on column saldo_private.account_stripe.stripe_no is
  'Number; those up to 0 are for settlements, whose funds were taken long before.';
comment on column saldo_private.account_stripe.is_limited is
  'Whether the account has a min_balance: then a posting moves its slots as well.';
comment on column saldo_private.account_stripe.debit is
  'Sum of the debits that are not folded yet.';
comment on column saldo_private.account_stripe.credit is
  'Sum of the credits that are not folded yet.';
comment on column saldo_private.account_stripe.line_count is 'Number of lines not yet folded.';
comment on column saldo_private.account_stripe.last_updated_at is
  'When a line was last added; a fold leaves it. Null = not since this is kept.';
