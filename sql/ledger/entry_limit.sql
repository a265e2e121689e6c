-- What an accountant may post alone: above it an entry is a draft that another person posts.
--
-- Private: is_entry_limited, use_entry_limit.
-- It holds for accountants only: an application acts as an administrator or under grants of its
-- own, and is asked nothing. What is counted is what was posted, in the same transaction, so that a
-- retry counts for nothing and one that is refused has posted nothing.
-- Locks: the row of the day (limit_use.sql), after those of the posting.

create or replace function saldo_private.is_entry_limited()
returns boolean
language plpgsql
stable
as $$
declare
  v_role name;
begin
  -- By name first, as most callers are.
  if current_setting('role') = 'saldo_admin' then
    return false;
  end if;
  v_role := saldo_private.role_in_force();
  return pg_has_role(v_role, 'saldo_accountant', 'usage')
    and not pg_has_role(v_role, 'saldo_admin', 'usage')
    and not pg_has_role(v_role, 'saldo_owner', 'usage');
end
$$;
comment on function saldo_private.is_entry_limited is
  'Whether the caller is an accountant, and no administrator.';

create or replace function saldo_private.use_entry_limit(entry_ids uuid[])
returns void
language plpgsql
as $$
declare
  v_max numeric := saldo_private.setting_value('entry_alone_amount');
  v_sum record;
  v_used numeric;
begin
  for v_sum in
    select a.currency, sum(l.debit) as amount
    from saldo.journal_line as l
    join saldo.account as a on a.id = l.account_id
    where l.entry_id = any (entry_ids)
    group by a.currency
    order by a.currency
  loop
    v_used := saldo_private.count_use(
      'entry_alone', v_sum.amount, v_sum.currency, saldo_private.actor()
    );
    if (v_used <= v_max) is not true then
      perform saldo_private.require_second_person(format(
        '%s %s of entries on a day, entry_alone_amount is %s', v_used, v_sum.currency, v_max
      ));
    end if;
  end loop;
end
$$;
comment on function saldo_private.use_entry_limit is
  'Counts what a person has posted alone, by currency and day: SB662 second_person_needed.';
