/** The way to the identity provider and back. */
import express, {
  type CookieOptions,
  type ErrorRequestHandler,
  type Request,
  type Response,
  type Router,
} from "express";
import { z } from "zod";
import type { Caller } from "../../auth/caller.ts";
import type { Oidc, Proof, SignedIn } from "../../auth/oidc.ts";
import { callerOfClaims } from "../../auth/token.ts";
import { Refusal } from "../../errors/refusal.ts";
import { countingFailures } from "../authenticate_requests.ts";
import { isHttps, ownOrigin } from "../own_address.ts";
import { cookieValues } from "./cookie.ts";
import { CONSOLE_PATH } from "./pages.ts";
import { beginSession, currentHash, endSession, type SessionParts } from "./session_routes.ts";

const CALLBACK = `${CONSOLE_PATH}/oidc/callback`;
const MINUTES = 10;

/** What the browser keeps for the way back. */
const keptSchema = z.strictObject({
  state: z.string().min(20).max(200),
  nonce: z.string().min(20).max(200),
  verifier: z.string().min(20).max(200),
  returnTo: z.string().max(2000),
  /** Hash of the session that the browser had: its own cookie is not sent on the way back. */
  before: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
});

/** `GET /console/oidc/begin` and `/callback`. */
export function oidcRoutes(parts: SessionParts, oidc: Oidc): Router {
  const router = express.Router();
  router.get(`${CONSOLE_PATH}/oidc/begin`, async (request, response) => {
    if (parts.context.isStandby === true) throw new Refusal("read_only");
    const { address, proof } = await oidc.begin(`${originFor(parts, request)}${CALLBACK}`);
    const returnTo = ownPath(request.query["return_to"]);
    const before = currentHash(parts, request)?.toString("hex") ?? null;
    keep(parts, request, response, { ...proof, returnTo, before });
    response.redirect(302, address);
  });
  router.get(CALLBACK, async (request, response) => {
    if (parts.context.isStandby === true) throw new Refusal("read_only");
    const returnTo = await countingFailures(parts.gatekeeper, request, async () => {
      const kept = takeKept(parts, request, response);
      const address = new URL(request.originalUrl, originFor(parts, request));
      const caller = callerFor(parts, await oidc.finish(address, kept));
      await beginSession(parts, caller, "provider", request, response);
      if (kept.before !== null) await endSession(parts, Buffer.from(kept.before, "hex"));
      return ownPath(kept.returnTo);
    });
    response.redirect(302, returnTo);
  });
  router.use(`${CONSOLE_PATH}/oidc`, answerPerson);
  return router;
}

/** Where the browser is, as the provider is told: as the settings say, or as it has asked. */
function originFor({ context, gatekeeper }: SessionParts, request: Request): string {
  const { consoleUrl } = context.config;
  const origin =
    consoleUrl === undefined
      ? ownOrigin(request, gatekeeper.proxyTrust)
      : new URL(consoleUrl).origin;
  if (origin === undefined) throw new Refusal("input_invalid", "the header Host");
  return origin;
}

/** An address of the console's own, whatever is asked for: nobody is led elsewhere from here. */
export function ownPath(asked: unknown): string {
  const start = `${CONSOLE_PATH}/`;
  if (typeof asked !== "string" || asked.length > 1000 || !asked.startsWith("/")) return start;
  const base = "http://own.invalid";
  if (!URL.canParse(asked, base)) return start;
  const { origin, pathname, search } = new URL(asked, base);
  const isPage = pathname.startsWith(start) && !/^\/console\/(oidc|sign-in)(\/|$)/.test(pathname);
  return origin === base && isPage ? pathname + search : start;
}

function callerFor(
  { context, gatekeeper }: SessionParts,
  { sub, role, member_id }: SignedIn,
): Caller {
  // The provider does not say when it takes a role back: it is asked again after so long.
  const expiresAt = Date.now() + (context.config.oidcSessionMinutes ?? 720) * 60_000;
  try {
    const claims = { sub, role, ...(member_id !== undefined && { member_id }) };
    return { ...callerOfClaims(claims, gatekeeper.trust), expiresAt };
  } catch {
    throw new Refusal("sign_in_without_role");
  }
}

const nameOf = (isSecure: boolean) => (isSecure ? "__Host-saldo_oidc" : "saldo_oidc");

// The provider sends the browser here, from another site: strict would leave the cookie behind.
const optionsOf = (isSecure: boolean): CookieOptions => ({
  httpOnly: true,
  sameSite: "lax",
  path: "/",
  secure: isSecure,
});

function keep(
  { gatekeeper }: SessionParts,
  request: Request,
  response: Response,
  kept: Proof & { returnTo: string; before: string | null },
): void {
  const isSecure = isHttps(request, gatekeeper.proxyTrust);
  const value = Buffer.from(JSON.stringify(kept)).toString("base64url");
  response.cookie(nameOf(isSecure), value, {
    ...optionsOf(isSecure),
    maxAge: MINUTES * 60_000,
  });
}

/** What was kept, which is good once. */
function takeKept({ gatekeeper }: SessionParts, request: Request, response: Response) {
  const isSecure = isHttps(request, gatekeeper.proxyTrust);
  const [value, ...more] = cookieValues(request, nameOf(isSecure));
  response.clearCookie(nameOf(isSecure), optionsOf(isSecure));
  const { data } = keptSchema.safeParse(parsed(value));
  if (data === undefined || more.length > 0) throw new Refusal("sign_in_failed");
  return data;
}

function parsed(value: string | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(value ?? "", "base64url").toString());
  } catch {
    return undefined;
  }
}

/** Whoever comes here is a person on the way: a page says what went wrong, and where to go on. */
const answerPerson: ErrorRequestHandler = (error, request, response, next) => {
  const isPerson = (request.headers.accept ?? "").includes("text/html");
  if (!isPerson || !(error instanceof Refusal) || response.headersSent) return next(error);
  const { code, hint = "" } = error.extensions;
  response.locals["code"] = code;
  response
    .status(error.status)
    .type("html")
    .send(
      '<!doctype html><html lang="en"><meta charset="utf-8"><title>Saldo</title>' +
        `<p>${error.message} (${code})</p><p>${hint}</p>` +
        `<p><a href="${CONSOLE_PATH}/">Back to the console</a></p></html>`,
    );
};
