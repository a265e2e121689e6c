-- Rules: what must hold. A rule is a function that returns a row for each violation, and none when
-- all is well: STABLE and a single statement, so that it sees one snapshot and never alarms falsely
-- under load.
--
-- Public: saldo.balance_rule. Private: register_builtin_rule.

create or replace function saldo_private.register_builtin_rule(
  name text,
  room text,
  title text,
  description text,
  heal_function text default null,
  is_about_journal boolean default false,
  scope saldo.rule_scope default 'whole',
  is_incremental boolean default false
)
returns void
language sql
as $$
  insert into saldo.balance_rule (
    name, room, title, description, heal_function, is_about_journal, scope, is_incremental
  )
  values (
    register_builtin_rule.name, register_builtin_rule.room, register_builtin_rule.title,
    register_builtin_rule.description, register_builtin_rule.heal_function,
    register_builtin_rule.is_about_journal, register_builtin_rule.scope,
    register_builtin_rule.is_incremental
  )
  on conflict on constraint balance_rule_pkey do update
  set room = excluded.room,
    title = excluded.title,
    description = excluded.description,
    heal_function = excluded.heal_function,
    is_about_journal = excluded.is_about_journal,
    scope = excluded.scope,
    is_incremental = excluded.is_incremental
$$;
comment on function saldo_private.register_builtin_rule is
  'Registers the rule whose function is saldo_private.rule_<name>.';

select saldo_private.secure_table('saldo.balance_rule');
drop policy if exists select_all on saldo.balance_rule;
create policy select_all on saldo.balance_rule for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.balance_rule to saldo_admin, saldo_operator;

comment on table saldo.balance_rule is 'A rule that every check proves.';
comment on column saldo.balance_rule.name is
  'Name; the function of a built-in rule is saldo_private.rule_<name>.';
comment on column saldo.balance_rule.room is 'Room of the house that the rule belongs to.';
comment on column saldo.balance_rule.title is 'What must hold, in a few words.';
comment on column saldo.balance_rule.description is 'What must hold, and how it is derived.';
comment on column saldo.balance_rule.heal_function is
  'Function that heals a finding; null = a human decides.';
comment on column saldo.balance_rule.is_about_journal is
  'Whether a finding means that the journal itself is in question: then nothing that is derived '
  'from the journal is healed.';
comment on column saldo.balance_rule.scope is
  'whole: it looks at everything; account, entry: at the accounts or entries that the sieve '
  'suspects; journal: at everything, but only if the sieve suspects anything.';
comment on column saldo.balance_rule.is_incremental is
  'Whether incremental checks run it too: it looks at new postings only, or costs little.';
comment on column saldo.balance_rule.news is
  'Which new postings an incremental check asks it about; null = it looks as scope says.';
comment on column saldo.balance_rule.is_registered is
  'Whether it is over a user''s own tables; its queries are in registered_rule.';
comment on column saldo.balance_rule.is_enabled is 'Whether checks run the rule.';
comment on type saldo.rule_news is
  'accounts: those that were posted to since the verified point, or on which something is held; '
  'entries: what was posted since.';
comment on type saldo.rule_scope is 'What a rule looks at in a check.';
