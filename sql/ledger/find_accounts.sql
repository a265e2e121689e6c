-- Accounts as people look for them: by the beginning of a code, by words of a name, or down the
-- tree that their codes are.
--
-- Public: find_accounts, account_groups; type saldo.account_group. Private: search_words.
-- A page begins after the code at which the last one ended, so that a late page costs what the
-- first does.

create or replace function saldo_private.search_words(search text)
returns text[]
language sql
immutable
as $$
  -- Each word as a pattern that is nothing but the word: % and _ are letters like others.
  select coalesce(array_agg('%' || regexp_replace(w.word, '([\\%_])', '\\\1', 'g') || '%'), '{}')
  from regexp_split_to_table(normalize(coalesce(search, ''), nfc), '\s+') as w (word)
  where w.word <> ''
$$;
comment on function saldo_private.search_words is
  'The words of a search as patterns for "ilike all"; none for a search without words.';
grant execute on function saldo_private.search_words to saldo_admin, saldo_operator;

create or replace function saldo.find_accounts(
  search text default null,
  type saldo.account_type default null,
  currency text default null,
  mode saldo.account_mode default null,
  is_frozen boolean default null,
  is_closed boolean default null,
  after_code text default null,
  row_limit integer default 50
)
returns setof saldo.account
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if (row_limit between 1 and 1001) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1001');
  elsif length(search) > 200 then
    perform saldo_private.fail('text_too_long', 'search: up to 200 characters');
  end if;
  return query
  select a.*
  from saldo.account as a
  where (after_code is null or a.code > find_accounts.after_code)
  and (find_accounts.type is null or a.type = find_accounts.type)
  and (find_accounts.currency is null or a.currency = find_accounts.currency)
  and (find_accounts.mode is null or a.mode = find_accounts.mode)
  and (is_frozen is null or (a.frozen_at is not null) = is_frozen)
  and (is_closed is null or (a.closed_at is not null) = is_closed)
  and (
    search is null
    or starts_with(a.code, trim(normalize(search, nfc)))
    or a.name ilike all (saldo_private.search_words(search))
  )
  order by a.code
  limit row_limit;
end
$$;
comment on function saldo.find_accounts is
  'Accounts in the order of their codes. search: the beginning of a code, or words that are all in '
  'the name, in any case. type, currency, mode, is_frozen, is_closed: null = any. after_code: the '
  'code at which the page before ended. row_limit: 1 to 1001. Errors in checking order: '
  'SB010 input_invalid, SB009 text_too_long.';
revoke execute on function saldo.find_accounts from public;
grant execute on function saldo.find_accounts to saldo_admin, saldo_operator;

create or replace function saldo.account_groups(
  parent text default null,
  row_limit integer default 200
)
returns setof saldo.account_group
language plpgsql
stable
security invoker
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_parent text := coalesce(normalize(parent, nfc), '');
begin
  if (row_limit between 1 and 1000) is not true then
    perform saldo_private.fail('input_invalid', 'row_limit: a whole number from 1 to 1000');
  end if;
  return query
  select g.prefix, min(g.id) filter (where g.code = g.prefix), count(*), g.type, g.currency,
    trim_scale(sum(t.balance))
  from (
    select a.id, a.code, a.type, a.currency,
      v_parent || substring(substr(a.code, length(v_parent) + 1) from '^[^:./-]*[:./-]?') as prefix
    from saldo.account as a
    where starts_with(a.code, v_parent)
    and length(a.code) > length(v_parent)
  ) as g
  join saldo_private.account_total as t on t.account_id = g.id
  group by g.prefix, g.type, g.currency
  order by g.prefix, g.type, g.currency
  limit row_limit;
end
$$;
comment on function saldo.account_groups is
  'Accounts by the beginnings of their codes, one step below parent (null = the first): a step '
  'ends at a colon, point, slash or hyphen. Each with its accounts and the sum of their balances, '
  'by type and currency. row_limit: 1 to 1000. Error: SB010 input_invalid.';
revoke execute on function saldo.account_groups from public;
grant execute on function saldo.account_groups to saldo_admin, saldo_operator;

comment on type saldo.account_group is 'Accounts whose codes begin alike.';
comment on column saldo.account_group.prefix is
  'How their codes begin; the whole code where account_id is not null.';
comment on column saldo.account_group.account_id is
  'The account that has just this code; null = the step only leads to others.';
comment on column saldo.account_group.account_count is 'How many accounts there are.';
comment on column saldo.account_group.type is 'Their type.';
comment on column saldo.account_group.currency is 'Their currency.';
comment on column saldo.account_group.balance is
  'Sum of their balances, on the normal side of the type, exact at any moment.';
