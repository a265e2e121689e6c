-- Correction: from the volume that a meter saw to the volume at reference conditions.
--
-- Public: correction_factor. Private: rounded, require_condition.
-- Numeric throughout, with one division at the end, so that every server version and every reader
-- with pencil and paper gets the same digits.

create or replace function saldo_private.rounded(
  value numeric,
  digits integer,
  rounding saldo.rounding_rule
)
returns numeric
language sql
immutable
as $$
  select case rounding when 'down' then trunc(value, digits) else round(value, digits) end
$$;
comment on function saldo_private.rounded is
  'The value with that many decimals; half_up: halves away from zero.';

create or replace function saldo_private.require_condition(
  value numeric,
  what text,
  lowest numeric,
  highest numeric
)
returns numeric
language plpgsql
immutable
as $$
begin
  -- NaN is above every number, and null is no answer at all.
  if (value between lowest and highest) is not true then
    perform saldo_private.fail('condition_out_of_range', format(
      '%s: %s to %s, not %s', what, lowest, highest, coalesce(value::text, 'none')
    ));
  end if;
  return value;
end
$$;
comment on function saldo_private.require_condition is
  'The value, if it is within range: SB413 condition_out_of_range.';

create or replace function saldo.correction_factor(
  pressure numeric,
  temperature numeric,
  formula saldo.factor_formula default 'gas_300k',
  digits integer default 4,
  rounding saldo.rounding_rule default 'half_up',
  atmospheric_pressure numeric default 1.01325,
  reference_pressure numeric default 1.01325,
  reference_temperature numeric default 27,
  compressibility numeric default 1
)
returns numeric
language plpgsql
immutable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_factor numeric;
begin
  perform saldo_private.require_condition(correction_factor.pressure, 'pressure (bar, gauge)', 0,
    100);
  perform saldo_private.require_condition(correction_factor.temperature, 'temperature (degrees C)',
    -50, 100);
  perform saldo_private.require_condition(correction_factor.digits, 'digits', 0, 10);
  if formula = 'gas_300k' then
    v_factor := (pressure + 1.01325) * 300 * (1 + 0.002 * pressure)
      / (1.01325 * (273 + temperature));
  elsif formula = 'reference' then
    perform saldo_private.require_condition(
      correction_factor.atmospheric_pressure, 'atmospheric pressure (bar)', 0.5, 1.2);
    perform saldo_private.require_condition(
      correction_factor.reference_pressure, 'reference pressure (bar, absolute)', 0.5, 2);
    perform saldo_private.require_condition(
      correction_factor.reference_temperature, 'reference temperature (degrees C)', -50, 100);
    perform saldo_private.require_condition(
      correction_factor.compressibility, 'compressibility', 0.1, 10);
    v_factor := (pressure + atmospheric_pressure) * (273.15 + reference_temperature)
      * compressibility / (reference_pressure * (273.15 + temperature));
  else
    perform saldo_private.fail('input_invalid', 'formula: gas_300k or reference');
  end if;
  -- Few digits may round it away, and nothing would be billed any more.
  return saldo_private.require_condition(
    saldo_private.rounded(v_factor, digits, coalesce(rounding, 'half_up')), 'factor, rounded',
    0.0001, 10000
  );
end
$$;
comment on function saldo.correction_factor is
  'Factor from a volume at gauge pressure p (bar) and temperature t (degrees C) to reference '
  'conditions. gas_300k: (p + 1.01325)/1.01325 x 300/(273 + t) x (1 + 0.002 p). reference: (p + '
  'atmospheric pressure)/reference pressure x (273.15 + reference temperature)/(273.15 + t) x '
  'compressibility, the ratio of that at reference conditions to that of the line. Rounded once. '
  'Errors: SB413 condition_out_of_range for a condition out of range or a factor that is rounded '
  'to 0, SB010 input_invalid for another formula.';
revoke execute on function saldo.correction_factor from public;
grant execute on function saldo.correction_factor to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.factor_formula is
  'fixed: a factor as given; gas_300k: by gauge pressure and temperature, at 300 kelvin and 1 '
  'atmosphere; reference: by stated reference conditions.';
comment on type saldo.rounding_rule is
  'half_up: to the nearest, halves away from zero; down: towards zero.';
