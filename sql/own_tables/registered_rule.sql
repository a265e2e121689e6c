-- Registered rules: a balance that is stored in anyone's table, against what it is derived from.
--
-- Public: saldo.registered_rule. Its title and its state stand in saldo.balance_rule; functions
-- that register, change and remove one are in register_balance_rule.sql.

select saldo_private.secure_table('saldo.registered_rule');
select saldo_private.guard_table('saldo.registered_rule');
drop policy if exists select_all on saldo.registered_rule;
create policy select_all on saldo.registered_rule for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.registered_rule to saldo_admin, saldo_operator;

comment on type saldo.rule_heal is
  'none: a human mends it; update: the column is set to what is derived; function: a function of '
  'the user''s is called.';
comment on type saldo.rule_guard is
  'What becomes of a write to the balance by others than the rule''s writers.';
comment on table saldo.registered_rule is
  'Rules that administrators registered over their own tables.';
comment on column saldo.registered_rule.name is 'Name; title and state are in balance_rule.';
comment on column saldo.registered_rule.stored_table is 'Table of the balance, with its schema.';
comment on column saldo.registered_rule.key_column is 'Column of that table that identifies a row.';
comment on column saldo.registered_rule.balance_column is
  'Column of that table that holds the balance.';
comment on column saldo.registered_rule.stored is 'Query of the stored figures, by key.';
comment on column saldo.registered_rule.derived is 'Query of what it is derived from.';
comment on column saldo.registered_rule.items is 'Query of the items behind the figures.';
comment on column saldo.registered_rule.tolerance is 'Difference up to which all is well.';
comment on column saldo.registered_rule.heal is 'How a finding is healed.';
comment on column saldo.registered_rule.heal_function is
  'Function of the user''s that heals a key.';
comment on column saldo.registered_rule.guard is
  'What becomes of writes by others than the writers.';
comment on column saldo.registered_rule.writer_roles is 'Roles that may write the balance.';
comment on column saldo.registered_rule.writer_applications is
  'Names of applications that may write it; anyone can choose such a name.';
comment on column saldo.registered_rule.guard_definition is 'Trigger of the guard, as it was made.';
comment on column saldo.registered_rule.guard_insert_definition is
  'Trigger of the guard for new rows, as it was made.';
comment on column saldo.registered_rule.watched_triggers is
  'Triggers that stood on the tables of its queries when it was registered.';
comment on column saldo.registered_rule.registered_by is 'Who registered or changed it last.';
comment on column saldo.registered_rule.registered_at is
  'When the rule was registered or changed last.';
