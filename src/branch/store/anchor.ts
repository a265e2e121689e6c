/**
 * The anchor: what this till has sold last, in a second place outside the store's folder. A store that
 * comes back from a copy is behind its anchor, and so it is known before the first sale after it.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const anchorSchema = z.object({
  device: z.string(),
  epoch: z.string(),
  epoch_no: z.int(),
  seq: z.int(),
  hash: z.string().nullable(),
  folder: z.string(),
});

/** The latest row of a device, and the folder of the store that has it. */
export type Anchor = z.infer<typeof anchorSchema>;

/** Where anchors stand for a user of this machine. */
export function defaultAnchorFolder(environment: NodeJS.ProcessEnv): string {
  const configured = environment["XDG_CONFIG_HOME"] || environment["APPDATA"];
  return join(configured || join(homedir(), ".config"), "saldo-branch");
}

/** The anchor of a device; undefined where there is none, or none that can be read. */
export function readAnchor(folder: string, device: string): Anchor | undefined {
  try {
    return anchorSchema.parse(JSON.parse(readFileSync(join(folder, `${device}.json`), "utf8")));
  } catch {
    return undefined;
  }
}

/** Replaces the anchor as a whole: a cut in the middle leaves the one before. */
export function writeAnchor(folder: string, anchor: Anchor): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${anchor.device}.json`);
  const fresh = openSync(`${file}.new`, "w", 0o600);
  try {
    writeSync(fresh, `${JSON.stringify(anchor)}\n`);
    fsyncSync(fresh);
  } finally {
    closeSync(fresh);
  }
  renameSync(`${file}.new`, file);
}
