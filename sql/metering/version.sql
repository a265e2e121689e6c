-- Versions: what prices and correction factors have in common.
--
-- Public: saldo.tariff_version, saldo.correction_factor_version. Private: require_version_dates,
-- is_overlapping.
-- A version counts from effective_from to effective_to, without an end until another one begins.
-- One with an end may stand inside one without: that goes on after it. What else is in two places
-- at once is an overlap. Versions are never deleted: a removed one stays, and so does what used it.

create or replace function saldo_private.require_version_dates(from_date date, to_date date)
returns void
language plpgsql
stable
as $$
begin
  if (from_date between '1900-01-01' and '9999-12-31') is not true
    or to_date < from_date or to_date > '9999-12-31'
  then
    perform saldo_private.fail(
      'input_invalid', 'effective_from: from 1900 to 9999; effective_to: not before it'
    );
  end if;
end
$$;
comment on function saldo_private.require_version_dates is
  'The dates of a version: SB010 input_invalid.';

create or replace function saldo_private.is_overlapping(
  from_date date,
  to_date date,
  other_from date,
  other_to date
)
returns boolean
language sql
immutable
as $$
  select case
    when from_date < other_from then to_date >= other_from
    when from_date > other_from then other_to >= from_date
    else true
  end is true
$$;
comment on function saldo_private.is_overlapping is
  'Whether two versions begin on one day, or one begins while the other, dated to its end, lasts.';

select saldo_private.secure_table('saldo.tariff_version');
drop policy if exists select_all on saldo.tariff_version;
create policy select_all on saldo.tariff_version for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.tariff_version to saldo_admin, saldo_operator, saldo_biller;

comment on table saldo.tariff_version is 'A price per Sm3, from a date on.';
comment on column saldo.tariff_version.id is 'Id, in the order of recording.';
comment on column saldo.tariff_version.account_id is
  'Account of the customer whose price it is; null = of all.';
comment on column saldo.tariff_version.currency is
  'Currency of the price: it applies to customers with accounts in it.';
comment on column saldo.tariff_version.price is 'Price of one Sm3, in the currency.';
comment on column saldo.tariff_version.effective_from is 'First business date on which it counts.';
comment on column saldo.tariff_version.effective_to is
  'Last business date on which it counts; null = until another one begins.';
comment on column saldo.tariff_version.spanning is
  'What a reading of its time costs that spans a change of price or factor.';
comment on column saldo.tariff_version.profile is
  'Profile by which such a reading is divided; null = by none.';
comment on column saldo.tariff_version.supersedes is
  'Version in whose place it came; null = the first.';
comment on column saldo.tariff_version.recorded_at is
  'When the version was recorded; from when it counts is effective_from.';
comment on column saldo.tariff_version.recorded_by is 'Who recorded it: token subject or login.';
comment on column saldo.tariff_version.removed_at is
  'When it was superseded or removed; null = it stands.';
comment on column saldo.tariff_version.removed_by is
  'Who superseded or removed it: token subject or login; null = in use.';

select saldo_private.secure_table('saldo.correction_factor_version');
drop policy if exists select_all on saldo.correction_factor_version;
create policy select_all on saldo.correction_factor_version for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.correction_factor_version to saldo_admin, saldo_operator, saldo_biller;

comment on table saldo.correction_factor_version is
  'A factor from the volume that a meter saw to that at reference conditions, from a date on.';
comment on column saldo.correction_factor_version.id is 'Id, in the order of recording.';
comment on column saldo.correction_factor_version.account_id is
  'Account of the customer whose factor it is; null = of all.';
comment on column saldo.correction_factor_version.formula is
  'How the factor is found: given, or computed from conditions.';
comment on column saldo.correction_factor_version.pressure is
  'Gauge pressure of the line, bar; null when fixed.';
comment on column saldo.correction_factor_version.temperature is
  'Temperature of the gas, degrees C; null when fixed.';
comment on column saldo.correction_factor_version.atmospheric_pressure is
  'Atmospheric pressure, bar; of formula reference.';
comment on column saldo.correction_factor_version.reference_pressure is
  'Absolute pressure of the reference conditions, bar; of formula reference.';
comment on column saldo.correction_factor_version.reference_temperature is
  'Temperature of the reference conditions, degrees C; of formula reference.';
comment on column saldo.correction_factor_version.compressibility is
  'Compressibility at reference conditions over that of the line; of formula reference.';
comment on column saldo.correction_factor_version.factor is
  'Factor that volumes are multiplied by, rounded to factor_digits.';
comment on column saldo.correction_factor_version.factor_digits is
  'Decimals that the factor is rounded to.';
comment on column saldo.correction_factor_version.volume_digits is
  'Decimals of the volume at reference conditions.';
comment on column saldo.correction_factor_version.rounding is
  'How the factor and the volume are rounded.';
comment on column saldo.correction_factor_version.effective_from is
  'First business date on which it counts.';
comment on column saldo.correction_factor_version.effective_to is
  'Last business date on which it counts; null = until another one begins.';
comment on column saldo.correction_factor_version.supersedes is
  'Version in whose place it came; null = the first.';
comment on column saldo.correction_factor_version.recorded_at is
  'When the version was recorded; from when it counts is effective_from.';
comment on column saldo.correction_factor_version.recorded_by is
  'Who recorded it: token subject or login.';
comment on column saldo.correction_factor_version.removed_at is
  'When it was superseded or removed; null = it stands.';
comment on column saldo.correction_factor_version.removed_by is
  'Who superseded or removed it: token subject or login; null = in use.';
