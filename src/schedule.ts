/** When the scheduled jobs run, in the business time zone. */

/** Date, hour and minute of an instant as a wall clock of the zone shows them. */
export interface WallClock {
  /** ISO date. */
  date: string;
  hour: number;
  minute: number;
}

/** Reads the wall clock of a zone. */
export function wallClock(at: Date, timeZone: string): WallClock {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).formatToParts(at);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
  return {
    date: `${part("year")}-${part("month")}-${part("day")}`,
    hour: Number(part("hour")),
    minute: Number(part("minute")),
  };
}

/**
 * Whether maintenance is due in this minute. A clock that is set forward past the time of
 * maintenance runs it at the first minute after the gap; one that is set back runs it once,
 * because the job is keyed by its date.
 */
export function isMaintenanceDue(at: Date, timeZone: string, maintenanceAt: string): boolean {
  const [hour = 0, minute = 0] = maintenanceAt.split(":").map(Number);
  const due = hour * 60 + minute;
  const now = minutesOf(wallClock(at, timeZone));
  const before = minutesOf(wallClock(new Date(at.getTime() - 60_000), timeZone));
  return now === due || (before < due && now > due);
}

/** Whether a reconciliation is due in this minute: every so many hours from midnight on. */
export function isReconcileDue(at: Date, timeZone: string, everyHours: number): boolean {
  const { hour, minute } = wallClock(at, timeZone);
  return minute === 0 && hour % everyHours === 0;
}

function minutesOf(clock: WallClock): number {
  return clock.hour * 60 + clock.minute;
}
