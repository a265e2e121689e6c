-- A statement as it may be kept: with ? in place of its literals.
--
-- Private: without_literals. What stands in a statement past the engine is somebody's business: a
-- password in an update of a user's table is nobody's here. Where it is not sure where a literal
-- ends, the rest of the statement is cut.

create or replace function saldo_private.without_literals(statement text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- In dollars, which read the same in a session where a backslash escapes in every string.
  c_opening constant text := $re$([eE]?'|\$([[:alpha:]_][[:alnum:]_]*)?\$|"|--|/\*)$re$;
  c_number constant text := $re$\m[0-9]+(\.[0-9]+)?([eE][0-9]+)?\M$re$;
  -- What is kept is short, and a literal may be long: beyond this nothing is looked at.
  v_rest text := left(without_literals.statement, 8000);
  v_kept text := '';
  v_opening text;
  v_closing text;
  v_code text;
begin
  loop
    v_opening := substring(v_rest from c_opening);
    v_code := case when v_opening is null then v_rest
      else left(v_rest, position(v_opening in v_rest) - 1) end;
    -- Numbers, but not the digits of a name.
    v_kept := v_kept || regexp_replace(v_code, c_number, '?', 'g');
    exit when v_opening is null or length(v_kept) >= 2000;

    v_rest := substr(v_rest, length(v_code) + length(v_opening) + 1);
    if v_opening like '$%' then
      v_closing := left(v_rest, nullif(position(v_opening in v_rest), 0) - 1) || v_opening;
    else
      v_closing := substring(v_rest from case
        when v_opening = '"' then '^(?:[^"]|"")*"'
        when v_opening = '--' then $re$^[^\n]*$re$
        when v_opening = '/*' then $re$^(?:[^*]|\*+[^*/])*\*+/$re$
        when v_opening = '''' and current_setting('standard_conforming_strings') = 'on'
          then $re$^(?:[^']|'')*'$re$
        else $re$^(?:[^'\\]|\\.|'')*'$re$ end);
    end if;
    v_kept := v_kept || case v_opening when '"' then '"' || coalesce(v_closing, '?')
      when '--' then '' when '/*' then '' else '?' end;
    exit when v_closing is null;
    v_rest := substr(v_rest, length(v_closing) + 1);
  end loop;
  return left(v_kept, 2000);
end
$$;
comment on function saldo_private.without_literals is
  'The first 2,000 characters of a statement, with ? in place of strings and numbers and without '
  'comments; null for none.';
