/** What the screens know of a plan, or of a heal that was applied. */
import type { HealRunDetailQuery } from "./plan.documents.ts";

/** A run with its figures. */
export type Run = NonNullable<HealRunDetailQuery["healRun"]>;
/** What a run has of one outcome, rule and currency. */
export type Total = NonNullable<NonNullable<HealRunDetailQuery["healRunTotals"]>["nodes"][number]>;

/** Findings with this outcome: a count, of which there are never more than a double holds. */
export const countOf = (totals: readonly Total[], outcome: Total["outcome"]) =>
  totals
    .filter((each) => each.outcome === outcome)
    .reduce((sum, each) => sum + Number(each.findingCount), 0);
