-- Parts of a tariff beside the price per Sm3: standing charges, tiers, a minimum take, taxes.
--
-- Public: saldo.tariff_part. Private: tariff_part_on, rounding_part_on.
-- A part counts from effective_from to effective_to, without an end until another one of its kind
-- and name begins; one of the customer comes before that of all. What they charge for a month is
-- in charge.sql; what adds and removes them, in add_tariff_part.sql.

create or replace function saldo_private.tariff_part_on(
  customer saldo.customer,
  kind saldo.tariff_part_kind,
  name text,
  day date
)
returns setof saldo.tariff_part
language sql
stable
as $$
  select p.*
  from saldo.tariff_part as p
  where coalesce(p.account_id, 0) = any (array[customer.account_id, 0])
  and p.currency = customer.currency
  and p.kind = tariff_part_on.kind
  and p.name = tariff_part_on.name
  and p.effective_from <= tariff_part_on.day
  and (p.effective_to < tariff_part_on.day) is not true
  and p.removed_at is null
  order by p.account_id nulls last, p.effective_from desc
  limit 1
$$;
comment on function saldo_private.tariff_part_on is
  'The part of that kind and name that counts for a customer on a day.';

create or replace function saldo_private.rounding_part_on(customer saldo.customer, day date)
returns setof saldo.tariff_part
language sql
stable
as $$
  select p.*
  from saldo.tariff_part as p
  where coalesce(p.account_id, 0) = any (array[customer.account_id, 0])
  and p.currency = customer.currency
  and p.kind in ('round_half_up', 'round_down')
  and p.effective_from <= rounding_part_on.day
  and (p.effective_to < rounding_part_on.day) is not true
  and p.removed_at is null
  order by p.account_id nulls last, p.effective_from desc, p.id desc
  limit 1
$$;
comment on function saldo_private.rounding_part_on is
  'How the quantity of a month that ends on a day is rounded for a customer: the last one that '
  'began, whatever its name, since a quantity is rounded once.';

select saldo_private.secure_table('saldo.tariff_part');
drop policy if exists select_all on saldo.tariff_part;
create policy select_all on saldo.tariff_part for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.tariff_part to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo.tariff_part_kind is
  'round_half_up, round_down: how the Sm3 of a month are rounded; standing_month: a price a month; '
  'standing_day: a price a day; tier: a price more or less above a volume of a month; '
  'minimum_take: a price for what a month is short of a volume; tax: percent.';
comment on table saldo.tariff_part is 'What a tariff charges beside the price per Sm3.';
comment on column saldo.tariff_part.id is 'Id, in the order of recording.';
comment on column saldo.tariff_part.kind is 'What it charges for.';
comment on column saldo.tariff_part.name is
  'What the line of the bill is called; with the kind it tells parts apart.';
comment on column saldo.tariff_part.account_id is
  'Account of the customer whose part it is; null = of all.';
comment on column saldo.tariff_part.currency is 'Currency of the price.';
comment on column saldo.tariff_part.price is
  'Price a month, a day or an Sm3, by its kind; of a tax percent; of a rounding 0.';
comment on column saldo.tariff_part.from_volume is
  'Sm3 of a month above which a tier counts, or which are the minimum take, or to whole ones of '
  'which a month is rounded; otherwise 0.';
comment on column saldo.tariff_part.target_account_id is
  'Account that a tax is credited to; null = revenue.';
comment on column saldo.tariff_part.effective_from is 'First business date on which it counts.';
comment on column saldo.tariff_part.effective_to is
  'Last business date on which it counts; null = until another one begins.';
comment on column saldo.tariff_part.recorded_at is 'When it was recorded.';
comment on column saldo.tariff_part.recorded_by is 'Who recorded it: token subject or login.';
comment on column saldo.tariff_part.removed_at is 'When it was removed; null = it stands.';
comment on column saldo.tariff_part.removed_by is
  'Who removed it: token subject or login; null = in use.';
