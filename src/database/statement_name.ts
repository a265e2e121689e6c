import { hash } from "node:crypto";

/** A name for a statement that is prepared: the same for the same text. */
export function statementName(text: string): string {
  return hash("sha1", text, "base64url");
}
