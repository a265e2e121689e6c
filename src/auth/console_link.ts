/** Links by which somebody signs in to the console once. */
import type { ClientBase } from "pg";
import { hashOf, newSecret } from "./console_sessions.ts";

/** Whom a link signs in. */
export interface LinkOwner {
  readonly role: string;
  readonly subject: string;
  /** Code of the member, with the role member. */
  readonly member?: string | undefined;
}

/** Where browsers reach a server. */
export interface ServerAddress {
  readonly consoleUrl?: string | undefined;
  readonly host: string;
  readonly port: number;
}

/**
 * Makes a link, as the owner of the database. Its code stands behind the #, which browsers send
 * nowhere, so that no log of a server or a proxy has it.
 */
export async function makeConsoleLink(
  owner: ClientBase,
  { role, subject, member }: LinkOwner,
  address: ServerAddress,
): Promise<string> {
  const code = newSecret();
  await owner.query("select saldo_private.create_console_link($1, $2, $3, $4)", [
    hashOf(code),
    role,
    subject,
    member ?? null,
  ]);
  return `${browserAddress(address)}/console/sign-in#${code}`;
}

/** What a browser is given for an address that a server listens on. */
export function browserAddress({ consoleUrl, host, port }: ServerAddress): string {
  if (consoleUrl !== undefined) return new URL(consoleUrl).origin;
  const isHere = ["127.0.0.1", "0.0.0.0", "::", "::1"].includes(host);
  const name = host.includes(":") ? `[${host}]` : host;
  return `http://${isHere ? "localhost" : name}:${port}`;
}
