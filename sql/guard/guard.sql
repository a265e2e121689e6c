-- The guard: cached balances are written by the engine only, and what gets past it is recorded.
--
-- Triggers, all of them ENABLE ALWAYS: guard_cached_balance refuses (SB601), or, where
-- session_replication_role = replica has silenced the ordinary triggers, lets pass and records;
-- record_bypass and record_bypass_truncate record writes to the journal and its seals. See
-- saldo.guard_event.
-- saldo_private.is_past_engine tells the engine's own writes from others. It stands in WHEN
-- clauses, so that the engine's writes call no trigger. A superuser who disables a trigger is not
-- caught; the rules find what that leaves behind.
-- A record never fails the write that it tells of: the triggers run as the owner, whoever writes,
-- and what cannot be kept goes to the server's log.

create or replace function saldo_private.keep_guard_event(event saldo.guard_event)
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_event saldo.guard_event := event;
  v_reason text;
begin
  v_event.id := saldo_private.uuid_v7();
  v_event.occurred_at := clock_timestamp();
  v_event.login := session_user;
  v_event.role := coalesce(nullif(current_setting('role'), 'none'), session_user);
  v_event.application_name := current_setting('application_name');
  v_event.client_address := inet_client_addr();
  v_event.transaction_id := pg_current_xact_id();
  -- A worker of logical replication runs no statement.
  v_event.statement := saldo_private.without_literals(current_query());
  insert into saldo.guard_event (
    id, occurred_at, login, role, application_name, client_address, transaction_id, statement,
    table_name, operation, account_id, rule, key, old_row, new_row
  )
  values (
    v_event.id, v_event.occurred_at, v_event.login, v_event.role, v_event.application_name,
    v_event.client_address, v_event.transaction_id, v_event.statement, v_event.table_name,
    v_event.operation, v_event.account_id, v_event.rule, v_event.key, v_event.old_row,
    v_event.new_row
  );
exception
  -- The write goes on, whatever stands in the way of its record.
  when others then
    v_reason := sqlerrm;
    begin
      insert into saldo.guard_event (
        id, occurred_at, login, role, application_name, transaction_id, table_name, operation,
        rule, key
      )
      values (
        v_event.id, v_event.occurred_at, v_event.login, v_event.role, v_event.application_name,
        v_event.transaction_id, event.table_name, event.operation, event.rule, event.key
      );
      raise warning 'A write past the engine is recorded without its rows: %', v_reason;
    exception
      when others then
        raise warning 'A write past the engine is not recorded: % of % by % in transaction %: %',
          event.operation, event.table_name, session_user, pg_current_xact_id(), sqlerrm;
    end;
end
$$;
comment on function saldo_private.keep_guard_event is
  'Records a write that got past the engine: who, from where, with which statement. It never fails '
  'the write: what cannot be recorded stands in the server''s log.';
revoke execute on function saldo_private.keep_guard_event from public;

create or replace function saldo_private.record_bypass(
  table_name text,
  operation text,
  old_row jsonb,
  new_row jsonb
)
returns void
language plpgsql
as $$
declare
  v_event saldo.guard_event;
begin
  v_event.table_name := record_bypass.table_name;
  v_event.operation := lower(record_bypass.operation);
  v_event.account_id := coalesce(
    coalesce(new_row, old_row) ->> 'account_id',
    case when record_bypass.table_name = 'account' then coalesce(new_row, old_row) ->> 'id' end
  );
  v_event.old_row := record_bypass.old_row;
  v_event.new_row := record_bypass.new_row;
  perform saldo_private.keep_guard_event(v_event);
end
$$;
comment on function saldo_private.record_bypass is
  'Records a write to a table of Saldo that got past the engine, with the row before and after.';

create or replace function saldo_private.tg__guard_cached_balance()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_cached constant text[] := array['debit_total', 'credit_total', 'held_total'];
  v_terms constant text[] := array['code', 'type', 'currency', 'min_balance'];
  v_old jsonb := to_jsonb(OLD);
  v_new jsonb := to_jsonb(NEW);
begin
  -- Of an account only the cached columns are guarded; an account may begin with none of them.
  if TG_TABLE_NAME = 'account' and TG_OP <> 'DELETE' and not exists (
    select
    from unnest(v_cached) as cached (name)
    where (v_new ->> cached.name)::numeric
      is distinct from coalesce((v_old ->> cached.name)::numeric, 0)
  ) then
    -- What it was opened with is not refused, as a minimum may be mended so; it is recorded.
    if exists (
      select
      from unnest(v_terms) as term (name)
      where v_new -> term.name is distinct from v_old -> term.name
    ) then
      perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, v_old, v_new);
    end if;
    return NEW;
  end if;

  if current_setting('session_replication_role') = 'replica' then
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, v_old, v_new);
    return coalesce(NEW, OLD);
  end if;
  perform saldo_private.fail('balance_guarded', format('%s of %s', lower(TG_OP), TG_TABLE_NAME));
end
$$;
comment on function saldo_private.tg__guard_cached_balance is
  'Refuses a write to a cached balance that does not come from the engine (SB601 '
  'balance_guarded), or records it where triggers are silenced.';

create or replace function saldo_private.tg__guard_truncate()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if current_setting('session_replication_role') = 'replica' then
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, null, null);
    return null;
  end if;
  perform saldo_private.fail('balance_guarded', format('truncate of %s', TG_TABLE_NAME));
end
$$;
comment on function saldo_private.tg__guard_truncate is
  'Refuses TRUNCATE of cached balances (SB601 balance_guarded), or records it where triggers are '
  'silenced.';

create or replace function saldo_private.tg__record_bypass()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if TG_LEVEL = 'STATEMENT' then
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, null, null);
  else
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
  end if;
  return null;
end
$$;
comment on function saldo_private.tg__record_bypass is
  'Records a change of the journal that does not come from the engine.';

create or replace function saldo_private.tg_journal_line__record_bypass()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, null, to_jsonb(n))
  from new_lines as n;
  return null;
end
$$;
comment on function saldo_private.tg_journal_line__record_bypass is
  'Records lines that were inserted past the engine.';

create or replace function saldo_private.guard_cache(cache regclass)
returns void
language plpgsql
as $$
begin
  execute format(
    $sql$
      create or replace trigger guard_cached_balance
        before insert or update or delete on %1$s
        for each row
        when (saldo_private.is_past_engine())
        execute function saldo_private.tg__guard_cached_balance();
      create or replace trigger guard_truncate
        before truncate on %1$s
        for each statement
        execute function saldo_private.tg__guard_truncate();
      alter table %1$s enable always trigger guard_cached_balance;
      alter table %1$s enable always trigger guard_truncate;
    $sql$,
    cache
  );
end
$$;
comment on function saldo_private.guard_cache is
  'Lets writes past the engine to this table of cached balances be refused, or recorded where '
  'triggers are silenced.';

select saldo_private.guard_cache('saldo.account');
select saldo_private.guard_cache('saldo.month_movement');
select saldo_private.guard_cache('saldo_private.year_movement');
select saldo_private.guard_cache('saldo.customer_month_total');

create or replace trigger record_bypass_insert
  after insert on saldo.journal_line
  referencing new table as new_lines
  for each statement
  when (saldo_private.is_past_engine())
  execute function saldo_private.tg_journal_line__record_bypass();
create or replace trigger record_bypass
  after update or delete on saldo.journal_line
  for each row
  when (saldo_private.is_past_engine())
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_line
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after update or delete on saldo.journal_entry
  for each row
  when (saldo_private.is_past_engine())
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_entry
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after insert or update or delete on saldo.journal_seal
  for each row
  when (saldo_private.is_past_engine())
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_seal
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after insert or update or delete on saldo.journal_seal_total
  for each row
  when (saldo_private.is_past_engine())
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_seal_total
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after insert or update or delete on saldo.journal_seal_entry
  for each row
  when (saldo_private.is_past_engine())
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.journal_seal_entry
  for each statement
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass
  after insert or update or delete on saldo.entry_draft
  for each row
  when (saldo_private.is_past_engine())
  execute function saldo_private.tg__record_bypass();
create or replace trigger record_bypass_truncate
  after truncate on saldo.entry_draft
  for each statement
  execute function saldo_private.tg__record_bypass();

alter table saldo.journal_line enable always trigger record_bypass_insert;
alter table saldo.journal_line enable always trigger record_bypass;
alter table saldo.journal_line enable always trigger record_bypass_truncate;
alter table saldo.journal_entry enable always trigger record_bypass;
alter table saldo.journal_entry enable always trigger record_bypass_truncate;
alter table saldo.journal_seal enable always trigger record_bypass;
alter table saldo.journal_seal enable always trigger record_bypass_truncate;
alter table saldo.journal_seal_total enable always trigger record_bypass;
alter table saldo.journal_seal_total enable always trigger record_bypass_truncate;
alter table saldo.journal_seal_entry enable always trigger record_bypass;
alter table saldo.journal_seal_entry enable always trigger record_bypass_truncate;
alter table saldo.entry_draft enable always trigger record_bypass;
alter table saldo.entry_draft enable always trigger record_bypass_truncate;

select saldo_private.secure_table('saldo.guard_event');
drop policy if exists select_all on saldo.guard_event;
create policy select_all on saldo.guard_event for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.guard_event to saldo_admin, saldo_operator;

comment on table saldo.guard_event is
  E'@foreignKey (account_id) references saldo.account (id)|@backwardBehavior -*\n'
  'A write to the journal, to a cached balance or to the terms of an account that got past the '
  'engine and its guard.';
comment on column saldo.guard_event.id is 'Id, ordered by time.';
comment on column saldo.guard_event.occurred_at is 'When the write took place.';
comment on column saldo.guard_event.login is 'Login of the session that wrote.';
comment on column saldo.guard_event.role is 'Role that the session acted in.';
comment on column saldo.guard_event.application_name is 'What the session called itself.';
comment on column saldo.guard_event.client_address is 'Where it came from; null = a local socket.';
comment on column saldo.guard_event.transaction_id is 'Transaction that wrote the row.';
comment on column saldo.guard_event.statement is
  'The statement, up to 2,000 characters, with ? in place of its literals and without comments: it '
  'may be one about tables of yours, with a password in it. null = none, as in a worker of logical '
  'replication.';
comment on column saldo.guard_event.table_name is
  'Name of the table that was written; one of yours with its schema.';
comment on column saldo.guard_event.operation is 'insert, update, delete or truncate.';
comment on column saldo.guard_event.account_id is 'Account that the row belongs to.';
comment on column saldo.guard_event.rule is
  'Registered rule whose table was written; null = a table of Saldo.';
comment on column saldo.guard_event.key is 'Key of the row, in the registered rule''s form.';
comment on column saldo.guard_event.old_row is
  'The row before; of a user''s table its key and figure only.';
comment on column saldo.guard_event.new_row is 'The row after, likewise.';
