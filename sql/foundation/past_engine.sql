-- Whether a write comes from the engine: what the triggers of the guard ask.
--
-- The engine's own writes happen in definer functions: there current_user is saldo_owner while the
-- role setting stays the caller's. SET ROLE saldo_owner puts it into the setting, SET SESSION
-- AUTHORIZATION into session_user: both are caught.
-- A function, because a condition that stands in a trigger is parsed again by every statement that
-- writes the table: as an expression it cost a submission an eighth of its time. Without SET, which
-- would cost more than the answer; so each operator names its schema, whatever the caller's
-- search_path holds.

create or replace function saldo_private.is_past_engine()
returns boolean
language plpgsql
stable
as $$
begin
  return current_user operator(pg_catalog.<>) 'saldo_owner'
    or session_user operator(pg_catalog.=) 'saldo_owner'
    or pg_catalog.current_setting('role') operator(pg_catalog.=) 'saldo_owner';
end
$$;
comment on function saldo_private.is_past_engine is
  'True where a write now is not the engine''s own: it comes from another role than the owner of '
  'Saldo, or from a session that has become the owner.';
-- Everybody who writes asks it: without the right, a write would fail instead of being recorded.
-- The second grant says nothing new, but without it the rights are those of any new function, which
-- a dump leaves out: a restored database would look as if it had lost them.
grant execute on function saldo_private.is_past_engine() to public;
grant execute on function saldo_private.is_past_engine() to saldo_admin;
