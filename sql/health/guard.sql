-- The guard: cached balances are written by the engine only.
--
-- Triggers: guard_cached_balance refuses (SB601); record_bypass records what gets past it, in
-- saldo.guard_event. The first is an ordinary trigger, which session_replication_role = replica
-- silences; the second is ENABLE ALWAYS and is not silenced.
-- The engine's own writes happen in definer functions: there current_user is saldo_owner while the
-- role setting stays the caller's. Whoever says SET ROLE saldo_owner has it in the setting, too, and
-- is caught. The conditions stand in WHEN clauses, so that the engine pays for no function call.

create or replace function saldo_private.tg__guard_cached_balance()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.fail('balance_guarded', format('%s of %s', lower(TG_OP), TG_TABLE_NAME));
  return null;
end
$$;
comment on function saldo_private.tg__guard_cached_balance is
  'Refuses a write to a cached balance that does not come from the engine: SB601.';

create or replace function saldo_private.tg__record_bypass()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_old jsonb;
  v_new jsonb;
begin
  if TG_OP in ('UPDATE', 'DELETE') and TG_LEVEL = 'ROW' then
    v_old := to_jsonb(OLD);
  end if;
  if TG_OP in ('UPDATE', 'INSERT') and TG_LEVEL = 'ROW' then
    v_new := to_jsonb(NEW);
  end if;
  insert into saldo.guard_event (
    id, occurred_at, login, role, application_name, client_address, transaction_id, statement,
    table_name, operation, account_id, old_row, new_row
  )
  values (
    saldo_private.uuid_v7(), clock_timestamp(), session_user,
    coalesce(nullif(current_setting('role'), 'none'), session_user),
    current_setting('application_name'), inet_client_addr(), pg_current_xact_id(),
    left(current_query(), 2000), TG_TABLE_NAME, lower(TG_OP),
    coalesce(
      coalesce(v_new, v_old) ->> 'account_id',
      case when TG_TABLE_NAME = 'account' then coalesce(v_new, v_old) ->> 'id' end
    )::bigint,
    v_old, v_new
  );
  return null;
end
$$;
comment on function saldo_private.tg__record_bypass is
  'Records a write that got past the engine: who, from where, with which statement, old and new.';

create or replace trigger guard_cached_balance_update
  before update on saldo.account
  for each row
  when (
    (OLD.debit_total, OLD.credit_total, OLD.held_total)
      is distinct from (NEW.debit_total, NEW.credit_total, NEW.held_total)
    and (current_user <> 'saldo_owner' or current_setting('role') = 'saldo_owner')
  )
  execute function saldo_private.tg__guard_cached_balance();
create or replace trigger guard_cached_balance_insert
  before insert on saldo.account
  for each row
  when (
    (NEW.debit_total <> 0 or NEW.credit_total <> 0 or NEW.held_total <> 0)
    and (current_user <> 'saldo_owner' or current_setting('role') = 'saldo_owner')
  )
  execute function saldo_private.tg__guard_cached_balance();
create or replace trigger guard_cached_balance_delete
  before delete on saldo.account
  for each row
  execute function saldo_private.tg__guard_cached_balance();
create or replace trigger guard_cached_balance_truncate
  before truncate on saldo.account
  for each statement
  execute function saldo_private.tg__guard_cached_balance();

create or replace trigger guard_cached_balance
  before insert or update or delete on saldo.month_movement
  for each row
  when (current_user <> 'saldo_owner' or current_setting('role') = 'saldo_owner')
  execute function saldo_private.tg__guard_cached_balance();
create or replace trigger guard_cached_balance_truncate
  before truncate on saldo.month_movement
  for each statement
  execute function saldo_private.tg__guard_cached_balance();

create or replace trigger record_bypass_update
  after update on saldo.account
  for each row
  when (
    (OLD.debit_total, OLD.credit_total, OLD.held_total)
      is distinct from (NEW.debit_total, NEW.credit_total, NEW.held_total)
    and (current_user <> 'saldo_owner' or current_setting('role') = 'saldo_owner')
  )
  execute function saldo_private.tg__record_bypass();
alter table saldo.account enable always trigger record_bypass_update;

do $do$
declare
  v_table text;
begin
  foreach v_table in array array['month_movement', 'journal_entry', 'journal_line'] loop
    execute format(
      $sql$
        create or replace trigger record_bypass
          after insert or update or delete on saldo.%1$I
          for each row
          when (current_user <> 'saldo_owner' or current_setting('role') = 'saldo_owner')
          execute function saldo_private.tg__record_bypass();
        alter table saldo.%1$I enable always trigger record_bypass
      $sql$,
      v_table
    );
  end loop;
  foreach v_table in array array['account', 'month_movement', 'journal_entry', 'journal_line'] loop
    execute format(
      $sql$
        create or replace trigger record_bypass_truncate
          after truncate on saldo.%1$I
          for each statement
          execute function saldo_private.tg__record_bypass();
        alter table saldo.%1$I enable always trigger record_bypass_truncate
      $sql$,
      v_table
    );
  end loop;
end
$do$;

select saldo_private.secure_table('saldo.guard_event');
drop policy if exists select_all on saldo.guard_event;
create policy select_all on saldo.guard_event for select to saldo_admin, saldo_operator using (true);
grant select on saldo.guard_event to saldo_admin, saldo_operator;

comment on table saldo.guard_event is
  'A write to the journal or to a cached balance that got past the engine and its guard.';
comment on column saldo.guard_event.id is 'Id, ordered by time.';
comment on column saldo.guard_event.occurred_at is 'When it was written.';
comment on column saldo.guard_event.login is 'Login of the session.';
comment on column saldo.guard_event.role is 'Role that the session acted in.';
comment on column saldo.guard_event.application_name is 'What the session called itself.';
comment on column saldo.guard_event.client_address is 'Where it came from; null = a local socket.';
comment on column saldo.guard_event.transaction_id is 'Transaction that wrote it.';
comment on column saldo.guard_event.statement is 'The statement, up to 2,000 characters.';
comment on column saldo.guard_event.table_name is 'Table that was written.';
comment on column saldo.guard_event.operation is 'insert, update, delete or truncate.';
comment on column saldo.guard_event.account_id is 'Account that the row belongs to.';
comment on column saldo.guard_event.old_row is 'The row before.';
comment on column saldo.guard_event.new_row is 'The row after.';
