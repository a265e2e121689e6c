/**
 * What a clock that was ahead, and is set back, leaves behind in the schedule: without help a job
 * that it has put off, and all of cron, would wait until that time comes again.
 */
import type { Pool } from "pg";

const lookIntervalMs = 30_000;
const toleranceMs = 60_000;

/** Brings forward what only a wrong clock can have put off. */
export async function mendSchedule(pool: Pool): Promise<void> {
  // Cron makes no job of an occasion before the last one that it knows.
  await pool.query(
    `update graphile_worker._private_known_crontabs
    set last_execution = now()
    where last_execution > now() + interval '1 minute'`,
  );
  // No job of ours is put off for so long, retries included; what runs now is left alone.
  await pool.query(
    `select from graphile_worker.reschedule_jobs(array(
      select id
      from graphile_worker.jobs
      where run_at > now() + interval '7 hours'
      and locked_at is null
    ), run_at => now())`,
  );
}

/** How this process tells time: of the wall, and since some moment. */
export interface Clocks {
  wall(): number;
  elapsed(): number;
}

/**
 * Calls back when the clock of this process was set back by more than a minute, with the seconds.
 * Cron keeps its next occasion in memory, and would do nothing until then.
 */
export function watchClock(
  onSetBack: (seconds: number) => void,
  clocks: Clocks = { wall: () => Date.now(), elapsed: () => performance.now() },
  intervalMs = lookIntervalMs,
): { stop(): void } {
  let wall = clocks.wall();
  let elapsed = clocks.elapsed();
  const timer = setInterval(() => {
    const backMs = wall + clocks.elapsed() - elapsed - clocks.wall();
    if (backMs > toleranceMs) onSetBack(Math.round(backMs / 1000));
    wall = clocks.wall();
    elapsed = clocks.elapsed();
  }, intervalMs);
  return { stop: () => clearInterval(timer) };
}
