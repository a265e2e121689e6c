-- The centre's epoch: tills compare it, and so hear that the centre was restored from a backup.
--
-- Public: saldo.centre_epoch, begin_centre_epoch. Private: current_centre_epoch,
-- notice_restored_centre.
-- After a change tills ask under each of their epochs what the centre holds, and send the rest.

insert into saldo.centre_epoch (reason, begun_by)
select 'made', saldo_private.actor()
where not exists (select from saldo.centre_epoch);

create or replace function saldo_private.current_centre_epoch()
returns saldo.centre_epoch
language plpgsql
stable
as $$
declare
  v_epoch saldo.centre_epoch;
begin
  select *
  into v_epoch
  from saldo.centre_epoch
  order by number desc
  limit 1;
  return v_epoch;
end
$$;
comment on function saldo_private.current_centre_epoch is 'The epoch that is told to tills now.';

create or replace function saldo_private.notice_restored_centre(
  branch_code text,
  device_no integer,
  told_verdict_no bigint,
  own_verdict_no bigint
)
returns void
language plpgsql
as $$
begin
  if told_verdict_no <= own_verdict_no then
    return;
  end if;
  -- Once an hour: a till that tells nonsense must not make all others compare for ever.
  insert into saldo.centre_epoch (reason, begun_by)
  select format('till %s-%s has verdict %s, here the last is %s', branch_code, device_no,
      told_verdict_no, own_verdict_no), 'push'
  where (select e.began_at from saldo_private.current_centre_epoch() as e)
    < now() - interval '1 hour';
end
$$;
comment on function saldo_private.notice_restored_centre is
  'Begins a new epoch when a till has a verdict that was never given here: then this database was '
  'restored from a backup, and nobody has said so.';

create or replace function saldo.begin_centre_epoch(reason text)
returns saldo.centre_epoch
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_reason text := saldo_private.require_text(begin_centre_epoch.reason, 'reason');
  v_epoch saldo.centre_epoch;
begin
  insert into saldo.centre_epoch (reason, begun_by)
  values (v_reason, saldo_private.actor())
  returning * into v_epoch;
  return v_epoch;
end
$$;
comment on function saldo.begin_centre_epoch is
  'To be called after this database was restored from a backup: tills compare what the centre '
  'holds with what they have, and send again what it lost. It does no harm otherwise. Errors: '
  'SB010 input_invalid, SB008 text_invalid, SB009 text_too_long.';
revoke execute on function saldo.begin_centre_epoch from public;
grant execute on function saldo.begin_centre_epoch to saldo_admin;

select saldo_private.secure_table('saldo.centre_epoch');
drop policy if exists select_all on saldo.centre_epoch;
create policy select_all on saldo.centre_epoch for select
  to saldo_admin, saldo_operator using (true);
grant select on saldo.centre_epoch to saldo_admin, saldo_operator;

comment on table saldo.centre_epoch is
  'Epochs of this database as tills know it; one begins when it was restored from a backup.';
comment on column saldo.centre_epoch.number is 'Number; the highest is the one that is told.';
comment on column saldo.centre_epoch.epoch is 'What tills are told.';
comment on column saldo.centre_epoch.began_at is 'When it began.';
comment on column saldo.centre_epoch.reason is 'Why it began.';
comment on column saldo.centre_epoch.begun_by is
  'Who began it; push = a till knew more than the centre.';
