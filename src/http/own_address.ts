/** The address by which a browser has reached this server, and whether a request is its own page's. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Trust } from "./client_address.ts";

/** What a proxy that is trusted says of how it was asked; anybody else's word is not looked at. */
function told(request: IncomingMessage, trust: Trust, name: string): string | undefined {
  if (!trust(request.socket.remoteAddress ?? "", 0)) return undefined;
  const [first = ""] = String(request.headers[name] ?? "").split(",");
  return first.trim() || undefined;
}

/** Whether the browser has asked by https. */
export function isHttps(request: IncomingMessage, trust: Trust): boolean {
  const protocol = told(request, trust, "x-forwarded-proto");
  if (protocol !== undefined) return protocol === "https";
  return (request.socket as TLSSocket).encrypted === true;
}

/** The origin of this server as the browser has it: `https://saldo.example`. */
export function ownOrigin(request: IncomingMessage, trust: Trust): string | undefined {
  const host = told(request, trust, "x-forwarded-host") ?? request.headers.host ?? "";
  const address = `${isHttps(request, trust) ? "https" : "http"}://${host}`;
  if (!/^[\w.:[\]-]+$/.test(host) || !URL.canParse(address)) return undefined;
  return new URL(address).origin;
}

/**
 * Whether an origin is this server's own. Where https ends at a proxy that is not trusted it is not
 * known that the browser has asked by https: the host decides then.
 */
function isOwnOrigin(origin: string, request: IncomingMessage, trust: Trust): boolean {
  const own = ownOrigin(request, trust);
  if (own === undefined || !URL.canParse(origin)) return false;
  if (isHttps(request, trust)) return origin === own;
  const given = new URL(origin);
  const { host } = request.headers;
  return (
    origin === own ||
    (given.protocol === "https:" &&
      given.origin === origin &&
      URL.canParse(`https://${host}`) &&
      new URL(`https://${host}`).host === given.host)
  );
}

/**
 * Why a request was not sent by a page of this server, as the browser says; undefined when it was.
 * Each browser sends Origin with everything that is not GET and with websockets, and Sec-Fetch-Site
 * over https and on localhost.
 */
export function foreignReason(request: IncomingMessage, trust: Trust): string | undefined {
  const { origin, upgrade } = request.headers;
  const site = request.headers["sec-fetch-site"];
  // Browsers do not agree on what the site of a websocket is.
  if (upgrade === undefined && site !== undefined && site !== "same-origin") {
    return "another page has sent it";
  }
  if (origin !== undefined) {
    return isOwnOrigin(origin, request, trust) ? undefined : "Origin is another page's";
  }
  const isQuestion = ["GET", "HEAD"].includes(request.method ?? "") && upgrade === undefined;
  if (!isQuestion) return "Origin is missing";
  return site === "same-origin" ? undefined : "neither Origin nor Sec-Fetch-Site";
}
