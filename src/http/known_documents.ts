const DOCUMENT_COUNT_MAX = 1000;

/** Documents that were planned before, and so cost little: an application has some dozens. */
export interface KnownDocuments {
  has(hash: string): boolean;
  add(hash: string): void;
}

/** The last thousand of them, by their hash. */
export function makeKnownDocuments(): KnownDocuments {
  const hashes = new Set<string>();
  return {
    has: (hash) => hashes.has(hash),
    add(hash) {
      // What was used last stands last.
      hashes.delete(hash);
      hashes.add(hash);
      const [oldest] = hashes;
      if (hashes.size > DOCUMENT_COUNT_MAX && oldest !== undefined) hashes.delete(oldest);
    },
  };
}
