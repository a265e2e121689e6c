import type { Pool } from "pg";
import type { Log } from "../log.ts";

/** Asks for a job again and again, more often than cron's once a minute. */
export interface Recurring {
  /** Stops asking; resolves when every request is answered. */
  stop(): Promise<void>;
}

/**
 * Sees to it that a task runs every so many seconds as long as one worker lives. Every process
 * asks for the job of the next interval; the job's key makes one of all. There is no chain of jobs
 * that could break, and no named queue, which a dead worker would keep locked for hours: a job
 * that is locked loses its key to the next. One that a clock ahead of time has put off is replaced.
 */
export function runEvery(
  seconds: number,
  task: string,
  pool: Pool,
  log: Log,
  priority = 0,
): Recurring {
  let asked: Promise<unknown> = Promise.resolve();
  const ask = () => {
    const answer = pool
      .query(
        `select from graphile_worker.add_job(
          $1,
          '{}'::json,
          job_key => $1,
          job_key_mode => case when exists (
            select
            from graphile_worker.jobs
            where key = $1
            and run_at > now() + make_interval(secs => 2 * $2)
          ) then 'replace' else 'preserve_run_at' end,
          run_at => to_timestamp(ceil(extract(epoch from now()) / $2) * $2),
          priority => $3
        )`,
        [task, seconds, priority],
      )
      .catch((error: Error) =>
        log.warn("a job was not asked for", { task, reason: error.message }),
      );
    asked = Promise.all([asked, answer]);
  };
  ask();
  const timer = setInterval(ask, seconds * 1000);
  return {
    async stop() {
      clearInterval(timer);
      await asked;
    },
  };
}
