import assert from "node:assert/strict";
import test from "ava";
import fc from "fast-check";
import { check } from "../_support/faults.ts";
import { History } from "./_history.ts";
import { openHot } from "./_hot.ts";
import { operation, plans } from "./_model.ts";

const hot = await openHot();
test.after.always(() => hot.close());

/** Repeat a run with HISTORY_SEED=<what it printed>; more histories with HISTORY_RUNS. */
const seed = Number(process.env["HISTORY_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env["HISTORY_RUNS"] ?? 50);

test("any history of hot accounts agrees with plain arithmetic, and every rule is clean", async (t) => {
  t.log(`seed ${seed}`);
  const property = fc.asyncProperty(
    plans,
    fc.array(operation, { minLength: 10, maxLength: 40 }),
    async (accounts, operations) => {
      const history = await History.begin(hot, accounts);
      try {
        for (const each of operations) {
          await history.step(each);
          await history.compareBalances();
        }
        while ((await history.settle(50_000)) > 0);
        await history.compareBalances();
        await history.compareRows();
        const { status, findings } = await check(hot.pool);
        assert.deepEqual({ status, findings }, { status: "healthy", findings: [] });
      } finally {
        await history.end();
      }
    },
  );
  await t.notThrowsAsync(fc.assert(property, { seed, numRuns, includeErrorInReport: true }));
});
