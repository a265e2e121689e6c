/**
 * The advisory locks of sql/foundation/advisory_lock.sql that are taken from here, with the numbers
 * that they have there; what they protect is said there too. The first is taken before a database
 * has any function.
 */
export const locks = {
  migration: 7_246_002,
  /** The first half of a two-part lock; the second is the hash of a worker's name. */
  worker: 7_246,
} as const;
