-- Wallet history: what a member reads about the own wallet, line by line.
--
-- Public: wallet_history, wallet_balance_parts.
-- Posted lines carry the balance on from line to line; pending and failed purchases stand among
-- them with the balance unmoved, since they posted nothing.

create or replace function saldo_private.wallet_history__lines(account_id bigint)
returns setof saldo.wallet_history_line
language sql
stable
as $$
  with paid as (
    select p.entry_id, p.id as purchase_id, p.status, p.product_id, p.quantity,
      false as is_refund
    from saldo.purchase as p
    where p.account_id = wallet_history__lines.account_id
    and p.entry_id is not null
    union all
    select p.refund_entry_id, p.id, p.status, p.product_id, p.quantity, true
    from saldo.purchase as p
    where p.account_id = wallet_history__lines.account_id
    and p.refund_entry_id is not null
    -- Not all: the last of several refunds is in both.
    union
    select r.entry_id, p.id, p.status, p.product_id, p.quantity, true
    from saldo.purchase_refund as r
    join saldo.purchase as p on p.account_id = r.account_id and p.id = r.purchase_id
    where r.account_id = wallet_history__lines.account_id
  ),
  line as (
    select e.posting_date, e.occurred_at, e.id,
      case
        when paid.purchase_id is null and e.source = 'top_up' then 'top_up'
        when e.source = 'top_up_reversal' then 'charge_back'
        when e.source = 'debt_payment' then 'debt_payment'
        when paid.purchase_id is null then 'adjustment'
        when paid.is_refund then 'refund'
        else 'purchase'
      end::saldo.wallet_line_kind as kind,
      paid.status, e.description, l.change as amount, l.change, paid.purchase_id, paid.product_id,
      paid.quantity
    from (
      select j.entry_id, sum(j.credit - j.debit) as change
      from saldo.journal_line as j
      where j.account_id = wallet_history__lines.account_id
      group by j.entry_id
    ) as l
    join saldo.journal_entry as e on e.id = l.entry_id
    left join paid on paid.entry_id = e.id
    where e.status <> 'draft'
    union all
    select saldo_private.business_date(p.occurred_at), p.occurred_at, p.id, 'purchase', p.status,
      case when p.quantity = 1 then product.name
      else format('%s x %s', p.quantity, product.name) end,
      -p.amount, 0, p.id, p.product_id, p.quantity
    from saldo.purchase as p
    left join saldo.product on product.id = p.product_id
    where p.account_id = wallet_history__lines.account_id
    and p.entry_id is null
    union all
    -- The wallet had nothing of it.
    select e.posting_date, e.occurred_at, e.id, 'charge_back', null, e.description, 0, 0, null,
      null, null
    from saldo.top_up_reversal as r
    join saldo.journal_entry as e on e.id = r.entry_id
    where r.account_id = wallet_history__lines.account_id
    and r.wallet_amount = 0
  )
  select line.occurred_at, line.id, line.kind, line.status, line.description, line.amount,
    sum(line.change) over (
      order by line.posting_date, line.occurred_at, line.id
      rows between unbounded preceding and current row
    ),
    line.purchase_id, line.product_id, line.quantity
  from line
  -- As account_statement: a late fact stands where it was posted. Ids have the order of recording.
  order by line.posting_date, line.occurred_at, line.id
$$;
comment on function saldo_private.wallet_history__lines is
  'All lines of a wallet account, oldest first.';

create or replace function saldo.wallet_history(
  member_id bigint,
  is_newest_first boolean default false
)
returns setof saldo.wallet_history_line
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_member saldo.member := saldo_private.require_member(wallet_history.member_id);
begin
  return query
  select h.occurred_at, h.id, h.kind, h.status, h.description, h.amount,
    trim_scale(h.balance), h.purchase_id, h.product_id, h.quantity
  from saldo_private.wallet_history__lines(v_member.account_id) with ordinality as h
  order by case when is_newest_first then -h.ordinality else h.ordinality end;
end
$$;
comment on function saldo.wallet_history is
  'Top-ups, purchases, refunds, charge-backs, payments of debts and adjustments of a member''s '
  'wallet, oldest first: by posting date, by the time at which they occurred, and in the order '
  'of recording, each with the balance after it; is_newest_first: the other way round. Pending and '
  'failed purchases leave the balance as it was. Members may ask for themselves. Errors in '
  'checking order: SB007 not_found, SB304 member_not_found.';
revoke execute on function saldo.wallet_history from public;
grant execute on function saldo.wallet_history to
  saldo_admin, saldo_operator, saldo_member, saldo_cashier, saldo_app;

create or replace function saldo.wallet_balance_parts(member_id bigint)
returns setof saldo.wallet_balance_part
language plpgsql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_member saldo.member := saldo_private.require_member(wallet_balance_parts.member_id);
begin
  return query
  select part.kind, part.line_count, part.first_at, part.last_at, trim_scale(part.amount),
    trim_scale(sum(part.amount) over (order by part.kind))
  from (
    select h.kind, count(*) as line_count, min(h.occurred_at) as first_at,
      max(h.occurred_at) as last_at, sum(h.amount) as amount
    from saldo_private.wallet_history__lines(v_member.account_id) as h
    -- These two have posted nothing.
    where (h.status in ('pending', 'failed')) is not true
    group by h.kind
  ) as part
  order by part.kind;
end
$$;
comment on function saldo.wallet_balance_parts is
  'Why a wallet''s balance is what it is: a row for each kind of line that was ever posted to it, '
  'with their sum, and with the sum so far. The total of the last row is the balance, derived from '
  'the journal; wallet_balance has the one that is kept. No row: nothing was posted. Members may '
  'ask for themselves. Errors in checking order: SB007 not_found, SB304 member_not_found.';
revoke execute on function saldo.wallet_balance_parts from public;
grant execute on function saldo.wallet_balance_parts to
  saldo_admin, saldo_operator, saldo_member, saldo_cashier, saldo_app;

comment on type saldo.wallet_line_kind is
  'What a line of a wallet''s history is; adjustment: whatever else was posted to the wallet.';
comment on type saldo.wallet_history_line is 'A line of a wallet''s history.';
comment on column saldo.wallet_history_line.occurred_at is 'When it took place, by the business.';
comment on column saldo.wallet_history_line.id is
  'The journal entry; for a purchase that posted nothing, the purchase.';
comment on column saldo.wallet_history_line.kind is
  'top_up, purchase, refund, charge_back, debt_payment for what of a top-up paid a debt, or '
  'adjustment for whatever else was posted.';
comment on column saldo.wallet_history_line.status is
  'State of the purchase now; null for other lines.';
comment on column saldo.wallet_history_line.description is 'What happened, in words.';
comment on column saldo.wallet_history_line.amount is
  'Signed: positive into the wallet, negative out of it; for a pending or failed purchase what it '
  'would have taken; 0 for a charge-back of which the wallet had nothing.';
comment on column saldo.wallet_history_line.balance is 'Posted balance after the line.';
comment on column saldo.wallet_history_line.purchase_id is 'Purchase paid or refunded, if any.';
comment on column saldo.wallet_history_line.product_id is
  'Product of that purchase; null without one.';
comment on column saldo.wallet_history_line.quantity is 'Units of that purchase; null without one.';
comment on type saldo.wallet_balance_part is
  'What lines of one kind add to a wallet''s balance, or take from it.';
comment on column saldo.wallet_balance_part.kind is 'Kind of the lines.';
comment on column saldo.wallet_balance_part.line_count is 'How many lines there are of it.';
comment on column saldo.wallet_balance_part.first_at is 'When the first of them occurred.';
comment on column saldo.wallet_balance_part.last_at is 'When the last of them occurred.';
comment on column saldo.wallet_balance_part.amount is
  'Their sum, in the currency of the wallet; below zero: they took from it.';
comment on column saldo.wallet_balance_part.total is
  'Sum of this part and of those before it; of the last one, the balance.';
