-- What a registered rule found among how many rows, and who has approved that it heals.
--
-- Public: saldo.registered_rule_result, saldo.rule_approval. Private: rule_definition_hash,
-- is_rule_approved, withdraw_rule_approval, differing_percent.
-- A rule that is wrong makes right balances wrong, one after the other. So a rule heals nothing
-- until a person has seen what it finds, and approved it; an approval is for what the rule, and
-- what it reads by name, was then (its hash). One that is changed needs another approval.
-- heal/approve_balance_rule.sql writes it.

create or replace function saldo_private.rule_definition_hash(rule saldo.registered_rule)
returns text
language sql
stable
as $$
  -- What a heal writes, and where. Explanations and the guard are no part of it.
  select encode(sha256(convert_to((jsonb_build_array(
    rule.stored_table, rule.key_column, rule.balance_column, rule.stored, rule.derived,
    trim_scale(rule.tolerance)::text, rule.heal, rule.heal_function
  ) || coalesce((
    select jsonb_build_array(d.definitions)
    from saldo_private.rule_reads as r
    cross join lateral saldo_rule.definitions_of(r.relation_ids, r.function_ids)
      as d (definitions)
    where r.rule = rule_definition_hash.rule.name
    and d.definitions is not null
  ), '[]'))::text, 'UTF8')), 'hex')
$$;
comment on function saldo_private.rule_definition_hash is
  'Hash of all that decides what a rule''s heals write: the rule, and the views and functions that '
  'it comes to.';

create or replace function saldo_private.is_rule_approved(rule saldo.registered_rule)
returns boolean
language sql
stable
as $$
  select exists (
    select
    from saldo.rule_approval as a
    where a.rule = is_rule_approved.rule.name
    and a.definition_hash = saldo_private.rule_definition_hash(is_rule_approved.rule)
    and a.withdrawn_at is null
  )
$$;
comment on function saldo_private.is_rule_approved is
  'Whether a person has approved that this rule heals, as it is now.';

create or replace function saldo_private.withdraw_rule_approval(rule text, kept_hash text)
returns void
language sql
as $$
  update saldo.rule_approval as a
  set withdrawn_by = saldo_private.actor(),
    withdrawn_at = clock_timestamp()
  where a.rule = withdraw_rule_approval.rule
  and a.withdrawn_at is null
  and a.definition_hash is distinct from kept_hash
$$;
comment on function saldo_private.withdraw_rule_approval is
  'Ends the approvals of a rule but those of this hash; null = all.';

create or replace function saldo_private.differing_percent(
  differing_count bigint,
  row_count bigint
)
returns numeric
language sql
immutable
as $$
  select case when row_count > 0 then round(100.0 * differing_count / row_count, 2) else 0 end
$$;
comment on function saldo_private.differing_percent is 'A share, in percent with two decimals.';

select saldo_private.secure_table('saldo.registered_rule_result');
drop policy if exists select_all on saldo.registered_rule_result;
create policy select_all on saldo.registered_rule_result for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.registered_rule_result to saldo_admin, saldo_operator;

select saldo_private.secure_table('saldo.rule_approval');
select saldo_private.guard_table('saldo.rule_approval');
drop policy if exists select_all on saldo.rule_approval;
create policy select_all on saldo.rule_approval for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.rule_approval to saldo_admin, saldo_operator;

comment on table saldo.registered_rule_result is
  'How many rows of a registered rule a check compared, and how many differed.';
comment on column saldo.registered_rule_result.rule is 'Registered rule.';
comment on column saldo.registered_rule_result.check_run_id is 'Check that ran it.';
comment on column saldo.registered_rule_result.definition_hash is
  'Hash of what the rule was then: table, queries, tolerance and heal, and the views and functions '
  'that these come to.';
comment on column saldo.registered_rule_result.row_count is
  'Rows that say something: what is stored is not 0, or there is something to derive from.';
comment on column saldo.registered_rule_result.differing_count is 'Those of them that differ.';

comment on table saldo.rule_approval is
  'Approvals of registered rules: without one that is for the rule as it is, it heals nothing.';
comment on column saldo.rule_approval.id is 'Id, ordered by time.';
comment on column saldo.rule_approval.rule is 'Registered rule.';
comment on column saldo.rule_approval.definition_hash is
  'Hash of what was approved: table, queries, tolerance and heal, and the views and functions that '
  'these come to.';
comment on column saldo.rule_approval.check_run_id is 'Check whose result was approved.';
comment on column saldo.rule_approval.row_count is 'Rows that this check compared.';
comment on column saldo.rule_approval.differing_count is 'Rows that differed in it.';
comment on column saldo.rule_approval.reason is 'Why it may heal, in the person''s words.';
comment on column saldo.rule_approval.approved_by is 'Who approved it: token subject or login.';
comment on column saldo.rule_approval.approved_at is 'When the rule was approved.';
comment on column saldo.rule_approval.withdrawn_by is
  'Who changed or removed the rule after it; null = it lasts.';
comment on column saldo.rule_approval.withdrawn_at is 'When the approval ended; null = it lasts.';
