-- Tariff versions: the price per cubic metre at reference conditions, from a date on.
--
-- Public: add_tariff_version, change_tariff_version, remove_tariff_version.
-- Each change rates again what it affects, in the same transaction or by a job (rerating.sql).
-- Locks: lock_rating, of the customer whose price it is, or of all.

create or replace function saldo_private.require_price(price numeric)
returns numeric
language plpgsql
stable
as $$
begin
  if (price > 0 and price < 1e12 and scale(trim_scale(price)) <= 6) is not true then
    perform saldo_private.fail(
      'price_invalid', format('price: %s', left(coalesce(price::text, 'none'), 40))
    );
  end if;
  return trim_scale(price);
end
$$;
comment on function saldo_private.require_price is
  'The price without trailing zeros: SB412 price_invalid.';

create or replace function saldo_private.tariff__record(version saldo.tariff_version)
returns saldo.tariff_version
language plpgsql
as $$
declare
  v_other saldo.tariff_version;
  v_version saldo.tariff_version;
begin
  select *
  into v_other
  from saldo.tariff_version as o
  where o.removed_at is null
  and o.currency = version.currency
  and o.account_id is not distinct from version.account_id
  and saldo_private.is_overlapping(
    version.effective_from, version.effective_to, o.effective_from, o.effective_to
  )
  order by o.effective_from
  limit 1;
  if v_other.id is not null then
    perform saldo_private.fail('version_overlap', format(
      'tariff version %s: price %s from %s to %s', v_other.id, v_other.price,
      v_other.effective_from, coalesce(v_other.effective_to::text, 'the next one')
    ));
  end if;
  insert into saldo.tariff_version (
    account_id, currency, price, effective_from, effective_to, supersedes, recorded_by, spanning,
    profile
  )
  values (
    version.account_id, version.currency, version.price, version.effective_from,
    version.effective_to, version.supersedes, saldo_private.actor(), version.spanning,
    case when version.spanning = 'by_profile' then version.profile end
  )
  returning * into v_version;
  return v_version;
end
$$;
comment on function saldo_private.tariff__record is 'Writes a version: SB414 version_overlap.';

create or replace function saldo_private.tariff__profile(
  spanning saldo.spanning_rule,
  profile text
)
returns text
language plpgsql
stable
as $$
begin
  if spanning <> 'by_profile' then
    return null;
  end if;
  if not exists (
    select from saldo.consumption_profile as c where c.profile = tariff__profile.profile
  ) then
    perform saldo_private.fail('not_found', format(
      'profile %s', coalesce(quote_literal(left(profile, 100)), 'none')
    ));
  end if;
  return profile;
end
$$;
comment on function saldo_private.tariff__profile is
  'The profile of a version that divides by one; null = it does not: SB007 not_found.';

create or replace function saldo_private.tariff__standing(version_id bigint)
returns saldo.tariff_version
language plpgsql
stable
as $$
declare
  v_version saldo.tariff_version;
begin
  select *
  into v_version
  from saldo.tariff_version
  where id = tariff__standing.version_id;
  if v_version.id is null then
    perform saldo_private.fail('version_not_found', format('tariff version %s', version_id));
  elsif v_version.removed_at is not null then
    perform saldo_private.fail('version_not_found', format(
      'tariff version %s was removed at %s', version_id, v_version.removed_at
    ));
  end if;
  return v_version;
end
$$;
comment on function saldo_private.tariff__standing is
  'The version, if it stands: SB415 version_not_found.';

create or replace function saldo_private.tariff__lock(version_id bigint)
returns saldo.tariff_version
language plpgsql
as $$
declare
  v_version saldo.tariff_version := saldo_private.tariff__standing(tariff__lock.version_id);
begin
  perform saldo_private.lock_rating(
    case when v_version.account_id is not null then array[v_version.account_id] end
  );
  -- Read again: only now is sure whether it still stands.
  return saldo_private.tariff__standing(tariff__lock.version_id);
end
$$;
comment on function saldo_private.tariff__lock is
  'The version, with all that its rating rests on locked: SB415 version_not_found, '
  'SB020 isolation_unsupported.';

create or replace function saldo_private.tariff__drafted(
  price numeric,
  effective_from date,
  effective_to date,
  customer_id bigint,
  currency text,
  spanning saldo.spanning_rule,
  profile text
)
returns saldo.tariff_version
language plpgsql
stable
as $$
declare
  v_version saldo.tariff_version;
  v_customer saldo.customer;
begin
  v_version.price := saldo_private.require_price(tariff__drafted.price);
  perform saldo_private.require_version_dates(
    tariff__drafted.effective_from, tariff__drafted.effective_to
  );
  v_version.effective_from := tariff__drafted.effective_from;
  v_version.effective_to := tariff__drafted.effective_to;
  v_version.spanning := coalesce(tariff__drafted.spanning, 'reading_day');
  v_version.profile := saldo_private.tariff__profile(
    v_version.spanning, tariff__drafted.profile
  );
  if tariff__drafted.customer_id is not null then
    v_customer := saldo_private.require_customer(tariff__drafted.customer_id);
    v_version.account_id := v_customer.account_id;
  end if;
  v_version.currency := coalesce(
    tariff__drafted.currency, v_customer.currency, saldo_private.setting_value('currency')
  );
  if v_version.currency !~ '^[A-Z]{3}$' or v_version.currency <> v_customer.currency then
    perform saldo_private.fail('input_invalid', format(
      'currency %L: three capital letters, those of the customer', v_version.currency
    ));
  end if;
  return v_version;
end
$$;
comment on function saldo_private.tariff__drafted is
  'A version that is not written yet: SB412 price_invalid, SB010 input_invalid, SB007 not_found '
  'for a profile, SB401 customer_not_found.';

create or replace function saldo_private.tariff__replace(
  version saldo.tariff_version,
  price numeric,
  effective_from date,
  effective_to date,
  spanning saldo.spanning_rule,
  profile text
)
returns saldo.tariff_version
language plpgsql
as $$
declare
  v_new saldo.tariff_version := version;
begin
  v_new.supersedes := version.id;
  v_new.price := coalesce(tariff__replace.price, version.price);
  v_new.effective_from := coalesce(tariff__replace.effective_from, version.effective_from);
  v_new.effective_to := coalesce(tariff__replace.effective_to, version.effective_to);
  perform saldo_private.require_version_dates(v_new.effective_from, v_new.effective_to);
  v_new.spanning := coalesce(tariff__replace.spanning, version.spanning);
  v_new.profile := saldo_private.tariff__profile(
    v_new.spanning, coalesce(tariff__replace.profile, version.profile)
  );
  update saldo.tariff_version as v
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where v.id = version.id;
  return saldo_private.tariff__record(v_new);
end
$$;
comment on function saldo_private.tariff__replace is
  'Writes another version in the place of one; null = as it was. SB010 input_invalid, '
  'SB007 not_found for a profile, SB414 version_overlap.';

create or replace function saldo.add_tariff_version(
  price numeric,
  effective_from date,
  effective_to date default null,
  customer_id bigint default null,
  currency text default null,
  spanning saldo.spanning_rule default 'reading_day',
  profile text default null
)
returns saldo.tariff_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_version saldo.tariff_version := saldo_private.tariff__drafted(
    add_tariff_version.price, add_tariff_version.effective_from,
    add_tariff_version.effective_to, add_tariff_version.customer_id,
    add_tariff_version.currency, add_tariff_version.spanning, add_tariff_version.profile
  );
begin
  perform saldo_private.lock_rating(
    case when v_version.account_id is not null then array[v_version.account_id] end
  );
  v_version := saldo_private.tariff__record(v_version);
  perform saldo_private.rate_since(
    'add_tariff_version', v_version.id, v_version.effective_from, v_version.account_id,
    v_version.currency
  );
  return v_version;
end
$$;
comment on function saldo.add_tariff_version is
  'Adds a price per Sm3 from a date on, for one customer or for all, and rates again what it '
  'affects. effective_to: last day; null = until another one begins. currency: default that of '
  'the customer, or the setting currency. spanning: what a reading costs that spans a change of '
  'price or factor: by its own day, or divided by days or by a profile (set_consumption_profile). '
  'Errors in checking order: SB412 price_invalid, SB010 input_invalid, SB007 not_found for a '
  'profile, SB401 customer_not_found, SB020 isolation_unsupported, '
  'SB414 version_overlap, SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed, '
  'and those of a posting. More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.add_tariff_version from public;
grant execute on function saldo.add_tariff_version to saldo_admin, saldo_biller;

create or replace function saldo.change_tariff_version(
  version_id bigint,
  price numeric default null,
  effective_from date default null,
  effective_to date default null,
  spanning saldo.spanning_rule default null,
  profile text default null
)
returns saldo.tariff_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_price numeric := case when change_tariff_version.price is not null
    then saldo_private.require_price(change_tariff_version.price) end;
  v_old saldo.tariff_version := saldo_private.tariff__lock(change_tariff_version.version_id);
  v_new saldo.tariff_version;
begin
  v_new := saldo_private.tariff__replace(
    v_old, v_price, change_tariff_version.effective_from, change_tariff_version.effective_to,
    change_tariff_version.spanning, change_tariff_version.profile
  );
  perform saldo_private.rate_since(
    'change_tariff_version', v_new.id, least(v_old.effective_from, v_new.effective_from),
    v_new.account_id, v_new.currency
  );
  return v_new;
end
$$;
comment on function saldo.change_tariff_version is
  'Puts another version in the place of one, which stays as history, and rates again what that '
  'affects. What is not given stays as it was. Errors in checking order: SB412 price_invalid, '
  'SB415 version_not_found, SB020 isolation_unsupported, SB010 input_invalid, '
  'SB007 not_found for a profile, SB414 version_overlap, SB004 amount_out_of_range, '
  'SB108 period_locked, SB102 account_closed, and those of a posting. More readings than '
  'rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.change_tariff_version from public;
grant execute on function saldo.change_tariff_version to saldo_admin, saldo_biller;

create or replace function saldo.remove_tariff_version(
  version_id bigint,
  rerate boolean default false
)
returns saldo.tariff_version
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_version saldo.tariff_version := saldo_private.tariff__lock(remove_tariff_version.version_id);
  v_reading_ids uuid[] := array(
    select l.reading_id
    from saldo.rated_line as l
    where l.tariff_version_id = remove_tariff_version.version_id
    and l.superseded_at is null
    union
    select l.reading_id
    from saldo.rated_line as l
    cross join lateral unnest(l.parts) as p
    where p.tariff_version_id = remove_tariff_version.version_id
    and l.superseded_at is null
    and l.parts is not null
  );
begin
  if cardinality(v_reading_ids) > 0 and rerate is not true then
    perform saldo_private.fail('version_in_use', format(
      'tariff version %s: %s rated lines', version_id, cardinality(v_reading_ids)
    ));
  end if;
  update saldo.tariff_version as v
  set removed_at = clock_timestamp(), removed_by = saldo_private.actor()
  where v.id = v_version.id
  returning * into v_version;
  perform saldo_private.rate_or_queue(
    v_reading_ids, 'remove_tariff_version', v_version.id, v_version.effective_from,
    v_version.account_id, v_version.currency
  );
  return v_version;
end
$$;
comment on function saldo.remove_tariff_version is
  'Takes a version out of use; it stays as history. rerate: rates the lines that use it again, at '
  'what applies without it. Errors in checking order: SB415 version_not_found, '
  'SB020 isolation_unsupported, SB416 version_in_use for one that rated lines use, without '
  'rerate, SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed, and those of a '
  'posting. More readings than rerate_at_once_max are left to a job, see rerating.';
revoke execute on function saldo.remove_tariff_version from public;
grant execute on function saldo.remove_tariff_version to saldo_admin, saldo_biller;
