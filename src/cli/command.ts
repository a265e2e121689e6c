import type { ParseArgsConfig } from "node:util";
import type { Client } from "pg";

/** What a command was called with. */
export interface Words {
  values: Record<string, string | boolean | (string | boolean)[] | undefined>;
  positionals: string[];
}

/** What a command does once it is connected; its exit code. */
export type Work = (client: Client) => Promise<number>;

/** A command of `npx saldo`. */
export interface Command {
  usage: string;
  help: string[];
  options: NonNullable<ParseArgsConfig["options"]>;
  /** Sets what lasts longer than a transaction: a pooler in transaction mode is refused. */
  needsSession?: boolean;
  /** Connects in a way of its own: to a database that need not be Saldo's. */
  connect?(words: Words): Promise<Client>;
  /**
   * Looks at the words, and gives what is to be done before a connection is made: reading a file,
   * say, which may be refused without any database. What needs none gives its exit code at once.
   */
  prepare(words: Words): () => Promise<Work | number>;
}

/** A call that no command understands, in one sentence. */
export class UsageError extends Error {}

/** The value of an option that takes a text. */
export function textOption({ values }: Words, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** Whether the answer is to be read by a program. */
export const isForPrograms = ({ values }: Words): boolean => values["json"] === true;

/** The options of a command that changes things: it only tells what it would do, unless told to. */
export const applyOptions = {
  "dry-run": { type: "boolean" },
  apply: { type: "boolean" },
} as const satisfies Command["options"];

/** Whether nothing is changed: without --apply, or with --dry-run. */
export const isDry = ({ values }: Words): boolean =>
  values["apply"] !== true || values["dry-run"] === true;

/** Refuses words that a command without any does not know. */
export function requireNoWords({ positionals }: Words): void {
  if (positionals.length > 0) throw new UsageError(`What is meant by ${positionals.join(" ")}?`);
}
