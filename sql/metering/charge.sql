-- Charges: what the parts of the tariff come to for a customer and month, posted once and kept.
--
-- Public: saldo.customer_charge. Private: billed_quantity, charges_of, charge_instant,
-- charge_month.
-- Charges are computed from the rated lines that count and the parts in effect, and posted as the
-- difference to what was charged before: called again they change what has changed, and nothing
-- otherwise. A charge is never rewritten, it is superseded.
-- Each charge is rounded once, to cents; a tax is computed of the sum of the others. Where the
-- tariff rounds the quantity of a month, what that adds or takes is a charge too, at the last
-- price.
-- Locks: the caller holds those of lock_rating; here the months, then the accounts.

create or replace function saldo_private.billed_quantity(
  customer saldo.customer,
  month date,
  last_day date
)
returns table (
  volume numeric,
  amount numeric,
  last_price numeric,
  billed numeric,
  part_id bigint,
  kind saldo.tariff_part_kind,
  name text
)
language sql
stable
as $$
  select c.volume, c.amount, c.last_price,
    coalesce(p.from_volume * case p.kind
      when 'round_down' then trunc(c.volume / p.from_volume)
      else round(c.volume / p.from_volume) end, c.volume),
    p.id, p.kind, p.name
  from (
    select coalesce(sum(l.volume_sm3), 0) as volume, coalesce(sum(l.amount), 0) as amount,
      (array_agg(coalesce((l.parts[cardinality(l.parts)]).price, l.price) order by r.read_at desc)
        filter (where not l.is_withdrawn))[1] as last_price
    from saldo.rated_line as l
    join saldo.reading as r on r.account_id = l.account_id and r.id = l.reading_id
    where l.account_id = customer.account_id
    and l.month = billed_quantity.month
    and l.superseded_at is null
  ) as c
  left join saldo_private.rounding_part_on(customer, billed_quantity.last_day) as p on true
$$;
comment on function saldo_private.billed_quantity is
  'The Sm3 of a customer and month, what they cost, the price of the last reading, and the Sm3 '
  'that are billed, with the part of the tariff that rounds them; null where none does.';

create or replace function saldo_private.charges_of(customer saldo.customer, month date)
returns setof saldo_private.charge
language sql
stable
as $$
  with stay as (
    select
      greatest(min(saldo_private.business_date(m.installed_at)), charges_of.month) as first_day,
      least(max(coalesce(saldo_private.business_date(m.removed_at), 'infinity')),
        (charges_of.month + interval '1 month - 1 day')::date) as last_day
    from saldo.meter as m
    where m.account_id = customer.account_id
    having count(*) > 0
  ),
  consumed as (
    select q.volume, q.amount, q.last_price, q.billed, q.part_id, q.kind, q.name
    from stay as s
    cross join saldo_private.billed_quantity(customer, charges_of.month, s.last_day) as q
    where s.first_day <= s.last_day
  ),
  known as (
    select distinct p.kind, p.name
    from saldo.tariff_part as p
    where coalesce(p.account_id, 0) = any (array[customer.account_id, 0])
    and p.currency = customer.currency
    and p.removed_at is null
    and p.kind not in ('round_half_up', 'round_down')
  ),
  measured as (
    select c.part_id as id, c.kind, c.name, c.last_price as price,
      null::bigint as target_account_id, c.billed - c.volume as quantity
    from consumed as c
    where c.part_id is not null
    union all
    select p.id, p.kind, p.name, p.price, p.target_account_id, case p.kind
        when 'standing_month' then 1
        when 'tier' then greatest(c.billed - p.from_volume, 0)
        when 'minimum_take' then greatest(p.from_volume - c.billed, 0)
      end as quantity
    from stay as s
    cross join consumed as c
    cross join known as k
    cross join lateral saldo_private.tariff_part_on(customer, k.kind, k.name, s.last_day) as p
    where k.kind <> 'standing_day'
    union all
    select p.id, p.kind, p.name, p.price, p.target_account_id, count(*)
    from stay as s
    cross join known as k
    cross join generate_series(s.first_day, s.last_day, interval '1 day') as d (day)
    cross join lateral saldo_private.tariff_part_on(customer, k.kind, k.name, d.day::date) as p
    where k.kind = 'standing_day'
    and s.first_day <= s.last_day
    group by p.id, p.kind, p.name, p.price, p.target_account_id
  ),
  taxed as (
    select c.amount + coalesce(sum(round(m.quantity * m.price, 2)), 0) as amount
    from consumed as c
    left join measured as m on m.kind <> 'tax'
    group by c.amount
  )
  select m.id, m.kind, m.name, trim_scale(q.quantity), m.price, trim_scale(q.amount),
    m.target_account_id
  from measured as m
  cross join taxed as t
  cross join lateral (
    select case when m.kind = 'tax' then t.amount else m.quantity end as quantity,
      case when m.kind = 'tax' then round(t.amount * m.price / 100, 2)
        else round(m.quantity * m.price, 2) end as amount
  ) as q
  where q.amount <> 0
  order by m.kind, m.name, m.id
$$;
comment on function saldo_private.charges_of is
  'What the parts of the tariff charge a customer for a month: those in effect on its last day, or '
  'the last one with a meter; a standing charge by the day for each day with a meter.';

create or replace function saldo_private.charge_instant(month date)
returns timestamptz
language sql
stable
as $$
  select least(now(), saldo_private.day_begins_at(
    (charge_instant.month + interval '1 month')::date) - interval '1 second')
$$;
comment on function saldo_private.charge_instant is
  'When the charges of a month happen: at its end, or now where it is not over.';

create or replace function saldo_private.charge_month__due(account_ids bigint[], month date)
returns saldo.customer_charge[]
language sql
as $$
  select array(
    select jsonb_populate_record(null::saldo.customer_charge, jsonb_build_object(
      'account_id', c.account_id,
      'id', saldo_private.uuid_v7(),
      'month', charge_month__due.month,
      'part_id', n.part_id,
      'kind', n.kind,
      'name', n.name,
      'quantity', n.quantity,
      'price', n.price,
      'amount', n.amount,
      'target_account_id', coalesce(n.target_account_id, revenue.id)
    ))
    from saldo.customer as c
    join saldo.account as revenue on revenue.code = 'revenue:' || c.currency
    cross join lateral saldo_private.charges_of(c, charge_month__due.month) as n
    where c.account_id = any (account_ids)
  )
$$;
comment on function saldo_private.charge_month__due is
  'What has to stand for these customers and a month.';

create or replace function saldo_private.charge_month__difference(
  due saldo.customer_charge[],
  account_ids bigint[],
  month date
)
returns saldo.customer_charge[]
language sql
stable
as $$
  select array(
    select jsonb_populate_record(null::saldo.customer_charge, jsonb_build_object(
      'account_id', side.account_id,
      'target_account_id', side.target_account_id,
      'amount', sum(side.sign) * side.amount
    ))
    from (
      select d.account_id, d.part_id, d.kind, d.name, d.quantity, d.price, d.amount,
        d.target_account_id, 1 as sign
      from unnest(due) as d
      union all
      select o.account_id, o.part_id, o.kind, o.name, o.quantity, o.price, o.amount,
        o.target_account_id, -1
      from saldo.customer_charge as o
      where o.account_id = any (account_ids)
      and o.month = charge_month__difference.month
      and o.superseded_at is null
    ) as side
    group by side.account_id, side.part_id, side.kind, side.name, side.quantity, side.price,
      side.amount, side.target_account_id
    having sum(side.sign) <> 0
  )
$$;
comment on function saldo_private.charge_month__difference is
  'What has to stand less what stands, by account and target: nothing of a customer where each '
  'charge is as it was.';

create or replace function saldo_private.charge_month__post(
  difference saldo.customer_charge[],
  month date
)
returns void
language plpgsql
as $$
declare
  v_actor text := saldo_private.actor();
  v_day saldo_private.dated_day := (saldo_private.posting_days_of(array[
    saldo_private.charge_instant(charge_month__post.month)
  ]))[1];
begin
  perform saldo_private.leave_moves_to_trigger();
  with posting as materialized (
    select saldo_private.uuid_v7() as id, d.account_id, d.target_account_id, sum(d.amount) as amount
    from unnest(difference) as d
    group by d.account_id, d.target_account_id
    having sum(d.amount) <> 0
  ),
  entry as (
    insert into saldo.journal_entry (
      id, kind, occurred_at, posting_date, origin_month, description, source, metadata, line_count,
      posted_at, posted_by, posted_in
    )
    select p.id, case when v_day.origin_month is null then 'normal' else 'adjustment' end
        ::saldo.entry_kind,
      v_day.occurred_at, v_day.posting_date, v_day.origin_month,
      'Charges for ' || to_char(charge_month__post.month, 'YYYY-MM'), 'charge',
      jsonb_build_object('month', to_char(charge_month__post.month, 'YYYY-MM')), 2,
      clock_timestamp(), v_actor, pg_current_xact_id()
    from posting as p
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select side.account_id, v_day.posting_date, p.id, side.line_no,
    greatest(side.sign * p.amount, 0), greatest(-side.sign * p.amount, 0)
  from posting as p
  cross join lateral (values (p.account_id, 1, 1), (p.target_account_id, 2, -1))
    as side (account_id, line_no, sign);
end
$$;
-- What has this source is what charges come to: the rule compares the two.
select saldo_private.describe_source('charge');
comment on function saldo_private.charge_month__post is
  'Posts the difference: an entry for each customer and account that it is credited to.';

create or replace function saldo_private.charge_month(account_ids bigint[], month date)
returns integer
language plpgsql
as $$
declare
  v_due saldo.customer_charge[];
  v_difference saldo.customer_charge[];
  v_changed_ids bigint[];
begin
  -- In a statement of its own: the account may have to be opened.
  perform saldo_private.system_account('revenue', c.currency)
  from (
    select distinct each.currency
    from saldo.customer as each
    where each.account_id = any (account_ids)
  ) as c;
  v_due := saldo_private.charge_month__due(account_ids, charge_month.month);
  v_difference := saldo_private.charge_month__difference(
    v_due, account_ids, charge_month.month
  );
  v_changed_ids := array(select distinct d.account_id from unnest(v_difference) as d);
  perform saldo_private.charge_month__post(v_difference, charge_month.month)
  where cardinality(v_changed_ids) > 0;

  update saldo.customer_charge as c
  set superseded_at = clock_timestamp()
  where c.account_id = any (v_changed_ids)
  and c.month = charge_month.month
  and c.superseded_at is null;
  insert into saldo.customer_charge (
    account_id, id, month, part_id, kind, name, quantity, price, amount, target_account_id,
    charged_by
  )
  select d.account_id, d.id, d.month, d.part_id, d.kind, d.name, d.quantity, d.price, d.amount,
    d.target_account_id, saldo_private.actor()
  from unnest(v_due) as d
  where d.account_id = any (v_changed_ids);
  return cardinality(v_changed_ids);
end
$$;
comment on function saldo_private.charge_month is
  'Brings the charges of these customers and a month up to date, in a handful of statements '
  'whatever their number: of how many any changed. The caller holds the locks of lock_rating. '
  'Errors: SB108 period_locked, SB102 account_closed, and those of a posting.';

select saldo_private.secure_table('saldo.customer_charge');
drop policy if exists select_all on saldo.customer_charge;
create policy select_all on saldo.customer_charge for select
  to saldo_admin, saldo_operator, saldo_biller using (true);
grant select on saldo.customer_charge to saldo_admin, saldo_operator, saldo_biller;

comment on type saldo_private.charge is 'What a part of the tariff charges for a month.';
comment on table saldo.customer_charge is
  'What a part of the tariff charged a customer for a month. A changed one is superseded.';
comment on column saldo.customer_charge.account_id is 'Deposit account of the customer.';
comment on column saldo.customer_charge.id is 'Id, version 7: ordered by time.';
comment on column saldo.customer_charge.month is 'Month that is charged, its first day.';
comment on column saldo.customer_charge.part_id is 'Part of the tariff.';
comment on column saldo.customer_charge.kind is 'Kind of the part.';
comment on column saldo.customer_charge.name is 'What the line of the bill is called.';
comment on column saldo.customer_charge.quantity is
  'Months, days or Sm3 that are charged; of a tax the amount that it is of.';
comment on column saldo.customer_charge.price is 'Price of one; of a tax percent.';
comment on column saldo.customer_charge.amount is 'quantity times price, rounded once to cents.';
comment on column saldo.customer_charge.target_account_id is
  'Account that it is credited to: revenue, or that of the tax.';
comment on column saldo.customer_charge.charged_at is 'When it was charged.';
comment on column saldo.customer_charge.charged_by is 'Who charged it: token subject or login.';
comment on column saldo.customer_charge.superseded_at is
  'When another computation took its place; null = it stands.';
