-- Moved lines: which lines the posting trigger has to apply.
--
-- Private: is_moved_by_trigger, leave_moves_to_trigger.
-- All but those of post_pair__write, which moves what they move itself, in the same statement. It
-- says so in the setting saldo.moves, with the depth of triggers at which it is: what a trigger of
-- somebody posts meanwhile is another posting. Anybody can set that, so whatever brings lines takes
-- it back first.

create or replace function saldo_private.is_moved_by_trigger()
returns boolean
language plpgsql
stable
as $$
begin
  -- Each operator names its schema, whatever the caller's search_path holds.
  return coalesce(pg_catalog.current_setting('saldo.moves', true), '')
    operator(pg_catalog.<>) pg_catalog.pg_trigger_depth()::pg_catalog.text;
end
$$;
comment on function saldo_private.is_moved_by_trigger is
  'Whether lines that come in now are for the posting trigger to apply: not where post_pair does '
  'so itself, in the same statement.';
grant execute on function saldo_private.is_moved_by_trigger() to public;
grant execute on function saldo_private.is_moved_by_trigger() to saldo_admin;

create or replace function saldo_private.leave_moves_to_trigger()
returns void
language plpgsql
as $$
begin
  if current_setting('saldo.moves', true) = pg_trigger_depth()::text then
    perform set_config('saldo.moves', '', true);
  end if;
end
$$;
comment on function saldo_private.leave_moves_to_trigger is
  'Lets the posting trigger apply the lines that come in next, whatever a session has set.';
