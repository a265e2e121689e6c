/** Counts failed authentications per client address, in memory, for the process it runs in. */
export interface FailureLimit {
  /** Counts one more failure of the address and tells whether that is too many. */
  isExceededBy(address: string): boolean;
}

/** Addresses remembered at most; a flood from more of them must not fill the memory. */
const ADDRESS_COUNT_MAX = 10_000;

/**
 * A limit of `failureCountMax` failures per address in each window of `windowMs`.
 *
 * @param now clock in milliseconds, for tests
 */
export function makeFailureLimit(
  failureCountMax: number,
  windowMs: number,
  now: () => number = Date.now,
): FailureLimit {
  let windowStart = now();
  let failureCounts = new Map<string, number>();
  return {
    isExceededBy(address) {
      // One window for all keeps this at a map and a number: forgetting is a new map.
      if (now() - windowStart >= windowMs || failureCounts.size >= ADDRESS_COUNT_MAX) {
        windowStart = now();
        failureCounts = new Map();
      }
      const failureCount = (failureCounts.get(address) ?? 0) + 1;
      failureCounts.set(address, failureCount);
      return failureCount > failureCountMax;
    },
  };
}
