-- Refusing a posting: what is wrong with it, said after the fact.
--
-- Private: posting__examine, posting__refuse_balance.
-- The posting itself only learns that something is unusual (posting.sql).

create or replace function saldo_private.posting__examine(entry_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_line record;
begin
  for v_line in
    select
      case
        when e.id is null or e.line_count <> sum(count(*)) over (partition by l.entry_id)
          or e.posted_in is distinct from pg_current_xact_id()
          or bool_or(l.posting_date <> e.posting_date or (l.debit > 0) = (l.credit > 0))
          or e.line_count < 2 then 1
        when bool_or(a.id is null) then 2
        when s.passes_closed_account is not true and bool_or(a.closed_at is not null) then 3
        when s.moves_no_funds is not true and bool_or(a.frozen_at is not null) then 4
        when sum(l.debit - l.credit) <> 0
          and sum(sum(l.debit - l.credit)) over (partition by l.entry_id) = 0 then 5
        when sum(l.debit - l.credit) <> 0 then 6
        when s.passes_minimum is not true and bool_or(v.is_short) then 7
        else 8
      end as reason,
      l.entry_id,
      a.currency,
      sum(l.debit) as debit,
      sum(l.credit) as credit,
      min(l.account_id) filter (where a.id is null) as unknown_account,
      min(l.account_id) filter (where a.closed_at is not null) as closed_account,
      min(l.account_id) filter (where a.frozen_at is not null) as frozen_account,
      min(l.account_id) filter (where v.is_short) as short_account
    from saldo.journal_line as l
    left join saldo.journal_entry as e on e.id = l.entry_id
    left join saldo_private.posting_source as s on s.source = e.source
    left join saldo.account as a on a.id = l.account_id
    cross join lateral (
      select a.mode = 'immediate' and not saldo_private.allows_change(
        a.balance, a.held_total, a.min_balance,
        (l.debit - l.credit) * saldo_private.normal_sign(a.type)
      ) as is_short
    ) as v
    where l.entry_id = any (posting__examine.entry_ids)
    group by l.entry_id, e.id, s.source, a.currency
    order by reason
    limit 1
  loop
    case v_line.reason
      when 1 then
        perform saldo_private.fail('entry_invalid', format('entry %s', v_line.entry_id));
      when 2 then
        perform saldo_private.fail(
          'account_not_found', format('account %s', v_line.unknown_account)
        );
      when 3 then
        perform saldo_private.fail('account_closed', format('account %s', v_line.closed_account));
      when 4 then
        perform saldo_private.fail('account_frozen', format('account %s', v_line.frozen_account));
      when 5 then
        perform saldo_private.fail('currency_mismatch', format('entry %s', v_line.entry_id));
      when 6 then
        perform saldo_private.fail('entry_unbalanced', format('debit %s, credit %s, currency %s',
          v_line.debit, v_line.credit, v_line.currency));
      when 7 then
        perform saldo_private.posting__refuse_balance(v_line.short_account, entry_ids);
      else
        return;
    end case;
  end loop;
end
$$;
comment on function saldo_private.posting__examine is
  'Says why the entries cannot be posted, or finds that entries in several currencies balance in '
  'each. Runs when the balances have moved already; an error takes that back.';

create or replace function saldo_private.posting__refuse_balance(
  account_id bigint,
  entry_ids uuid[]
)
returns void
language plpgsql
as $$
declare
  v_account saldo.account;
  v_change numeric;
begin
  select *
  into strict v_account
  from saldo.account
  where id = posting__refuse_balance.account_id;

  select sum(l.debit - l.credit) * saldo_private.normal_sign(v_account.type)
  into v_change
  from saldo.journal_line as l
  where l.entry_id = any (posting__refuse_balance.entry_ids)
  and l.account_id = posting__refuse_balance.account_id;

  -- The account shows the balance after the posting; what was there before is what helps.
  perform saldo_private.fail(
    'insufficient_balance',
    format('account %s: available %s, needed %s', account_id,
      v_account.balance - v_account.held_total - v_change - v_account.min_balance, -v_change)
  );
end
$$;
comment on function saldo_private.posting__refuse_balance is
  'Raises SB001 insufficient_balance with what was available and what was needed.';
