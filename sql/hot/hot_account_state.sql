-- How each hot account stands, for a person who looks: what waits, how long, and when it settled.
--
-- Public: hot_account_states, waiting_session_count; type saldo.hot_account_state.

create or replace function saldo.hot_account_states()
returns setof saldo.hot_account_state
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select a.id, a.code, a.name, a.currency, a.slots, a.frozen_at is not null,
    coalesce(f.row_count, 0), trim_scale(coalesce(f.debit, 0)), trim_scale(coalesce(f.credit, 0)),
    case when f.row_count > 0 then saldo_private.oldest_pending_at(a.id) end,
    saldo_private.setting_value('settlement_backlog_limit')::bigint, s.settled_at
  from saldo.account as a
  left join lateral saldo_private.pending_figures(a.id) as f on true
  left join lateral (
    select last.settled_at
    from saldo.settlement as last
    where last.account_id = a.id
    order by last.id desc
    limit 1
  ) as s on true
  where a.mode = 'hot'
  order by coalesce(f.row_count, 0) desc, a.code
$$;
comment on function saldo.hot_account_states is
  'Hot accounts with what waits for settlement on each, those with the most first.';
revoke execute on function saldo.hot_account_states from public;
grant execute on function saldo.hot_account_states to saldo_admin, saldo_operator;

create or replace function saldo.waiting_session_count()
returns bigint
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select count(distinct l.pid)
  from pg_locks as l
  join pg_stat_activity as a on a.pid = l.pid
  where not l.granted
  and a.datname = current_database()
$$;
comment on function saldo.waiting_session_count is
  'How many connections to this database wait for a lock of another one at this moment.';
revoke execute on function saldo.waiting_session_count from public;
grant execute on function saldo.waiting_session_count to saldo_admin, saldo_operator;

comment on type saldo.hot_account_state is 'How a hot account stands.';
comment on column saldo.hot_account_state.account_id is 'Account.';
comment on column saldo.hot_account_state.code is 'Code of the account.';
comment on column saldo.hot_account_state.name is 'Name of the account.';
comment on column saldo.hot_account_state.currency is 'Currency of the amounts.';
comment on column saldo.hot_account_state.slots is 'How many writers never wait for each other.';
comment on column saldo.hot_account_state.is_frozen is 'Whether it takes nothing at present.';
comment on column saldo.hot_account_state.pending_count is
  'Submitted transactions that wait for settlement.';
comment on column saldo.hot_account_state.pending_debit is 'Sum of their debits.';
comment on column saldo.hot_account_state.pending_credit is 'Sum of their credits.';
comment on column saldo.hot_account_state.oldest_pending_at is
  'When the oldest of them was accepted; null = none waits.';
comment on column saldo.hot_account_state.backlog_limit is
  'How many may wait before further ones are refused: the setting settlement_backlog_limit.';
comment on column saldo.hot_account_state.last_settled_at is
  'When rows of it were last settled; null = never.';
