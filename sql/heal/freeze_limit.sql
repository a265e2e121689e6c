-- How many accounts a run freezes by itself.
--
-- Private: freeze_limit.
-- A few accounts whose rows or journal were written past the engine are frozen at once. Very many
-- at once are mostly one careless statement, and freezing them would shut the shop: then none is,
-- and a critical alert asks a human. Nothing is paid out by contested rows, and nothing is healed
-- from them, frozen or not.

create or replace function saldo_private.freeze_limit()
returns bigint
language sql
stable
as $$
  select greatest(
    saldo_private.setting_value('freeze_run_max_count')::bigint,
    floor(count(*) * saldo_private.setting_value('freeze_run_max_percent')::numeric / 100)::bigint
  )
  from saldo.account as a
  where a.closed_at is null
$$;
comment on function saldo_private.freeze_limit is
  'How many accounts one run may freeze: the larger of the settings freeze_run_max_count and '
  'freeze_run_max_percent, which is of the open accounts.';
