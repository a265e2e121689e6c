import assert from "node:assert/strict";
import test from "ava";
import fc from "fast-check";
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
    fc.array(operation, { minLength: 1, maxLength: 40, size: "max" }),
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
        assert.deepEqual(await history.findings(), []);
      } finally {
        await history.end();
      }
    },
  );
  // A failure is made smaller until then, and told before the test runner's own time is up.
  const limits = { numRuns, interruptAfterTimeLimit: 90_000 };
  await t.notThrowsAsync(fc.assert(property, { seed, ...limits, includeErrorInReport: true }));
});
