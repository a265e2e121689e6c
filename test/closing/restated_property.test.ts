import test from "ava";
import fc from "fast-check";
import { errorCode } from "../_support/database.ts";
import { openBooks } from "./_books.ts";

const books = await openBooks();
test.after.always(() => books.close());

type Step =
  | { kind: "post"; month: number; day: number; cents: number; from: number; to: number }
  | { kind: "reverse"; pick: number }
  | { kind: "close" }
  | { kind: "reopen" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("post" as const),
      month: fc.integer({ min: 1, max: 6 }),
      day: fc.integer({ min: 1, max: 28 }),
      cents: fc.integer({ min: 1, max: 99_999 }),
      from: fc.integer({ min: 0, max: 3 }),
      to: fc.integer({ min: 0, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("reverse" as const), pick: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "close" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
);

let run = 0;

test("any history: restated sums are those of the facts' months, and add up to the reported", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      // Each history has a year of its own, and what came before stays closed.
      const year = 1951 + run;
      run += 1;
      if (run > 1) {
        const left = await books.rows("fiscal_periods", { fiscal_year: year - 1 });
        for (const { number, status } of left) {
          if (status === "open" && Number(number) < 13) {
            await books.call("close_period", { month: `${year - 1}-${number}-01` });
          }
        }
        await books.call("close_year", { fiscal_year: year - 1 });
      }
      const accounts = [
        await books.account("asset"),
        await books.account("liability"),
        await books.account("equity"),
        await books.account("asset", { mode: "hot", slots: 2 }),
      ];
      const posted: { id: unknown; month: number; cents: number; from: number; to: number }[] = [];
      // What each account has by the month of the fact, in cents of net debit.
      const model = accounts.map(() => Array<number>(12).fill(0));
      const count = (index: number, month: number, cents: number) => {
        const row = model[index] as number[];
        row[month - 1] = (row[month - 1] ?? 0) + cents;
      };
      let closed = 0;
      for (const each of steps) {
        if (each.kind === "post" && each.from !== each.to) {
          const day = `${year}-0${each.month}-${String(each.day).padStart(2, "0")}`;
          const [from, to] = [accounts[each.from] as string, accounts[each.to] as string];
          const { id } = await books.post(day, to, from, each.cents / 100);
          posted.push({ ...each, id });
          count(each.to, each.month, each.cents);
          count(each.from, each.month, -each.cents);
        } else if (each.kind === "reverse" && posted.length > 0) {
          const [entry] = posted.splice(each.pick % posted.length, 1);
          if (entry === undefined) continue;
          await books.call("reverse_entry", { entry_id: entry.id, reason: "property" });
          count(entry.to, entry.month, -entry.cents);
          count(entry.from, entry.month, entry.cents);
        } else if (each.kind === "close" && closed < 11) {
          closed += 1;
          await books.call("close_period", { month: `${year}-${closed}-01` });
        } else if (each.kind === "reopen" && closed > 0) {
          const args = { fiscal_year: year, number: closed, reason: "property" };
          t.is(await errorCode(books.call("reopen_period", args)), "none");
          closed -= 1;
        }
      }
      for (const [index, account_id] of accounts.entries()) {
        const sign = index === 1 || index === 2 ? -1 : 1;
        const months = async (basis: string) =>
          books.rows("monthly_balance", {
            account_id,
            from_month: `${year}-01-01`,
            to_month: "2026-12-01",
            basis,
          });
        const [restated, reported] = [await months("restated"), await months("reported")];
        t.is(restated.at(-1)?.closing, reported.at(-1)?.closing);
        t.deepEqual(
          restated
            .slice(0, 12)
            .map(({ debit, credit }) => Math.round((Number(debit) - Number(credit)) * 100)),
          model[index] as number[],
        );
        for (const rows of [restated, reported]) {
          rows.slice(1).forEach((row, at) => {
            t.is(row.opening, rows[at]?.closing);
          });
          t.is(
            Number(rows.at(-1)?.closing),
            (model[index] as number[]).reduce((sum, cents) => sum + sign * cents, 0) / 100,
          );
        }
      }
    }),
    { numRuns: Number(process.env["RESTATED_RUNS"] ?? 5) },
  );
  t.deepEqual(await books.findings(), []);
});
