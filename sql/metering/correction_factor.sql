-- Correction factor versions: the factor to reference conditions, from a date on.
--
-- Public: add_correction_factor, change_correction_factor, remove_correction_factor.
-- Inputs, formula, digits and rounding are stored beside the factor that they make. Each change
-- rates again what it affects, in the same transaction or by a job (rerating.sql).
-- Locks: lock_rating, of the customer whose factor it is, or of all.

create or replace function saldo_private.factor__computed(version saldo.correction_factor_version)
returns numeric
language plpgsql
immutable
as $$
begin
  if version.formula = 'fixed' then
    return saldo_private.require_condition(version.factor, 'factor', 0.0001, 1000);
  end if;
  return saldo.correction_factor(
    pressure => version.pressure,
    temperature => version.temperature,
    formula => version.formula,
    digits => version.factor_digits,
    rounding => version.rounding,
    atmospheric_pressure => version.atmospheric_pressure,
    reference_pressure => version.reference_pressure,
    reference_temperature => version.reference_temperature,
    compressibility => version.compressibility
  );
end
$$;
comment on function saldo_private.factor__computed is
  'The factor that the inputs of a version make: SB413 condition_out_of_range, '
  'SB010 input_invalid.';

create or replace function saldo_private.factor__record(version saldo.correction_factor_version)
returns saldo.correction_factor_version
language plpgsql
as $$
declare
  v_other saldo.correction_factor_version;
  v_version saldo.correction_factor_version;
begin
  select *
  into v_other
  from saldo.correction_factor_version as o
  where o.removed_at is null
  and o.account_id is not distinct from version.account_id
  and saldo_private.is_overlapping(
    version.effective_from, version.effective_to, o.effective_from, o.effective_to
  )
  order by o.effective_from
  limit 1;
  if v_other.id is not null then
    perform saldo_private.fail('version_overlap', format(
      'correction factor version %s: factor %s from %s to %s', v_other.id, v_other.factor,
      v_other.effective_from, coalesce(v_other.effective_to::text, 'the next one')
    ));
  end if;
  insert into saldo.correction_factor_version (
    account_id, formula, pressure, temperature, atmospheric_pressure, reference_pressure,
    reference_temperature, compressibility, factor, factor_digits, volume_digits, rounding,
    effective_from, effective_to, supersedes, recorded_by
  )
  values (
    version.account_id, version.formula, version.pressure, version.temperature,
    version.atmospheric_pressure, version.reference_pressure, version.reference_temperature,
    version.compressibility, version.factor, version.factor_digits, version.volume_digits,
    version.rounding, version.effective_from, version.effective_to, version.supersedes,
    saldo_private.actor()
  )
  returning * into v_version;
  return v_version;
end
$$;
comment on function saldo_private.factor__record is 'Writes a version: SB414 version_overlap.';

create or replace function saldo_private.factor__standing(version_id bigint)
returns saldo.correction_factor_version
language plpgsql
stable
as $$
declare
  v_version saldo.correction_factor_version;
begin
  select *
  into v_version
  from saldo.correction_factor_version
  where id = factor__standing.version_id;
  if v_version.id is null then
    perform saldo_private.fail('version_not_found', format('factor version %s', version_id));
  elsif v_version.removed_at is not null then
    perform saldo_private.fail('version_not_found', format(
      'factor version %s was removed at %s', version_id, v_version.removed_at
    ));
  end if;
  return v_version;
end
$$;
comment on function saldo_private.factor__standing is
  'The version, if it stands: SB415 version_not_found.';

create or replace function saldo_private.factor__lock(version_id bigint)
returns saldo.correction_factor_version
language plpgsql
as $$
declare
  v_version saldo.correction_factor_version :=
    saldo_private.factor__standing(factor__lock.version_id);
begin
  perform saldo_private.lock_rating(
    case when v_version.account_id is not null then array[v_version.account_id] end
  );
  -- Read again: only now is sure whether it still stands.
  return saldo_private.factor__standing(factor__lock.version_id);
end
$$;
comment on function saldo_private.factor__lock is
  'The version, with all that its rating rests on locked: SB415 version_not_found, '
  'SB020 isolation_unsupported.';

create or replace function saldo_private.factor__drafted(
  effective_from date,
  formula saldo.factor_formula,
  pressure numeric,
  temperature numeric,
  factor numeric,
  customer_id bigint,
  effective_to date,
  factor_digits integer,
  volume_digits integer,
  rounding saldo.rounding_rule,
  atmospheric_pressure numeric,
  reference_pressure numeric,
  reference_temperature numeric,
  compressibility numeric
)
returns saldo.correction_factor_version
language plpgsql
stable
as $$
declare
  v_new saldo.correction_factor_version;
begin
  perform saldo_private.require_version_dates(
    factor__drafted.effective_from, factor__drafted.effective_to
  );
  v_new.effective_from := factor__drafted.effective_from;
  v_new.effective_to := factor__drafted.effective_to;
  -- A meter that is off by a known factor needs no conditions, and so no formula.
  v_new.formula := coalesce(
    factor__drafted.formula,
    case when factor__drafted.factor is not null
      and num_nulls(factor__drafted.pressure, factor__drafted.temperature) = 2
      then 'fixed' else 'gas_300k' end::saldo.factor_formula
  );
  v_new.rounding := coalesce(factor__drafted.rounding, 'half_up');
  v_new.factor_digits := saldo_private.require_condition(
    factor__drafted.factor_digits, 'factor_digits', 0, 10);
  v_new.volume_digits := saldo_private.require_condition(
    factor__drafted.volume_digits, 'volume_digits', 0, 6);
  if v_new.formula = 'fixed' then
    v_new.factor := trim_scale(factor__drafted.factor);
    v_new.factor_digits := saldo_private.require_condition(
      coalesce(scale(v_new.factor), 0), 'decimals of factor', 0, 10);
  else
    v_new.pressure := factor__drafted.pressure;
    v_new.temperature := factor__drafted.temperature;
  end if;
  if v_new.formula = 'reference' then
    v_new.atmospheric_pressure := factor__drafted.atmospheric_pressure;
    v_new.reference_pressure := factor__drafted.reference_pressure;
    v_new.reference_temperature := factor__drafted.reference_temperature;
    v_new.compressibility := factor__drafted.compressibility;
  end if;
  v_new.factor := saldo_private.factor__computed(v_new);
  if factor__drafted.customer_id is not null then
    v_new.account_id :=
      (saldo_private.require_customer(factor__drafted.customer_id)).account_id;
  end if;
  return v_new;
end
$$;
comment on function saldo_private.factor__drafted is
  'A version that is not written yet: SB010 input_invalid, SB413 condition_out_of_range, '
  'SB401 customer_not_found.';

create or replace function saldo_private.factor__replace(
  version saldo.correction_factor_version,
  pressure numeric,
  temperature numeric,
  factor numeric,
  effective_from date,
  effective_to date
)
returns saldo.correction_factor_version
language plpgsql
as $$
declare
  v_new saldo.correction_factor_version := version;
begin
  v_new.supersedes := version.id;
  if version.formula = 'fixed' then
    v_new.factor := coalesce(trim_scale(factor__replace.factor), version.factor);
    v_new.factor_digits := saldo_private.require_condition(
      scale(v_new.factor), 'decimals of factor', 0, 10);
  else
    v_new.pressure := coalesce(factor__replace.pressure, version.pressure);
    v_new.temperature := coalesce(factor__replace.temperature, version.temperature);
  end if;
  v_new.effective_from := coalesce(factor__replace.effective_from, version.effective_from);
  v_new.effective_to := coalesce(factor__replace.effective_to, version.effective_to);
  perform saldo_private.require_version_dates(v_new.effective_from, v_new.effective_to);
  v_new.factor := saldo_private.factor__computed(v_new);
  update saldo.correction_factor_version as v
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where v.id = version.id;
  return saldo_private.factor__record(v_new);
end
$$;
comment on function saldo_private.factor__replace is
  'Writes another version in the place of one; null = as it was: SB010 input_invalid, '
  'SB413 condition_out_of_range, SB414 version_overlap.';

create or replace function saldo.add_correction_factor(
  effective_from date,
  formula saldo.factor_formula default null,
  pressure numeric default null,
  temperature numeric default null,
  factor numeric default null,
  customer_id bigint default null,
  effective_to date default null,
  factor_digits integer default 4,
  volume_digits integer default 3,
  rounding saldo.rounding_rule default 'half_up',
  atmospheric_pressure numeric default 1.01325,
  reference_pressure numeric default 1.01325,
  reference_temperature numeric default 27,
  compressibility numeric default 1
)
returns saldo.correction_factor_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_new saldo.correction_factor_version := saldo_private.factor__drafted(
    add_correction_factor.effective_from,
    add_correction_factor.formula,
    add_correction_factor.pressure,
    add_correction_factor.temperature,
    add_correction_factor.factor,
    add_correction_factor.customer_id,
    add_correction_factor.effective_to,
    add_correction_factor.factor_digits,
    add_correction_factor.volume_digits,
    add_correction_factor.rounding,
    add_correction_factor.atmospheric_pressure,
    add_correction_factor.reference_pressure,
    add_correction_factor.reference_temperature,
    add_correction_factor.compressibility
  );
begin
  perform saldo_private.lock_rating(
    case when v_new.account_id is not null then array[v_new.account_id] end
  );
  v_new := saldo_private.factor__record(v_new);
  perform saldo_private.rate_since(
    'add_correction_factor', v_new.id, v_new.effective_from, v_new.account_id, null
  );
  return v_new;
end
$$;
comment on function saldo.add_correction_factor is
  'Adds a correction factor from a date on, for one customer or for all, and rates again what it '
  'affects. A factor alone is fixed and needs no formula; without one the default is gas_300k. '
  'formula fixed takes factor; gas_300k takes pressure (bar, gauge) and temperature '
  '(degrees C); reference takes the reference conditions as well, see correction_factor. '
  'factor_digits: decimals of the computed factor; volume_digits: those of the volume; rounding: '
  'of both. effective_to: last day; null = until another one begins. Errors in checking order: '
  'SB010 input_invalid, SB413 condition_out_of_range, SB401 customer_not_found, '
  'SB020 isolation_unsupported, SB414 version_overlap, SB004 amount_out_of_range, '
  'SB108 period_locked, SB102 account_closed, and those of a posting. More readings than '
  'rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.add_correction_factor from public;
grant execute on function saldo.add_correction_factor to saldo_admin, saldo_biller;

create or replace function saldo.change_correction_factor(
  version_id bigint,
  pressure numeric default null,
  temperature numeric default null,
  factor numeric default null,
  effective_from date default null,
  effective_to date default null
)
returns saldo.correction_factor_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_old saldo.correction_factor_version :=
    saldo_private.factor__lock(change_correction_factor.version_id);
  v_new saldo.correction_factor_version;
begin
  v_new := saldo_private.factor__replace(
    v_old, change_correction_factor.pressure, change_correction_factor.temperature,
    change_correction_factor.factor, change_correction_factor.effective_from,
    change_correction_factor.effective_to
  );
  perform saldo_private.rate_since(
    'change_correction_factor', v_new.id, least(v_old.effective_from, v_new.effective_from),
    v_new.account_id, null
  );
  return v_new;
end
$$;
comment on function saldo.change_correction_factor is
  'Puts another version in the place of one, which stays as history, and rates again what that '
  'affects. What is not given stays as it was, formula and digits always do. Errors in checking '
  'order: SB415 version_not_found, SB020 isolation_unsupported, SB010 input_invalid, '
  'SB413 condition_out_of_range, SB414 version_overlap, SB004 amount_out_of_range, '
  'SB108 period_locked, SB102 account_closed, and those of a posting. More readings than '
  'rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.change_correction_factor from public;
grant execute on function saldo.change_correction_factor to saldo_admin, saldo_biller;

create or replace function saldo.remove_correction_factor(
  version_id bigint,
  rerate boolean default false
)
returns saldo.correction_factor_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_version saldo.correction_factor_version :=
    saldo_private.factor__lock(remove_correction_factor.version_id);
  v_reading_ids uuid[] := array(
    select l.reading_id
    from saldo.rated_line as l
    where l.factor_version_id = remove_correction_factor.version_id
    and l.superseded_at is null
    union
    select l.reading_id
    from saldo.rated_line as l
    cross join lateral unnest(l.parts) as p
    where p.factor_version_id = remove_correction_factor.version_id
    and l.superseded_at is null
    and l.parts is not null
  );
begin
  if cardinality(v_reading_ids) > 0 and rerate is not true then
    perform saldo_private.fail('version_in_use', format(
      'correction factor version %s: %s rated lines', version_id, cardinality(v_reading_ids)
    ));
  end if;
  update saldo.correction_factor_version as v
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where v.id = v_version.id
  returning * into v_version;
  perform saldo_private.rate_or_queue(
    v_reading_ids, 'remove_correction_factor', v_version.id, v_version.effective_from,
    v_version.account_id, null
  );
  return v_version;
end
$$;
comment on function saldo.remove_correction_factor is
  'Takes a version out of use; it stays as history. rerate: rates the lines that use it again, at '
  'what applies without it. Errors in checking order: SB415 version_not_found, '
  'SB020 isolation_unsupported, SB416 version_in_use for one that rated lines use, without '
  'rerate, SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed, and those of a '
  'posting. More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.remove_correction_factor from public;
grant execute on function saldo.remove_correction_factor to saldo_admin, saldo_biller;
