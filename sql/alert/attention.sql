-- What needs a person may have changed: told to whoever follows it, so that nobody has to ask.
--
-- Private: announce_attention. Announced on the channel saldo:attention; the word is the table.

create or replace function saldo_private.announce_attention()
returns trigger
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
begin
  perform pg_notify('saldo:attention', TG_TABLE_NAME);
  return null;
end
$$;
comment on function saldo_private.announce_attention is
  'Tells followers of attentionChanged of which kind the change is.';

create or replace trigger announce_attention
  after insert or update on saldo.check_run
  for each statement execute function saldo_private.announce_attention();

create or replace trigger announce_attention
  after insert or update on saldo.heal_run
  for each statement execute function saldo_private.announce_attention();

create or replace trigger announce_attention
  after insert or update on saldo.heal_proposal
  for each statement execute function saldo_private.announce_attention();

create or replace trigger announce_attention
  after insert or update on saldo.decision
  for each statement execute function saldo_private.announce_attention();

create or replace trigger announce_attention
  after insert or update on saldo.account_freeze
  for each statement execute function saldo_private.announce_attention();

-- Each evaluation says of an open alert that it is still there: that is no change.
create or replace trigger announce_attention
  after insert or update of resolved_at, acknowledged_at on saldo.alert
  for each statement execute function saldo_private.announce_attention();

create or replace trigger announce_attention
  after insert or update of delivered_at, failed_at on saldo.alert_delivery
  for each statement execute function saldo_private.announce_attention();
