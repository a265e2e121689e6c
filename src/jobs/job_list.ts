/** The jobs: what each does, when it runs, and how it is asked for. */
import type { Config } from "../config.ts";
import { timesEvery } from "../setting_schemas.ts";
import { isDailyDue, isWeeklyDue, minutesOf, nextDue } from "./schedule.ts";

/** The settings that schedules go by. */
export type ScheduleConfig = Pick<
  Config,
  | "timeZone"
  | "maintenanceAt"
  | "reconcileEveryHours"
  | "monthlySyncAt"
  | "monthlyRecalculationAt"
  | "settleEverySeconds"
  | "rerateEverySeconds"
  | "sealEverySeconds"
  | "alertEverySeconds"
>;

/** When a job runs. */
type Times = (config: ScheduleConfig) => Schedule;

/** A schedule: every so many seconds, or in minutes in which it is due. */
export interface Schedule {
  /** The schedule in words. */
  readonly words: string;
  readonly everySeconds?: number;
  readonly isDue?: (at: Date) => boolean;
  /** The next minute in which it is due. */
  readonly next?: (after: Date) => Date | null;
}

/** A job. */
export interface Job {
  readonly name: string;
  /** File of tasks/ that does it. */
  readonly task: string;
  readonly payload: object;
  /** Of the jobs of a queue one runs at a time. */
  readonly queueName?: string;
  readonly priority?: number;
  readonly schedule: Times;
}

const everySeconds =
  (read: (config: ScheduleConfig) => number): Times =>
  (config) => ({ words: `every ${read(config)} seconds`, everySeconds: read(config) });

function dailyAt(times: readonly string[], { timeZone }: ScheduleConfig): Schedule {
  const isDue = (at: Date) => isDailyDue(at, timeZone, times);
  const minutes = times.map(minutesOf);
  return {
    words: `daily at ${times.join(", ")}`,
    isDue,
    next: (after) => nextDue(after, minutes, isDue),
  };
}

const everyMinute: Times = () => ({
  words: "every minute",
  isDue: () => true,
  next: (after) => new Date((Math.floor(after.getTime() / 60_000) + 1) * 60_000),
});

function weeklyAt(dayAndTime: string, { timeZone }: ScheduleConfig): Schedule {
  const isDue = (at: Date) => isWeeklyDue(at, timeZone, dayAndTime);
  const minutes = [minutesOf(dayAndTime.split(" ")[1] ?? "")];
  return {
    words: `weekly on ${dayAndTime}`,
    isDue,
    next: (after) => nextDue(after, minutes, isDue),
  };
}

const pulseSeconds = 5;
// From a write past the engine to its alert it is 10 seconds at most.
const recordedWritesSeconds = 3;
// So long does a run that is asked for wait to be handed to the queue.
const requestSeconds = 2;
// So long may calls be slow whose plans were made for tables that were all but empty.
const analyzeSeconds = 5;

/** The jobs that run by themselves. */
export const jobs: readonly Job[] = [
  {
    name: "pulse",
    task: "pulse",
    payload: {},
    priority: -1, // before all others
    schedule: everySeconds(() => pulseSeconds),
  },
  {
    name: "take_job_requests",
    task: "take_job_requests",
    payload: {},
    priority: -1,
    schedule: everySeconds(() => requestSeconds),
  },
  {
    name: "analyze_grown_tables",
    task: "analyze_grown_tables",
    payload: {},
    schedule: everySeconds(() => analyzeSeconds),
  },
  {
    name: "settle_sub_balances",
    task: "settle_sub_balances",
    payload: {},
    schedule: everySeconds((config) => config.settleEverySeconds),
  },
  {
    name: "rerate",
    task: "rerate",
    payload: {},
    schedule: everySeconds((config) => config.rerateEverySeconds),
  },
  {
    name: "seal_journal",
    task: "seal_journal",
    payload: {},
    schedule: everySeconds((config) => config.sealEverySeconds),
  },
  {
    name: "evaluate_alerts",
    task: "evaluate_alerts",
    payload: {},
    schedule: everySeconds((config) => config.alertEverySeconds),
  },
  {
    name: "check_recorded_writes",
    task: "check_recorded_writes",
    payload: {},
    schedule: everySeconds(() => recordedWritesSeconds),
  },
  { name: "expire_holds", task: "expire_holds", payload: {}, schedule: everyMinute },
  {
    name: "reconcile",
    task: "reconcile",
    payload: {},
    queueName: "reconcile",
    schedule: (config) => dailyAt(timesEvery(config.reconcileEveryHours), config),
  },
  {
    name: "scheduled_maintenance",
    task: "scheduled_maintenance",
    payload: {},
    queueName: "scheduled_maintenance",
    schedule: (config) => dailyAt(config.maintenanceAt, config),
  },
  {
    // In the queue of the maintenance, after which it comes: of the two one runs at a time.
    name: "apply_retention",
    task: "apply_retention",
    payload: {},
    queueName: "scheduled_maintenance",
    schedule: (config) => dailyAt(config.maintenanceAt.slice(0, 1), config),
  },
  {
    name: "sync_monthly_balances",
    task: "sync_monthly_balances",
    payload: { force: false },
    queueName: "sync_monthly_balances",
    schedule: (config) => dailyAt([config.monthlySyncAt], config),
  },
  {
    name: "recalculate_monthly_balances",
    task: "sync_monthly_balances",
    payload: { force: true },
    queueName: "sync_monthly_balances",
    schedule: (config) => weeklyAt(config.monthlyRecalculationAt, config),
  },
];

/** The job of a task with this payload; undefined for what only other jobs ask for. */
export function jobOf(task: string, payload: unknown): Job | undefined {
  const isForced = (payload as { force?: unknown } | null)?.force === true;
  return jobs.find(
    (job) => job.task === task && (!("force" in job.payload) || job.payload.force === isForced),
  );
}
