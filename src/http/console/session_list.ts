/** Sessions that last: `GET /console/session/all`, and `DELETE /console/session/ID` to end one. */
import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { currentCaller } from "../../auth/caller.ts";
import { withRole } from "../../database/with_role.ts";
import { Refusal } from "../../errors/refusal.ts";
import { admit } from "../admission.ts";
import { authenticateRequests } from "../authenticate_requests.ts";
import { currentHash, type SessionParts } from "./session_routes.ts";

const PATH = "/console/session/all";
const ROW_COUNT_MAX = 500;

interface Row {
  readonly id_hash: Buffer;
  readonly role: string;
  readonly subject: string;
  readonly member_code: string | null;
  readonly way: string | null;
  readonly is_of_service: boolean;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly seen_at: Date;
}

/** The routes. What names a session there is its hash, which signs nobody in. */
export function sessionListRoutes(parts: SessionParts): Router {
  const router = express.Router();
  const authenticate = authenticateRequests(parts.gatekeeper);
  const answerList: RequestHandler = async (request, response) => {
    const text = "select * from saldo_private.list_console_sessions($1, $2, $3, $4)";
    const rows = await asServer<Row>(parts, request, response, text, [...whoAsks(), ROW_COUNT_MAX]);
    const current = currentHash(parts, request)?.toString("hex");
    const told = rows.map(({ id_hash, ...session }) => {
      const id = id_hash.toString("hex");
      return { id, ...session, is_current: id === current };
    });
    response.json({ sessions: told, is_whole: rows.length < ROW_COUNT_MAX });
  };
  const endOne: RequestHandler = async (request, response) => {
    const id = String(request.params["id"]);
    if (!/^[0-9a-f]{64}$/.test(id)) throw new Refusal("not_found", "a session");
    if (parts.context.isStandby === true) throw new Refusal("read_only");
    const hash = Buffer.from(id, "hex");
    const text = "select saldo_private.end_listed_console_session($1, $2, $3, $4) as is_ended";
    const [row] = await asServer<{ is_ended: boolean }>(parts, request, response, text, [
      hash,
      ...whoAsks(),
    ]);
    if (row?.is_ended !== true) throw new Refusal("not_found", "a session");
    parts.gatekeeper.trust.sessions?.noteEnd(hash);
    response.status(204).end();
  };
  router.get(PATH, authenticate, answerList);
  router.delete("/console/session/:id", authenticate, endOne);
  return router;
}

/** Role, subject and member of the caller, as the functions take them. */
function whoAsks(): unknown[] {
  const { role, subject, memberId } = currentCaller();
  if (role === "saldo_anonymous") throw new Refusal("unauthenticated");
  return [role, subject, memberId === "" ? null : memberId];
}

async function asServer<Result extends object>(
  { context, lanes }: SessionParts,
  request: Request,
  response: Response,
  text: string,
  values: readonly unknown[],
): Promise<Result[]> {
  const { turn } = await admit(lanes, { isReport: false, slotCount: 1 }, request, response);
  const endWork = turn.begin();
  try {
    const settings = { role: "saldo_server", statement_timeout: "5s" };
    const mode = context.isStandby === true ? "read only" : "read write";
    return await withRole(context.serverPool, { settings, mode }, async (client) => {
      const { rows } = await client.query<Result>(text, [...values]);
      return rows;
    });
  } finally {
    endWork();
    turn.end();
  }
}
