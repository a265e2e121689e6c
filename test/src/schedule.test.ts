import test from "ava";
import { isMaintenanceDue, isReconcileDue } from "../../src/schedule.ts";

/** The minutes of UTC between two instants at which something is due. */
function due(from: string, to: string, isDue: (at: Date) => boolean): string[] {
  const minutes: string[] = [];
  for (let at = Date.parse(from); at < Date.parse(to); at += 60_000) {
    if (isDue(new Date(at))) minutes.push(new Date(at).toISOString().slice(0, 16));
  }
  return minutes;
}

const maintenance = (zone: string, time: string) => (at: Date) => isMaintenanceDue(at, zone, time);

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

test("maintenance at midnight is due once a day", (t) => {
  t.deepEqual(due("2025-11-16T00:00Z", "2025-11-18T00:00Z", maintenance("Asia/Jakarta", "00:00")), [
    "2025-11-16T17:00",
    "2025-11-17T17:00",
  ]);
});

test("reconciliation every 6 hours is counted from midnight of the business day", (t) => {
  t.deepEqual(
    due("2025-11-16T00:00Z", "2025-11-17T00:00Z", (at) => isReconcileDue(at, "Asia/Jakarta", 6)),
    ["2025-11-16T05:00", "2025-11-16T11:00", "2025-11-16T17:00", "2025-11-16T23:00"],
  );
});
