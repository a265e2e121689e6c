/** The console as it was built: whether it is there, and which build it is. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cached } from "../cached.ts";

/** A build of the console. */
export interface Build {
  /** The page: it names its files, whose names change with their content. */
  readonly document: string;
  /** Another one for another build, so that a page can see that it is out of date. */
  readonly version: string;
}

/** Reads the build of a folder; there may be another one, or none any more, a second later. */
export function makeReadBuild(folder: string | undefined): () => Promise<Build | undefined> {
  return cached(1000, async () => {
    if (folder === undefined) return undefined;
    try {
      const document = await readFile(join(folder, "index.html"), "utf8");
      const version = createHash("sha256").update(document).digest("hex").slice(0, 16);
      return { document, version };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  });
}
