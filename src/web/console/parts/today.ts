/** The present day of the business, as the books date what is posted now. */
import { useZone } from "./zone.ts";

/** Today in the zone of the business, as YYYY-MM-DD. */
export function useToday(): string {
  const { business } = useZone();
  return new Intl.DateTimeFormat("en-CA", { timeZone: business }).format(new Date());
}

/** The month so many months after the one of this day, as YYYY-MM. */
export function monthAfter(day: string, count: number): string {
  const date = new Date(`${day.slice(0, 7)}-01T00:00:00Z`);
  date.setUTCMonth(date.getUTCMonth() + count);
  return date.toISOString().slice(0, 7);
}

/** The last day of the month of this day, as YYYY-MM-DD. */
export function lastDayOf(day: string): string {
  const date = new Date(`${monthAfter(day, 1)}-01T00:00:00Z`);
  date.setUTCDate(0);
  return date.toISOString().slice(0, 10);
}

/** The first day of the month of this day, as YYYY-MM-DD. */
export const firstDayOf = (day: string) => `${day.slice(0, 7)}-01`;

/** Whether a text is a day that the books may have: 30 February is none. */
export function isDay(text: string | undefined): text is string {
  if (text === undefined || !/^(19|[2-9]\d)\d\d-\d\d-\d\d$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** The day of a filter; another one where the address has none, or one that is no day. */
export const dayOr = (day: string | undefined, otherwise: string) => (isDay(day) ? day : otherwise);
