import test from "ava";
import { readConfig } from "../../src/config.ts";
import { isDailyDue, isWeeklyDue, nextDue } from "../../src/jobs/schedule.ts";
import { cronItems } from "../../src/jobs/worker.ts";
import { timesEvery } from "../../src/setting_schemas.ts";

/** The minutes of UTC between two instants at which something is due. */
function due(from: string, to: string, isDue: (at: Date) => boolean): string[] {
  const minutes: string[] = [];
  for (let at = Date.parse(from); at < Date.parse(to); at += 60_000) {
    if (isDue(new Date(at))) minutes.push(new Date(at).toISOString().slice(0, 16));
  }
  return minutes;
}

const maintenance = (zone: string, time: string | readonly string[]) => (at: Date) =>
  isDailyDue(at, zone, time);

test("maintenance at 02:00 in Jakarta is at 19:00 of the day before in UTC", (t) => {
  t.deepEqual(due("2025-11-16T00:00Z", "2025-11-18T00:00Z", maintenance("Asia/Jakarta", "02:00")), [
    "2025-11-16T19:00",
    "2025-11-17T19:00",
  ]);
});

test("maintenance follows a zone with an offset of three quarters of an hour", (t) => {
  t.deepEqual(
    due("2025-11-16T00:00Z", "2025-11-17T00:00Z", maintenance("Asia/Kathmandu", "02:00")),
    ["2025-11-16T20:15"],
  );
});

test("maintenance runs after the gap when clocks are set forward past its time", (t) => {
  // New York skips 02:00 to 02:59 on 2025-03-09.
  t.deepEqual(
    due("2025-03-08T06:00Z", "2025-03-11T05:00Z", maintenance("America/New_York", "02:30")),
    ["2025-03-08T07:30", "2025-03-09T07:00", "2025-03-10T06:30"],
  );
});

test("maintenance is due on each day when clocks are set back", (t) => {
  // New York has 01:00 to 01:59 twice on 2025-11-02; 02:00 comes once.
  t.deepEqual(
    due("2025-11-01T05:00Z", "2025-11-04T05:00Z", maintenance("America/New_York", "02:00")),
    ["2025-11-01T06:00", "2025-11-02T07:00", "2025-11-03T07:00"],
  );
});

test("a time that comes twice when clocks are set back counts once", (t) => {
  // New York has 01:30 at 05:30 and 06:30 of UTC; Lord Howe Island goes back by half an hour.
  const back = due("2025-11-02T04:00Z", "2025-11-02T09:00Z", (at) =>
    isDailyDue(at, "America/New_York", ["01:30", "03:00"]),
  );
  t.deepEqual(back, ["2025-11-02T05:30", "2025-11-02T08:00"]);
  t.deepEqual(
    due("2025-04-05T12:00Z", "2025-04-06T12:00Z", maintenance("Australia/Lord_Howe", "01:45")),
    ["2025-04-05T14:45"],
  );
});

test("several times of a day are each due, and those in one gap once", (t) => {
  t.deepEqual(
    due("2025-11-16T00:00Z", "2025-11-17T00:00Z", maintenance("Asia/Jakarta", ["02:00", "08:00"])),
    ["2025-11-16T01:00", "2025-11-16T19:00"],
  );
  // New York skips 02:00 to 02:59 on 2025-03-09.
  const gap = maintenance("America/New_York", ["02:10", "02:50", "03:30"]);
  t.deepEqual(due("2025-03-09T06:00Z", "2025-03-09T10:00Z", gap), [
    "2025-03-09T07:00",
    "2025-03-09T07:30",
  ]);
});

test("the next time is that at which it will be due", (t) => {
  const next = (after: string, zone: string, time: string) =>
    nextDue(new Date(after), [Number(time.slice(3))], maintenance(zone, time))?.toISOString();
  t.is(next("2025-11-16T18:59:30Z", "Asia/Jakarta", "02:00"), "2025-11-16T19:00:00.000Z");
  t.is(next("2025-11-16T19:00:00Z", "Asia/Jakarta", "02:00"), "2025-11-17T19:00:00.000Z");
  t.is(next("2025-11-16T12:00:00Z", "Asia/Kathmandu", "02:07"), "2025-11-16T20:22:00.000Z");
  t.is(next("2025-03-09T00:00:00Z", "America/New_York", "02:37"), "2025-03-09T07:00:00.000Z");
  const sunday = (at: Date) => isWeeklyDue(at, "Asia/Jakarta", "Sunday 01:00");
  t.is(
    nextDue(new Date("2025-11-15T18:00:00Z"), [0], sunday)?.toISOString(),
    "2025-11-22T18:00:00.000Z",
  );
  t.is(
    nextDue(new Date(), [0], () => false),
    null,
  );
});

test("maintenance at midnight is due once a day", (t) => {
  t.deepEqual(due("2025-11-16T00:00Z", "2025-11-18T00:00Z", maintenance("Asia/Jakarta", "00:00")), [
    "2025-11-16T17:00",
    "2025-11-17T17:00",
  ]);
});

test("reconciliation every 6 hours is counted from midnight of the business day", (t) => {
  t.deepEqual(
    due("2025-11-16T00:00Z", "2025-11-17T00:00Z", maintenance("Asia/Jakarta", timesEvery(6))),
    ["2025-11-16T05:00", "2025-11-16T11:00", "2025-11-16T17:00", "2025-11-16T23:00"],
  );
});

test("what is due in a gap at midnight is due after it", (t) => {
  // Beirut skips 00:00 to 00:59 on 2025-03-30.
  t.deepEqual(due("2025-03-28T22:00Z", "2025-03-30T21:00Z", maintenance("Asia/Beirut", "00:30")), [
    "2025-03-28T22:30",
    "2025-03-29T22:00",
  ]);
});

test("a weekly job is due on its day of the business time zone, once a week", (t) => {
  const weekly = (zone: string, time: string) => (at: Date) => isWeeklyDue(at, zone, time);
  // 2025-11-16 is a Sunday; 01:00 of Jakarta is Saturday in UTC.
  t.deepEqual(
    due("2025-11-10T00:00Z", "2025-11-24T00:00Z", weekly("Asia/Jakarta", "Sunday 01:00")),
    ["2025-11-15T18:00", "2025-11-22T18:00"],
  );
  // New York skips 02:00 to 02:59 on Sunday 2025-03-09.
  t.deepEqual(
    due("2025-03-03T05:00Z", "2025-03-10T04:00Z", weekly("America/New_York", "Sunday 02:30")),
    ["2025-03-09T07:00"],
  );
});

test("stored months are synced each night and recalculated on Sundays, in business time", (t) => {
  const items = cronItems({
    ...readConfig({}),
    timeZone: "Asia/Jakarta",
    maintenanceAt: ["03:00"],
    reconcileEveryHours: 6,
    monthlySyncAt: "02:00",
    monthlyRecalculationAt: "Sunday 01:00",
  }).filter(({ task }) => task === "sync_monthly_balances");
  const dueIn = (hour: number, min: number) =>
    Array.from({ length: 7 }, (_, days) => {
      const at = new Date(Date.now() - (days + 1) * 86_400_000);
      const digest = {
        min,
        hour,
        date: at.getUTCDate(),
        month: at.getUTCMonth() + 1,
        dow: at.getUTCDay(),
      };
      return items.filter(({ match }) => match(digest)).map(({ payload }) => payload?.["force"]);
    })
      .flat()
      .sort();
  t.deepEqual(dueIn(19, 0), Array(7).fill(false));
  t.deepEqual(dueIn(18, 0), [true]);
  t.deepEqual(dueIn(19, 1), []);
});

test("maintenance at several times is followed by the retention once a day", (t) => {
  const items = cronItems({
    ...readConfig({ SALDO_MAINTENANCE_AT: "every 6 hours" }),
    timeZone: "Asia/Jakarta",
  });
  const at = new Date(Date.now() - 86_400_000);
  const hoursOf = (name: string) =>
    Array.from({ length: 24 }, (_, hour) => hour).filter((hour) =>
      items
        .find(({ identifier }) => identifier === name)
        ?.match({
          min: 0,
          hour,
          date: at.getUTCDate(),
          month: at.getUTCMonth() + 1,
          dow: at.getUTCDay(),
        }),
    );
  t.deepEqual(hoursOf("scheduled_maintenance"), [5, 11, 17, 23]);
  t.deepEqual(hoursOf("apply_retention"), [17]);
});
