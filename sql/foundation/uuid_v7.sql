-- Ids that sort by time, so that new rows land on the right edge of their index.
--
-- Private: uuid_v7. PostgreSQL 18 has a function of its own for it; before, the version 7 layout
-- of RFC 9562 is put over a random uuid.

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
      -- 48 bits of milliseconds; of the version's four bits 0100 becomes 0111.
      select encode(
        set_bit(set_bit(
          overlay(
            uuid_send(gen_random_uuid())
            placing substring(
              int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3
            )
            from 1 for 6
          ),
          52, 1), 53, 1),
        'hex')::uuid
    $$;
  end if;
end
$do$;
comment on function saldo_private.uuid_v7 is 'A new version 7 uuid: unique, and ordered by time.';
