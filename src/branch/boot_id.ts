import { readFileSync } from "node:fs";
import { uptime } from "node:os";

let known: string | undefined;

/** A text that changes when the machine is started: what it calls its boot, or its minute. */
export function bootId(): string {
  known ??= read();
  return known;
}

function read(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return String(Math.round((Date.now() / 1000 - uptime()) / 60));
  }
}
