-- Looking members up: by the beginning of a code, or by beginnings of the words of a name.
--
-- Public: find_members.

create or replace function saldo.find_members(search text, row_limit integer default 200)
returns setof saldo.member
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_beginning text := lower(btrim(normalize(find_members.search, nfc)));
  v_words tsquery := saldo_private.word_query(v_beginning);
begin
  if (length(v_beginning) between 1 and 200) is not true then
    perform saldo_private.fail('input_invalid', 'search: 1 to 200 characters');
  elsif (row_limit between 1 and 1000000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: 1 to 1,000,000');
  end if;
  return query
  select m.*
  from saldo.member as m
  where m.id in (
    -- Each limited by itself: a search of one letter matches half of all members.
    (
      select c.id
      from saldo.member as c
      -- In the words of the index member_code_beginning: for a parameter LIKE could not use it.
      where lower(c.code) ~>=~ v_beginning
      and lower(c.code) ~<~ (v_beginning || U&'\+10FFFF')
      order by lower(c.code) using ~<~
      limit row_limit
    )
    union
    (
      select n.id
      from saldo.member as n
      where to_tsvector('simple', n.name) @@ v_words
      limit row_limit
    )
  )
  order by lower(m.code) <> v_beginning, m.code
  limit row_limit;
end
$$;
comment on function saldo.find_members is
  'Members whose code begins with search, or whose name has words that begin with the words of it; '
  'case does not matter. One whose code is search comes first, the others by code. row_limit: 1 to '
  '1,000,000. Where more match, a longer search finds the one. Error: SB010 input_invalid.';
revoke execute on function saldo.find_members from public;
grant execute on function saldo.find_members to
  saldo_admin, saldo_operator, saldo_cashier, saldo_app;
