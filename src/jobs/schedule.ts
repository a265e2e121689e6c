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
 * Whether a daily job is due in this minute. A clock that is set forward past its time runs it at
 * the first minute after the gap, also where that is midnight.
 */
export function isDailyDue(at: Date, timeZone: string, time: string): boolean {
  const due = minutesOf(time);
  const clock = wallClock(at, timeZone);
  const earlier = wallClock(new Date(at.getTime() - 60_000), timeZone);
  const now = clock.hour * 60 + clock.minute;
  const before = earlier.date === clock.date ? earlier.hour * 60 + earlier.minute : -1;
  return now === due || (before < due && now > due);
}

/** Whether a weekly job is due in this minute. */
export function isWeeklyDue(at: Date, timeZone: string, dayAndTime: string): boolean {
  const [day = "", time = ""] = dayAndTime.split(" ");
  const weekday = new Intl.DateTimeFormat("en", { timeZone, weekday: "long" }).format(at);
  return weekday === day && isDailyDue(at, timeZone, time);
}

/** Whether a reconciliation is due in this minute: every so many hours from midnight on. */
export function isReconcileDue(at: Date, timeZone: string, everyHours: number): boolean {
  const { hour, minute } = wallClock(at, timeZone);
  return minute === 0 && hour % everyHours === 0;
}

function minutesOf(time: string): number {
  const [hour = 0, minute = 0] = time.split(":").map(Number);
  return hour * 60 + minute;
}
