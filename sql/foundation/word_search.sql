-- Search by the beginnings of words, as the lists of a console have it.
--
-- Private: word_query.
-- Whatever somebody types is a question, never a syntax: signs stand between words, and of a long
-- text only the beginning counts.

create or replace function saldo_private.word_query(search text)
returns tsquery
language sql
immutable
as $$
  select to_tsquery('simple', coalesce(string_agg(quote_literal(w.word) || ':*', ' & '), ''))
  from regexp_split_to_table(lower(left(search, 200)), '[\s!-/:-@[-`{-~]+') as w (word)
  where w.word <> ''
$$;
comment on function saldo_private.word_query is
  'Asks for texts in which a word begins with each of these words; without words for none.';
revoke execute on function saldo_private.word_query from public;
grant execute on function saldo_private.word_query
  to saldo_admin, saldo_operator, saldo_biller, saldo_cashier, saldo_app;
