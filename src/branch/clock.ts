/** Time at a till. Rows are ordered by their sequence, so that a wrong clock mixes up no rows. */

/** Gives the present moment; tests give another. */
export type Clock = () => Date;

/** The day of a moment in a time zone, as 2026-11-25. */
export function dayOf(moment: Date, timeZone: string): string {
  // This locale writes a date as ISO 8601 does.
  return new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" }).format(moment);
}

/** Whether the name is one of a time zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
