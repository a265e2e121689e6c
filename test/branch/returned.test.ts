import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { ReturnAnswer, Row, Verdict } from "../../src/branch/protocol/schema.ts";
import { epochTotals } from "../../src/branch/store/facts.ts";
import { havePlaces, keepReturned } from "../../src/branch/store/returned.ts";
import type { Store } from "../../src/branch/store/store.ts";
import { bodies, makePlace, openStore, sell } from "./_till.ts";

/** What a store takes back of what the centre gives it: only what goes on from its own rows. */

/** A store that came back from a copy of after the first row, and the rows that it had later. */
function restore(t: ExecutionContext) {
  const place = makePlace(t);
  const copy = join(place.root, "copy");
  let store = openStore(place);
  sell(store, 100);
  store.close();
  cpSync(place.folder, copy, { recursive: true });
  store = openStore(place);
  for (const amount of [20, 3000, 4]) sell(store, amount);
  const { epoch, epoch_no } = store.chain;
  const rows = bodies(store)
    .slice(1)
    .map(({ epoch: _, ...row }) => row as Row);
  store.close();
  rmSync(place.folder, { recursive: true });
  cpSync(copy, place.folder, { recursive: true });
  store = openStore(place);
  t.teardown(() => store.close());
  const answer = (returned: Row[]): ReturnAnswer => ({
    epochs: [{ epoch, epoch_no, previous: null }],
    rows: returned.map((row) => ({ epoch, row, verdict: verdictOf(row) })),
    more: false,
  });
  return { store, epoch, rows, answer };
}

const verdictOf = ({ id, seq, business_date }: Row): Verdict => ({
  id,
  seq,
  verdict: "accepted",
  reason: null,
  entry_id: null,
  posting_date: business_date,
  verdict_no: seq,
});

const keep = (store: Store, answer: ReturnAnswer) =>
  store.transaction(() =>
    keepReturned(store.database, store.settings, store.chain.device, answer, store.now()),
  );

test("rows come back up to the first that is not what it was, or is missing", (t) => {
  const { store, epoch, rows, answer } = restore(t);
  const [second, third, fourth] = rows as [Row, Row, Row];
  t.deepEqual(keep(store, answer([third, fourth])), { count: 0, broken: [epoch] });
  const forged = { ...third, amount: "9000" };
  t.deepEqual(keep(store, answer([second, forged, fourth])), { count: 1, broken: [epoch] });
  t.is(store.summary().balance, 120);
  t.deepEqual(keep(store, answer([third, fourth])), { count: 2, broken: [] });
  t.is(store.summary().balance, 3124);
  t.deepEqual(epochTotals(store.database, epoch), { in: 3124n, out: 0n });
  t.is(store.queue().waiting, 1, "the row of before the copy, which no answer was given to");
  t.is(store.findOne(third.id).standing, "sent");
  t.deepEqual(keep(store, answer([second])), { count: 0, broken: [epoch] });
});

test("a row that was entered here once more under its id counts once", (t) => {
  const { store, epoch, rows, answer } = restore(t);
  const [, third] = rows as [Row, Row];
  store.addEntry({ id: third.id, type: "IN", amount: 3000n, category: "Penjualan" });
  t.deepEqual(keep(store, answer(rows)), { count: 2, broken: [] });
  t.is(store.summary().balance, 3124);
  t.deepEqual(epochTotals(store.database, epoch), { in: 3124n, out: 0n });
  const places = havePlaces(store.database, store.settings, store.chain.device);
  t.deepEqual(
    places.map(({ seq }) => seq),
    [4, 1],
  );
});
