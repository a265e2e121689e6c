/** The documents that a server takes, where it takes no others: known by their hash. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Refusal } from "../errors/refusal.ts";
import { StartError } from "../start_error.ts";

/** SHA-256 hashes of documents, in hexadecimal. */
export type AllowedDocuments = ReadonlySet<string>;

/**
 * The documents of the settings: `console`, or the path of a JSON file, an object with hashes as its
 * keys, or a list of hashes. Undefined where any document is taken.
 *
 * @throws StartError
 */
export async function readAllowedDocuments(
  choice: string | undefined,
  consoleFolder: string,
): Promise<AllowedDocuments | undefined> {
  if (choice === undefined) return undefined;
  const isConsole = choice === "console";
  const file = isConsole ? join(consoleFolder, "allowed_documents.json") : choice;
  try {
    return hashesOf(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    const how = isConsole ? " Build the console: npm run build:web." : "";
    throw new StartError(
      `SALDO_ALLOWED_DOCUMENTS cannot be read from ${file}: ${(error as Error).message}.${how}`,
    );
  }
}

function hashesOf(content: unknown): AllowedDocuments {
  const isObject = typeof content === "object" && content !== null;
  const hashes: unknown[] = Array.isArray(content) ? content : Object.keys(isObject ? content : {});
  if (hashes.length === 0) throw new Error("it has no hashes");
  const wrong = hashes.find((each) => typeof each !== "string" || !/^[0-9a-f]{64}$/.test(each));
  if (wrong !== undefined) throw new Error(`${String(wrong).slice(0, 80)} is no SHA-256`);
  return new Set(hashes as string[]);
}

/** @throws Refusal document_refused */
export function requireAllowed(allowed: AllowedDocuments | undefined, document: string): void {
  if (allowed === undefined) return;
  const hash = createHash("sha256").update(document).digest("hex");
  if (!allowed.has(hash)) throw new Refusal("document_refused", `sha256 ${hash}`);
}
