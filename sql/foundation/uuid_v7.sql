-- Ids that sort by time, so that new rows land on the right edge of their index.
--
-- Private: uuid_v7, uuids_v7. PostgreSQL 18 has a function of its own for it; before, the version 7
-- layout of RFC 9562 is put over a random uuid, to the fraction of a millisecond (its method 3).

do $do$
begin
  if current_setting('server_version_num')::integer >= 180000 then
    create or replace function saldo_private.uuid_v7()
    returns uuid
    language sql
    volatile
    as 'select pg_catalog.uuidv7()';
  else
    create or replace function saldo_private.uuid_v7()
    returns uuid
    language sql
    volatile
    as $$
      -- 60 bits: milliseconds times 4096. The version's digit goes in behind the first 48 of them.
      select (overlay(
        lpad(to_hex(trunc(extract(epoch from clock_timestamp()) * 4096000)::bigint), 15, '0')
        placing '7' from 13 for 0
      ) || substring(encode(uuid_send(gen_random_uuid()), 'hex') from 17))::uuid
    $$;
  end if;
end
$do$;
comment on function saldo_private.uuid_v7 is 'A new version 7 uuid: unique, and ordered by time.';

create or replace function saldo_private.uuids_v7(count integer)
returns uuid[]
language sql
volatile
as $$
  select array_agg(u.id order by u.id)
  from (
    select saldo_private.uuid_v7() as id
    from generate_series(1, count)
    offset 0
  ) as u
$$;
comment on function saldo_private.uuids_v7 is
  'New ids in ascending order: for what is given at once, so that its ids tell the order in which '
  'it was given.';
