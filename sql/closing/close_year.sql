-- Closing a year whose December is closed: its end is posted (year_end.sql) and sealed, period 13.
--
-- Public: close_year. Undone by reopen_period (close_period.sql).

create or replace function saldo.close_year(fiscal_year integer, reason text default null)
returns saldo.period
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_state saldo_private.book_state := saldo_private.lock_books();
  v_period saldo.period := saldo_private.require_period(close_year.fiscal_year, 13);
  v_last saldo.period := saldo_private.last_closed_period();
begin
  if v_period.status <> 'open' then
    perform saldo_private.refuse_period(v_period, 'a year is closed once');
  elsif (v_last.fiscal_year, v_last.number::integer) is distinct from (close_year.fiscal_year, 12)
    or v_last.status not in ('closed', 'locked')
  then
    perform saldo_private.refuse_period(v_period, 'its December has to be the last closed month');
  end if;
  perform saldo_private.set_period(v_period, 'closing');
  perform saldo_private.record_period_event(
    v_period, 'close', saldo_private.require_text(coalesce(reason, 'End of the year'), 'reason')
  );
  perform saldo_private.post_year_end(v_period);
  perform saldo_private.require_durable_commit();
  return saldo_private.seal_period(v_period);
end
$$;
comment on function saldo.close_year is
  'Closes a year whose December is closed: empties all revenue and expense accounts into retained '
  'earnings, one entry of the kind closing a currency, and seals period 13. Only then January can '
  'be closed. Undone by reopen_period(year, 13). Errors: SB020 isolation_unsupported, '
  'SB010 input_invalid, SB109 period_state, SB008 text_invalid, SB009 text_too_long, and those of '
  'a posting.';
revoke execute on function saldo.close_year from public;
grant execute on function saldo.close_year to saldo_admin, saldo_accountant;
