/** Exports of jobs, heals, and what people have decided. */
import {
  amount,
  choiceFilter,
  exportOf,
  named,
  nameFilter,
  part,
  plain,
  when,
  word,
  wordFilter,
} from "./query.ts";

/** The jobs of the worker, and how they ran last. */
export const jobs = exportOf({
  filters: {},
  columns: [
    word("name", "j.name"),
    word("schedule", "j.schedule"),
    plain("next_run_at", "j.next_run_at"),
    plain("last_started_at", "j.last_started_at"),
    plain("last_finished_at", "j.last_finished_at"),
    word("last_error", "j.last_error"),
  ],
  from: () =>
    part("(select each.*, saldo.job_next_run_at(each) as next_run_at from saldo.job as each) as j"),
  order: "j.name",
});

/** Runs of jobs that somebody has asked for. */
export const jobRuns = exportOf({
  filters: { job: wordFilter },
  columns: [
    plain("id", "r.id"),
    word("job", "r.job"),
    plain("requested_at", "r.requested_at"),
    word("requested_by", "r.requested_by"),
    plain("taken_at", "r.taken_at"),
    plain("finished_at", "r.finished_at"),
    word("error", "r.error"),
  ],
  from: () => part("saldo.job_request as r"),
  where: ({ job }) => [when(job, "r.job = %L")],
  order: "r.requested_at, r.id",
});

/** Runs of the maintenance: what was found before and after, and what was healed. */
export const maintenanceRuns = exportOf({
  filters: {},
  columns: [
    plain("id", "m.id"),
    plain("started_at", "m.started_at"),
    plain("finished_at", "m.finished_at"),
    word("actor", "m.actor"),
    plain("status", "m.status"),
    plain("findings_before", "b.finding_count"),
    plain("healed", "h.healed_count"),
    plain("needs_approval", "h.needs_approval_count"),
    plain("escalated", "h.escalated_count"),
    plain("refused", "h.refused_count"),
    plain("findings_after", "a.finding_count"),
    plain("heal_run_id", "m.heal_run_id"),
    word("message", "m.message"),
  ],
  from: () =>
    part(
      "saldo.maintenance_run as m left join saldo.heal_run as h on h.id = m.heal_run_id " +
        "left join saldo.check_run as b on b.id = m.check_before_id " +
        "left join saldo.check_run as a on a.id = m.check_after_id",
    ),
  order: "m.finished_at, m.id",
});

/** Plans and heals. */
export const healRuns = exportOf({
  filters: {},
  columns: [
    plain("id", "r.id"),
    plain("started_at", "r.started_at"),
    plain("finished_at", "r.finished_at"),
    plain("is_dry_run", "r.is_dry_run"),
    word("actor", "r.actor"),
    plain("healed", "r.healed_count"),
    plain("needs_approval", "r.needs_approval_count"),
    plain("escalated", "r.escalated_count"),
    plain("refused", "r.refused_count"),
    plain("frozen", "r.frozen_count"),
    plain("check_run_id", "r.check_run_id"),
    plain("plan_hash", "r.plan_hash"),
  ],
  from: () => part("saldo.heal_run as r"),
  order: "r.finished_at, r.id",
});

const OUTCOMES = [
  "changed",
  "would_heal",
  "healed",
  "undone",
  "needs_approval",
  "escalated",
  "refused",
  "already_clean",
] as const;

/** What heals have done, would do or left, each with the values before and after. */
export const healActions = exportOf({
  filters: { outcome: choiceFilter(OUTCOMES), rule: wordFilter, account: nameFilter },
  columns: [
    plain("id", "h.id"),
    plain("healed_at", "h.healed_at"),
    plain("heal_run_id", "h.heal_run_id"),
    word("rule", "h.rule"),
    word("key", "h.key"),
    word("account", "a.code"),
    plain("outcome", "h.outcome"),
    word("before", "h.before"),
    word("after", "h.after"),
    word("reason", "h.reason"),
    word("actor", "h.actor"),
    plain("undoes", "h.undoes"),
  ],
  from: () => part("saldo.heal_action as h left join saldo.account as a on a.id = h.account_id"),
  where: ({ outcome, rule, account }) => [
    outcome === "changed"
      ? part("h.outcome in ('healed', 'undone')")
      : when(outcome, "h.outcome = %L"),
    when(rule, "h.rule = %L"),
    named(account, "h.account_id", "account"),
  ],
  order: "h.healed_at, h.id",
});

const STATUSES = ["proposed", "approved", "rejected", "stale"] as const;

/** Heals that a second person was asked about. */
export const healProposals = exportOf({
  filters: { status: choiceFilter(STATUSES) },
  columns: [
    plain("id", "p.id"),
    plain("proposed_at", "p.proposed_at"),
    word("proposed_by", "p.proposed_by"),
    word("rule", "p.rule"),
    word("key", "p.key"),
    word("account", "a.code"),
    word("stored", "p.stored"),
    word("derived", "p.derived"),
    amount("difference", "p.difference"),
    plain("is_escalated", "p.is_escalated"),
    word("reason", "p.reason"),
    plain("status", "p.status"),
    plain("decided_at", "p.decided_at"),
    word("decided_by", "p.decided_by"),
    word("decision_reason", "p.decision_reason"),
  ],
  from: () => part("saldo.heal_proposal as p left join saldo.account as a on a.id = p.account_id"),
  where: ({ status }) => [when(status, "p.status = %L")],
  order: "p.proposed_at, p.id",
});

const freezes = {
  frozen: part("f.unfrozen_at is null"),
  released: part("f.unfrozen_at is not null"),
} as const;

/** Accounts that are frozen, or have been. */
export const accountFreezes = exportOf({
  filters: { state: choiceFilter(["frozen", "released"]), account: nameFilter },
  columns: [
    plain("id", "f.id"),
    word("account", "a.code"),
    word("account_name", "a.name"),
    plain("frozen_at", "f.frozen_at"),
    word("frozen_by", "f.frozen_by"),
    word("reason", "f.reason"),
    plain("finding_id", "f.finding_id"),
    plain("unfrozen_at", "f.unfrozen_at"),
    word("unfrozen_by", "f.unfrozen_by"),
    word("unfreeze_reason", "f.unfreeze_reason"),
  ],
  from: () => part("saldo.account_freeze as f join saldo.account as a on a.id = f.account_id"),
  where: ({ state, account }) => [
    state === undefined ? undefined : freezes[state],
    named(account, "f.account_id", "account"),
  ],
  order: "f.frozen_at, f.id",
});

const ofState = {
  waiting: part("d.status = 'proposed'"),
  decided: part("d.status <> 'proposed'"),
} as const;

/** What people have decided, alone or together, and what waits for a second person. */
export const decisions = exportOf({
  filters: {
    state: choiceFilter(["waiting", "decided"]),
    status: choiceFilter(STATUSES),
    action: wordFilter,
    account: nameFilter,
  },
  columns: [
    plain("id", "d.id"),
    word("action", "d.action"),
    word("account", "a.code"),
    amount("amount", "d.amount"),
    plain("currency", "d.currency"),
    word("arguments", "d.arguments"),
    word("before", "d.before"),
    word("reason", "d.reason"),
    plain("is_alone", "d.is_alone"),
    plain("status", "d.status"),
    plain("proposed_at", "d.proposed_at"),
    word("proposed_by", "d.proposed_by"),
    plain("decided_at", "d.decided_at"),
    word("decided_by", "d.decided_by"),
    word("decision_reason", "d.decision_reason"),
  ],
  from: () => part("saldo.decision as d left join saldo.account as a on a.id = d.account_id"),
  where: ({ state, status, action, account }) => [
    state === undefined ? undefined : ofState[state],
    when(status, "d.status = %L"),
    when(action, "d.action = %L"),
    named(account, "d.account_id", "account"),
  ],
  order: "d.proposed_at, d.id",
});
