-- What a change of price or factor would change, told before it is made.
--
-- Public: preview_tariff_version, preview_correction_factor. Private: preview_rating,
-- preview_rating_since.
-- The version is written, the readings are rated by it, nothing is posted, and all is undone. No
-- lock of lock_rating is taken: what comes meanwhile is not in it, and nobody waits for somebody
-- who only looks.

create or replace function saldo_private.preview_rating(lines saldo.rated_line[])
returns setof saldo.rating_preview
language sql
stable
as $$
  with line as (
    select c.currency, c.id as customer_id, l.month::date as month, l.amount_change,
      l.volume_change, l.amount::numeric as amount
    from unnest(lines) as l
    join saldo.customer as c on c.account_id = l.account_id
  ), figure as (
    select l.currency, l.customer_id, l.month, grouping(l.month) as is_of_all_months,
      count(*) as reading_count, sum(l.amount - l.amount_change) as amount_before,
      sum(l.amount) as amount_after, sum(l.amount_change) as amount_change,
      sum(l.volume_change) as volume_change,
      row_number() over (
        partition by l.currency, grouping(l.customer_id, l.month)
        order by abs(sum(l.amount_change)) desc, l.customer_id
      ) as place
    from line as l
    group by grouping sets ((l.currency), (l.currency, l.month), (l.currency, l.customer_id))
  )
  select f.currency, f.customer_id, c.code, c.name, f.month,
    f.month <= saldo_private.closed_through(), f.reading_count, f.amount_before, f.amount_after,
    f.amount_change, f.volume_change
  from figure as f
  left join saldo.customer as c on c.id = f.customer_id
  where f.customer_id is null
  or f.place <= 100
  order by f.currency, f.customer_id is not null, f.is_of_all_months desc, f.month, f.place
$$;
comment on function saldo_private.preview_rating is
  'What these lines, not posted yet, change: in all, by month, and for the 100 customers for whom '
  'it is most.';

create or replace function saldo_private.preview_rating_since(
  first_date date,
  account_id bigint,
  currency text
)
returns saldo.rating_preview[]
language plpgsql
as $$
begin
  perform saldo_private.queue_rerating__check(first_date, account_id, currency);
  return array(
    select p
    from saldo_private.preview_rating(array(
      select change
      from saldo_private.rating_change(
        saldo_private.readings_since(first_date, account_id, currency)
      ) as change
    )) as p
  );
end
$$;
comment on function saldo_private.preview_rating_since is
  'preview_rating of the readings from a business date on, by the versions that stand now: '
  'SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed.';

create or replace function saldo.preview_tariff_version(
  price numeric default null,
  effective_from date default null,
  effective_to date default null,
  customer_id bigint default null,
  currency text default null,
  version_id bigint default null
)
returns setof saldo.rating_preview
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_preview saldo.rating_preview[];
  v_price numeric := case when price is not null or version_id is null
    then saldo_private.require_price(preview_tariff_version.price) end;
  v_old saldo.tariff_version;
  v_new saldo.tariff_version;
begin
  begin
    if preview_tariff_version.version_id is null then
      v_new := saldo_private.tariff__record(saldo_private.tariff__drafted(
        v_price, preview_tariff_version.effective_from, preview_tariff_version.effective_to,
        preview_tariff_version.customer_id, preview_tariff_version.currency, null, null
      ));
    else
      v_old := saldo_private.tariff__standing(preview_tariff_version.version_id);
      v_new := saldo_private.tariff__replace(
        v_old, v_price, preview_tariff_version.effective_from,
        preview_tariff_version.effective_to, null, null
      );
    end if;
    v_preview := saldo_private.preview_rating_since(
      least(v_old.effective_from, v_new.effective_from), v_new.account_id, v_new.currency
    );
    perform saldo_private.fail('input_invalid', 'preview');
  exception
    -- The line above ends what was tried: all is undone but what was found.
    when sqlstate 'SB010' then
      if v_preview is null then
        raise;
      end if;
  end;
  return query
  select p.currency, p.customer_id, p.customer_code, p.customer_name, p.month, p.is_closed,
    p.reading_count, p.amount_before, p.amount_after, p.amount_change, p.volume_change
  from unnest(v_preview) as p;
end
$$;
comment on function saldo.preview_tariff_version is
  'Tells what add_tariff_version, or with version_id change_tariff_version, would do to readings '
  'that are there, and changes nothing: in all of a currency (month and customer null), by month, '
  'and for the 100 customers whose bill would change most. It takes about as long as the rating '
  'itself. Errors in checking order: SB412 price_invalid, SB415 version_not_found, '
  'SB010 input_invalid, SB401 customer_not_found, SB414 version_overlap, '
  'SB004 amount_out_of_range, SB108 period_locked, SB102 account_closed.';
revoke execute on function saldo.preview_tariff_version from public;
grant execute on function saldo.preview_tariff_version to saldo_admin, saldo_biller;

create or replace function saldo.preview_correction_factor(
  effective_from date default null,
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
  compressibility numeric default 1,
  version_id bigint default null
)
returns setof saldo.rating_preview
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_preview saldo.rating_preview[];
  v_old saldo.correction_factor_version;
  v_new saldo.correction_factor_version;
begin
  begin
    if preview_correction_factor.version_id is null then
      v_new := saldo_private.factor__record(saldo_private.factor__drafted(
        preview_correction_factor.effective_from,
        preview_correction_factor.formula,
        preview_correction_factor.pressure,
        preview_correction_factor.temperature,
        preview_correction_factor.factor,
        preview_correction_factor.customer_id,
        preview_correction_factor.effective_to,
        preview_correction_factor.factor_digits,
        preview_correction_factor.volume_digits,
        preview_correction_factor.rounding,
        preview_correction_factor.atmospheric_pressure,
        preview_correction_factor.reference_pressure,
        preview_correction_factor.reference_temperature,
        preview_correction_factor.compressibility
      ));
    else
      v_old := saldo_private.factor__standing(preview_correction_factor.version_id);
      v_new := saldo_private.factor__replace(
        v_old, preview_correction_factor.pressure, preview_correction_factor.temperature,
        preview_correction_factor.factor, preview_correction_factor.effective_from,
        preview_correction_factor.effective_to
      );
    end if;
    v_preview := saldo_private.preview_rating_since(
      least(v_old.effective_from, v_new.effective_from), v_new.account_id, null
    );
    perform saldo_private.fail('input_invalid', 'preview');
  exception
    -- As above.
    when sqlstate 'SB010' then
      if v_preview is null then
        raise;
      end if;
  end;
  return query
  select p.currency, p.customer_id, p.customer_code, p.customer_name, p.month, p.is_closed,
    p.reading_count, p.amount_before, p.amount_after, p.amount_change, p.volume_change
  from unnest(v_preview) as p;
end
$$;
comment on function saldo.preview_correction_factor is
  'Tells what add_correction_factor, or with version_id change_correction_factor, would do to '
  'readings that are there, and changes nothing: as preview_tariff_version. Errors in checking '
  'order: SB415 version_not_found, SB010 input_invalid, SB413 condition_out_of_range, '
  'SB401 customer_not_found, SB414 version_overlap, SB004 amount_out_of_range, '
  'SB108 period_locked, SB102 account_closed.';
revoke execute on function saldo.preview_correction_factor from public;
grant execute on function saldo.preview_correction_factor to saldo_admin, saldo_biller;

comment on type saldo.rating_preview is
  'What a change of price, factor or tariff part would do to bills: of a month, of a customer, or '
  'of all.';
comment on column saldo.rating_preview.currency is 'Currency of the amounts.';
comment on column saldo.rating_preview.customer_id is 'Customer; null = all.';
comment on column saldo.rating_preview.customer_code is 'Code of the customer; null = all.';
comment on column saldo.rating_preview.customer_name is 'Name of the customer; null = all.';
comment on column saldo.rating_preview.month is 'First day of the month; null = all months.';
comment on column saldo.rating_preview.is_closed is
  'Whether the month is closed, so that its difference is posted on the first open day.';
comment on column saldo.rating_preview.reading_count is
  'Readings whose rating would change; for a part of the tariff, charged months of customers.';
comment on column saldo.rating_preview.amount_before is 'What they cost now.';
comment on column saldo.rating_preview.amount_after is 'What they would cost.';
comment on column saldo.rating_preview.amount_change is
  'How much more they would cost; negative = less.';
comment on column saldo.rating_preview.volume_change is 'How much more Sm3 they would be.';
