-- Values that decide what is right, against the engine's own record of what it has set them to.
--
-- Private: the parts of rule_engine_configuration that look at how far the books are closed, at the
-- terms of accounts, at settings and at the sequences of ids.

create or replace function saldo_private.rule_engine_configuration__books()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  with net as (
    -- Counted, as a clock that was set back orders events wrongly.
    select e.fiscal_year, e.number,
      count(*) filter (where e.action = case e.number when 13 then 'close' else 'begin_closing' end
          ::saldo.period_action)
        > count(*) filter (where e.action in ('cancel_closing', 'reopen')) as is_shut,
      count(*) filter (where e.action = 'close')
        > count(*) filter (where e.action = 'reopen') as is_closed,
      count(*) filter (where e.action = 'lock') > 0 as is_locked
    from saldo.period_event as e
    group by e.fiscal_year, e.number
  ),
  period as (
    select n.fiscal_year, n.number,
      saldo_private.period_ends_on(n.fiscal_year, n.number) as ends_on,
      case
        when not n.is_shut then 'open'
        when not n.is_closed then 'closing'
        when bool_or(n.is_locked) over (order by n.fiscal_year desc, n.number desc) then 'locked'
        else 'closed'
      end as status
    from net as n
  )
  select 'books closed_through', coalesce(b.closed_through::text, 'none'),
    coalesce(d.closed_through::text, 'none')
  from (select 1 as id) as one
  left join saldo_private.book_state as b on b.id = one.id
  cross join (
    select max(p.ends_on) filter (where p.status <> 'open') as closed_through from period as p
  ) as d
  where b.closed_through is distinct from d.closed_through
  union all
  select 'books locked_through', coalesce(b.locked_through::text, 'none'),
    coalesce(d.locked_through::text, 'none')
  from (select 1 as id) as one
  left join saldo_private.book_state as b on b.id = one.id
  cross join (
    select max(p.ends_on) filter (where p.status = 'locked') as locked_through from period as p
  ) as d
  where b.locked_through is distinct from d.locked_through
  union all
  select format('period %s/%s status', coalesce(d.fiscal_year, p.fiscal_year),
      lpad(coalesce(d.number, p.number)::text, 2, '0')),
    coalesce(p.status::text, 'missing'), coalesce(d.status, 'open')
  from period as d
  full join saldo.period as p on p.fiscal_year = d.fiscal_year and p.number = d.number
  where coalesce(p.status::text, 'missing') <> coalesce(d.status, 'open')
$$;
comment on function saldo_private.rule_engine_configuration__books is
  'How far the books are closed and locked, where the history of the periods says otherwise.';

create or replace function saldo_private.rule_engine_configuration__accounts()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select format('account %s (%s)%s', p.id, p.code, term.name), coalesce(term.now, 'none'),
    coalesce(term.opened_with, 'none')
  from (
    -- One pass for all: there may be millions.
    select coalesce(a.id, t.account_id) as id, coalesce(a.code, t.code) as code, a as now,
      t as opened_with, a.id is not null and t.account_id is not null as is_pair
    from saldo.account as a
    full join saldo_private.account_terms as t on t.account_id = a.id
    where (a.id, a.code, a.type, a.currency, a.min_balance::numeric)
      is distinct from (t.account_id, t.code, t.type, t.currency, t.min_balance)
  ) as p
  cross join lateral (
    values (true, ' code', (p.now).code, (p.opened_with).code),
      (true, ' type', (p.now).type::text, (p.opened_with).type::text),
      (true, ' currency', (p.now).currency, (p.opened_with).currency),
      (true, ' min_balance', trim_scale((p.now).min_balance)::text,
        trim_scale((p.opened_with).min_balance)::text),
      (false, '', case when (p.now).id is null then 'missing' else 'opened past the engine' end,
        'as the engine has opened it')
  ) as term (is_of_pair, name, now, opened_with)
  where term.is_of_pair = p.is_pair
  and term.now is distinct from term.opened_with
$$;
comment on function saldo_private.rule_engine_configuration__accounts is
  'Accounts whose code, type, currency or min_balance is not what they were opened with.';

create or replace function saldo_private.rule_engine_configuration__settings()
returns table (key text, stored text, derived text)
language sql
stable
as $$
  select format('value of setting %s', coalesce(s.name, c.name)), coalesce(s.value, 'missing'),
    coalesce(c.value, 'none')
  from saldo.setting as s
  full join (
    select distinct on (each.name) each.name, each.value
    from saldo.setting_change as each
    order by each.name, each.number desc
  ) as c on c.name = s.name
  where s.value is distinct from c.value
$$;
comment on function saldo_private.rule_engine_configuration__settings is
  'Settings whose value was not set by set_setting.';

create or replace function saldo_private.rule_engine_configuration__sequences()
returns table (key text, stored text, derived text)
language plpgsql
stable
as $$
declare
  v_column record;
  v_most bigint;
  v_last bigint;
begin
  for v_column in
    select c.oid::regclass as relation, a.attname as name, s.oid::regclass as sequence
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S'
    join pg_catalog.pg_class as c on c.oid = d.refobjid
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = d.refobjsubid
    where d.classid = 'pg_catalog.pg_class'::regclass
    and d.refclassid = 'pg_catalog.pg_class'::regclass
    and d.deptype in ('i', 'a')
    and c.relnamespace::regnamespace::text in ('saldo', 'saldo_private')
  loop
    -- The rows first: whoever writes one has taken its number before.
    execute format('select max(%I) from %s', v_column.name, v_column.relation) into v_most;
    execute format(
      'select last_value - (not is_called)::integer from %s',
      v_column.sequence
    )
    into v_last;
    if v_last < v_most then
      key := format('sequence %s value', v_column.sequence);
      stored := v_last;
      derived := format('%s or more, as %s.%s has', v_most, v_column.relation, v_column.name);
      return next;
    end if;
  end loop;
end
$$;
comment on function saldo_private.rule_engine_configuration__sequences is
  'Sequences that would give ids that there are already.';
