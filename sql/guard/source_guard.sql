-- The guard of what heals derive from: a write past the engine is recorded, and its rows are
-- contested from then on.
--
-- Private: contest_rows, guard_table. Triggers, all of them ENABLE ALWAYS: record_bypass and
-- record_bypass_truncate.
-- Also here: stamp_change, which writes down the transaction of each change by the engine, so that
-- the sealer finds the record again. A write past the engine is not stamped.

create or replace function saldo_private.contest_rows(source text, row_data jsonb)
returns void
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  -- A worker of logical replication runs no statement: what it writes the engine wrote elsewhere.
  if current_query() is null then
    return;
  end if;
  insert into saldo_private.contested_row (account_id, source, slot_no, contested_at)
  values (
    coalesce((row_data ->> 'account_id')::bigint, 0), contest_rows.source,
    case when contest_rows.source = 'sub_balance'
      then coalesce((row_data ->> 'slot_no')::integer, 0) else 0 end,
    clock_timestamp()
  )
  on conflict on constraint contested_row_pkey do nothing;
exception
  -- The write goes on, as where it is recorded.
  when others then
    raise warning 'Rows of % that were written past the engine are not contested: %',
      contest_rows.source, sqlerrm;
end
$$;
comment on function saldo_private.contest_rows is
  'Marks the rows of an account in a table as written past the engine; of a hot account those of '
  'a slot. It never fails the write.';
revoke execute on function saldo_private.contest_rows from public;

create or replace function saldo_private.tg__record_source_bypass()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if TG_LEVEL = 'STATEMENT' then
    perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, null, null);
    -- Slots that are gone are made again, as after a crash.
    if TG_TABLE_NAME <> 'account_slot' then
      perform saldo_private.contest_rows(TG_TABLE_NAME, '{}');
    end if;
    return null;
  end if;
  perform saldo_private.record_bypass(TG_TABLE_NAME, TG_OP, to_jsonb(OLD), to_jsonb(NEW));
  -- A row that is what it was is as the engine wrote it.
  if TG_OP = 'UPDATE' and OLD is not distinct from NEW then
    return null;
  end if;
  if TG_OP <> 'INSERT' then
    perform saldo_private.contest_rows(TG_TABLE_NAME, to_jsonb(OLD));
  end if;
  if TG_OP <> 'DELETE' then
    perform saldo_private.contest_rows(TG_TABLE_NAME, to_jsonb(NEW));
  end if;
  return null;
end
$$;
comment on function saldo_private.tg__record_source_bypass is
  'Records a change of what heals derive from that does not come from the engine, and contests '
  'the rows.';

create or replace function saldo_private.tg__stamp_change()
returns trigger
language plpgsql
as $$
begin
  NEW.changed_in := pg_current_xact_id();
  return NEW;
end
$$;
comment on function saldo_private.tg__stamp_change is
  'Writes down the transaction in which the engine has changed a record.';

create or replace function saldo_private.guard_table(
  source regclass,
  handler text default 'tg__record_bypass',
  operations text default 'insert or update or delete'
)
returns void
language plpgsql
as $$
begin
  execute format(
    $sql$
      create or replace trigger record_bypass
        after %2$s on %1$s
        for each row
        when (saldo_private.is_past_engine())
        execute function saldo_private.%3$I();
      create or replace trigger record_bypass_truncate
        after truncate on %1$s
        for each statement
        when (saldo_private.is_past_engine())
        execute function saldo_private.%3$I();
      alter table %1$s enable always trigger record_bypass;
      alter table %1$s enable always trigger record_bypass_truncate;
    $sql$,
    source, operations, handler
  );
end
$$;
comment on function saldo_private.guard_table is
  'Lets writes past the engine to this table be recorded by a trigger function, those by these '
  'operations and truncate.';
revoke execute on function saldo_private.guard_table from public;

create or replace function saldo_private.stamp_source(source regclass)
returns void
language plpgsql
as $$
begin
  execute format(
    $sql$
      create or replace trigger stamp_change
        before update on %s
        for each row
        when (old.changed_in is not distinct from new.changed_in
          and not saldo_private.is_past_engine())
        execute function saldo_private.tg__stamp_change()
    $sql$,
    source
  );
end
$$;
comment on function saldo_private.stamp_source is
  'Lets changes by the engine to records of this table be stamped with their transaction.';
revoke execute on function saldo_private.stamp_source from public;

select saldo_private.guard_table('saldo.sub_balance', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.hold', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.purchase', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.purchase_refund', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.top_up_reversal', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.stock_item', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.deposit', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.reading', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.rated_line', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.settlement', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.settlement_entry', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo.settlement_range', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo_private.settlement_mark', 'tg__record_source_bypass');
select saldo_private.guard_table('saldo_private.account_slot', 'tg__record_source_bypass');
-- One that is added only lets a request be refused.
select saldo_private.guard_table(
  'saldo_private.idempotency_record', 'tg__record_source_bypass', 'update or delete'
);

-- What was sealed never changes, and that rows are in question is for accept_rows to end.
create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo_private.row_seal
  for each statement
  execute function saldo_private.tg__keep_seals_immutable();
create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo_private.sealed_record
  for each statement
  execute function saldo_private.tg__keep_seals_immutable();
create or replace trigger keep_seals_immutable
  before update or delete or truncate on saldo_private.contested_row
  for each statement
  when (saldo_private.is_past_engine())
  execute function saldo_private.tg__keep_seals_immutable();

-- What rating, purchases and tills go by, and the evidence itself. The journal and rows that are
-- sealed say what was made of it, and rules compare: so the write is recorded, and no account
-- contested. What people have decided is guarded where its table is at home. Settings, rules and
-- sources of postings are not: applying sql/ writes them, and they are compared with what was set
-- and built.
select saldo_private.guard_table('saldo.tariff_version');
select saldo_private.guard_table('saldo.correction_factor_version');
select saldo_private.guard_table('saldo.customer');
select saldo_private.guard_table('saldo.meter');
select saldo_private.guard_table('saldo.member');
select saldo_private.guard_table('saldo.product');
select saldo_private.guard_table('saldo_private.account_terms');
select saldo_private.guard_table('saldo.posting_rule');
select saldo_private.guard_table('saldo.branch_intake');
select saldo_private.guard_table('saldo.branch');
select saldo_private.guard_table('saldo.branch_device');
select saldo_private.guard_table('saldo.branch_epoch');
select saldo_private.guard_table('saldo.branch_head');
select saldo_private.guard_table('saldo.branch_gap_waiver');
select saldo_private.guard_table('saldo.branch_key');
select saldo_private.guard_table('saldo_private.branch_key_secret');
select saldo_private.guard_table('saldo_private.branch_enrolment');
select saldo_private.guard_table('saldo.centre_epoch');
select saldo_private.guard_table('saldo_private.row_seal');
select saldo_private.guard_table('saldo_private.row_seal_progress');
select saldo_private.guard_table('saldo_private.sealed_record');
select saldo_private.guard_table('saldo_private.sealed_stretch');
select saldo_private.guard_table('saldo_private.contested_row');
select saldo_private.guard_table('saldo.decision');
select saldo_private.guard_table('saldo.limit_use');
select saldo_private.guard_table('saldo.service_token');
select saldo_private.guard_table('saldo_private.service_token_secret');
select saldo_private.guard_table('saldo_private.console_link');
select saldo_private.guard_table('saldo_private.console_session');

select saldo_private.stamp_source('saldo.hold');
select saldo_private.stamp_source('saldo.purchase');
select saldo_private.stamp_source('saldo.stock_item');
select saldo_private.stamp_source('saldo.deposit');
select saldo_private.stamp_source('saldo.reading');
select saldo_private.stamp_source('saldo.rated_line');
select saldo_private.stamp_source('saldo.settlement');
