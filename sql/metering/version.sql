-- Versions: what prices and correction factors have in common.
--
-- Private: require_version_dates, is_overlapping.
-- A version counts from effective_from to effective_to, without an end until another one begins.
-- One with an end may stand inside one without: that goes on after it. What else is in two places
-- at once is an overlap. Versions are never deleted: a removed one stays, and so does what used it.

create or replace function saldo_private.require_version_dates(from_date date, to_date date)
returns void
language plpgsql
stable
as $$
begin
  if (from_date between '1900-01-01' and '9999-12-31') is not true
    or to_date < from_date or to_date > '9999-12-31'
  then
    perform saldo_private.fail(
      'input_invalid', 'effective_from: from 1900 to 9999; effective_to: not before it'
    );
  end if;
end
$$;
comment on function saldo_private.require_version_dates is 'The dates of a version: SB010.';

create or replace function saldo_private.is_overlapping(
  from_date date,
  to_date date,
  other_from date,
  other_to date
)
returns boolean
language sql
immutable
as $$
  select case
    when from_date < other_from then to_date >= other_from
    when from_date > other_from then other_to >= from_date
    else true
  end is true
$$;
comment on function saldo_private.is_overlapping is
  'Whether two versions begin on one day, or one begins while the other, dated to its end, lasts.';
