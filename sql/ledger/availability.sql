-- Availability: what an account has to keep, and which changes are allowed anyway.
--
-- Private: is_above_minimum, allows_change.
-- Of immediate accounts; those of hot ones have their funds in slots (hot/account_slot.sql).
-- Both are single expressions without a set clause: PostgreSQL puts them into the statement.

create or replace function saldo_private.is_above_minimum(
  balance numeric,
  held numeric,
  min_balance numeric
)
returns boolean
language sql
immutable
parallel safe
as $$
  select min_balance is null or balance - held >= min_balance
$$;
comment on function saldo_private.is_above_minimum is
  'Whether a balance less what is held is at least the minimum; null = no minimum.';

create or replace function saldo_private.allows_change(
  balance numeric,
  held numeric,
  min_balance numeric,
  change numeric
)
returns boolean
language sql
immutable
parallel safe
as $$
  select saldo_private.is_above_minimum(balance, held, min_balance) or change >= 0
$$;
comment on function saldo_private.allows_change is
  'Whether an account may be as it is after a change, balance and holds given as they are then: '
  'above its minimum, or below but not by this change. change: on the normal side, of balance less '
  'holds.';
