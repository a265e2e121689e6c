/** A plan or heal, and what it counts and sums. */
import type { HealRunDetailQuery } from "./plan.documents.ts";

export type Run = NonNullable<HealRunDetailQuery["healRun"]>;
export type Total = NonNullable<NonNullable<HealRunDetailQuery["healRunTotals"]>["nodes"][number]>;

/** Findings with this outcome: a count, of which there are never more than a double holds. */
export const countOf = (totals: readonly Total[], outcome: Total["outcome"]) =>
  totals
    .filter((each) => each.outcome === outcome)
    .reduce((sum, each) => sum + Number(each.findingCount), 0);
