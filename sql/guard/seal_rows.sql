-- Sealing rows: a job after the commit, for everything that heals and settlements derive from.
--
-- Public: seal_rows. Evidence is kept by row_seal.sql and sealed_stretch.sql.

create or replace function saldo.seal_rows(row_limit integer default 50000)
returns bigint
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_progress saldo_private.row_seal_progress;
  v_row_count bigint;
begin
  if (row_limit between 1 and 1000000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1000000');
  end if;
  v_progress := saldo_private.lock_row_seals();
  v_row_count := saldo_private.seal_stretches(row_limit);
  perform saldo_private.require_durable_commit();
  return v_row_count;
end
$$;
comment on function saldo.seal_rows is
  'Seals rows that were submitted to hot accounts and are not sealed yet, about row_limit of them '
  '(1 to 1000000), and returns how many; 0 when there was nothing. What was sealed and is another '
  'later, or gone, is found by the checks. Errors: SB010 input_invalid, '
  'SB020 isolation_unsupported.';
revoke execute on function saldo.seal_rows from public;
grant execute on function saldo.seal_rows to saldo_admin;
