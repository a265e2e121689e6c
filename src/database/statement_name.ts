import { createHash } from "node:crypto";

/** A name for a statement that is prepared: the same for the same text. */
export function statementName(text: string): string {
  return createHash("sha1").update(text).digest("base64url");
}
