/** Exports of rules, what checks found, writes past the engine, and alerts. */
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

/** What must hold, rule by rule. */
export const rules = exportOf({
  filters: {},
  columns: [
    word("name", "r.name"),
    word("room", "r.room"),
    word("title", "r.title"),
    word("description", "r.description"),
    plain("is_enabled", "r.is_enabled"),
    plain("is_incremental", "r.is_incremental"),
    plain("is_registered", "r.is_registered"),
    word("heal_function", "r.heal_function"),
  ],
  from: () => part("saldo.balance_rule as r"),
  order: "r.name",
});

/** Writes past the engine, as the guard has recorded them. */
export const guardWrites = exportOf({
  filters: { only: choiceFilter(["own"]), from: dayFilter, to: dayFilter },
  columns: [
    plain("id", "g.id"),
    plain("occurred_at", "g.occurred_at"),
    word("login", "g.login"),
    word("role", "g.role"),
    word("application_name", "g.application_name"),
    plain("client_address", "g.client_address"),
    word("table_name", "g.table_name"),
    plain("operation", "g.operation"),
    word("account", "a.code"),
    word("rule", "g.rule"),
    word("key", "g.key"),
    word("statement", "g.statement"),
    word("old_row", "g.old_row"),
    word("new_row", "g.new_row"),
  ],
  from: () => part("saldo.guard_event as g left join saldo.account as a on a.id = g.account_id"),
  where: ({ only, from, to }) => [
    only === undefined ? undefined : part("g.rule is not null"),
    when(from, "g.occurred_at >= %L::date"),
    when(to, "g.occurred_at < %L::date + 1"),
  ],
  order: "g.occurred_at, g.id",
});
