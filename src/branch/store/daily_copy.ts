/** A copy of the store each day, beside it: for a file that is damaged, not for a disk that is lost. */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { backup } from "node:sqlite";
import type { Store } from "./store.ts";

const COPIES_KEPT = 14;
const LOOK_EVERY_MS = 3_600_000;

/** Makes today's copy if it is not there, and lets go of the oldest ones. */
export async function copyToday(store: Store): Promise<void> {
  const folder = join(store.folder, "backups");
  const file = join(folder, `daily-${store.now().toISOString().slice(0, 10)}.db`);
  if (!existsSync(file)) {
    // A copy that is cut off has another name, and the next one writes over it.
    const unfinished = join(folder, "unfinished.db");
    rmSync(unfinished, { force: true });
    await backup(store.database, unfinished);
    renameSync(unfinished, file);
  }
  const copies = readdirSync(folder).filter((name) => /^daily-.*\.db$/.test(name));
  for (const old of copies.sort().slice(0, -COPIES_KEPT)) rmSync(join(folder, old));
}

/** Looks each hour whether a copy is due; gives how to end that, after a copy that is being made. */
export function keepDailyCopies(store: Store, say: (message: string) => void) {
  let copying: Promise<void> = Promise.resolve();
  const look = () => {
    copying = copyToday(store).catch((error: Error) => {
      say(`today's copy of the store was not made: ${error.message}`);
    });
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  return async () => {
    clearInterval(timer);
    await copying;
  };
}
