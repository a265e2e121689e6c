import type { Log } from "../log.ts";

const WINDOW_MS = 10_000;

/**
 * A writer of errors that clients can cause as often as they like: one line in ten seconds, which
 * says how many there were since the last one.
 *
 * @param now clock in milliseconds, for tests
 */
export function makeBoundedLog(
  log: Log,
  message: string,
  now: () => number = Date.now,
): (fields: object) => void {
  let writtenAt = Number.NEGATIVE_INFINITY;
  let count = 0;
  return (fields) => {
    count += 1;
    if (now() - writtenAt < WINDOW_MS) return;
    log.error(message, { count, ...fields });
    writtenAt = now();
    count = 0;
  };
}
