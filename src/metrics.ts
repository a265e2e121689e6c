/** Prometheus metrics: how requests went, and how the balances are. */
import type { RequestHandler } from "express";
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { BalanceHealth } from "./balance_health.ts";

/** A registry of its own for each app, so that two apps in a process do not meet. */
export interface Metrics {
  /** Measures every request that passes. */
  readonly measure: RequestHandler;
  /** Answers with all metrics in Prometheus' text format. */
  readonly serve: RequestHandler;
}

// Labels come from this list and never from the URL: every new path would be a new series.
const ROUTES = ["/graphql", "/health", "/ready", "/metrics", "/admin/balance-health/check"];

// Columns of saldo.balance_health() that are figures, and what they mean.
const HEALTH_GAUGES: readonly (readonly [column: keyof BalanceHealth, help: string])[] = [
  ["total_assets", "Sum of asset accounts."],
  ["total_liabilities", "Sum of liability accounts."],
  ["total_equity", "Sum of equity with the current year's earnings."],
  ["drift_count", "Balances that differ from the journal, by the last check."],
  ["pending_purchase_count", "Purchases that wait to be completed or to fail."],
  ["last_check_age_seconds", "Seconds since the last check ended."],
];

/** Metrics whose figures of balances come from `readHealth`. */
export function makeMetrics(readHealth: () => Promise<BalanceHealth>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const durations = new Histogram({
    name: "saldo_http_request_duration_seconds",
    help: "Time from the request to the end of its answer.",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
  const refreshHealth = makeHealthGauges(registry, readHealth);

  return {
    measure(request, response, next) {
      const route = ROUTES.includes(request.path) ? request.path : "other";
      const stop = durations.startTimer({ method: request.method, route });
      response.once("close", () => stop({ status: String(response.statusCode) }));
      next();
    },
    async serve(_request, response) {
      await refreshHealth();
      response.type(registry.contentType).send(await registry.metrics());
    },
  };
}

function makeHealthGauges(registry: Registry, readHealth: () => Promise<BalanceHealth>) {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  const isUp = gauge("saldo_database_up", "1 when the health of the balances could be read.");
  const isValid = gauge(
    "balance_sheet_valid",
    "1 when assets equal liabilities and equity; NaN when not known.",
  );
  const figures = HEALTH_GAUGES.map(
    ([column, help]) => [column, gauge(`saldo_${column}`, help)] as const,
  );

  return async function refreshHealth(): Promise<void> {
    // Metrics answer without the database too: that is when they are needed most.
    const health = await readHealth().catch(() => undefined);
    isUp.set(health === undefined ? 0 : 1);
    isValid.set(health === undefined ? Number.NaN : Number(health.is_valid));
    for (const [column, figure] of figures) {
      const value = health?.[column];
      figure.set(value == null ? Number.NaN : Number(value));
    }
  };
}
