import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { FactWriter } from "../../src/branch/store/facts.ts";
import { Store } from "../../src/branch/store/store.ts";

/** A place for a store and its anchor, thrown away after the test. */
export interface Place {
  root: string;
  folder: string;
  anchorFolder: string;
}

export function makePlace(t: ExecutionContext): Place {
  const root = mkdtempSync(join(tmpdir(), "saldo-till-"));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  return { root, folder: join(root, "store"), anchorFolder: join(root, "anchors") };
}

/** A clock that goes on by itself, a second at each look, and can be set. */
export function makeClock(start = "2026-03-10T03:00:00.000Z") {
  let moment = Date.parse(start);
  const clock = () => {
    moment += 1000;
    return new Date(moment);
  };
  return {
    clock,
    set(text: string) {
      moment = Date.parse(text);
    },
  };
}

/** Options of a store at a place. */
export function storeOptions(place: Place, clock = makeClock().clock) {
  return {
    folder: place.folder,
    anchorFolder: place.anchorFolder,
    clock,
    program: "saldo-branch/test",
    assumed: { name: "Kas", currency: "IDR", timeZone: "Asia/Jakarta" },
  };
}

export function openStore(place: Place, clock = makeClock().clock): Store {
  return Store.open(storeOptions(place, clock));
}

/** Enters an amount and gives its row. */
export function sell(store: Store, amount: number | bigint, type: "IN" | "OUT" = "IN") {
  return store.addEntry({ type, amount: BigInt(amount), category: "Penjualan" });
}

/** All rows as they go to the centre, in their order. */
export function bodies(store: Store) {
  return store.database
    .prepare("select body, epoch from fact order by position")
    .all()
    .map((row) => ({ ...JSON.parse(row["body"] as string), epoch: row["epoch"] as string }));
}

/** Enters 1, 2, 3 ... in one transaction: each one by itself would wait for the disk. */
export function sellMany(store: Store, count: number): void {
  const writer = new FactWriter(
    store.database,
    () => store.chain,
    () => store.locality(),
  );
  store.transaction(() => {
    for (let each = 1; each <= count; each += 1) {
      writer.addEntry({ type: "IN", amount: BigInt(each), category: "Penjualan" }, store.now());
    }
  });
}
