/** Branch keys: `sbk_<12 digits: id>_<64 digits: secret><6 digits: check>`, digits hexadecimal. */
import { createHash } from "node:crypto";

const form = /^sbk_([0-9a-f]{12})_([0-9a-f]{64})([0-9a-f]{6})$/;

const sha256 = (text: string) => createHash("sha256").update(text, "utf8");

/** What the centre looks a key up by: its id, and what it keeps of its secret. */
export interface KeyProof {
  id: string;
  /** SHA-256 of the 64 digits of the secret. */
  secretHash: Buffer;
}

/** The first digits of SHA-256 over what stands before them: a slip of the pen shows at once. */
export function checkDigits(id: string, secret: string): string {
  return sha256(`sbk_${id}_${secret}`).digest("hex").slice(0, 6);
}

/** The proof of a key; null where the text is none. */
export function keyProof(key: string): KeyProof | null {
  const [, id = "", secret = "", check] = form.exec(key) ?? [];
  if (check === undefined || check !== checkDigits(id, secret)) return null;
  return { id, secretHash: sha256(secret).digest() };
}
