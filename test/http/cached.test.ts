import { setTimeout as wait } from "node:timers/promises";
import test from "ava";
import { cached } from "../../src/http/cached.ts";

test("however many ask at once, the source is asked once", async (t) => {
  let fetchCount = 0;
  const read = cached(1000, async () => {
    fetchCount += 1;
    await wait(20);
    return fetchCount;
  });
  t.deepEqual(await Promise.all([read(), read(), read()]), [1, 1, 1]);
  t.is(await read(), 1);
});

test("a result is fetched again when its time is over", async (t) => {
  let fetchCount = 0;
  const read = cached(10, async () => {
    fetchCount += 1;
    return fetchCount;
  });
  t.is(await read(), 1);
  await wait(30);
  t.is(await read(), 2);
});

test("a failure is kept too, and the next fetch may succeed", async (t) => {
  let fetchCount = 0;
  const read = cached(30, async () => {
    fetchCount += 1;
    if (fetchCount === 1) {
      throw new Error("not now");
    }
    return fetchCount;
  });
  await t.throwsAsync(read());
  await t.throwsAsync(read());
  t.is(fetchCount, 1);
  await wait(60);
  t.is(await read(), 2);
});
