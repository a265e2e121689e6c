/** Prometheus metrics: how requests went, and how the balances are. */
import type { RequestHandler, Response } from "express";
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Lanes } from "./admission.ts";
import type {
  BalanceHealth,
  HealthFigure,
  ReplicaState,
  SealStatus,
  SettlementHealth,
} from "./balance_health.ts";
import type { Lane } from "./fair_share.ts";
import { makeFigureGauges } from "./health_metrics.ts";

/** A registry of its own for each app, so that two apps in a process do not meet. */
export interface Metrics {
  /** Measures every request that passes. */
  readonly measure: RequestHandler;
  /** All metrics in Prometheus' text format, amounts only where that is said. */
  read(withAmounts: boolean): Promise<string>;
  /** The type of that text. */
  readonly contentType: string;
}

// Labels come from this list and never from the URL: every new path would be a new series.
const ROUTES = ["/graphql", "/health", "/ready", "/metrics", "/admin/balance-health/check"];

// Columns of saldo.balance_health() that are figures, and what they mean.
const HEALTH_GAUGES: readonly (readonly [column: keyof BalanceHealth, help: string])[] = [
  ["drift_count", "Findings of the last check."],
  ["pending_purchase_count", "Purchases that wait to be completed or to fail."],
  ["last_check_age_seconds", "Seconds since the last check ended."],
];

// Those that are amounts.
const AMOUNT_GAUGES: readonly (readonly [column: keyof BalanceHealth, help: string])[] = [
  ["total_assets", "Sum of asset accounts at the last check."],
  ["total_liabilities", "Sum of liability accounts at the last check."],
  ["total_equity", "Sum of equity with the current year's earnings at the last check."],
];

// Columns of saldo.settlement_health() that are figures, and what they mean.
const SETTLEMENT_GAUGES: readonly (readonly [column: keyof SettlementHealth, help: string])[] = [
  ["hot_account_count", "Hot accounts."],
  ["pending_count", "Rows of hot accounts that wait for settlement."],
  ["oldest_pending_age_seconds", "Age of the oldest of them, 0 when there is none."],
  ["last_settled_at", "Unix time of the last settlement."],
  ["open_hold_count", "Open holds."],
  ["overdue_hold_count", "Open holds past their time."],
  ["slot_rebuild_count", "How often slots were made again, first times included."],
];

// Columns of saldo.seal_status() that are figures. The hash is in the log: as a label it would make
// a new series of every seal.
const SEAL_GAUGES: readonly (readonly [column: keyof SealStatus, help: string])[] = [
  ["sealed_entry_count", "Posted entries that are sealed."],
  ["unsealed_entry_count", "Posted entries that wait to be sealed."],
  ["oldest_unsealed_age_seconds", "Age of the oldest of them, 0 when there is none."],
];

// What tells a standby from a primary, and how it keeps up.
const REPLICA_GAUGES: readonly (readonly [column: keyof ReplicaState, help: string])[] = [
  ["is_standby", "1 when the database is a standby, otherwise 0."],
  ["replica_lag_seconds", "Age of the last commit that a standby has seen; NaN for a primary."],
];

/** A route by a name from a short list; the simple door names its own, {account} in place of one. */
export function routeOf(path: string, response: Response): string {
  const named = response.locals["route"] as string | undefined;
  return named ?? (ROUTES.includes(path) ? path : "other");
}

/** Metrics whose figures come from these readers. */
export function makeMetrics(
  readHealth: () => Promise<BalanceHealth>,
  readSettlement: () => Promise<SettlementHealth>,
  readFigures: () => Promise<HealthFigure[]>,
  readSeals: () => Promise<SealStatus>,
  readReplica: () => Promise<ReplicaState>,
  lanes: Lanes,
): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const durations = new Histogram({
    name: "saldo_http_request_duration_seconds",
    help: "Time from the request to the end of its answer.",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
  makeLaneGauges(registry, lanes);
  const amounts = new Registry();
  const refreshHealth = makeHealthGauges(registry, amounts, readHealth);
  const refreshSettlement = makeRowGauges(registry, SETTLEMENT_GAUGES, readSettlement);
  const refreshSeals = makeRowGauges(registry, SEAL_GAUGES, readSeals);
  const refreshReplica = makeRowGauges(registry, REPLICA_GAUGES, readReplica);
  const showFigures = makeFigureGauges(registry, amounts);

  return {
    measure(request, response, next) {
      const { path } = request;
      const stop = durations.startTimer({ method: request.method });
      response.once("close", () => {
        stop({ route: routeOf(path, response), status: String(response.statusCode) });
      });
      next();
    },
    contentType: registry.contentType,
    async read(withAmounts) {
      const [figures] = await Promise.all([
        readFigures().catch(() => []),
        refreshHealth(),
        refreshSettlement(),
        refreshSeals(),
        refreshReplica(),
      ]);
      showFigures(figures);
      const text = await registry.metrics();
      return withAmounts ? `${text}\n${await amounts.metrics()}` : text;
    },
  };
}

// How requests share connections; each lane is asked when the metrics are.
function makeLaneGauges(registry: Registry, lanes: Lanes): void {
  const gauge = (name: string, help: string, read: (lane: Lane) => number) =>
    new Gauge({
      name: `saldo_requests_${name}`,
      help,
      labelNames: ["lane"],
      registers: [registry],
      collect() {
        for (const [lane, each] of Object.entries(lanes)) this.set({ lane }, read(each));
      },
    });
  gauge(
    "running",
    "Connections that requests have taken; of lane joint: requests.",
    (lane) => lane.runningCount,
  );
  gauge("waiting", "Requests that wait for their turn.", (lane) => lane.waitingCount);
  gauge("refused_total", "Requests answered 429 so far.", (lane) => lane.refusedCount);
}

type Figure = string | number | boolean | Date | null | undefined;

function set(gauge: Gauge, value: Figure): void {
  const number = value instanceof Date ? value.getTime() / 1000 : value;
  gauge.set(number == null ? Number.NaN : Number(number));
}

function makeGauges<Column extends string>(
  registry: Registry,
  figures: readonly (readonly [column: Column, help: string])[],
): (row: { readonly [key in Column]: Figure } | undefined) => void {
  const gauges = figures.map(
    ([column, help]) =>
      [column, new Gauge({ name: `saldo_${column}`, help, registers: [registry] })] as const,
  );
  return (row) => {
    for (const [column, gauge] of gauges) set(gauge, row?.[column]);
  };
}

function makeRowGauges<Column extends string>(
  registry: Registry,
  figures: readonly (readonly [column: Column, help: string])[],
  read: () => Promise<{ readonly [key in Column]: Figure }>,
): () => Promise<void> {
  const show = makeGauges(registry, figures);
  return async () => show(await read().catch(() => undefined));
}

function makeHealthGauges(
  registry: Registry,
  amounts: Registry,
  readHealth: () => Promise<BalanceHealth>,
) {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  const isUp = gauge("saldo_database_up", "1 when the health of the balances could be read.");
  const isValid = gauge(
    "balance_sheet_valid",
    "1 when assets equalled liabilities and equity at the last check; NaN when not known.",
  );
  const show = makeGauges(registry, HEALTH_GAUGES);
  const showAmounts = makeGauges(amounts, AMOUNT_GAUGES);

  return async function refreshHealth(): Promise<void> {
    // Metrics answer without the database too: that is when they are needed most.
    const health = await readHealth().catch(() => undefined);
    isUp.set(health === undefined ? 0 : 1);
    set(isValid, health?.is_valid);
    show(health);
    showAmounts(health);
  };
}
