/** Where an alert is looked into. */
import type { useAlertWords } from "./words.ts";

interface Place {
  readonly to: string;
  readonly search?: { readonly [name: string]: string | undefined };
  readonly name: Parameters<ReturnType<typeof useAlertWords>>[0];
}

const findings: Place = { to: "/health", search: { tab: "findings" }, name: "toFindings" };
const jobs: Place = { to: "/jobs", name: "toJobs" };
const hot: Place = { to: "/hot", name: "toHot" };
const branches: Place = { to: "/branches", name: "toBranches" };

const places: { readonly [condition: string]: Place } = {
  drift_found: findings,
  balance_sheet_invalid: findings,
  rule_failed: findings,
  rule_suspect: { to: "/own-tables", name: "toOwnTables" },
  guard_tripped: { to: "/own-tables", search: { tab: "writes" }, name: "toWrites" },
  heal_refused: { to: "/heal", search: { tab: "history", outcome: "refused" }, name: "toHeal" },
  heal_escalated: { to: "/heal", search: { tab: "proposals" }, name: "toHeal" },
  freeze_held_back: { to: "/heal", search: { tab: "frozen" }, name: "toHeal" },
  decision_waits: { to: "/decisions", name: "toDecisions" },
  decision_made: { to: "/decisions", search: { tab: "decided" }, name: "toDecisions" },
  check_overdue: jobs,
  worker_silent: jobs,
  evaluation_failed: jobs,
  backlog: hot,
  settlement_late: hot,
  slot_rebuild_storm: hot,
  branch_silent: branches,
  branch_forked: branches,
  branch_row_waits: branches,
};

/** The screen for what an alert is about; one about a rule leads to its findings. */
export function placeOf(alert: { readonly condition: string; readonly key: string }): Place | null {
  const place = places[alert.condition] ?? null;
  return alert.condition === "drift_found"
    ? { ...findings, search: { tab: "findings", rule: alert.key } }
    : place;
}
