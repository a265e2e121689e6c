-- Readings that count and are not rated: noted apart, so that finding them costs what they are and
-- not what all readings are.
--
-- Private: saldo_private.unrated_reading, note_unrated. Why each of them is not rated is found when
-- somebody asks (unrated_reason.sql), because it changes with versions and settings.
-- Invariant: a current reading has a standing line, or is noted here. rate_readings keeps it, and
-- each reading that comes, changes or goes passes through that; rule reading_rated proves it.

create or replace function saldo_private.note_unrated(
  reading_ids uuid[],
  lines saldo.rated_line[]
)
returns void
language plpgsql
as $$
begin
  delete from saldo_private.unrated_reading as u
  using unnest(lines) as l
  where u.account_id = l.account_id
  and u.reading_id = l.reading_id
  and not l.is_withdrawn;

  -- Where each has got a line, which is the rule, there is no more to look for.
  if (
    select count(*) filter (where not l.is_withdrawn) = cardinality(reading_ids)
    from unnest(lines) as l
  ) then
    return;
  end if;
  delete from saldo_private.unrated_reading as u
  using saldo.reading as r
  where r.id = any (reading_ids)
  and r.status <> 'current'
  and u.account_id = r.account_id
  and u.reading_id = r.id;
  insert into saldo_private.unrated_reading (account_id, reading_id, read_on)
  select r.account_id, r.id, r.read_on
  from unnest(reading_ids) as i (id)
  join saldo.reading as r on r.id = i.id
  where r.status = 'current'
  and not exists (
    select
    from saldo.rated_line as l
    where l.account_id = r.account_id
    and l.reading_id = r.id
    and l.superseded_at is null
    and not l.is_withdrawn
  )
  on conflict on constraint unrated_reading_pkey do nothing;
end
$$;
comment on function saldo_private.note_unrated is
  'Notes which of these readings are not rated, after the lines were written that are new.';

select saldo_private.secure_table('saldo_private.unrated_reading');

comment on table saldo_private.unrated_reading is
  'Readings that count and have no rated line that stands.';
comment on column saldo_private.unrated_reading.account_id is 'Deposit account of the customer.';
comment on column saldo_private.unrated_reading.reading_id is 'Reading that is not rated.';
comment on column saldo_private.unrated_reading.read_on is 'Business date of the reading.';
comment on column saldo_private.unrated_reading.noted_at is
  'When it came, or lost its price or factor.';
