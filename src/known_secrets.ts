/** Secrets that are no secrets: published in examples, this project's own among them. */

const PUBLISHED: ReadonlySet<string> = new Set([
  // Of this project: its docker-compose.yml once had the first two as defaults.
  "a-secret-for-a-trial-and-nothing-else",
  "saldo-trial",
  "a secret for tests of more than 32 characters",
  "a secret of more than thirty-two characters",
  // Of sites and servers that sign tokens too, and whose examples are copied.
  "a-string-secret-at-least-256-bits-long",
  "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
  "super-secret-jwt-token-with-at-least-32-characters-long",
  "your-super-secret-jwt-token-with-at-least-32-characters-long",
  "reallyreallyreallyreallyverysafe",
]);

// Base64, hexadecimal digits and even decimal ones of this length have more.
const CHARACTER_COUNT_MIN = 8;

/** Whether somebody else knows the secret, or finds it at once. */
export function isKnownSecret(secret: string): boolean {
  return (
    PUBLISHED.has(secret.trim().toLowerCase()) ||
    /change.?me|your.?(\d+.?bit.?)?secret|replace.?(me|this)/i.test(secret) ||
    new Set(secret).size < CHARACTER_COUNT_MIN
  );
}

/** Whether the password in the address of a database is a published one. */
export function hasKnownPassword(databaseUrl: string): boolean {
  return PUBLISHED.has(decodeURIComponent(new URL(databaseUrl).password));
}
