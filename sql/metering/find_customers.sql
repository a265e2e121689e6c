-- Customers by the beginning of their code or of words of their name.
--
-- Public: find_customers.
-- It has no settings of its own, so that the planner sees through it and uses the indexes.

create or replace function saldo.find_customers(
  search text default null,
  after_code text default null
)
returns setof saldo.customer
language sql
stable
as $$
  select c.id, c.code, c.name, c.account_id, c.currency, c.created_at
  from saldo.customer as c
  where (after_code is null or c.code > after_code)
  and (
    search is null
    or btrim(search) = ''
    or to_tsvector('simple', c.name) @@ saldo_private.word_query(search)
    or (
      lower(c.code) collate "C" >= lower(btrim(left(search, 200))) collate "C"
      and lower(c.code) collate "C" < (lower(btrim(left(search, 200))) || chr(1114111)) collate "C"
    )
  )
  order by c.code
$$;
comment on function saldo.find_customers is
  'Customers whose code begins with the text, or whose name has words that begin with each of its '
  'words, in the order of their codes; capitals do not count. No text: all. after_code: those '
  'behind this code, for the next page.';
revoke execute on function saldo.find_customers from public;
grant execute on function saldo.find_customers to saldo_admin, saldo_operator, saldo_biller;
