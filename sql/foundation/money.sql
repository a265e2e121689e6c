-- Amounts and texts as they come in: refused with a clear code, never rounded, cut or guessed.
--
-- Private: no_amount, require_amount, require_amount_text, require_text, require_line.

create or replace function saldo_private.no_amount()
returns saldo.amount
language sql
immutable
parallel safe
as $$
  select 0::saldo.amount
$$;
comment on function saldo_private.no_amount is
  'Zero as an amount: a plan holds it as that, where a 0 is checked by the domain at each posting.';

create or replace function saldo_private.require_amount(amount numeric)
returns numeric
language plpgsql
stable
as $$
begin
  -- NaN is greater than every number and equal to itself: it must be named.
  if amount > 0 and amount < 1e15 and scale(amount) <= 2 then
    return trim_scale(amount);
  end if;

  if amount is null or amount <= 0 or amount in ('NaN', 'Infinity') then
    perform saldo_private.fail(
      'amount_invalid', format('amount: %s', coalesce(amount::text, 'none'))
    );
  elsif amount >= 1e15 then
    perform saldo_private.fail(
      'amount_out_of_range', format('digits: %s', length(trunc(amount)::text))
    );
  end if;
  -- As written: 250.000 is 250,000 to many who write it, and zeros of a computed figure are noise
  -- that a next figure need not have.
  perform saldo_private.fail('amount_scale', format('amount: %s', left(amount::text, 40)));
end
$$;
comment on function saldo_private.require_amount is
  'The amount without trailing zeros. Errors in this order: SB002 amount_invalid for none, zero, '
  'negative, NaN and infinite, SB004 amount_out_of_range from 10^15 on, SB003 amount_scale for '
  'more than 2 decimals written, zeros included.';

create or replace function saldo_private.require_amount_text(amount text)
returns numeric
language plpgsql
stable
as $$
begin
  -- What a numeric literal may be differs between server versions ("0x10", "1_000").
  if amount is null or amount !~ '^-?[0-9]+(\.[0-9]+)?$' then
    perform saldo_private.fail('amount_invalid', format('amount: %L', left(amount, 40)));
  elsif length(amount) > 40 then
    perform saldo_private.fail('amount_out_of_range', format('length: %s', length(amount)));
  end if;
  return saldo_private.require_amount(amount::numeric);
end
$$;
comment on function saldo_private.require_amount_text is
  'An amount that comes as text, in JSON say: plain decimal digits, then as require_amount.';

create or replace function saldo_private.require_text(
  value text,
  what text,
  max_length integer default 500
)
returns text
language plpgsql
stable
as $$
declare
  v_value text;
begin
  if value is null or value ~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]' then
    perform saldo_private.fail(
      case when value is null then 'input_invalid' else 'text_invalid' end, what
    );
  end if;
  v_value := btrim(normalize(value, nfc));
  if length(v_value) not between 1 and max_length then
    perform saldo_private.fail('text_too_long', format('%s: 1 to %s characters', what, max_length));
  end if;
  return v_value;
end
$$;
comment on function saldo_private.require_text is
  'The text in normal form C without blanks at its ends. Errors in this order: '
  'SB010 input_invalid for none, SB008 text_invalid for control characters, SB009 text_too_long '
  'for an empty or too long one.';

create or replace function saldo_private.require_line(
  value text,
  what text,
  max_length integer default 200
)
returns text
language plpgsql
stable
as $$
declare
  v_value text := saldo_private.require_text(value, what, max_length);
begin
  -- Tabs, ends of lines, marks of direction, and what has no width: none is seen, and all of them
  -- make one code look like another.
  if v_value ~ '[\u0009-\u000D\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]' then
    perform saldo_private.fail('text_invalid', format('%s: one line, without marks', what));
  end if;
  return v_value;
end
$$;
comment on function saldo_private.require_line is
  'A code or a name: as require_text, and one line without marks of direction. Errors in this '
  'order: SB010 input_invalid, SB008 text_invalid for control characters, SB009 text_too_long, '
  'SB008 text_invalid for more than a line.';

comment on domain saldo.amount is
  'An amount of money in units of its account''s currency: exact, at most 2 decimals, below 10^15.';
comment on domain saldo.total is
  'A sum of amounts: exact, at most 2 decimals, below 10^21.';
comment on domain saldo.held_total is 'A sum of holds: a total that is never negative.';
