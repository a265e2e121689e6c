import { createHash } from "node:crypto";

const DOCUMENT_COUNT_MAX = 1000;

/** Documents that were planned before, and so cost little: an application has some dozens. */
export interface KnownDocuments {
  has(query: string): boolean;
  add(query: string): void;
}

/** The last thousand of them, by their hash. */
export function makeKnownDocuments(): KnownDocuments {
  const hashes = new Set<string>();
  const hashOf = (query: string) => createHash("sha256").update(query).digest("base64");
  return {
    has: (query) => hashes.has(hashOf(query)),
    add(query) {
      const hash = hashOf(query);
      // What was used last stands last.
      hashes.delete(hash);
      hashes.add(hash);
      const [oldest] = hashes;
      if (hashes.size > DOCUMENT_COUNT_MAX && oldest !== undefined) hashes.delete(oldest);
    },
  };
}
