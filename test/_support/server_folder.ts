import { randomBytes } from "node:crypto";
import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const inMemory = "/dev/shm";
// What the databases of a run and their log take at most, twice over.
const neededBytes = 4 * 2 ** 30;

/**
 * A folder, not made yet, for a server that is thrown away with all that it holds: in memory where
 * there is room. Each test file makes a database of 1,500 files and drops it, and ext4 keeps a file's
 * place from the next one for minutes after: in the end most of a clone's time went into the search.
 */
export function serverFolder(name: string): string {
  return join(hasRoom() ? inMemory : tmpdir(), `${name}-${randomBytes(4).toString("hex")}`);
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(inMemory);
    // A container may have less memory than its /dev/shm promises.
    return bavail * bsize > neededBytes && process.availableMemory() > 2 * neededBytes;
  } catch {
    return false;
  }
}
