/** The totals of a statement, as the database adds them up. */
import type { TotalFragment } from "./statements.documents.ts";

/** Currencies of the totals, in their order. */
export const currenciesOf = (totals: readonly TotalFragment[]): string[] => [
  ...new Set(totals.map(({ currency }) => currency ?? "")),
];

/** One of them; null while it is not known. */
export const totalOf = (
  totals: readonly TotalFragment[],
  currency: string,
  section: string,
): string | null =>
  totals.find((each) => each.currency === currency && each.section === section)?.amount ?? null;
