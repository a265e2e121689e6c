-- Settings that the SQL itself needs. The server writes them from its environment at start.
--
-- Public: saldo.setting, setting_change. Private: setting_value, keep_setting_change,
-- set_setting__check_number.
-- A value that is not the last one kept in setting_change was set past the engine.

insert into saldo.setting (name, value, description) values
  ('business_time_zone', 'Asia/Jakarta',
    'Time zone that decides the date, and so the month, on which an entry is posted.'),
  ('currency', 'IDR', 'Currency of accounts, members and products that name none.'),
  ('hot_account_slots', '64',
    'Slots of a hot account that names no number: writers that never wait for each other.'),
  ('hold_expires_in', '7 days', 'Life of a hold that names none, pending purchases included.'),
  ('settlement_backlog_limit', '1000000',
    'Pending rows of one account at which its transactions are refused (SB202).'),
  ('settlement_lag_max_seconds', '60',
    'Age of a pending row at which a check reports that settlement lags.'),
  ('health_history_days', '400',
    'Days for which checks are kept; those that a heal followed are kept forever.'),
  ('idempotency_keep_days', '400',
    'Days for which idempotency keys are kept, and a retry is answered; 0 = for ever.'),
  ('sub_balance_keep_days', '0',
    'Days for which settled rows of hot accounts are kept, at least as long as idempotency keys; '
      '0 = for ever.'),
  ('guard_event_keep_days', '400',
    'Days for which writes past the engine are kept, and longer while a finding, a proposal or a '
      'freeze of their account is open; 0 = for ever.'),
  ('heal_history_days', '3650',
    'Days for which heals are kept, and longer while they can be undone; 0 = for ever.'),
  ('working_history_days', '90',
    'Days for which rebuilds of slots, re-ratings and syncs of months that are done are kept; '
      '0 = for ever.'),
  ('check_slice_lines', '2000000', 'Journal lines that a full check sieves in one transaction.'),
  ('check_overdue_hours', '7', 'Age of the last check at which the balances count as unhealthy.'),
  ('worker_silent_seconds', '60', 'Silence of the workers after which an alert is opened.'),
  ('backlog_alert_percent', '50',
    'Share of settlement_backlog_limit that pending rows of an account reach before an alert.'),
  ('slot_rebuild_alert_count', '10',
    'Rebuilds of one account''s slots within ten minutes that open an alert.'),
  ('alert_channels', '', 'Channels by which alerts are sent: webhook, email, both or none.'),
  ('alert_reminder_hours', '24',
    'Hours after which an alert that is open and not acknowledged is sent again.'),
  ('alert_retry_hours', '72', 'Hours for which the delivery of an alert is tried.'),
  ('alert_keep_days', '90', 'Days for which resolved alerts are kept.'),
  ('rating_without_version', 'provisional',
    'A reading on a date without price or factor: provisional = rated at the last known ones, '
      'held = not rated until they come.'),
  ('reading_unrated_hours', '0',
    'Hours for which a reading may wait for a price or factor before a check reports it; 0 = at '
      'once.'),
  ('rerate_at_once_max', '20000',
    'Readings up to which a change of price or factor rates again in its own transaction; more are '
      'rated by a job.'),
  ('rerating_idle_max_seconds', '900',
    'Time without progress after which a check reports a re-rating that is open.'),
  ('rule_time_budget_ms', '5000',
    'Milliseconds that a query of a registered rule may take when it is registered.'),
  ('rule_cost_limit', '10000000',
    'Cost, as the planner estimates it, above which a query of a registered rule is not run.'),
  ('rule_check_max_seconds', '300',
    'Seconds after which a worker stops a query of a registered rule in a check or a heal.'),
  ('branch_enrolment_minutes', '60', 'Minutes for which an enrolment code of a till is good.'),
  ('branch_key_days', '180', 'Age of a branch key at which its till is told to fetch another.'),
  ('branch_silent_hours', '24', 'Silence of a branch after which an alert is opened.'),
  ('branch_gap_hours', '24',
    'Age at which a check reports rows that a till has told of and not sent.'),
  ('heal_finding_max_amount', '10000000',
    'Difference of a finding above which its heal needs approval, where its rule has no limit.'),
  ('heal_rule_max_count', '100',
    'Findings of a rule above which all its heals of a run need approval, where it has no limit.'),
  ('heal_rule_max_amount', '50000000',
    'Sum of the differences of a rule in a currency above which its heals of a run need approval, '
      'where it has no limit.'),
  ('heal_rule_max_percent', '10',
    'Share of the rows of a rule, in percent, above which all its heals of a run need approval, '
      'where it has no limit.'),
  ('heal_share_free_count', '5',
    'Findings of a rule up to which their share does not count: a row of a small table is much.'),
  ('heal_share_days', '7',
    'Days over which heals of a registered rule are counted together for its share; 0 = those of a '
      'run.'),
  ('rule_suspect_percent', '20',
    'Share of the rows of a registered rule that differ, in percent, above which the rule is '
      'suspect and heals nothing.'),
  ('heal_run_max_count', '1000', 'Findings above which all heals of a run need approval.'),
  ('heal_run_max_amount', '100000000',
    'Sum of the differences in a currency above which all heals of a run need approval.'),
  ('freeze_run_max_count', '20',
    'Accounts that one run freezes by itself; more at once are left to a human, with an alert.'),
  ('freeze_run_max_percent', '5',
    'The same as a share of the open accounts, in percent; the larger of both counts.'),
  ('top_up_max_amount', '10000000',
    'Largest top-up of a cashier or an application.'),
  ('top_up_day_amount', '100000000',
    'Sum of the top-ups of a cashier or an application on a day, in a currency.'),
  ('refund_max_amount', '10000000',
    'Largest refund of a cashier.'),
  ('refund_day_amount', '50000000',
    'Sum of the refunds of a cashier on a day, in a currency.'),
  ('adjust_max_amount', '10000000',
    'Largest change of a balance by one adjustment of an accountant.'),
  ('adjust_day_amount', '50000000',
    'Sum of the changes by adjustments of an accountant on a day, in a currency.'),
  ('adjust_alone_amount', '10000000',
    'Sum of the changes by adjustments on a day, in a currency, that a person may make without '
      'another one.'),
  ('entry_alone_amount', '100000000',
    'Sum of the entries on a day, in a currency, that an accountant may post without another '
      'person.'),
  ('unfreeze_alone_amount', '10000000',
    'Balance up to which a person may release a frozen account without another one.'),
  ('waive_alone_count', '10',
    'Things open on the checklist that a person may waive without another one, to close a month.'),
  ('raise_alone_percent', '100',
    'How far a person may raise a limit without another one: in percent of what it was 30 days '
      'ago.'),
  ('heal_repeat_hours', '24',
    'Hours after a heal in which the same key is not healed again by itself: it escalates.')
on conflict (name) do update
set description = excluded.description;

create or replace function saldo_private.keep_setting_change(setting saldo.setting)
returns void
language sql
as $$
  insert into saldo.setting_change (id, name, value, changed_by, changed_at)
  values (
    gen_random_uuid(), setting.name, setting.value, saldo_private.actor(), clock_timestamp()
  )
$$;
comment on function saldo_private.keep_setting_change is 'Keeps the value that a setting has now.';

-- What a setting begins with.
select saldo_private.keep_setting_change(s)
from saldo.setting as s
where not exists (select from saldo.setting_change as c where c.name = s.name);

create or replace function saldo_private.setting_value(setting_name text)
returns text
language plpgsql
stable
as $$
begin
  -- PL/pgSQL for its cached plan: a sub-select keeps a function of language SQL from inlining.
  return (select value from saldo.setting where name = setting_name);
end
$$;
comment on function saldo_private.setting_value is 'Value of a setting; null when there is none.';
grant execute on function saldo_private.setting_value to
  saldo_admin, saldo_operator, saldo_member, saldo_branch;

create or replace function saldo_private.set_setting__check_number(name text, value text)
returns void
language plpgsql
stable
as $$
declare
  v_least bigint;
  v_most bigint;
begin
  select range.least, range.most
  into v_least, v_most
  from (
    values ('hot_account_slots', 1, 1000),
      ('settlement_backlog_limit', 1, 100000000),
      ('settlement_lag_max_seconds', 1, 86400),
      ('health_history_days', 1, 36500),
      ('idempotency_keep_days', 0, 36500),
      ('sub_balance_keep_days', 0, 36500),
      ('guard_event_keep_days', 0, 36500),
      ('heal_history_days', 0, 36500),
      ('working_history_days', 0, 36500),
      ('check_slice_lines', 1, 100000000),
      ('reading_unrated_hours', 0, 8760),
      ('rerate_at_once_max', 0, 1000000),
      ('rerating_idle_max_seconds', 1, 604800),
      ('check_overdue_hours', 1, 168),
      ('worker_silent_seconds', 30, 86400),
      ('backlog_alert_percent', 1, 100),
      ('slot_rebuild_alert_count', 2, 100000),
      ('alert_reminder_hours', 1, 8760),
      ('alert_retry_hours', 1, 720),
      ('alert_keep_days', 1, 3650),
      ('rule_time_budget_ms', 1, 600000),
      ('rule_cost_limit', 1, 999999999),
      ('rule_check_max_seconds', 1, 86400),
      ('branch_enrolment_minutes', 1, 10080),
      ('branch_key_days', 1, 3650),
      ('branch_silent_hours', 1, 8760),
      ('branch_gap_hours', 1, 8760),
      ('heal_finding_max_amount', 0, 999999999999999),
      ('heal_rule_max_count', 0, 100000000),
      ('heal_rule_max_amount', 0, 999999999999999),
      ('heal_rule_max_percent', 0, 100),
      ('heal_share_free_count', 0, 100000000),
      ('heal_share_days', 0, 3650),
      ('freeze_run_max_count', 0, 100000000),
      ('rule_suspect_percent', 0, 100),
      ('freeze_run_max_percent', 0, 100),
      ('heal_run_max_count', 0, 100000000),
      ('heal_run_max_amount', 0, 999999999999999),
      ('heal_repeat_hours', 0, 8760),
      (substring(name from '^(?:top_up|refund|adjust|entry|unfreeze|waive|raise)_\w+$'), 0,
        999999999999)
  ) as range (name, least, most)
  where range.name = set_setting__check_number.name;
  if v_least is not null and (
    value is null or value !~ '^[0-9]{1,15}$' or value::bigint not between v_least and v_most
  ) then
    perform saldo_private.fail(
      'input_invalid', format('%s: a whole number from %s to %s', name, v_least, v_most)
    );
  elsif set_setting__check_number.name = 'hold_expires_in' then
    if value is null or value !~ '^[0-9]{1,4} (minutes?|hours?|days?)$' or value ~ '^0+ ' then
      perform saldo_private.fail(
        'input_invalid', 'hold_expires_in: as 30 minutes, 12 hours or 7 days'
      );
    end if;
  elsif set_setting__check_number.name = 'alert_channels'
    and coalesce(value, '?') !~ '^(webhook|email|webhook,email)?$'
  then
    perform saldo_private.fail(
      'input_invalid', 'alert_channels: webhook, email, webhook,email or nothing'
    );
  end if;
end
$$;
comment on function saldo_private.set_setting__check_number is
  'The ranges of settings that are numbers, and the form of a duration and of a list: '
  'SB010 input_invalid.';

select saldo_private.secure_table('saldo.setting');
drop policy if exists select_all on saldo.setting;
create policy select_all on saldo.setting for select using (true);
grant select on saldo.setting to
  saldo_admin, saldo_operator, saldo_member, saldo_branch, saldo_cashier, saldo_biller, saldo_app;

comment on table saldo.setting is 'Settings that the database itself goes by.';
comment on column saldo.setting.name is 'Name of the setting.';
comment on column saldo.setting.value is 'Value of the setting, as text.';
comment on column saldo.setting.description is 'What the setting decides.';

select saldo_private.secure_table('saldo.setting_change');
drop policy if exists select_all on saldo.setting_change;
create policy select_all on saldo.setting_change for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.setting_change to saldo_admin, saldo_operator;

comment on table saldo.setting_change is 'A value that a setting was given through the engine.';
comment on column saldo.setting_change.id is 'Id.';
comment on column saldo.setting_change.number is 'Number of the change, in order.';
comment on column saldo.setting_change.name is 'Name of the setting.';
comment on column saldo.setting_change.value is 'The value that it was given.';
comment on column saldo.setting_change.changed_by is 'Who changed it: token subject or login.';
comment on column saldo.setting_change.changed_at is 'When it was changed, or made.';
