-- What each slot of a hot account should have counted, by its mark and the rows after it.
--
-- Private: derived_slot.

create or replace function saldo_private.derived_slot()
returns table (
  account_id bigint,
  slot_no integer,
  seq bigint,
  debit_total numeric,
  credit_total numeric,
  pending_count bigint
)
language sql
stable
as $$
  select m.account_id, m.slot_no, m.seq + coalesce(r.row_count, 0),
    m.debit_total + coalesce(r.debit, 0), m.credit_total + coalesce(r.credit, 0),
    coalesce(r.row_count, 0)
  from saldo_private.settlement_mark as m
  cross join lateral (
    select count(*) as row_count,
      sum(s.amount) filter (where s.direction = 'debit') as debit,
      sum(s.amount) filter (where s.direction = 'credit') as credit
    from saldo.sub_balance as s
    where s.account_id = m.account_id
    and s.slot_no = m.slot_no
    and s.seq > m.seq
    and s.seq <= saldo_private.highest_seq()
  ) as r
$$;
comment on function saldo_private.derived_slot is
  'What follows for each slot from its mark and the rows after it.';
