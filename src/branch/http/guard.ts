/**
 * Who may call a till: pages of this machine that the till served itself. Any web page can make a
 * browser send requests to localhost, and a name can be made to point here after its page was loaded.
 */
import { timingSafeEqual } from "node:crypto";
import type { RequestHandler } from "express";

const localNames = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Refuses calls to another name than this machine's own, and from pages of another origin. */
export const requireLocal: RequestHandler = (request, response, next) => {
  const host = request.headers.host ?? "";
  const origin = request.headers.origin;
  const site = request.headers["sec-fetch-site"];
  const isForeign =
    (origin !== undefined && origin !== `http://${host}`) ||
    (site !== undefined && site !== "same-origin" && site !== "none");
  // A link to the page itself may stand anywhere.
  const isPageVisit = request.method === "GET" && !request.path.startsWith("/api/");
  if (!localNames.has(host.replace(/:\d+$/, "")) || (isForeign && !(isPageVisit && !origin))) {
    refuse(response, 403, "not_local", "Only this till's own page may do this.");
    return;
  }
  next();
};

/** Refuses bodies that are no JSON: those are all that a page of another origin could send unasked. */
export const requireJson: RequestHandler = (request, response, next) => {
  if (request.method !== "GET" && !request.is("application/json")) {
    refuse(response, 415, "not_json", "Send Content-Type: application/json.");
    return;
  }
  next();
};

/** Asks for a password where one is set, for a till on a machine that several people use. */
export function requirePassword(password: string | undefined): RequestHandler {
  return (request, response, next) => {
    if (password === undefined || isRight(request.headers.authorization, password)) return next();
    response.setHeader("WWW-Authenticate", 'Basic realm="till", charset="UTF-8"');
    refuse(response, 401, "password_missing", "This till asks for its password.");
  };
}

function isRight(header: string | undefined, password: string): boolean {
  const [, encoded = ""] = /^Basic (\S+)$/.exec(header ?? "") ?? [];
  const given = Buffer.from(
    Buffer.from(encoded, "base64")
      .toString()
      .replace(/^[^:]*:/, ""),
  );
  const right = Buffer.from(password);
  return given.length === right.length && timingSafeEqual(given, right);
}

/** Answers a refusal in the form of every answer. */
export function refuse(
  response: Parameters<RequestHandler>[1],
  status: number,
  condition: string,
  message: string,
  fields: Record<string, string> = {},
): void {
  response.status(status).json({ success: false, message, data: { condition, fields } });
}

/** Headers of every answer. The page's styles of charts and dialogs are attributes. */
export const setHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("X-Frame-Options", "DENY");
  response.setHeader("Referrer-Policy", "no-referrer");
  response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
  response.setHeader("Cache-Control", "no-store");
  response.setHeader(
    "Content-Security-Policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; " +
      "img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  next();
};
