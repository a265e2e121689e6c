/** The cookie that has the id of a session: no script reads it, and no other site sends it. */
import type { IncomingMessage } from "node:http";
import type { CookieOptions, Response } from "express";
import { SESSION_ID } from "../../auth/console_sessions.ts";

// The prefix lets browsers take it from this host over https only, and from no other path.
const nameOf = (isSecure: boolean) => (isSecure ? "__Host-saldo_session" : "saldo_session");

/** What a cookie's header says of one name: values, since another page's path may add its own. */
export function cookieValues(request: IncomingMessage, name: string): string[] {
  return (request.headers.cookie ?? "").split(";").flatMap((part) => {
    const [key = "", ...rest] = part.split("=");
    return key.trim() === name ? [rest.join("=").trim()] : [];
  });
}

/** The session that a request names: its id, none, or something that is no id. */
export function sessionIdOf(
  request: IncomingMessage,
  isSecure: boolean,
): string | "none" | "malformed" {
  const [id, ...more] = cookieValues(request, nameOf(isSecure));
  if (id === undefined) return "none";
  return more.length === 0 && SESSION_ID.test(id) ? id : "malformed";
}

const optionsOf = (isSecure: boolean): CookieOptions => ({
  httpOnly: true,
  sameSite: "strict",
  path: "/",
  secure: isSecure,
});

/** Gives the browser a session. */
export function setSession(
  response: Response,
  isSecure: boolean,
  id: string,
  expiresAt: Date,
): void {
  response.cookie(nameOf(isSecure), id, { ...optionsOf(isSecure), expires: expiresAt });
}

/** Takes it away. */
export function clearSession(response: Response, isSecure: boolean): void {
  response.clearCookie(nameOf(isSecure), optionsOf(isSecure));
}
