import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Logger, parseCronItems, run, runMigrations, type WorkerEvents } from "graphile-worker";
import type { Pool, PoolClient } from "pg";
import type { AlertConfig } from "../alerts/channels.ts";
import type { Config } from "../config.ts";
import { locks } from "../database/locks.ts";
import type { Log } from "../log.ts";
import { watchRules } from "../own_tables/rule_watch.ts";
import { jobs, type ScheduleConfig } from "./job_list.ts";
import { recordJobs } from "./job_records.ts";
import { loadTasks } from "./load_tasks.ts";
import { type Recurring, runEvery } from "./recurring.ts";
import { watchWork } from "./watchdog.ts";

const releaseIntervalMs = 10_000;
const retryIntervalMs = 500;
// More than the long jobs (a check, a maintenance, a recalculation, each one at a time), so that
// settlements and re-ratings have their turn.
const slotCount = 6;
const lookIntervalMs = 5000;
// Longer than six short jobs at once take.
const busyMs = 1_800_000;

/** The jobs of a process. */
export interface Worker {
  /** Lets the running job finish, or gives it back when it takes longer than the grace. */
  stop(): Promise<void>;
  /** Resolves with the reason when the worker ends without a call of stop. */
  stopped: Promise<string>;
}

/** The settings that jobs go by. */
export type WorkerConfig = ScheduleConfig & AlertConfig & Pick<Config, "shutdownGraceMs">;

/** Starts a worker on a pool of its own, which it leaves open. */
export async function startWorker(
  pool: Pool,
  config: WorkerConfig,
  log: Log,
  lookEveryMs = lookIntervalMs,
): Promise<Worker> {
  let isStopping = false; // that it stops is news to the worker only
  const logger = new Logger(({ label, taskIdentifier, jobId }) => (level, message) => {
    const fields = { reason: message, task: taskIdentifier, job: jobId };
    if (level === "error") log.error("job", fields);
    else if (level === "warning" && !isStopping) log.warn("job", fields);
    // The worker's own chatter is left out; what a task says is not.
    else if (level === "info" && label === "job") log.info("job", fields);
  });
  await runMigrations({ pgPool: pool, logger });
  await releaseJobsOfDeadWorkers(pool);
  await recordJobs(pool, config);
  await addFirstJobs(pool);
  const events: WorkerEvents = new EventEmitter();
  const name = holdName(pool, events, log);
  const watch = watchWork(events, pool.options, { slotCount, busyMs, lookEveryMs });
  const runner = await run({
    events,
    pgPool: pool,
    logger,
    taskList: await loadTasks(config),
    concurrency: slotCount,
    pollInterval: 1000,
    // The server stops its parts itself, in order; see start.ts.
    noHandleSignals: true,
    gracefulShutdownAbortTimeout: config.shutdownGraceMs,
    // With batches (without delay) a stopping worker waits until the ends of its jobs are recorded.
    // One that cannot be recorded is an event, not an unhandled rejection. But the worker waits
    // forever where two fail at once, as in a crash of PostgreSQL: the watch is for that.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    parsedCronItems: cronItems(config),
  });
  const ruleWatch = watchRules(pool, log);
  const recurring = askForJobs(pool, config, log);
  const stopUpkeep = keepUp(pool, log);
  return {
    // It may also end without an error: when its pool was shut down after one, say.
    stopped: Promise.race([
      watch.stoodStill,
      runner.promise.then(
        () => "the worker ended",
        (error: Error) => error.message,
      ),
    ]),
    async stop() {
      isStopping = true;
      stopUpkeep();
      watch.stop();
      ruleWatch.stop();
      await Promise.all(recurring.map((each) => each.stop()));
      // It has stopped already where it ended by itself.
      await runner.stop().catch(() => {});
      await name.release();
    },
  };
}

/**
 * The jobs that a worker begins with. Each in a transaction of its own: both make their task where
 * it is new, and a worker that starts at the same moment makes them in another order.
 */
async function addFirstJobs(pool: Pool): Promise<void> {
  await pool.query(
    "select graphile_worker.add_job('pulse', '{}', job_key => 'pulse', priority => -1)",
  );
  await pool.query(
    `select graphile_worker.add_job('reconcile_overdue', '{}', job_key => 'reconcile_overdue',
      queue_name => 'reconcile')`,
  );
}

/** Asks for the jobs that come more often than cron could. */
function askForJobs(pool: Pool, config: WorkerConfig, log: Log): Recurring[] {
  return jobs.flatMap(({ task, schedule, priority }) => {
    const { everySeconds } = schedule(config);
    return everySeconds === undefined ? [] : [runEvery(everySeconds, task, pool, log, priority)];
  });
}

/** Gives back the jobs of dead workers, which nobody would run. */
function keepUp(pool: Pool, log: Log): () => void {
  const timer = setInterval(() => {
    releaseJobsOfDeadWorkers(pool).catch((error: Error) =>
      log.warn("jobs of dead workers not released", { reason: error.message }),
    );
  }, releaseIntervalMs);
  return () => clearInterval(timer);
}

/**
 * The scheduled jobs. Cron knows UTC only, so a matching function looks at the business clock; the
 * worker sees to it that several processes make one job of an occasion. Of a long task one runs at a
 * time and one waits: what takes longer than its interval would take one slot after the other.
 */
export function cronItems(config: ScheduleConfig) {
  const items = jobs.flatMap(({ name, task, payload, queueName, schedule }) => {
    const { isDue } = schedule(config);
    if (isDue === undefined) return [];
    const options = {
      maxAttempts: 3,
      backfillPeriod: 0 as const,
      // A queue for the task, and a key for those that wait in it.
      ...(queueName !== undefined && { queueName, jobKey: `cron:${name}` }),
    };
    const hasPayload = Object.keys(payload).length > 0;
    return [
      {
        task,
        identifier: name,
        match: (minute: Parameters<typeof instantOf>[0]) => isDue(instantOf(minute)),
        ...(hasPayload && { payload: payload as Record<string, unknown> }),
        options,
      },
    ];
  });
  return parseCronItems(items);
}

/** Cron gives a minute of UTC without its year; it is this year's, or last year's at New Year. */
function instantOf(minute: { min: number; hour: number; date: number; month: number }): Date {
  const now = new Date();
  const at = (year: number) =>
    new Date(Date.UTC(year, minute.month - 1, minute.date, minute.hour, minute.min));
  const candidate = at(now.getUTCFullYear());
  return candidate.getTime() > now.getTime() + 86_400_000
    ? at(now.getUTCFullYear() - 1)
    : candidate;
}

/**
 * A worker that was killed keeps its jobs locked for four hours. A living one holds an advisory
 * lock under its name, which PostgreSQL releases when it dies: jobs of a name that nobody holds are
 * given back. A new worker may take its first job an instant before its lock: that is why it waits.
 */
export async function releaseJobsOfDeadWorkers(pool: Pool, waitSeconds = 5): Promise<void> {
  await pool.query(
    `select graphile_worker.force_unlock_workers(array_agg(dead.worker_id))
    from (
      select job.locked_by as worker_id
      from graphile_worker.jobs as job
      where job.locked_by is not null
      group by job.locked_by
      having max(job.locked_at) not between now() - make_interval(secs => $1)
        and now() + interval '1 minute' -- of a clock that was set back
    ) as dead
    where pg_try_advisory_xact_lock(${locks.worker}, hashtext(dead.worker_id))
    having count(*) > 0`,
    [waitSeconds],
  );
}

/**
 * Holds the advisory lock of this process's workers on a connection of its own, and takes it again
 * when that is lost.
 */
function holdName(pool: Pool, events: WorkerEvents, log: Log): { release(): Promise<void> } {
  let isReleased = false;
  let holder: PoolClient | undefined;
  const hold = async (name: string) => {
    while (!isReleased) {
      try {
        const client = await pool.connect();
        const lost = new Promise((done) => client.once("error", done));
        holder = client;
        await client.query("set lock_timeout = '2s'");
        await client.query("select pg_advisory_lock($1, hashtext($2))", [locks.worker, name]);
        await lost;
      } catch (error) {
        const { code } = error as { code?: string };
        if (code === "55P03") log.warn("the lock on the worker's name is another's", { name });
        await sleep(retryIntervalMs); // no database just now
      }
      if (isReleased) return;
      holder?.release(true);
      holder = undefined;
    }
  };
  // Jobs are locked under the name of the pool of workers, not of a worker.
  events.on("pool:create", ({ workerPool }) => void hold(workerPool.id));
  return {
    async release() {
      isReleased = true;
      const client = holder;
      holder = undefined;
      // Unlocked explicitly: behind a pooler the session may outlive this connection.
      await client?.query("select pg_advisory_unlock_all()").catch(() => {}); // it is gone
      client?.release(true);
    },
  };
}
