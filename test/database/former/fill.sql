-- Data of all rooms, made through the public functions, so that it is what users have. Run by
-- make_dump.sh on a database of the former chain's last commit.

set datestyle = 'iso, ymd';
set client_min_messages = warning;

-- ledger
select saldo.open_account(code, code, type::saldo.account_type)
from (values ('cash', 'asset'), ('sales', 'revenue'), ('rent', 'expense'), ('capital', 'equity'),
  ('suspense', 'liability')) as a (code, type);

create function pg_temp.account(code text) returns bigint language sql
  return (select id from saldo.account as a where a.code = account.code);

select saldo.transfer(pg_temp.account('cash'), pg_temp.account('capital'), 5000000, 'capital',
  'first', '2025-10-01 09:00+07');
select saldo.transfer(pg_temp.account('rent'), pg_temp.account('cash'), 1000 * n + 0.25, 'rent',
  null, '2025-10-01 09:00+07'::timestamptz + n * interval '4 days')
from generate_series(1, 20) as n;
select saldo.reverse_entry(id, 'a mistake')
from saldo.journal_entry where description = 'rent' order by id limit 1;

-- wallet: buying from shelves, one purchase pending, one failed, one refunded
select saldo.create_member('member' || n, 'Member ' || n) from generate_series(1, 3) as n;
select saldo.top_up(id, 1000000, 'top up ' || id, '2025-11-16 05:44+07') from saldo.member;
select saldo.create_product('voucher', 'Voucher', 50000),
  saldo.create_product('shelf', 'On the shelf', 75000, is_stock_tracked => true);
select saldo.add_stock_items((select id from saldo.product where code = 'shelf'),
  array['code-1', 'code-2', 'code-3', 'code-4', 'code-5']);
create function pg_temp.buy(member text, product text, hold boolean default false,
  quantity integer default 1) returns uuid language sql
  return (select (saldo.purchase_with_balance_deduction(m.id, p.id, p.price * quantity, quantity,
    hold_only => hold)).id from saldo.member as m, saldo.product as p
    where m.code = member and p.code = product);
select pg_temp.buy('member1', 'voucher'), pg_temp.buy('member1', 'shelf', quantity => 2),
  pg_temp.buy('member2', 'voucher', quantity => 3);
select saldo.refund_purchase(pg_temp.buy('member3', 'voucher'), 'changed their mind');
select saldo.complete_purchase(pg_temp.buy('member2', 'voucher', true));
select saldo.fail_purchase(pg_temp.buy('member2', 'voucher', true), 'the provider refused');
select pg_temp.buy('member3', 'voucher', true);

-- hot: settled rows, pending ones, holds in each state
select saldo.open_account('fund', 'Fund', 'liability', min_balance => 0, mode => 'hot', slots => 4);
select saldo.transfer(pg_temp.account('cash'), pg_temp.account('fund'), 1000000);
select saldo.settle_sub_balances();
select saldo.submit_transaction(pg_temp.account('fund'), 100 + n, 'debit', pg_temp.account('cash'),
  'row ' || n) from generate_series(1, 40) as n;
select saldo.settle_sub_balances();
select saldo.capture_hold((saldo.place_hold(pg_temp.account('fund'), 5000,
  counter_account_id => pg_temp.account('cash'))).id, 3000);
select saldo.void_hold((saldo.place_hold(pg_temp.account('fund'), 700,
  counter_account_id => pg_temp.account('cash'))).id, 'not needed');
select saldo.place_hold(pg_temp.account('fund'), 900, interval '3600 days',
  counter_account_id => pg_temp.account('cash'));
select saldo.submit_transaction(pg_temp.account('fund'), 10 + n, 'credit', pg_temp.account('cash'))
from generate_series(1, 10) as n;

-- metering: a price, a factor, readings, a changed one, a changed deposit, late facts
select saldo.add_tariff_version(5000, '2025-01-01');
select saldo.add_correction_factor('2025-01-01', 'fixed', factor => 1.5);
select saldo.create_customer('customer' || n, 'Customer ' || n) from generate_series(1, 2) as n;
select saldo.install_meter(id, 'meter ' || id, installed_at => '2025-01-01 00:00+07')
from saldo.customer;
select saldo.add_deposit(id, 3000000, '2025-09-01 08:00+07', idempotency_key => 'deposit ' || id)
from saldo.customer;
select saldo.add_reading(m.id, '2025-09-02 12:00+07'::timestamptz + n * interval '6 days', n * 10 + 0.5)
from saldo.meter as m, generate_series(1, 10) as n order by n;
select saldo.change_reading(r.id, index_value => r.index_value + 2)
from saldo.reading as r where r.status = 'current' order by r.read_at desc limit 1;
select saldo.change_deposit(id, 2500000) from saldo.deposit order by id limit 1;

-- closing: September and October are sealed and closed, with a late fact after it
select saldo.set_setting('check_overdue_hours', '168');
select saldo.check_balance_health();
select saldo.seal_journal();
do $do$
declare
  v_month date;
begin
  -- From the first month with an entry to October, whatever is open of their lists being waived.
  for v_month in
    select generate_series(min(date_trunc('month', posting_date)), '2025-10-01', '1 month')
    from saldo.journal_entry
  loop
    perform saldo.begin_closing(v_month, 'the month is over');
    perform saldo.close_period(v_month, (
      select array_agg(c.item) from saldo.period_checklist(v_month) as c where not c.is_passed
    ), 'closed for the dump');
  end loop;
end
$do$;
select saldo.transfer(pg_temp.account('rent'), pg_temp.account('cash'), 12345, 'late rent', null,
  '2025-10-05 09:00+07');

-- own tables: a rule over a table that knows nothing of Saldo, guarded, and found wrong
create table public.users (
  id bigint primary key,
  name text not null,
  balance numeric(15, 2) not null default 0
);
create table public.transactions (
  id bigint generated always as identity primary key,
  user_id bigint not null references public.users (id),
  amount numeric(15, 2) not null,
  status text not null
);
insert into public.users values (1, 'ayu', 350000), (2, 'budi', 100);
insert into public.transactions (user_id, amount, status)
values (1, 500000, 'completed'), (1, -150000, 'completed'), (2, 75, 'completed');
grant select on public.users, public.transactions to saldo_rule_reader;
grant update (balance) on public.users to saldo_rule_reader;
grant trigger on public.users to saldo_owner;
select saldo.register_balance_rule('user_balance',
  'select user_id as key, sum(amount) as derived from public.transactions '
    'where status = ''completed'' group by user_id',
  'public.users', 'id', 'balance', heal => 'update', guard => 'record',
  writer_applications => array['shop']);

-- health: a balance forced past the guard and healed, one that waits for approval, alerts
begin;
set local session_replication_role = replica;
update saldo.account set credit_total = credit_total + 4321 where code = 'capital';
commit;
select saldo.set_heal_policy('user_balance', max_amount => 10);
select saldo.scheduled_maintenance();
select saldo.freeze_account(pg_temp.account('suspense'), 'for the dump');
select saldo_private.record_worker_seen();
select saldo.evaluate_alerts();
select saldo.seal_journal();
update public.users set balance = 75 where id = 2;
select saldo.check_balance_health();
