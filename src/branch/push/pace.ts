/** When the next push is due. */

/** The times that a pusher keeps; tests have shorter ones. */
export interface Pace {
  intervalMs: number;
  retryBaseMs: number;
  retryMaxMs: number;
  timeoutMs: number;
}

/** The times of a till. */
export const defaultPace: Pace = {
  intervalMs: 30_000,
  retryBaseMs: 2_000,
  retryMaxMs: 300_000,
  timeoutMs: 30_000,
};

/** After a good round: the interval, a fifth more or less, so that tills do not come together. */
export function untilNextPush({ intervalMs }: Pace, random: () => number): number {
  return Math.round(intervalMs * (0.8 + 0.4 * random()));
}

/**
 * After a failed one: anywhere up to a limit that doubles with each failure (full jitter), so that
 * the tills of a centre that comes back do not come at once. What the centre asks for is kept.
 */
export function untilRetry(
  { retryBaseMs, retryMaxMs }: Pace,
  failureCount: number,
  random: () => number,
  retryAfterMs = 0,
): number {
  const limit = Math.min(retryMaxMs, retryBaseMs * 2 ** Math.min(failureCount - 1, 30));
  return Math.round(Math.max(retryAfterMs, limit * random()));
}
