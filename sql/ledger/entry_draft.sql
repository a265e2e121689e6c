-- Drafts of journal entries: written down, changed, and posted or discarded by a decision.
--
-- Public: saldo.entry_draft, make_draft, edit_draft, post_draft, discard_draft. Trigger:
-- keep_decided_immutable. Private: require_draft, require_open_draft, require_draft_entry.
-- A draft is no part of the journal: no balance, seal or statement knows it. Posting one is
-- post_entries in the transaction that marks it, under the lock of its row, so that it is posted
-- once whoever tries. Who has written none of it is the second person of use_entry_limit.
-- Locks: the draft's row, then those of a posting.

create or replace function saldo_private.require_draft(draft_id uuid)
returns saldo.entry_draft
language plpgsql
as $$
declare
  v_draft saldo.entry_draft;
begin
  select *
  into v_draft
  from saldo.entry_draft as d
  where d.id = require_draft.draft_id
  for update;
  if v_draft.id is null then
    perform saldo_private.fail(
      'draft_not_found', format('draft %s', coalesce(draft_id::text, 'none'))
    );
  end if;
  return v_draft;
end
$$;
comment on function saldo_private.require_draft is
  'The draft, locked: SB680 draft_not_found.';

create or replace function saldo_private.require_open_draft(draft_id uuid, version integer)
returns saldo.entry_draft
language plpgsql
as $$
declare
  v_draft saldo.entry_draft := saldo_private.require_draft(draft_id);
begin
  if v_draft.status <> 'open' then
    perform saldo_private.fail('draft_state', format('draft %s is %s', draft_id, v_draft.status));
  elsif version <> v_draft.version then
    perform saldo_private.fail(
      'draft_changed', format('draft %s has version %s, not %s', draft_id, v_draft.version, version)
    );
  end if;
  return v_draft;
end
$$;
comment on function saldo_private.require_open_draft is
  'The draft, locked, as whoever decides has seen it; version null = whatever it says. Errors in '
  'checking order: SB680 draft_not_found, SB681 draft_state, SB682 draft_changed.';

create or replace function saldo_private.require_draft_entry(entry jsonb)
returns jsonb
language plpgsql
stable
as $$
declare
  v_entry jsonb := entry;
begin
  perform saldo_private.post_entries__check_form(jsonb_build_array(entry));
  if entry ? 'idempotency_key' then
    perform saldo_private.fail(
      'input_invalid', 'idempotency_key: a draft is posted once without one'
    );
  elsif octet_length(entry::text) > 1000000 then
    perform saldo_private.fail('text_too_long', 'entry: up to 1,000,000 bytes');
  end if;
  perform saldo_private.require_text(entry ->> 'description', 'description');
  if entry ->> 'occurred_at' is not null then
    v_entry := v_entry || jsonb_build_object('occurred_at', to_char(
      saldo_private.require_occurred_at(
        saldo_private.require_instant_text(entry ->> 'occurred_at', 'occurred_at')
      ) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    ));
  end if;
  if entry ->> 'origin_month' is not null then
    v_entry := v_entry || jsonb_build_object('origin_month', to_char(
      saldo_private.require_instant_text(entry ->> 'origin_month', 'origin_month'), 'YYYY-MM-DD'
    ));
  end if;
  return v_entry;
end
$$;
comment on function saldo_private.require_draft_entry is
  'The entry of a draft, in the form of post_entries, with its times as they are understood now: '
  '"yesterday" is another day when it is posted. Amounts, accounts and whether it balances are '
  'looked at when it is posted. Errors in checking order: SB010 input_invalid, '
  'SB107 entry_invalid, SB010 input_invalid for a key, SB009 text_too_long, SB008 text_invalid, '
  'SB006 forbidden for a member, SB010 input_invalid for a time.';

create or replace function saldo.make_draft(entry jsonb, draft_id uuid default null)
returns saldo.entry_draft
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_entry jsonb := saldo_private.require_draft_entry(make_draft.entry);
  v_draft saldo.entry_draft;
begin
  insert into saldo.entry_draft (
    id, content, description, occurred_at, made_by, changed_by, authors
  )
  values (
    coalesce(make_draft.draft_id, saldo_private.uuid_v7()), v_entry,
    v_entry ->> 'description', (v_entry ->> 'occurred_at')::timestamptz,
    saldo_private.actor(), saldo_private.actor(), array[saldo_private.actor()]
  )
  on conflict (id) do nothing
  returning * into v_draft;
  if v_draft.id is null then
    v_draft := saldo_private.require_draft(make_draft.draft_id);
    if v_draft.content <> v_entry then
      perform saldo_private.fail('idempotency_conflict', format('draft %s', draft_id));
    end if;
  end if;
  return v_draft;
end
$$;
comment on function saldo.make_draft is
  'Writes down a journal entry to be posted later, or never. entry: as post_entries takes one, but '
  'without idempotency_key; it need not balance yet. No balance knows it. draft_id: your own for a '
  'request that may be repeated; the same again with the same entry returns the draft. Errors in '
  'checking order: SB010 input_invalid, SB107 entry_invalid, SB009 text_too_long, '
  'SB008 text_invalid, SB005 idempotency_conflict.';
revoke execute on function saldo.make_draft from public;
grant execute on function saldo.make_draft to saldo_admin, saldo_accountant;

create or replace function saldo.edit_draft(
  draft_id uuid,
  entry jsonb,
  version integer default null
)
returns saldo.entry_draft
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_entry jsonb := saldo_private.require_draft_entry(edit_draft.entry);
  v_draft saldo.entry_draft;
begin
  perform saldo_private.require_open_draft(edit_draft.draft_id, edit_draft.version);
  update saldo.entry_draft as d
  set version = d.version + 1,
    content = v_entry,
    description = v_entry ->> 'description',
    occurred_at = (v_entry ->> 'occurred_at')::timestamptz,
    changed_at = clock_timestamp(),
    changed_by = saldo_private.actor(),
    authors = array_append(array_remove(d.authors, saldo_private.actor()), saldo_private.actor())
  where d.id = edit_draft.draft_id
  returning * into v_draft;
  return v_draft;
end
$$;
comment on function saldo.edit_draft is
  'Puts another entry in the place of a draft''s, and counts its version up. version: that which '
  'you have seen; the draft is left as it is when it has another one by now. Errors in checking '
  'order: SB010 input_invalid, SB107 entry_invalid, SB009 text_too_long, SB008 text_invalid, '
  'SB680 draft_not_found, SB681 draft_state once it is posted or discarded, SB682 draft_changed.';
revoke execute on function saldo.edit_draft from public;
grant execute on function saldo.edit_draft to saldo_admin, saldo_accountant;

create or replace function saldo.post_draft(draft_id uuid, version integer default null)
returns saldo.journal_entry
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_draft saldo.entry_draft := saldo_private.require_draft(post_draft.draft_id);
  v_entry saldo.journal_entry;
begin
  if v_draft.status <> 'posted' then
    v_draft := saldo_private.require_open_draft(post_draft.draft_id, post_draft.version);
    select *
    into strict v_entry
    from saldo_private.post_entries__post(
      jsonb_build_array(v_draft.content),
      -- A program is no second person.
      is_alone => saldo_private.actor() like 'service:%'
        or saldo_private.actor() = any (v_draft.authors || v_draft.made_by || v_draft.changed_by)
    );
    update saldo.entry_draft as d
    set status = 'posted',
      entry_id = v_entry.id,
      changed_at = clock_timestamp(),
      changed_by = saldo_private.actor()
    where d.id = v_draft.id;
    return v_entry;
  end if;
  select *
  into strict v_entry
  from saldo.journal_entry as e
  where e.id = v_draft.entry_id;
  return v_entry;
end
$$;
comment on function saldo.post_draft is
  'Posts a draft as post_entries does, on the day that its occurred_at, or now, says: in a closed '
  'month on the first open day. Once: a draft that is posted gives its entry again. version: that '
  'which you have seen. Of an accountant it counts for entry_alone_amount only where they have '
  'written it, or a program posts it. Errors in checking order: SB680 draft_not_found, '
  'SB681 draft_state of one that is discarded, SB682 draft_changed, and those of post_entries.';
revoke execute on function saldo.post_draft from public;
grant execute on function saldo.post_draft to saldo_admin, saldo_accountant;

create or replace function saldo.discard_draft(draft_id uuid, reason text)
returns saldo.entry_draft
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(discard_draft.reason, 'reason');
  v_draft saldo.entry_draft := saldo_private.require_draft(discard_draft.draft_id);
begin
  if v_draft.status = 'discarded' then
    return v_draft;
  end if;
  perform saldo_private.require_open_draft(discard_draft.draft_id, null);
  update saldo.entry_draft as d
  set status = 'discarded',
    reason = v_reason,
    changed_at = clock_timestamp(),
    changed_by = saldo_private.actor()
  where d.id = discard_draft.draft_id
  returning * into v_draft;
  return v_draft;
end
$$;
comment on function saldo.discard_draft is
  'Decides that a draft is not posted; it stays, with the reason. One that is discarded comes back '
  'as it is. Errors in checking order: SB010 input_invalid, SB009 text_too_long, '
  'SB008 text_invalid, SB680 draft_not_found, SB681 draft_state of one that is posted.';
revoke execute on function saldo.discard_draft from public;
grant execute on function saldo.discard_draft to saldo_admin, saldo_accountant;

create or replace function saldo_private.tg_entry_draft__keep_decided_immutable()
returns trigger
language plpgsql
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  if TG_OP = 'DELETE' or OLD.status <> 'open' then
    perform saldo_private.fail('draft_state', format('%s of draft %s', lower(TG_OP), OLD.id));
  end if;
  return NEW;
end
$$;
comment on function saldo_private.tg_entry_draft__keep_decided_immutable is
  'Refuses every change of a draft that is posted or discarded, and to delete any: '
  'SB681 draft_state.';

create or replace trigger keep_decided_immutable
  before update or delete on saldo.entry_draft
  for each row
  execute function saldo_private.tg_entry_draft__keep_decided_immutable();

select saldo_private.secure_table('saldo.entry_draft');
drop policy if exists select_all on saldo.entry_draft;
create policy select_all on saldo.entry_draft for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.entry_draft to saldo_admin, saldo_operator;
comment on type saldo.draft_status is
  'open: may be changed; posted: its entry is in the journal; discarded: it never will be.';
comment on table saldo.entry_draft is
  E'@foreignKey (entry_id) references saldo.journal_entry (id)|@backwardBehavior -*\n'
  'A journal entry that is written down to be posted later. No balance knows it.';
comment on column saldo.entry_draft.id is 'Id, version 7 unless the client gave one.';
comment on column saldo.entry_draft.status is 'open, posted or discarded.';
comment on column saldo.entry_draft.version is 'Counts the entries that stood in it, from 1.';
comment on column saldo.entry_draft.content is 'The entry, in the form of post_entries.';
comment on column saldo.entry_draft.description is 'What it is about: that of the entry.';
comment on column saldo.entry_draft.occurred_at is
  'When it took place, by the entry; null = when it is posted.';
comment on column saldo.entry_draft.made_at is 'When it was made.';
comment on column saldo.entry_draft.made_by is 'Who made it: token subject or login.';
comment on column saldo.entry_draft.changed_at is 'When it was changed or decided about last.';
comment on column saldo.entry_draft.changed_by is 'Who did so.';
comment on column saldo.entry_draft.entry_id is 'The journal entry, once it is posted.';
comment on column saldo.entry_draft.authors is
  'All who have written an entry into it: token subjects or logins.';
comment on column saldo.entry_draft.reason is 'Why it was discarded.';
