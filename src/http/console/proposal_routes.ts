/**
 * Rules that could stand over a user's own tables, as `saldo adopt` proposes them, for administrators
 * in the console: `GET /console/proposals/balances`, `POST /console/proposals`. Tables are
 * read as a rule reads them, by the database's own reader: what that was not granted is named only.
 */
import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { z } from "zod";
import { currentCaller, settingsFor } from "../../auth/caller.ts";
import { withRole } from "../../database/with_role.ts";
import { describeDatabaseError } from "../../errors/database_error.ts";
import { Refusal } from "../../errors/refusal.ts";
import {
  grantsOf,
  nameOf,
  registrationOf,
  statementsOf,
  sumOf,
} from "../../own_tables/proposal_sql.ts";
import {
  isFit,
  type Pair,
  type Proposal,
  proposeFor,
  type Read,
  readPairs,
} from "../../own_tables/propose_rules.ts";
import { admit } from "../admission.ts";
import { authenticateRequests } from "../authenticate_requests.ts";
import { readStatuses } from "../door/answer.ts";
import { requireJson } from "../graphql_gate.ts";
import { readJson } from "../json_body.ts";
import type { SessionParts } from "./session_routes.ts";

const PATH = "/console/proposals";
const BODY_LIMITS = { byteCountMax: 2000, valueCountMax: 5, depthMax: 2 };
// The page waits half a minute for an answer.
const BUDGET_MS = 25_000;
const TRIAL_COUNT = 8;

const askedSchema = z.strictObject({ table: z.string().min(3).max(300) });

/** The routes. */
export async function proposalRoutes(parts: SessionParts): Promise<Router> {
  const router = express.Router();
  const statuses = await readStatuses(parts.context.serverPool);
  const authenticate = authenticateRequests(parts.gatekeeper);
  const serve =
    (work: (read: Read, request: Request) => Promise<object>): RequestHandler =>
    async (request, response) => {
      try {
        response.json(await inTurn(parts, request, response, (read) => work(read, request)));
      } catch (error) {
        const description = describeDatabaseError(error);
        if (description === undefined) throw error;
        const { code } = description.extensions;
        response.locals["code"] = code;
        response.status(statuses.get(code) ?? 500).json({ errors: [description] });
      }
    };
  const takeJson: RequestHandler = (request, _response, next) => {
    requireJson(request);
    next();
  };
  const body = readJson(() => BODY_LIMITS);
  router.get(`${PATH}/balances`, authenticate, serve(answerBalances));
  router.post(PATH, authenticate, takeJson, body, serve(answerProposals));
  return router;
}

/** Reads as the caller, whose right to it the database knows, and within a time for all of it. */
async function inTurn(
  { context, lanes }: SessionParts,
  request: Request,
  response: Response,
  work: (read: Read) => Promise<object>,
): Promise<object> {
  const caller = currentCaller();
  if (caller.role === "saldo_anonymous") throw new Refusal("unauthenticated");
  // A query is looked at as a view of its own, which a standby cannot make.
  if (context.isStandby === true) throw new Refusal("read_only");
  const { turn } = await admit(lanes, { isReport: true, slotCount: 1 }, request, response);
  const endWork = turn.begin();
  const until = Date.now() + BUDGET_MS;
  try {
    const settings = settingsFor(caller, BUDGET_MS);
    return await withRole(context.serverPool, { settings, mode: "read write" }, (client) =>
      work(async <Row>(text: string) => {
        const left = Math.max(until - Date.now(), 1);
        await client.query("select set_config('statement_timeout', $1, true)", [String(left)]);
        const { rows } = await client.query<{ rows: Row[] }>(
          "select saldo_private.read_own_tables($1) as rows",
          [text],
        );
        return rows[0]?.rows ?? [];
      }),
    );
  } finally {
    endWork();
    turn.end();
  }
}

/** What looks like a balance, and what its owner has to grant where it may not be read. */
async function answerBalances(read: Read) {
  const balances = new Map<string, Pair>();
  for (const pair of await readPairs(read)) {
    const key = `${pair.table}.${pair.balance}`;
    const known = balances.get(key);
    if (known === undefined || (pair.is_readable && !known.is_readable)) balances.set(key, pair);
  }
  return {
    balances: [...balances.values()].map((pair) => ({
      table: pair.table,
      balance: pair.balance,
      is_readable: pair.is_readable,
      grants: pair.is_readable ? null : grantsOf(pair),
    })),
  };
}

async function answerProposals(read: Read, request: Request) {
  const { data } = askedSchema.safeParse(request.body);
  if (data === undefined) throw new Refusal("input_invalid", "the body has a table");
  const pairs = (await readPairs(read)).filter(({ table }) => table === data.table);
  const names = new Set<string>();
  return { proposals: (await proposeFor(read, pairs)).map((each) => told(each, names)) };
}

function told(proposal: Proposal, names: Set<string>) {
  const { pair, rowCount, fitCount, allCount, trials } = proposal;
  const name = nameOf(proposal, names);
  const tried = [...trials]
    .sort((one, other) => other.fitCount - one.fitCount)
    .slice(0, TRIAL_COUNT)
    .map((trial) => ({
      sum: sumOf(trial),
      row_count: trial.rowCount,
      fit_count: trial.fitCount,
    }));
  return {
    table: pair.table,
    balance: pair.balance,
    sum: sumOf(proposal),
    row_count: rowCount,
    fit_count: fitCount,
    all_count: allCount,
    is_fit: isFit(proposal),
    sql: isFit(proposal) ? statementsOf(proposal, name) : null,
    rule: isFit(proposal) ? registrationOf(proposal, name) : null,
    tried,
  };
}
