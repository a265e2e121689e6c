-- Everything belongs to saldo_owner, whoever the login is.
set local role saldo_owner;

-- ledger: what follows the lines of an account

create table saldo_private.account_follower (
  account_id bigint primary key references saldo.account (id),
  follower text not null
);

-- metering: monthly totals of customers, stored

create table saldo.customer_month_total (
  account_id bigint not null references saldo.customer (account_id),
  month saldo.month_start not null,
  deposits numeric not null default 0,
  purchases numeric not null default 0,
  deposit_adjustments numeric not null default 0,
  purchase_adjustments numeric not null default 0,
  others numeric not null default 0,
  volume_sm3 numeric not null default 0,
  volume_adjustments numeric not null default 0,
  last_calculated_at timestamptz not null default clock_timestamp(),
  primary key (account_id, month)
);

create type saldo.monthly_balance_action as enum ('missing', 'differs', 'surplus', 'same');
create type saldo.monthly_balance_change as (
  customer_id bigint,
  account_id bigint,
  month date,
  action saldo.monthly_balance_action,
  stored jsonb,
  derived jsonb,
  plan_hash text
);
create type saldo.monthly_balance_comparison as (
  month_count bigint,
  difference_count bigint,
  differences saldo.monthly_balance_change[]
);
create type saldo.metering_status as (
  customer_count bigint,
  meter_count bigint,
  reading_count bigint,
  unrated_count bigint,
  provisional_count bigint,
  month_count bigint,
  last_calculated_at timestamptz
);

-- What is there already, before anything guards the table. Writers wait until this is committed:
-- a line that came in between would be in no total.
lock table saldo.journal_line, saldo.rated_line in share row exclusive mode;
insert into saldo_private.account_follower (account_id, follower)
select account_id, 'customer_month' from saldo.customer;
insert into saldo.customer_month_total (
  account_id, month, deposits, purchases, deposit_adjustments, purchase_adjustments, others,
  volume_sm3, volume_adjustments
)
select part.account_id, part.month,
  coalesce(sum(part.change) filter (where part.source = 'deposit' and not part.is_late), 0),
  coalesce(-sum(part.change) filter (where part.source = 'rating' and not part.is_late), 0),
  coalesce(sum(part.change) filter (where part.source = 'deposit' and part.is_late), 0),
  coalesce(-sum(part.change) filter (where part.source = 'rating' and part.is_late), 0),
  coalesce(sum(part.change) filter (where part.source not in ('deposit', 'rating')), 0),
  coalesce(sum(part.volume_change) filter (where not part.is_late), 0),
  coalesce(sum(part.volume_change) filter (where part.is_late), 0)
from (
  select l.account_id, date_trunc('month', l.posting_date::timestamp)::date as month,
    coalesce(reversed.source, e.source, '') as source, e.origin_month is not null as is_late,
    l.credit - l.debit as change, 0 as volume_change
  from saldo.journal_line as l
  join saldo.customer as c on c.account_id = l.account_id
  join saldo.journal_entry as e on e.id = l.entry_id
  left join saldo.journal_entry as reversed on reversed.id = e.reverses
  union all
  select r.account_id, date_trunc('month', r.posting_date::timestamp)::date, 'rating',
    r.month <> date_trunc('month', r.posting_date::timestamp)::date, 0, r.volume_change
  from saldo.rated_line as r
  where r.volume_change <> 0
) as part
group by part.account_id, part.month;

-- The logic, room after room.
--!include index.sql

reset role;
