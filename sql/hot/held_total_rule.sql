-- account.held_total: the rule that derives it again, and the heal.
--
-- Private: rule_held_total, heal_held_total, undo_heal_held_total. Truth: the open holds.
-- place_hold.sql and capture_hold.sql keep it in step.

create or replace function saldo_private.rule_held_total()
returns table (
  key text,
  account_id bigint,
  stored text,
  derived text,
  difference numeric,
  detail jsonb
)
language sql
stable
as $$
  -- A full join: a hold of an account that is gone is a difference as well. What is held on a hot
  -- account is in its slots (rule account_slot).
  select coalesce(a.id, h.account_id)::text, coalesce(a.id, h.account_id), a.held_total::text,
    d.amount::text, coalesce(a.held_total, 0) - d.amount,
    jsonb_build_object('open_count', coalesce(h.open_count, 0))
  from saldo.account as a
  full join (
    select hold.account_id, sum(hold.open_amount) as amount, count(*) as open_count
    from saldo.hold
    where hold.status = 'HELD'
    group by hold.account_id
  ) as h on h.account_id = a.id
  cross join lateral (
    select case when a.mode = 'hot' then 0 else coalesce(h.amount, 0) end as amount
  ) as d
  where a.held_total is distinct from d.amount
$$;
comment on function saldo_private.rule_held_total is
  'Accounts whose held_total is not the sum of their open holds. The key is the account id.';

create or replace function saldo_private.heal_held_total(keys text[])
returns table (key text, before jsonb, after jsonb)
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_account_ids bigint[] := keys::bigint[];
begin
  perform
  from saldo.account as a
  where a.id = any (v_account_ids)
  order by a.id
  for no key update;

  -- A statement of its own: only a snapshot taken under the locks has all that came before it.
  return query
  with differing as materialized (
    select a.id, a.held_total, d.amount
    from saldo.account as a
    left join (
      select hold.account_id, sum(hold.open_amount) as amount
      from saldo.hold
      where hold.account_id = any (v_account_ids)
      and hold.status = 'HELD'
      group by hold.account_id
    ) as h on h.account_id = a.id
    cross join lateral (
      select case when a.mode = 'hot' then 0 else coalesce(h.amount, 0) end as amount
    ) as d
    where a.id = any (v_account_ids)
    and a.held_total <> d.amount
    and not saldo_private.is_contested(a.id, array['hold'])
    and not exists (select from saldo_private.hold_difference(a.id))
  ),
  healed as (
    update saldo.account as a
    set held_total = d.amount
    from differing as d
    where a.id = d.id
  )
  select d.id::text, jsonb_build_object('held_total', d.held_total::text),
    jsonb_build_object('held_total', d.amount::text)
  from differing as d;
end
$$;
comment on function saldo_private.heal_held_total is
  'Sets held_total of these accounts to the sums of their open holds, under their locks. A row for '
  'each that differed and whose holds are as the engine wrote them.';

create or replace function saldo_private.undo_heal_held_total(
  key text,
  before jsonb,
  after jsonb
)
returns table (was jsonb, became jsonb)
language plpgsql
as $$
declare
  v_was numeric;
  v_became numeric;
begin
  select a.held_total
  into strict v_was
  from saldo.account as a
  where a.id = undo_heal_held_total.key::bigint
  for no key update;
  v_became := v_was + (before ->> 'held_total')::numeric - (after ->> 'held_total')::numeric;
  if v_became < 0 then
    perform saldo_private.fail('heal_not_undoable', format(
      'account %s: held %s, to be taken back %s', key, v_was, v_was - v_became
    ));
  end if;
  update saldo.account as a
  set held_total = v_became
  where a.id = undo_heal_held_total.key::bigint;
  return query
  select jsonb_build_object('held_total', v_was::text),
    jsonb_build_object('held_total', v_became::text);
end
$$;
comment on function saldo_private.undo_heal_held_total is
  'Takes from held_total what a heal gave it, under the account''s lock. Error: '
  'SB624 heal_not_undoable when it would become negative.';
