import { describeDatabaseError } from "../errors/database_error.ts";
import { Refusal } from "../errors/refusal.ts";

/** An error as the command line tells it: code and message, detail, hint; or one sentence. */
export function describeFailure(error: unknown): string {
  const known =
    error instanceof Refusal
      ? { message: error.message, extensions: error.extensions }
      : describeDatabaseError(error);
  if (known === undefined) {
    return `${error instanceof Error ? error.message : String(error)}\n`;
  }
  const { code, detail, hint } = known.extensions;
  return [`${code}: ${known.message}`, detail && `  ${detail}`, hint && `  ${hint}`, ""]
    .filter((line) => line !== undefined)
    .join("\n");
}

/** Prints what programs read, where --json is given: one value, on one line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Shows on stderr how far something is: a bar on a terminal, a line for each tenth elsewhere. */
export class Progress {
  readonly #total: number;
  readonly #label: string;
  #tenths = 0;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
  }

  /** That many are done by now. */
  at(done: number): void {
    const part = this.#total === 0 ? 1 : done / this.#total;
    const figures = `${Math.floor(part * 100)} % (${done} of ${this.#total})`;
    if (process.stderr.isTTY) {
      const width = Math.floor(part * 30);
      const bar = `${"#".repeat(width)}${".".repeat(30 - width)}`;
      process.stderr.write(`\r${this.#label} [${bar}] ${figures}${part === 1 ? "\n" : ""}`);
      return;
    }
    const tenths = Math.floor(part * 10);
    if (tenths > this.#tenths) process.stderr.write(`${this.#label} ${figures}\n`);
    this.#tenths = tenths;
  }

  /** Leaves the bar's line where it did not reach its end. */
  stop(): void {
    if (process.stderr.isTTY) process.stderr.write("\n");
  }
}
