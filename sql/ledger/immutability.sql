-- Immutability: posted entries and their lines never change, for no role.
--
-- Triggers: keep_posted_immutable, keep_journal_whole. Errors: SB105.
-- The one change that a posted entry sees is its status turning reversed once its reversal is
-- there. A draft may still change.

create or replace function saldo_private.tg_journal_entry__keep_posted_immutable()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if OLD.status = 'draft' then
    return case TG_OP when 'DELETE' then OLD else NEW end;
  end if;
  if TG_OP = 'UPDATE' and OLD.status = 'posted' and NEW.status = 'reversed'
    and to_jsonb(OLD) - 'status' = to_jsonb(NEW) - 'status'
    and exists (select from saldo.journal_entry where reverses = NEW.id)
  then
    return NEW;
  end if;
  perform saldo_private.fail('entry_immutable', format('%s of entry %s', lower(TG_OP), OLD.id));
end
$$;
comment on function saldo_private.tg_journal_entry__keep_posted_immutable is
  'Refuses every change of a posted entry but the mark that it was reversed.';

create or replace trigger keep_posted_immutable
  before update or delete on saldo.journal_entry
  for each row
  execute function saldo_private.tg_journal_entry__keep_posted_immutable();

create or replace function saldo_private.tg_journal_line__keep_posted_immutable()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if TG_OP = 'DELETE' and exists (
    select from saldo.journal_entry where id = OLD.entry_id and status = 'draft'
  ) then
    return OLD;
  end if;
  perform saldo_private.fail(
    'entry_immutable', format('%s of line %s of entry %s', lower(TG_OP), OLD.line_no, OLD.entry_id)
  );
end
$$;
comment on function saldo_private.tg_journal_line__keep_posted_immutable is
  'Refuses every change of a line; lines of a draft may be taken away.';

create or replace trigger keep_posted_immutable
  before update or delete on saldo.journal_line
  for each row
  execute function saldo_private.tg_journal_line__keep_posted_immutable();

create or replace function saldo_private.tg__keep_journal_whole()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform saldo_private.fail('entry_immutable', format('truncate of %s', TG_TABLE_NAME));
  return null;
end
$$;
comment on function saldo_private.tg__keep_journal_whole is
  'Refuses TRUNCATE, which no row trigger sees.';

create or replace trigger keep_journal_whole
  before truncate on saldo.journal_entry
  for each statement
  execute function saldo_private.tg__keep_journal_whole();
create or replace trigger keep_journal_whole
  before truncate on saldo.journal_line
  for each statement
  execute function saldo_private.tg__keep_journal_whole();
