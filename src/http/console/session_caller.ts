/** Who calls by a session of the console, where nothing else says who calls. */
import type { IncomingMessage } from "node:http";
import { ANONYMOUS, type Caller } from "../../auth/caller.ts";
import type { ConsoleSession, ConsoleSessions } from "../../auth/console_sessions.ts";
import { callerOfClaims, type Trust } from "../../auth/token.ts";
import { Refusal } from "../../errors/refusal.ts";
import type { Trust as ProxyTrust } from "../client_address.ts";
import { foreignReason, isHttps } from "../own_address.ts";
import { sessionIdOf } from "./cookie.ts";

/**
 * The caller of a request's session; nobody without one. A browser sends the cookie whoever made it
 * send the request, so that only the console's own pages are believed.
 *
 * @throws Refusal session_refused, session_ended, unauthenticated, busy
 */
export async function callerOfSession(
  trust: Trust,
  proxyTrust: ProxyTrust,
  request: IncomingMessage,
): Promise<Caller> {
  const id = sessionIdOf(request, isHttps(request, proxyTrust));
  if (id === "none" || trust.sessions === undefined) return ANONYMOUS;
  const reason = foreignReason(request, proxyTrust);
  if (reason !== undefined) throw new Refusal("session_refused", reason);
  if (id === "malformed") throw new Refusal("unauthenticated", "the cookie is no session");
  const session = await findSession(trust.sessions, id);
  if (session === undefined) throw new Refusal("unauthenticated", "the cookie is no session");
  if (!session.is_good) throw new Refusal("session_ended");
  return callerOf(session, trust);
}

/** @throws Refusal busy where the database cannot be asked */
export async function findSession(
  sessions: ConsoleSessions,
  id: string,
): Promise<ConsoleSession | undefined> {
  try {
    return await sessions.find(id);
  } catch {
    throw new Refusal("busy");
  }
}

/**
 * Whom a session stands for: what was verified when it was begun, looked at again.
 *
 * @throws Refusal unauthenticated for a role that there is no longer
 */
export function callerOf(session: ConsoleSession, trust: Trust): Caller {
  const caller = callerOfClaims(
    {
      sub: session.subject,
      role: session.role,
      exp: Math.floor(session.expires_at.getTime() / 1000),
      ...(session.member_id !== null && { member_id: session.member_id }),
    },
    trust,
    session.service_token_id !== null,
  );
  return {
    ...caller,
    expiresAt: session.expires_at.getTime(),
    sessionHash: session.id_hash,
    ...(session.service_token_id !== null && { serviceTokenId: session.service_token_id }),
  };
}
