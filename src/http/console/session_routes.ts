/** Signing in to the console, who is signed in, and signing out. */
import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { z } from "zod";
import { ANONYMOUS, type Caller } from "../../auth/caller.ts";
import { type ConsoleSession, hashOf, newSecret } from "../../auth/console_sessions.ts";
import { authenticate, type Trust } from "../../auth/token.ts";
import { withRole } from "../../database/with_role.ts";
import { Refusal } from "../../errors/refusal.ts";
import { admit, type Lanes } from "../admission.ts";
import type { AppContext } from "../app_context.ts";
import { countingFailures, type Gatekeeper } from "../authenticate_requests.ts";
import { requireJson } from "../graphql_gate.ts";
import { readJson } from "../json_body.ts";
import { foreignReason, isHttps } from "../own_address.ts";
import { makeReadBuild } from "./build.ts";
import { clearSession, sessionIdOf, setSession } from "./cookie.ts";
import { callerOf, findSession } from "./session_caller.ts";
import { makeSessionFacts } from "./session_facts.ts";

const PATH = "/console/session";
// A token of 4 KB with what is around it.
const BODY_LIMITS = { byteCountMax: 6000, valueCountMax: 10, depthMax: 2 };

/** Link, or token: what somebody signs in with. */
const signInSchema = z.union([
  z.strictObject({ code: z.string().regex(/^[0-9a-f]{64}$/) }),
  z.strictObject({ token: z.string().min(1).max(4096) }),
]);

/** How else somebody may sign in. */
export interface SignInOffer {
  readonly oidc: { readonly name: string } | null;
}

/** What the routes work with. */
export interface SessionParts {
  readonly context: AppContext;
  readonly lanes: Lanes;
  readonly gatekeeper: Gatekeeper;
  readonly offer: SignInOffer;
}

/** `GET`, `POST` and `DELETE /console/session`. */
export function sessionRoutes(parts: SessionParts): Router {
  const router = express.Router();
  const answer = answerSession(parts);
  const takeJson: RequestHandler = (request, _response, next) => {
    requireJson(request);
    next();
  };
  router.get(PATH, (request, response) => answer(request, response, currentId(parts, request)));
  router.post(
    PATH,
    takeJson,
    readJson(() => BODY_LIMITS),
    async (request, response) => {
      refuseForeign(parts, request);
      refuseStandby(parts);
      const { data } = signInSchema.safeParse(request.body);
      if (data === undefined) throw new Refusal("input_invalid", "the body has code or token");
      const id = await countingFailures(parts.gatekeeper, request, () =>
        "code" in data
          ? useLink(parts, data.code, request, response)
          : useToken(parts, data.token, request, response),
      );
      await answer(request, response, id);
    },
  );
  router.delete(PATH, async (request, response) => {
    refuseForeign(parts, request);
    refuseStandby(parts);
    await endCurrent(parts, request);
    clearSession(response, isSecure(parts, request));
    response.status(204).end();
  });
  return router;
}

const isSecure = ({ gatekeeper }: SessionParts, request: Request) =>
  isHttps(request, gatekeeper.proxyTrust);

function currentId(parts: SessionParts, request: Request): string | undefined {
  const id = sessionIdOf(request, isSecure(parts, request));
  return id === "none" || id === "malformed" ? undefined : id;
}

/** Another page may neither sign somebody in, as somebody of its choice, nor out. */
function refuseForeign({ gatekeeper }: SessionParts, request: Request): void {
  const { origin, cookie } = request.headers;
  const site = request.headers["sec-fetch-site"];
  // A program that is no browser sends none of these.
  if (origin === undefined && cookie === undefined && site === undefined) return;
  const reason = foreignReason(request, gatekeeper.proxyTrust);
  if (reason !== undefined) throw new Refusal("session_refused", reason);
}

function refuseStandby({ context }: SessionParts): void {
  if (context.isStandby === true) throw new Refusal("read_only");
}

/** Writes in the turn of somebody who is not signed in yet, so that a flood waits for itself. */
async function inTurn<Result>(
  { context, lanes }: SessionParts,
  request: Request,
  response: Response,
  text: string,
  values: readonly unknown[],
): Promise<Result | undefined> {
  const load = { isReport: false, slotCount: 1 };
  const { turn } = await admit(lanes, load, request, response);
  const endWork = turn.begin();
  try {
    const settings = { role: "saldo_server", statement_timeout: "5s" };
    const mode = "read write";
    return await withRole(context.serverPool, { settings, mode }, async (client) => {
      const { rows } = await client.query<{ result: Result }>(text, [...values]);
      return rows[0]?.result;
    });
  } finally {
    endWork();
    turn.end();
  }
}

async function useLink(
  parts: SessionParts,
  code: string,
  request: Request,
  response: Response,
): Promise<string> {
  const id = newSecret();
  const isBegun = await inTurn<boolean>(
    parts,
    request,
    response,
    "select saldo_private.use_console_link($1, $2) as result",
    [hashOf(code), hashOf(id)],
  );
  if (isBegun !== true) throw new Refusal("link_invalid");
  await becomeCurrent(parts, id, request, response);
  return id;
}

async function useToken(
  parts: SessionParts,
  token: string,
  request: Request,
  response: Response,
): Promise<string> {
  const caller = await authenticate(parts.gatekeeper.trust, `Bearer ${token}`);
  return await beginSession(parts, caller, "token", request, response);
}

/** Begins the session of a caller who was verified, in place of the one that the browser had. */
export async function beginSession(
  parts: SessionParts,
  caller: Caller,
  way: "token" | "provider",
  request: Request,
  response: Response,
): Promise<string> {
  const id = newSecret();
  await inTurn(
    parts,
    request,
    response,
    "select saldo_private.begin_console_session($1, $2, $3, $4, $5, $6, $7) as result",
    [
      hashOf(id),
      caller.role.replace(/^saldo_/, ""),
      caller.subject,
      caller.memberId === "" ? null : caller.memberId,
      caller.serviceTokenId ?? null,
      caller.expiresAt === undefined ? null : new Date(caller.expiresAt),
      way,
    ],
  );
  await becomeCurrent(parts, id, request, response);
  return id;
}

async function becomeCurrent(
  parts: SessionParts,
  id: string,
  request: Request,
  response: Response,
): Promise<void> {
  await endCurrent(parts, request);
  const { sessions } = parts.gatekeeper.trust;
  const session = sessions && (await findSession(sessions, id));
  if (session === undefined) throw new Refusal("busy");
  setSession(response, isSecure(parts, request), id, session.expires_at);
}

async function endCurrent(parts: SessionParts, request: Request): Promise<void> {
  const id = currentId(parts, request);
  if (id === undefined) return;
  const { sessions } = parts.gatekeeper.trust;
  // One that was made up is no reason to write.
  if (sessions === undefined || (await findSession(sessions, id)) === undefined) return;
  await endSession(parts, hashOf(id));
}

/** Ends a session, here at once and at other servers within seconds. */
export async function endSession(parts: SessionParts, idHash: Buffer): Promise<void> {
  const settings = { role: "saldo_server", statement_timeout: "5s" };
  await withRole(parts.context.serverPool, { settings, mode: "read write" }, (client) =>
    client.query("select saldo_private.end_console_session($1)", [idHash]),
  );
  parts.gatekeeper.trust.sessions?.noteEnd(idHash);
}

/** The hash of the session that a request names, whether there is one or not. */
export function currentHash(parts: SessionParts, request: Request): Buffer | undefined {
  const id = currentId(parts, request);
  return id === undefined ? undefined : hashOf(id);
}

/** Tells who is signed in. Without a session that is nobody, and no error: a page asks this first. */
function answerSession(parts: SessionParts) {
  const { context, gatekeeper, offer } = parts;
  const readBuild = makeReadBuild(context.consoleFolder);
  const readFacts = makeSessionFacts(context.serverPool);
  return async (request: Request, response: Response, id: string | undefined): Promise<void> => {
    const version = (await readBuild())?.version ?? null;
    const { sessions } = gatekeeper.trust;
    const session =
      id === undefined || sessions === undefined ? undefined : await findSession(sessions, id);
    const caller = session?.is_good ? stillCaller(session, gatekeeper.trust) : undefined;
    if (session === undefined || caller === undefined) {
      if (request.headers.cookie?.includes("saldo_session")) {
        clearSession(response, isSecure(parts, request));
      }
      const facts = await readFacts(ANONYMOUS.role);
      const nobody = { subject: null, role: null, member_id: null, expires_at: null };
      response.json({ ...nobody, ...facts, version, sign_in: offer });
      return;
    }
    response.json({
      subject: caller.subject,
      role: session.role,
      member_id: session.member_id,
      expires_at: session.expires_at.toISOString(),
      ...(await readFacts(caller.role)),
      version,
      sign_in: offer,
    });
  };
}

/** A role may have gone since somebody signed in with it. */
function stillCaller(session: ConsoleSession, trust: Trust): Caller | undefined {
  try {
    return callerOf(session, trust);
  } catch {
    return undefined;
  }
}
