import test from "ava";
import { openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());

// An amount of the journal is below 1e15, the sum of a batch need not be.
test("rows that together exceed the largest amount are settled anyway", async (t) => {
  const account = await hot.account({ minBalance: null, slots: 1 });
  const other = await hot.account({ funds: 10, slots: 1 });
  for (const direction of ["debit", "credit", "credit", "credit"]) {
    await hot.submit(account, "999999999999999.99", direction);
  }
  await hot.submit(other, 4, "debit");
  await hot.settle();
  t.is(await hot.posted(other), "6");
  t.is(await hot.posted(account), "1999999999999999.98");
  t.deepEqual(await hot.findings(), []);
});
