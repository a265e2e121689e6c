/** Writes down what jobs there are and how they ended, for whoever asks when one ran last. */
import type { JobHelpers } from "graphile-worker";
import type { Pool } from "pg";
import { withRole } from "../database/with_role.ts";
import { jobOf, jobs, type ScheduleConfig } from "./job_list.ts";

const REQUEST = "request:";
// A job that comes every few seconds is written down a few times a minute, and when it fails.
const RECORD_EVERY_MS = 15_000;

/** The key in the queue of a run that was asked for. */
export const requestKey = (id: string): string => `${REQUEST}${id}`;

/** Writes down the jobs of a worker, and when each is due. */
export async function recordJobs(pool: Pool, config: ScheduleConfig): Promise<void> {
  const now = new Date();
  const list = jobs.map(({ name, schedule }) => {
    const { words, everySeconds = null, next } = schedule(config);
    return {
      name,
      schedule: words,
      every_seconds: everySeconds,
      scheduled_at: next?.(now) ?? null,
    };
  });
  await withRole(pool, { settings: { role: "saldo_admin" } }, async (client) => {
    await client.query("select saldo_private.record_jobs($1)", [JSON.stringify(list)]);
  });
}

/** Notes how runs ended. */
export interface JobRecords {
  /** Does the work of a job, and writes down how it ended. */
  recorded(
    task: string,
    payload: unknown,
    helpers: JobHelpers,
    work: () => Promise<void>,
  ): Promise<void>;
}

/** The records of a worker with these schedules. */
export function makeJobRecords(config: ScheduleConfig): JobRecords {
  const recordedAt = new Map<string, number>();
  const failed = new Set<string>();
  return {
    async recorded(task, payload, helpers, work) {
      const startedAt = new Date();
      let error: Error | undefined;
      try {
        await work();
      } catch (failure) {
        error = failure as Error;
      }
      const job = jobOf(task, payload);
      const { key, attempts, max_attempts: attemptsMax } = helpers.job;
      const isAskedFor = key?.startsWith(REQUEST) === true;
      if (job !== undefined && (isAskedFor || isNews(job.name, error))) {
        const { next } = job.schedule(config);
        const values = [job.name, startedAt, messageOf(error), next?.(new Date()) ?? null];
        const isOver = error === undefined || attempts >= attemptsMax;
        const requestId = isAskedFor && isOver ? key?.slice(REQUEST.length) : undefined;
        await record(helpers, values, requestId, messageOf(error)).catch((failure: Error) =>
          helpers.logger.warn(`a run was not written down: ${failure.message}`),
        );
      }
      if (error !== undefined) throw error;
    },
  };

  function isNews(name: string, error: Error | undefined): boolean {
    const now = performance.now();
    const hasChanged = failed.has(name) !== (error !== undefined);
    if (error === undefined) failed.delete(name);
    else failed.add(name);
    if (!hasChanged && now - (recordedAt.get(name) ?? -RECORD_EVERY_MS) < RECORD_EVERY_MS) {
      return false;
    }
    recordedAt.set(name, now);
    return true;
  }
}

const messageOf = (error: Error | undefined): string | null =>
  error === undefined ? null : error.message || "an error without words";

async function record(
  { withPgClient }: JobHelpers,
  values: unknown[],
  requestId: string | undefined,
  error: string | null,
): Promise<void> {
  await withPgClient((client) =>
    withRole(client, { settings: { role: "saldo_admin" } }, async () => {
      await client.query("select saldo_private.record_job_run($1, $2, $3, $4)", values);
      if (requestId === undefined) return;
      await client.query("select saldo_private.end_job_request($1, $2)", [requestId, error]);
    }),
  );
}
