/** When the scheduled jobs run, in the business time zone. */

/** Date, hour and minute of an instant as a wall clock of the zone shows them. */
export interface WallClock {
  /** ISO date. */
  date: string;
  hour: number;
  minute: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat("en-CA", {
      timeZone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
  formats.set(timeZone, format);
  return format;
}

/** Reads the wall clock of a zone. */
export function wallClock(at: Date, timeZone: string): WallClock {
  const parts = formatOf(timeZone).formatToParts(at);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
  return {
    date: `${part("year")}-${part("month")}-${part("day")}`,
    hour: Number(part("hour")),
    minute: Number(part("minute")),
  };
}

const MINUTE_MS = 60_000;
// By how much clocks are set back, where they are: half an hour on Lord Howe Island, two in Antarctica.
const SET_BACK_MINUTES = [30, 60, 120];

/**
 * Whether a job that is to run at these times of each day is due in this minute. A clock that is set
 * forward past a time runs it at the first minute after the gap, also where that is midnight, and
 * once for all times in the gap. A time that comes twice, because a clock is set back, counts once.
 */
export function isDailyDue(at: Date, timeZone: string, times: string | readonly string[]): boolean {
  const clock = wallClock(at, timeZone);
  const earlier = wallClock(new Date(at.getTime() - MINUTE_MS), timeZone);
  const now = clock.hour * 60 + clock.minute;
  const before = earlier.date === clock.date ? earlier.hour * 60 + earlier.minute : -1;
  return [times].flat().some((time) => {
    const due = minutesOf(time);
    if (now === due) return !isSecondTime(at, timeZone, clock);
    return before < due && now > due;
  });
}

function isSecondTime(at: Date, timeZone: string, { date, hour, minute }: WallClock): boolean {
  return SET_BACK_MINUTES.some((minutes) => {
    const first = wallClock(new Date(at.getTime() - minutes * MINUTE_MS), timeZone);
    return first.date === date && first.hour === hour && first.minute === minute;
  });
}

/** Whether a weekly job is due in this minute. */
export function isWeeklyDue(at: Date, timeZone: string, dayAndTime: string): boolean {
  const [day = "", time = ""] = dayAndTime.split(" ");
  if (!isDailyDue(at, timeZone, time)) return false;
  const weekday = new Intl.DateTimeFormat("en", { timeZone, weekday: "long" }).format(at);
  return weekday === day;
}

// Time zones differ by quarters of an hour, and so do the ends of gaps.
const QUARTER_MINUTES = 15;
const SEARCH_DAYS = 9;

/**
 * The first minute after an instant in which something is due; null where it is not within nine days.
 *
 * @param minutes minutes of the hour at which it may be due, but for the end of a gap
 */
export function nextDue(
  after: Date,
  minutes: readonly number[],
  isDue: (at: Date) => boolean,
): Date | null {
  const first = Math.floor(after.getTime() / MINUTE_MS) + 1;
  const rests = new Set([0, ...minutes.map((minute) => minute % QUARTER_MINUTES)]);
  for (let minute = first; minute < first + SEARCH_DAYS * 1440; minute += 1) {
    const at = new Date(minute * MINUTE_MS);
    if (rests.has(minute % QUARTER_MINUTES) && isDue(at)) return at;
  }
  return null;
}

/** Minutes since midnight of a time of the day, as 02:30. */
export function minutesOf(time: string): number {
  const [hour = 0, minute = 0] = time.split(":").map(Number);
  return hour * 60 + minute;
}
