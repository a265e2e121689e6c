/** Prometheus metrics of alerts, checks rule by rule, heals and the worker. */
import { Gauge, type Registry } from "prom-client";
import type { HealthFigure } from "./balance_health.ts";

// Names of saldo_private.health_metric() without the prefix saldo_, their label, and what they mean.
const FIGURES: readonly (readonly [name: string, label: string | null, help: string])[] = [
  ["last_check_status", "status", "1 for the result of the last check, 0 for the other ones."],
  ["last_check_at", null, "Unix time at which the last check ended."],
  ["last_check_rules", null, "Rules that the last check ran."],
  ["last_check_failed_rules", null, "Rules that the last check could not run."],
  ["last_check_findings", null, "Findings of the last check."],
  ["last_check_accounts", null, "Accounts that the last check covered."],
  ["last_check_lines", null, "Journal lines that the last check covered."],
  ["drift_findings", "rule", "Findings of the last check, by rule."],
  ["drift_amount", "rule", "Sum of their differences without sign, over all currencies."],
  ["open_alerts", "condition", "Alerts that are open."],
  ["alert_deliveries_pending", "channel", "Messages of alerts that wait to be sent."],
  ["alert_deliveries_failed", "channel", "Messages of kept alerts that were given up."],
  ["alert_delivery_oldest_pending_age_seconds", null, "Age of the oldest that waits, or 0."],
  ["last_heal_actions", "outcome", "What the last heal did, in findings."],
  ["unrated_readings", "reason", "Readings without a rating, by what is missing."],
  ["guard_events_last_day", null, "Writes past the guard within a day."],
  ["worker_last_seen_at", null, "Unix time at which a worker last did a job; NaN for never."],
  ["worker_silent", null, "1 when that is longer ago than worker_silent_seconds, otherwise 0."],
  ["alerts_evaluated_at", null, "Unix time at which alerts were last brought up to date."],
];

const AMOUNTS = new Set(["drift_amount"]);

/** Gauges that show the figures they are given; those that are not given are not known. */
export function makeFigureGauges(
  registry: Registry,
  amounts: Registry,
): (figures: readonly HealthFigure[]) => void {
  const gauges = FIGURES.map(([name, label, help]) => {
    const labelNames = label === null ? [] : [label];
    const registers = [AMOUNTS.has(name) ? amounts : registry];
    const gauge = new Gauge({ name: `saldo_${name}`, help, labelNames, registers });
    return { name, label, gauge };
  });
  return (figures) => {
    for (const { name, label, gauge } of gauges) {
      gauge.reset();
      if (label === null) gauge.set(Number.NaN);
      for (const figure of figures.filter((each) => each.name === name)) {
        const value = figure.value === null ? Number.NaN : Number(figure.value);
        if (label === null) gauge.set(value);
        else gauge.set({ [label]: figure.label ?? "" }, value);
      }
    }
  };
}
