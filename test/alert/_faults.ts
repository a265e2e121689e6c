import { drift, till } from "./_alerts.ts";

/** Conditions with a fault that makes each of them hold, and what ends it. */
export const faults: { condition: string; plant: string[]; mend: string[]; others?: string[] }[] = [
  {
    condition: "clock_set_back",
    plant: [
      "update saldo.check_run set finished_at = finished_at + interval '1 hour'",
      "select saldo.check_balance_health()",
    ],
    mend: ["select saldo.accept_clock('looked into')"],
  },
  {
    condition: "drift_found",
    plant: [drift, "select saldo.check_balance_health()"],
    mend: ["select saldo.auto_heal(false)"],
    others: ["balance_sheet_invalid", "guard_tripped"],
  },
  {
    condition: "balance_sheet_invalid",
    plant: [drift, "select saldo.reconcile()"],
    mend: ["select saldo.auto_heal(false)"],
    others: ["drift_found", "guard_tripped"],
  },
  {
    condition: "guard_tripped",
    plant: [drift],
    mend: ["select saldo.auto_heal(false)"],
  },
  {
    condition: "rule_failed",
    plant: [
      "alter function saldo_private.rule_min_balance rename to hidden",
      "select saldo.reconcile()",
    ],
    mend: [
      "alter function saldo_private.hidden rename to rule_min_balance",
      "select saldo.reconcile()",
    ],
    others: ["drift_found"], // the engine is not as it was built
  },
  {
    condition: "heal_refused",
    plant: [
      `do $$ begin
        set local session_replication_role = replica;
        update saldo.journal_line set debit = debit * 2, credit = credit * 2;
      end $$`,
      "select saldo.auto_heal(false)",
      "select saldo.check_balance_health()",
    ],
    mend: [
      `do $$ begin
        set local session_replication_role = replica;
        update saldo.journal_line set debit = debit / 2, credit = credit / 2;
      end $$`,
      "select saldo.check_balance_health()",
    ],
    others: ["drift_found", "guard_tripped"],
  },
  {
    condition: "rule_suspect",
    plant: [
      "create table public.purse (id int primary key, balance numeric not null)",
      "insert into public.purse select g, 1 from generate_series(1, 10) as g",
      "grant select on public.purse to saldo_rule_reader",
      `select saldo.register_balance_rule('purse',
        'select id as key, id - 1 as derived from public.purse', stored_table => 'public.purse',
        key_column => 'id', balance_column => 'balance')`,
      "select saldo.reconcile()",
    ],
    mend: ["update public.purse set balance = id - 1", "select saldo.reconcile()"],
    others: ["drift_found"],
  },
  {
    condition: "worker_silent",
    plant: [
      `update saldo_private.alert_state
      set worker_seen_at = clock_timestamp() - interval '3601 seconds'`,
    ],
    mend: ["select saldo_private.record_worker_seen()"],
  },
  {
    condition: "check_overdue",
    plant: ["update saldo.check_run set finished_at = now() - interval '8 hours'"],
    mend: ["select saldo.reconcile()"],
  },
  {
    condition: "decision_made",
    plant: ["select saldo.set_setting('refund_max_amount', '10000001')"],
    mend: [
      `select set_config('saldo.subject', 'another one', true), saldo.acknowledge_alert(id, 'seen')
      from saldo.alert where condition = 'decision_made'`,
    ],
  },
  {
    condition: "decision_waits",
    plant: ["select saldo.propose_setting('refund_max_amount', '90000000', 'a large shop')"],
    mend: ["select saldo.reject_decision(id, 'no') from saldo.decision"],
  },
  {
    condition: "settlement_late",
    plant: [
      "select saldo.make_account_hot(3, 2)",
      "select saldo.submit_transaction(3, 5, 'debit')",
      "select saldo.set_setting('settlement_lag_max_seconds', '1')",
      "select pg_sleep(1.1)",
    ],
    mend: ["select saldo.settle_sub_balances()"],
  },
  {
    condition: "backlog",
    plant: [
      "select saldo.set_setting('settlement_backlog_limit', '8')",
      "select saldo.make_account_hot(3, 2)",
      "select saldo.submit_transaction(3, 5, 'debit') from generate_series(1, 4)",
    ],
    mend: ["select saldo.settle_sub_balances()"],
  },
  {
    condition: "slot_rebuild_storm",
    plant: [
      "select saldo.make_account_hot(3, 2)",
      `insert into saldo.slot_rebuild (account_id, id, slot_count, rebuilt_by)
      select 3, saldo_private.uuid_v7(), 2, 'planted' from generate_series(1, 10)`,
    ],
    mend: ["update saldo.slot_rebuild set rebuilt_at = now() - interval '11 minutes'"],
  },
  {
    condition: "freeze_held_back",
    plant: [
      "select saldo.set_setting('freeze_run_max_count', '0')",
      "select saldo.set_setting('freeze_run_max_percent', '0')",
      "select saldo.place_hold(3, 5)",
      "update saldo.hold set description = 'x'",
      "select saldo.check_balance_health()",
    ],
    mend: ["select saldo.accept_rows(3, 'a slip')"],
    others: ["drift_found", "guard_tripped"],
  },
  {
    condition: "branch_silent",
    plant: [till, "update saldo.branch_device set last_push_at = now() - interval '25 hours'"],
    mend: ["update saldo.branch_device set last_push_at = now()"],
    others: ["guard_tripped"],
  },
  {
    condition: "branch_forked",
    plant: [till, "select saldo_private.mark_forked(id, 'two of them') from saldo.branch_device"],
    mend: ["select saldo.close_branch_device(id, 'gone') from saldo.branch_device"],
    others: ["guard_tripped"],
  },
  {
    condition: "branch_row_waits",
    plant: [
      till,
      `select saldo_private.take_branch_rows(
        saldo_private.branch_arrivals_of_0('[{}]', d.id, b), d.id, b, null)
      from saldo.branch as b
      join saldo.branch_device as d on d.branch_id = b.id`,
    ],
    mend: ["select saldo.refuse_quarantined(array(select id from saldo.branch_intake), 'no row')"],
    others: ["guard_tripped"],
  },
  {
    condition: "readings_unrated",
    plant: [
      "select saldo.create_customer('c', 'C')",
      "select saldo.install_meter(1, 'm', 'volume', installed_at => '2025-01-01')",
      "select saldo.add_reading(1, '2025-02-01', volume => 1)",
    ],
    mend: ["select saldo.remove_reading(id) from saldo.reading"],
  },
  {
    condition: "evaluation_failed",
    plant: ["alter function saldo_private.alert_backlog rename to hidden"],
    mend: ["alter function saldo_private.hidden rename to alert_backlog"],
  },
];
