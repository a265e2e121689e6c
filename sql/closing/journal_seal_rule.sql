-- The rule over seals: recent ones, and the control totals of all months.
--
-- Private: recent_seal, rule_journal_seal. It has no heal: a human decides.

create or replace function saldo_private.recent_seal()
returns bigint
language sql
stable
as $$
  select coalesce(min(r.number), 1)
  from (
    select s.number, s.entry_count, sum(s.entry_count) over (order by s.number desc) as entry_sum,
      row_number() over (order by s.number desc) as place
    from (
      select last.number, last.entry_count
      from saldo.journal_seal as last
      order by last.number desc
      limit 100
    ) as s
  ) as r
  where r.place = 1
  or r.entry_sum <= 10000
$$;
comment on function saldo_private.recent_seal is
  'The seal from which on a check computes again: the last hundred at most, with at most 10,000 '
  'entries unless the last one has more.';

create or replace function saldo_private.rule_journal_seal()
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
  select format('%s %s', d.kind, d.key), null::bigint, d.stored, d.derived, null::numeric,
    jsonb_build_object('kind', d.kind, 'entry_id', d.entry_id, 'seal_number', d.seal_number)
  from saldo_private.recent_seal() as recent (number)
  cross join lateral (
    select v.* from saldo_private.verify_head() as v
    union all
    select v.* from saldo_private.verify_months() as v
    union all
    select v.* from saldo_private.verify_seals(recent.number) as v
    union all
    select v.* from saldo_private.verify_seal_totals(recent.number) as v
    union all
    select v.* from saldo_private.verify_entries(recent.number) as v
  ) as d
$$;
comment on function saldo_private.rule_journal_seal is
  'Recent seals, with their entries computed again, and control totals of all months. A whole '
  'verification is saldo.verify_journal().';
