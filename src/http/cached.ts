/**
 * Keeps a result for a while, and lets callers that come while it is fetched wait for the same
 * fetch: however many ask, the source is asked once. A failure is kept as well, or a database in
 * trouble would get more questions than a healthy one.
 */
export function cached<Value>(keepMs: number, fetch: () => Promise<Value>): () => Promise<Value> {
  let current: Promise<Value> | undefined;
  let staleAt = 0;
  return () => {
    if (current === undefined || Date.now() >= staleAt) {
      staleAt = Number.POSITIVE_INFINITY;
      current = fetch().finally(() => {
        staleAt = Date.now() + keepMs;
      });
    }
    return current;
  };
}
