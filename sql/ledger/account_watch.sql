-- Watched accounts: who is told when a balance changes.
--
-- Private: saldo_private.account_watch, keep_watch, notify_account, notify_watchers. Who may ask
-- stands in watch_account, of the room that knows whose account is whose.
-- NOTIFY makes commits queue for one lock, so a posting announces an account only while somebody
-- has asked for it. A listener renews the watch, and it ends by itself when nobody listens.

create or replace function saldo_private.keep_watch(account_id bigint)
returns void
language plpgsql
as $$
begin
  delete from saldo_private.account_watch as w
  where w.ends_at < now();
  insert into saldo_private.account_watch as w (account_id, ends_at)
  values (keep_watch.account_id, now() + interval '90 seconds')
  on conflict on constraint account_watch_pkey do update
  set ends_at = excluded.ends_at;
end
$$;
comment on function saldo_private.keep_watch is
  'Remembers for 90 seconds that somebody listens for an account.';

create or replace function saldo_private.notify_account(account_id bigint, event text)
returns void
language sql
as $$
  select pg_notify(
    'saldo:account:' || account_id,
    jsonb_build_object('account_id', account_id::text, 'event', event)::text
  )
$$;
comment on function saldo_private.notify_account is
  'Tells listeners of the channel saldo:account:<id> what has happened, at commit.';

create or replace function saldo_private.notify_watchers(account_ids bigint[])
returns void
language plpgsql
as $$
begin
  perform saldo_private.notify_account(w.account_id, 'balance')
  from saldo_private.account_watch as w
  where w.account_id = any (account_ids)
  and w.ends_at > now();
end
$$;
comment on function saldo_private.notify_watchers is
  'Tells that the balances of these accounts change, where somebody wants to know.';

select saldo_private.secure_table('saldo_private.account_watch');

comment on table saldo_private.account_watch is
  'Accounts whose changes somebody listens to. Unlogged: who listens asks again.';
comment on column saldo_private.account_watch.account_id is
  'Account whose postings are announced by NOTIFY.';
comment on column saldo_private.account_watch.ends_at is
  'Until when they are; a subscription extends it.';
