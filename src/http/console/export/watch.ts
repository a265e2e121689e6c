/** Exports of what checks found, alerts, and rows of tills. */
import { z } from "zod";
import {
  amount,
  choiceFilter,
  dayFilter,
  exportOf,
  named,
  nameFilter,
  part,
  plain,
  when,
  word,
  wordFilter,
} from "./query.ts";

/** What a check found: the last one, another one, or all that are kept. */
export const findings = exportOf({
  filters: {
    check: z.uuid({ error: "the id of a check" }).optional(),
    state: choiceFilter(["last", "all"]),
    rule: wordFilter,
    cause: wordFilter,
    account: nameFilter,
  },
  columns: [
    plain("check_no", "r.number"),
    plain("found_at", "r.finished_at"),
    word("rule", "f.rule"),
    word("title", "b.title"),
    word("key", "f.key"),
    word("account", "a.code"),
    word("stored", "f.stored"),
    word("derived", "f.derived"),
    amount("difference", "f.difference"),
    plain("cause", "f.cause"),
    word("explanation", "f.explanation"),
  ],
  from: () =>
    part(
      "saldo.finding as f join saldo.check_run as r on r.id = f.check_run_id " +
        "left join saldo.balance_rule as b on b.name = f.rule " +
        "left join saldo.account as a on a.id = f.account_id",
    ),
  where: ({ check, state, rule, cause, account }) => [
    check === undefined && state !== "all"
      ? part("r.number = (select max(last.number) from saldo.check_run as last)")
      : when(check, "r.id = %L"),
    when(rule, "f.rule = %L"),
    when(cause, "f.cause::text = %L"),
    named(account, "f.account_id", "account"),
  ],
  order: "r.number, f.rule, f.key",
});

const ofState = {
  open: part("a.resolved_at is null"),
  resolved: part("a.resolved_at is not null"),
} as const;

/** Alerts. */
export const alerts = exportOf({
  filters: {
    state: choiceFilter(["open", "resolved"]),
    condition: wordFilter,
    severity: choiceFilter(["info", "warning", "critical"]),
  },
  columns: [
    plain("id", "a.id"),
    plain("opened_at", "a.opened_at"),
    plain("severity", "a.severity"),
    word("condition", "a.condition"),
    word("key", "a.key"),
    word("title", "a.title"),
    word("text", "a.text"),
    plain("occurrence_count", "a.occurrence_count"),
    plain("last_seen_at", "a.last_seen_at"),
    plain("acknowledged_at", "a.acknowledged_at"),
    word("acknowledged_by", "a.acknowledged_by"),
    word("acknowledgement_note", "a.acknowledgement_note"),
    plain("resolved_at", "a.resolved_at"),
  ],
  from: () => part("saldo.alert as a"),
  where: ({ state, condition, severity }) => [
    state === undefined ? undefined : ofState[state],
    when(condition, "a.condition = %L"),
    when(severity, "a.severity = %L"),
  ],
  order: "a.opened_at, a.id",
});

/** Rows that tills have handed over, with what became of them. */
export const branchRows = exportOf({
  filters: {
    branch: nameFilter,
    state: choiceFilter(["accepted", "duplicate", "conflict", "quarantined", "refused"]),
    from: dayFilter,
    to: dayFilter,
  },
  columns: [
    plain("id", "i.id"),
    word("branch", "b.code"),
    plain("device_id", "i.device_id"),
    plain("seq", "i.seq"),
    word("row_id", "i.row_id"),
    plain("received_at", "i.received_at"),
    plain("business_date", "i.business_date"),
    plain("kind", "i.kind"),
    plain("flow", "i.flow"),
    word("category", "i.category"),
    amount("amount", "i.amount"),
    plain("currency", "i.currency"),
    word("description", "i.description"),
    word("cashier", "i.cashier"),
    plain("verdict", "i.verdict"),
    word("verdict_reason", "i.verdict_reason"),
    plain("entry_id", "i.entry_id"),
    plain("decided_at", "i.decided_at"),
    word("decided_by", "i.decided_by"),
    word("decision_note", "i.decision_note"),
  ],
  from: () => part("saldo.branch_intake as i join saldo.branch as b on b.id = i.branch_id"),
  where: ({ branch, state, from, to }) => [
    named(branch, "i.branch_id", "branch"),
    when(state, "i.verdict = %L"),
    when(from, "i.business_date >= %L"),
    when(to, "i.business_date <= %L"),
  ],
  order: "i.id",
});
