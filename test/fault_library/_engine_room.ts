import type { Room } from "./_library.ts";

/** Of the engine itself, of freezes, keys and the clock. */
export const engineRoom: Room = {
  room: "engine",
  books: "",
  faults: [
    {
      fault: "a sync trigger that is off",
      plant: "alter table saldo.journal_line disable trigger auto_sync_balance_on_posting",
      rules: ["engine_configuration"],
      cause: "sync_trigger_disabled certain",
      outcome: "reported",
    },
    {
      fault: "a sync trigger that was off while something was posted",
      plant: `alter table saldo.journal_line disable trigger auto_sync_balance_on_posting;
        set local session_replication_role = origin;
        select saldo.post_entries('[{"description": "Sale", "lines": [
          {"account_id": 1, "debit": "12"}, {"account_id": 2, "credit": "12"}]}]');
        alter table saldo.journal_line enable trigger auto_sync_balance_on_posting`,
      rules: ["account_balance", "month_movement"],
      cause: "sync_trigger_disabled likely",
      outcome: "frozen",
    },
    {
      fault: "a trigger that is gone",
      plant: "drop trigger record_bypass on saldo.journal_line",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a guard that is off",
      plant: "alter table saldo.account disable trigger guard_cached_balance",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a guard that a silenced session passes",
      plant: "alter table saldo.account enable trigger guard_cached_balance",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a trigger that keeps posted lines, off",
      plant: "alter table saldo.journal_line disable trigger keep_posted_immutable",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a definer function without a pinned path",
      plant: "alter function saldo.transfer reset search_path",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a definer function that is one no more",
      plant: "alter function saldo.transfer security invoker",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a function that anyone may call",
      plant: "grant execute on function saldo.transfer to public",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a table that a member may write",
      plant: "grant update on saldo.account to saldo_member",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a column that a member may write",
      plant: "grant update (balance) on saldo.account to saldo_member",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a constraint that was never validated",
      plant: `alter table saldo.purchase add constraint purchase_is_small check (quantity < 5) not valid`,
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a rule that was made to find nothing",
      plant: `create or replace function saldo_private.rule_balance_sheet()
        returns table (key text, account_id bigint, stored text, derived text, difference numeric,
          detail jsonb) language sql stable
        as $$ select '', 0, '', '', 0, '{}'::jsonb where false $$`,
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a heal that does nothing",
      plant: `create or replace function saldo_private.heal_held_total(keys text[])
        returns table (key text, before jsonb, after jsonb) language sql as $$
          select '', null::jsonb, null::jsonb where false $$`,
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a trigger that came back with a condition",
      plant: `create or replace trigger keep_posted_immutable before update on saldo.journal_line
          for each row when (false) execute function saldo_private.tg_journal_line__keep_posted_immutable()`,
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a view that shows less",
      plant: `create or replace view saldo_private.late_line with (security_invoker = true) as
          select l.account_id, l.posting_date, saldo_private.month_of(l.posting_date) as posting_month,
            e.origin_month, l.debit, l.credit
          from saldo.journal_entry as e
          join saldo.journal_line as l on l.entry_id = e.id
          where e.origin_month is not null and e.status <> 'draft' and e.line_count < 3`,
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a posting source that may post more",
      plant: "update saldo_private.posting_source set passes_minimum = not passes_minimum",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "row level security that is off",
      plant: "alter table saldo.account disable row level security",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "row level security that the owner passes",
      plant: "alter table saldo.hold no force row level security",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a role that passes row level security",
      plant: "alter role saldo_operator bypassrls",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "a way to the owner",
      plant: "grant saldo_owner to saldo_admin",
      rules: ["engine_configuration"],
      cause: "engine_changed certain",
      outcome: "reported",
    },
    {
      fault: "an account that was unfrozen past its record",
      before: "select saldo.freeze_account(1, 'looked at')",
      plant: "update saldo.account set frozen_at = null where id = 1",
      rules: ["account_freeze"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "an account that was frozen past its record",
      plant: "update saldo.account set frozen_at = now(), frozen_reason = 'x' where id = 1",
      rules: ["account_freeze"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a record of a freeze that is gone",
      before: "select saldo.freeze_account(1, 'looked at')",
      plant: "delete from saldo.account_freeze",
      rules: ["account_freeze"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "stripes of a frozen account",
      before: `select saldo.freeze_account((select id from saldo.account where code = 'float'), 'looked at')`,
      plant: `insert into saldo_private.account_stripe (account_id, month, stripe_no, is_limited)
          values ((select id from saldo.account where code = 'float'), '2026-01-01', 1, true)`,
      rules: ["account_freeze"],
      cause: "record_changed likely",
      outcome: "reported",
    },
    {
      fault: "a check of a time that has not come",
      plant: "update saldo.check_run set finished_at = finished_at + interval '30 days'",
      rules: ["clock"],
      cause: "clock_set_back certain",
      outcome: "reported",
    },
    {
      fault: "a settlement of a time that has not come",
      plant: "update saldo.settlement set settled_at = settled_at + interval '30 days'",
      rules: ["clock", "row_seal"],
      cause: "clock_set_back certain",
      outcome: "frozen",
    },
    {
      fault: "a key whose entry is another one",
      plant: `update saldo_private.idempotency_record set result_id = '01900000-0000-7000-8000-000000000001'
          where key = 'first'`,
      rules: ["idempotency", "row_seal"],
      cause: "missing_item likely",
      outcome: "reported",
    },
    {
      fault: "a key whose row of a hot account is gone",
      plant: `update saldo_private.idempotency_record set result_id = '01900000-0000-7000-8000-000000000001'
          where key = 'submitted'`,
      rules: ["idempotency", "row_seal"],
      cause: "missing_item likely",
      outcome: "reported",
    },
    {
      fault: "everything is truncated, caches with the journal",
      before: "select saldo.seal_journal()",
      plant: `truncate saldo.journal_line, saldo.journal_entry, saldo.month_movement;
        update saldo.account set debit_total = 0, credit_total = 0;
        truncate saldo_private.account_stripe`,
      rules: [
        "journal_seal",
        "account_slot",
        "idempotency",
        "min_balance",
        "purchase_entry",
        "settlement_entry",
      ],
      cause: "journal_changed likely",
      outcome: "reported",
    },
    {
      fault: "a record of an entry's key that is gone",
      plant: "delete from saldo_private.idempotency_record where key = 'first'",
      rules: ["idempotency_record", "row_seal"],
      cause: "missing_item likely",
      outcome: "reported",
    },
    {
      fault: "a record of a submitted row's key that is gone",
      plant: "delete from saldo_private.idempotency_record where key = 'submitted'",
      rules: ["idempotency_record", "row_seal"],
      cause: "missing_item likely",
      outcome: "reported",
    },
  ],
};
