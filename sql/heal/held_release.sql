-- Heals that would release held funds: only where a recorded write says that held_total is wrong.
--
-- Private: heal_plan__hold_releases. held_total and the open holds are two witnesses. A hold that
-- is taken away with the guard off, before its seal, looks as a held_total that was raised: which
-- of them it is a human decides. Who has accepted the holds as they are has decided, for one heal.

create or replace function saldo_private.heal_plan__hold_releases(
  plan saldo_private.planned_heal[]
)
returns saldo_private.planned_heal[]
language sql
stable
as $$
  select coalesce(array_agg(saldo_private.decided(p,
      case when p.rule = 'held_total' and p.difference > 0 and f.cause <> 'out_of_band_write'
        and not exists (
          select
          from saldo_private.sealed_record as r
          join saldo_private.row_seal as s on s.number = r.seal_number
          where r.source = 'hold'
          and r.owner_id = p.account_id
          and s.reason is not null
          and s.sealed_at > coalesce((
            select max(h.finished_at)
            from saldo.heal_action as a
            join saldo.heal_run as h on h.id = a.heal_run_id
            where a.rule = 'held_total'
            and a.account_id = p.account_id
            and a.outcome = 'healed'
          ), '-infinity')
        )
        then 'needs_approval' end,
      format('It would release %s of held funds, and no recorded write says that held_total was '
        'changed and not the holds.', p.difference)
    ) order by p.rule, p.account_id, p.key), '{}')
  from unnest(plan) as p
  left join saldo.finding as f on f.id = p.finding_id
$$;
comment on function saldo_private.heal_plan__hold_releases is
  'What would release held funds needs approval, unless the guard has seen how they came to '
  'differ, or an administrator has accepted the holds since the last heal.';
