-- Plan choice: one statement serves a single row and a hundred thousand.
--
-- Private: plan_for. PostgreSQL weighs the estimated costs of plans, not what planning them takes:
-- for a single row that is most of the time. Not so for many rows, but there the foreign keys need
-- their plans kept, so that planning again each time is no good either.

create or replace function saldo_private.plan_for(row_count integer)
returns void
language plpgsql
as $$
begin
  perform set_config(
    'plan_cache_mode', case when row_count <= 100 then 'force_generic_plan' else 'auto' end, true
  );
end
$$;
comment on function saldo_private.plan_for is
  'Lets what follows be planned once for all calls where the rows are few. It lasts until the '
  'caller returns, which needs the clause "set plan_cache_mode = auto".';
