/**
 * How the engine itself is tampered with: what is dropped, added, widened, replaced or set past it.
 * Each is one statement or more of a superuser in an ordinary session.
 */
export interface ConfigurationFault {
  name: string;
  plant: string;
  /** Key of the finding, and what its explanation has to name. */
  key: RegExp;
  tells: RegExp;
  cause: "engine_changed" | "out_of_band_write" | "sync_trigger_disabled";
  /** Whether the administrator may say that it is so on purpose. */
  isAcceptable?: true;
}

const changed = { cause: "engine_changed" } as const;
const toReports = "to reports";

/** Of policies, grants and roles. */
export const accessFaults: ConfigurationFault[] = [
  {
    name: "a policy that was widened",
    plant: "alter policy select_own on saldo.member using (true)",
    key: /^policy select_own on member$/,
    tells: /is not as built\. It is: .*using \(true\).*It was built as: .*current_member_id/,
    ...changed,
  },
  {
    name: "a policy that was added for members",
    plant: "create policy theirs on saldo.account for select to saldo_member using (true)",
    key: /^policy theirs on account$/,
    tells: /was added past the engine: permissive for select to saldo_member using \(true\)/,
    ...changed,
  },
  {
    name: "a policy that was dropped",
    plant: "drop policy owner_all on saldo.setting",
    key: /^policy owner_all on setting$/,
    tells: /is missing; it was built as: permissive for all to saldo_owner/,
    ...changed,
  },
  {
    name: "a table that the anonymous may read",
    plant: "grant select on saldo.setting to saldo_anonymous",
    key: /^grant SELECT on table setting to saldo_anonymous$/,
    tells: /was added past the engine: granted/,
    ...changed,
  },
  {
    name: "a column that members may read",
    plant: "grant select (purchase_id) on saldo.stock_item to saldo_member",
    key: /^grant SELECT on column stock_item\.purchase_id to saldo_member$/,
    tells: /was added past the engine/,
    ...changed,
  },
  {
    name: "a function that members may call",
    plant: "grant execute on function saldo.close_account to saldo_member",
    key: /^grant EXECUTE on function close_account\(bigint\) to saldo_member$/,
    tells: /was added past the engine/,
    ...changed,
  },
  {
    name: "a schema in which members may make things",
    plant: "grant create on schema saldo to saldo_member",
    key: /^grant CREATE on schema saldo to saldo_member$/,
    tells: /was added past the engine/,
    ...changed,
  },
  {
    name: "a sequence that members may turn",
    plant: "grant usage on sequence saldo.account_id_seq to saldo_member",
    key: /^grant USAGE on sequence account_id_seq to saldo_member$/,
    tells: /was added past the engine/,
    ...changed,
  },
  {
    name: "a right that was taken away",
    plant: "revoke select on saldo.account from saldo_operator",
    key: /^grant SELECT on table account to saldo_operator$/,
    tells: /is missing; it was built as: granted/,
    ...changed,
  },
  {
    name: "privileges that each new table will give to members",
    plant: `alter default privileges for role saldo_owner in schema saldo
      grant select on tables to saldo_member`,
    key: /^default grant SELECT on new tables in saldo to saldo_member$/,
    tells: /was added past the engine: of saldo_owner/,
    ...changed,
  },
  {
    name: "privileges that each new function will give to everybody",
    plant: "alter default privileges for role saldo_owner grant execute on functions to public",
    key: /^default grant EXECUTE on new functions to public$/,
    tells: /was added past the engine/,
    ...changed,
  },
  {
    name: "anonymous callers who may become administrators",
    plant: "grant saldo_admin to saldo_anonymous",
    key: /^membership saldo_anonymous in saldo_admin$/,
    tells: /was added past the engine: member/,
    ...changed,
  },
  {
    name: "a role that may log in",
    plant: "alter role saldo_owner login",
    key: /^role saldo_owner$/,
    tells: /It is: may log in.*It was built as: no login/,
    ...changed,
  },
  {
    name: "a login that may become the owner",
    plant: "create role saldo_mallory login; grant saldo_owner to saldo_mallory",
    key: /^membership saldo_mallory in saldo_owner$/,
    tells: /was added past the engine: member/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a report login that may read accounts",
    plant: "create role reports; grant select on saldo.account to reports",
    key: new RegExp(`^grant SELECT on table account ${toReports}$`),
    tells: /If that is on purpose, say so: accept_configuration/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a report login that may write accounts",
    plant: "create role reports; grant update on saldo.account to reports",
    key: new RegExp(`^grant UPDATE on table account ${toReports}$`),
    tells: /was added past the engine/,
    ...changed,
  },
];

/** Of tables, constraints, triggers and functions. */
export const structureFaults: ConfigurationFault[] = [
  {
    name: "a check that was dropped",
    plant: "alter table saldo.product drop constraint product_currency_is_iso_4217_like",
    key: /^constraint product_currency_is_iso_4217_like on product$/,
    tells: /is missing; it was built as: CHECK/,
    ...changed,
  },
  {
    name: "a unique constraint that was dropped",
    plant: "alter table saldo.account drop constraint account_code_key",
    key: /^constraint account_code_key on account$/,
    tells: /is missing; it was built as: UNIQUE \(code\)/,
    ...changed,
  },
  {
    name: "a unique index that was dropped",
    plant: `do $$ declare v text; begin
      select name into v from saldo_private.built_object where kind = 'unique index' order by 1
      limit 1; execute format('drop index saldo.%I', v); end $$`,
    key: /^unique index /,
    tells: /is missing; it was built as: CREATE UNIQUE INDEX/,
    ...changed,
  },
  {
    name: "a foreign key that was dropped",
    plant: "alter table saldo.heal_run drop constraint heal_run_check_run_id_fkey",
    key: /^constraint heal_run_check_run_id_fkey on heal_run$/,
    tells: /is missing; it was built as: FOREIGN KEY/,
    ...changed,
  },
  {
    name: "a not-null that was dropped",
    plant: "alter table saldo.account alter column currency drop not null",
    key: /^column account\.currency$/,
    tells: /It is: text\. It was built as: text not null/,
    ...changed,
  },
  {
    name: "a check of a domain that was dropped",
    plant: "alter domain saldo.amount drop constraint amount_is_a_number",
    key: /^constraint amount_is_a_number on domain amount$/,
    tells: /is missing; it was built as: CHECK/,
    ...changed,
  },
  {
    name: "a default that was changed",
    plant: "alter table saldo.account alter column is_pending_available set default false",
    key: /^column account\.is_pending_available$/,
    tells: /default false.*built as: .*default true/,
    ...changed,
  },
  {
    name: "a table that a crash empties",
    plant: "alter table saldo.clock_acceptance set unlogged",
    key: /^table clock_acceptance$/,
    tells: /It is: owner saldo_owner, unlogged/,
    ...changed,
  },
  {
    name: "a table whose rows count as those of another",
    plant: "create table public.more () inherits (saldo.clock_acceptance)",
    key: /^inheritance public\.more from clock_acceptance$/,
    tells: /was added past the engine/,
    ...changed,
  },
  {
    name: "a trigger of somebody's own",
    plant: `create function public.look() returns trigger language plpgsql
        as 'begin return new; end';
      create trigger look before insert on saldo.purchase
        for each row execute function public.look()`,
    key: /^trigger look on purchase$/,
    tells: /was added past the engine: CREATE TRIGGER look BEFORE INSERT ON saldo.purchase/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a rewrite rule that does nothing instead",
    plant: "create rule quiet as on delete to saldo.finding do instead nothing",
    key: /^rewrite rule quiet on finding$/,
    tells: /was added past the engine: CREATE RULE quiet AS/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "foreign keys that are not proven any more",
    plant: "alter table saldo.heal_run disable trigger all",
    key: /^triggers of constraint heal_run_check_run_id_fkey on heal_run$/,
    tells: /It is: not all on\. It was built as: on/,
    ...changed,
  },
  {
    name: "a trigger that is off",
    plant: "alter table saldo.hold disable trigger keep_purchases_whole",
    key: /^trigger \w+ on hold$/,
    tells: /It is: CREATE TRIGGER .*, disabled\. It was built as/,
    ...changed,
  },
  {
    name: "a posting trigger that is off",
    plant: "alter table saldo.journal_line disable trigger auto_sync_balance_on_posting",
    key: /^trigger auto_sync_balance_on_posting on journal_line$/,
    tells: /it is disabled; transaction \d+ altered it last/,
    cause: "sync_trigger_disabled",
  },
  {
    name: "row security that is not forced",
    plant: "alter table saldo.account no force row level security",
    key: /^account$/,
    tells: /account is row level security is not forced; it has to be forced/,
    ...changed,
  },
  {
    name: "a function that was replaced",
    plant: `create or replace function saldo_private.is_member_session() returns boolean
      language sql stable as 'select false'`,
    key: /^function is_member_session\(\)$/,
    tells: /is not as built\. It is: sql, caller, stable.*It was built as: sql, caller, stable/,
    ...changed,
  },
  {
    name: "a function of another one's that stands beside ours",
    plant: "create function saldo.pay(text) returns text language sql as 'select $1'",
    key: /^function pay\(text\)$/,
    tells: /was added past the engine/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "a rule that checks do not run any more",
    plant: "update saldo.balance_rule set is_enabled = false where name = 'trial_balance'",
    key: /^rule trial_balance$/,
    tells: /It is: off, .*It was built as: on, /,
    ...changed,
  },
];

/** Of values that decide what is right, and of settings of the server. */
export const valueFaults: ConfigurationFault[] = [
  {
    name: "a closed month that was opened by hand",
    plant: "update saldo_private.book_state set closed_through = null",
    key: /^books closed_through$/,
    tells: /closed_through is none, and the engine has set it to 2020-01-31/,
    ...changed,
  },
  {
    name: "a closed month that was opened in all places but its history",
    plant: `update saldo_private.book_state set closed_through = null;
      update saldo.period set status = 'open', snapshot_hash = null, closed_at = null`,
    key: /^period 2020\/01 status$/,
    tells: /is open, and the engine has set it to closed/,
    ...changed,
  },
  {
    name: "a minimum that was taken away",
    plant: "update saldo.account set min_balance = null where code = 'purse'",
    key: /^account \d+ \(purse\) min_balance$/,
    tells: /update of account \(purse\) past the guard by login .*min_balance 0 -> none/,
    cause: "out_of_band_write",
    isAcceptable: true,
  },
  {
    name: "an account of another type",
    plant: "update saldo.account set type = 'expense' where code = 'old'",
    key: /^account \d+ \(old\) type$/,
    tells: /past the guard by login .*type asset -> expense/,
    cause: "out_of_band_write",
  },
  {
    name: "an account of another currency",
    plant: `alter table saldo.account disable trigger guard_cached_balance;
      update saldo.account set currency = 'EUR' where code = 'purse';
      alter table saldo.account enable always trigger guard_cached_balance`,
    key: /^account \d+ \(purse\) currency$/,
    tells: /is EUR, and the engine has set it to IDR/,
    ...changed,
  },
  {
    name: "an account from nowhere",
    plant:
      "insert into saldo.account (code, name, type, currency) values ('x', 'X', 'asset', 'IDR')",
    key: /^account \d+ \(x\)$/,
    tells: /is opened past the engine/,
    ...changed,
  },
  {
    name: "another business time zone",
    plant: "update saldo.setting set value = 'UTC' where name = 'business_time_zone'",
    key: /^value of setting business_time_zone$/,
    tells: /is UTC, and the engine has set it to Asia\/Jakarta/,
    ...changed,
  },
  {
    name: "commits that are not waited for in this database, in capitals",
    plant:
      "do $$ begin execute format('alter database %I set Synchronous_Commit = FALSE', current_database()); end $$",
    key: /^setting synchronous_commit of all logins in database /,
    tells: /it has to be none/,
    ...changed,
    isAcceptable: true,
  },
  {
    name: "commits of a login that are not waited for",
    plant:
      "do $$ begin execute format('alter role saldo_server in database %I set synchronous_commit = no', current_database()); end $$",
    key: /^setting synchronous_commit of saldo_server in database /,
    tells: /it has to be none/,
    ...changed,
    isAcceptable: true,
  },
];
