-- Delivery of alerts: a row for each message and channel, which stays until it was sent.
--
-- Public: saldo.alert_delivery. Private: tell_alert, due_alert_deliveries, claim_alert_delivery,
-- record_alert_attempt, give_up_alert_deliveries.
-- The sender (a job of the worker, or the server when no worker runs) claims the row, sends, and
-- records the outcome in one transaction: the row's lock keeps others from sending it too, and is
-- released when the process is killed. So a message may come twice, with the same id, and is never
-- lost. Addresses and secrets are in no table.

create or replace function saldo_private.tell_alert(alert_ids uuid[], event saldo.alert_event)
returns void
language sql
as $$
  insert into saldo.alert_delivery (
    id, alert_id, channel, event, message, created_at, next_attempt_at
  )
  select saldo_private.uuid_v7(), a.id, channel.name::saldo.alert_channel, tell_alert.event,
    -- Kept as it is now: a message that is late still says what it was about.
    jsonb_build_object(
      'alert_id', a.id, 'event', tell_alert.event, 'condition', a.condition, 'key', a.key,
      'severity', a.severity, 'title', a.title, 'text', a.text, 'advice', c.advice,
      'detail', a.detail, 'opened_at', a.opened_at, 'last_seen_at', a.last_seen_at,
      'resolved_at', case when tell_alert.event = 'resolved' then a.resolved_at end,
      'database', current_database()
    ),
    clock_timestamp(), clock_timestamp()
  from saldo.alert as a
  join saldo.alert_condition as c on c.name = a.condition
  cross join unnest(
    string_to_array(nullif(saldo_private.setting_value('alert_channels'), ''), ',')
  ) as channel (name)
  where a.id = any (tell_alert.alert_ids)
  order by a.id
$$;
comment on function saldo_private.tell_alert is
  'Makes the messages about alerts, one for each channel of the setting alert_channels.';

create or replace function saldo_private.is_delivery_misdated(delivery saldo.alert_delivery)
returns boolean
language sql
volatile
as $$
  -- Nothing is put off for longer than an hour: this was by a clock that has been set back.
  select delivery.next_attempt_at > clock_timestamp() + interval '2 hours'
$$;
comment on function saldo_private.is_delivery_misdated is
  'Whether a message waits for a time that only a wrong clock can have set.';

create or replace function saldo_private.due_alert_deliveries(
  channels text[],
  within_seconds integer
)
returns table (id uuid, next_attempt_at timestamptz)
language sql
stable
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select due.id, due.next_attempt_at
  from (
    select d.id, d.channel,
      case when saldo_private.is_delivery_misdated(d) then clock_timestamp()
        else d.next_attempt_at end as next_attempt_at,
      row_number() over (partition by d.channel order by d.next_attempt_at, d.id) as place
    from saldo.alert_delivery as d
    where d.delivered_at is null
    and d.failed_at is null
    and (d.next_attempt_at <= clock_timestamp() + make_interval(secs => within_seconds)
      or saldo_private.is_delivery_misdated(d))
    and d.channel::text = any (channels)
    -- In order: a recovery is not told before what it is about. The event comes first, since ids
    -- go by a clock that may have been set back between the two.
    and not exists (
      select
      from saldo.alert_delivery as earlier
      where earlier.alert_id = d.alert_id
      and earlier.channel = d.channel
      and (earlier.event, earlier.id) < (d.event, d.id)
      and earlier.delivered_at is null
      and earlier.failed_at is null
    )
  ) as due
  left join lateral (
    select d.delivered_at is null and d.failed_at is null as is_failing
    from saldo.alert_delivery as d
    where d.channel = due.channel
    and d.last_attempt_at is not null
    order by d.last_attempt_at desc
    limit 1
  ) as last on true
  -- A receiver that is away is asked by one message, or each would wait for its silence in turn,
  -- and settlement for them.
  where due.place <= case when last.is_failing then 1 else 10 end
  order by due.next_attempt_at
$$;
comment on function saldo_private.due_alert_deliveries is
  'Messages of these channels to be sent now or within so many seconds: ten of a channel at most, '
  'one where the last attempt found no receiver.';
grant execute on function saldo_private.due_alert_deliveries to saldo_admin;

create or replace function saldo_private.claim_alert_delivery(delivery_id uuid)
returns setof saldo.alert_delivery
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  select d.*
  from saldo.alert_delivery as d
  where d.id = claim_alert_delivery.delivery_id
  and d.delivered_at is null
  and d.failed_at is null
  and (d.next_attempt_at <= clock_timestamp() or saldo_private.is_delivery_misdated(d))
  for update skip locked
$$;
comment on function saldo_private.claim_alert_delivery is
  'Locks a message to be sent to the end of the transaction; no row when it was sent, when its '
  'time has not come, or when somebody else is sending it.';
grant execute on function saldo_private.claim_alert_delivery to saldo_admin;

create or replace function saldo_private.record_alert_attempt(
  delivery_id uuid,
  outcome text,
  status integer,
  error text,
  retry_after_seconds integer default 0
)
returns void
language sql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
  update saldo.alert_delivery as d
  set attempt_count = d.attempt_count + 1,
    last_attempt_at = clock_timestamp(),
    last_status = record_alert_attempt.status,
    last_error = left(record_alert_attempt.error, 500),
    delivered_at = case when outcome = 'delivered' then clock_timestamp() end,
    failed_at = case when outcome = 'failed' then clock_timestamp() end,
    -- 5 seconds, twice as many each time, five minutes at most, unless the receiver asks for more.
    next_attempt_at = clock_timestamp() + make_interval(secs => greatest(
      least(5 * 2.0 ^ least(d.attempt_count, 10), 300),
      least(record_alert_attempt.retry_after_seconds, 3600)
    ))
  where d.id = record_alert_attempt.delivery_id
  and d.delivered_at is null
  and d.failed_at is null
$$;
comment on function saldo_private.record_alert_attempt is
  'Records that a message was delivered, is to be tried again, or failed for good.';
grant execute on function saldo_private.record_alert_attempt to saldo_admin;

create or replace function saldo_private.give_up_alert_deliveries()
returns void
language sql
as $$
  update saldo.alert_delivery as d
  set failed_at = clock_timestamp(),
    last_error = format('given up after %s hours; %s',
      saldo_private.setting_value('alert_retry_hours'),
      coalesce(d.last_error, 'no process was there that has this channel'))
  where d.delivered_at is null
  and d.failed_at is null
  and d.created_at < clock_timestamp() - make_interval(
    hours => saldo_private.setting_value('alert_retry_hours')::integer
  )
  -- Nobody waits for one that is being sent.
  and d.id in (
    select each.id
    from saldo.alert_delivery as each
    where each.delivered_at is null
    and each.failed_at is null
    for update skip locked
  )
$$;
comment on function saldo_private.give_up_alert_deliveries is
  'Ends messages that could not be sent within the setting alert_retry_hours.';

select saldo_private.secure_table('saldo.alert_delivery');
drop policy if exists select_all on saldo.alert_delivery;
create policy select_all on saldo.alert_delivery for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.alert_delivery to saldo_admin, saldo_operator;

comment on type saldo.alert_event is
  'opened: it began; reminder: it still stands; resolved: it is over; test: somebody asked.';
comment on type saldo.alert_channel is 'Way on which messages are sent.';
comment on table saldo.alert_delivery is 'A message about an alert on one channel.';
comment on column saldo.alert_delivery.id is
  'Id, ordered by time; it goes with the message, so that a receiver knows it when it comes again.';
comment on column saldo.alert_delivery.alert_id is 'Alert that the message is about.';
comment on column saldo.alert_delivery.channel is 'How it is sent: webhook or email.';
comment on column saldo.alert_delivery.event is 'What it tells.';
comment on column saldo.alert_delivery.message is 'What it says, as it was when it was made.';
comment on column saldo.alert_delivery.created_at is 'When the message was made.';
comment on column saldo.alert_delivery.next_attempt_at is 'When it is tried, or tried again.';
comment on column saldo.alert_delivery.attempt_count is
  'Attempts that ended; one that a crash cut short is not counted.';
comment on column saldo.alert_delivery.last_attempt_at is
  'When the last attempt ended; null = none did.';
comment on column saldo.alert_delivery.last_status is
  'What the receiver answered: status of HTTP or SMTP; null = no answer.';
comment on column saldo.alert_delivery.last_error is 'Why it failed, without address or secret.';
comment on column saldo.alert_delivery.delivered_at is
  'When the receiver accepted it; null = not yet, or never.';
comment on column saldo.alert_delivery.failed_at is 'When it was given up; it is not tried again.';
