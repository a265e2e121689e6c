-- A clock that was set back as a cause: what was dated by it, and since when it is so.
--
-- Private: causes_of_clock. The rule is in check/clock.sql.

create or replace function saldo_private.causes_of_clock(check_run_id uuid)
returns setof saldo_private.possible_cause
language plpgsql
stable
as $$
begin
  return query
  select f.id, 1, 'clock_set_back', 'certain'::saldo.explanation_confidence,
    format(
      'The clock was set back: the latest %s is dated %s, %s seconds later than now.', f.key,
      f.stored, f.difference
    ) || coalesce((
      -- Checks are numbered: the first one after that time which came later, and is dated earlier.
      select format(' It was so before %s.', min(c.finished_at))
      from saldo.check_run as c
      where c.number > (
        select max(ahead.number)
        from saldo.check_run as ahead
        where ahead.finished_at > clock_timestamp() + interval '1 minute'
      )
      having count(*) > 0
    ), ''),
    f.detail
  from saldo.finding as f
  where f.check_run_id = causes_of_clock.check_run_id
  and f.rule = 'clock';
end
$$;
comment on function saldo_private.causes_of_clock is
  'What was written when by a clock that was ahead, and since when at the latest it is so.';
