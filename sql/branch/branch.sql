-- Branches: shops that keep their cash books by themselves, and hand them over when they can.
--
-- Public: saldo.branch, create_branch. Private: require_branch, lock_branch.
-- A branch has a cash account, which its rows move, and a suspense account for rows that no rule
-- knows an account for. Neither has a minimum: what a till reports has happened.
-- Locks: whatever writes rows of a branch holds the row of the branch first, then months, then
-- accounts. Its devices, keys and epochs need no lock of their own.

create or replace function saldo_private.require_branch(branch_id bigint)
returns saldo.branch
language plpgsql
stable
as $$
declare
  v_branch saldo.branch;
begin
  select *
  into v_branch
  from saldo.branch
  where id = require_branch.branch_id;
  if v_branch.id is null then
    perform saldo_private.fail('branch_not_found', format('branch %s', branch_id));
  end if;
  return v_branch;
end
$$;
comment on function saldo_private.require_branch is 'The branch. Error: SB501 branch_not_found.';

create or replace function saldo_private.lock_branch(branch_id bigint)
returns saldo.branch
language plpgsql
as $$
declare
  v_branch saldo.branch;
begin
  perform saldo_private.require_read_committed();
  select *
  into v_branch
  from saldo.branch
  where id = lock_branch.branch_id
  for no key update;
  if v_branch.id is null then
    perform saldo_private.fail('branch_not_found', format('branch %s', branch_id));
  end if;
  return v_branch;
end
$$;
comment on function saldo_private.lock_branch is
  'The branch, locked for whoever writes rows of it; what is read afterwards is what is committed '
  'by then. Errors: SB020 isolation_unsupported, SB501 branch_not_found.';

create or replace function saldo.create_branch(
  code text,
  name text,
  time_zone text default null,
  currency text default null
)
returns saldo.branch
language plpgsql
security definer
set search_path = saldo, saldo_private, pg_temp
as $$
declare
  v_code text := saldo_private.require_line(create_branch.code, 'code', 20);
  v_name text := saldo_private.require_line(create_branch.name, 'name', 180);
  v_zone text := coalesce(
    create_branch.time_zone, saldo_private.setting_value('business_time_zone')
  );
  v_cash saldo.account;
  v_suspense saldo.account;
  v_branch saldo.branch;
begin
  if v_code !~ '^[A-Z0-9][A-Z0-9-]*$' then
    perform saldo_private.fail(
      'input_invalid', format('code %L: capital letters, digits and hyphens', v_code)
    );
  elsif not exists (
    select from pg_catalog.pg_timezone_names as zone where zone.name = v_zone
  ) then
    perform saldo_private.fail('input_invalid', format('no time zone is named %L', v_zone));
  end if;
  v_cash := saldo.open_account(
    code => 'branch_cash:' || v_code,
    name => 'Cash of ' || v_name,
    type => 'asset',
    currency => create_branch.currency
  );
  -- By its code an item of the checklist of a period, as long as it is not zero.
  v_suspense := saldo.open_account(
    code => 'suspense:branch:' || v_code,
    name => 'Not assigned, ' || v_name,
    type => 'liability',
    currency => create_branch.currency
  );
  insert into saldo.branch (code, name, time_zone, currency, cash_account_id, suspense_account_id)
  values (v_code, v_name, v_zone, v_cash.currency, v_cash.id, v_suspense.id)
  returning * into v_branch;
  return v_branch;
end
$$;
comment on function saldo.create_branch is
  'Creates a branch with its cash account (branch_cash:CODE) and its suspense account '
  '(suspense:branch:CODE). code: 1 to 20 capital letters, digits and hyphens; it stands on '
  'receipts. time_zone: of the branch, default the setting business_time_zone. currency: three '
  'capital letters, default the setting currency. Errors: SB010 input_invalid, '
  'SB008 text_invalid, SB009 text_too_long, SB014 not_unique for a code that is taken.';
revoke execute on function saldo.create_branch from public;
grant execute on function saldo.create_branch to saldo_admin;

select saldo_private.secure_table('saldo.branch');
drop policy if exists select_all on saldo.branch;
create policy select_all on saldo.branch for select to saldo_admin, saldo_operator using (true);
grant select on saldo.branch to saldo_admin, saldo_operator;

comment on table saldo.branch is 'A shop whose cash book is kept at its tills, and handed over.';
comment on column saldo.branch.id is 'Id, in the order of creation.';
comment on column saldo.branch.code is 'Code for people, unique; it stands on receipts.';
comment on column saldo.branch.name is 'Name of the branch, for people.';
comment on column saldo.branch.time_zone is 'Time zone that decides the branch''s business date.';
comment on column saldo.branch.currency is 'Currency of all its rows.';
comment on column saldo.branch.cash_account_id is 'Account of its cash, an asset.';
comment on column saldo.branch.suspense_account_id is
  'Account for the other side of rows that no posting rule knows an account for.';
comment on column saldo.branch.created_at is 'When the branch was created.';
