/** Hashes as people compare them: in hexadecimal digits, as `saldo verify --head` prints them. */

/** The bytes of a base64 text in hexadecimal digits. */
export function hexOf(base64: string | null | undefined): string {
  if (!base64) return "";
  const bytes = [...atob(base64)];
  return bytes.map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

/** Number and hash of a head as it was kept: "seal 12 0a1b...", with or without words around. */
export function readHead(typed: string): { number: string; hash: string } | null {
  const hash = /\b[0-9a-f]{64}\b/i.exec(typed)?.[0].toLowerCase();
  const number = /\b\d{1,18}\b/.exec(typed.replace(/\b[0-9a-f]{64}\b/i, " "))?.[0];
  return hash === undefined || number === undefined ? null : { number, hash };
}
