/**
 * `GET /console/export/NAME.csv`: all that matches a filter, as CSV, with what the caller may see. It
 * is streamed: neither side keeps more of it than a few pages.
 */
import { once } from "node:events";
import express, { type RequestHandler, type Response, type Router } from "express";
import { Client, type ClientBase, type ClientConfig, type Pool } from "pg";
import { to as copyTo } from "pg-copy-streams";
import { currentCaller, settingsFor } from "../../../auth/caller.ts";
import { withRole } from "../../../database/with_role.ts";
import { describeDatabaseError } from "../../../errors/database_error.ts";
import { Refusal } from "../../../errors/refusal.ts";
import { admit } from "../../admission.ts";
import { authenticateRequests } from "../../authenticate_requests.ts";
import { readStatuses } from "../../door/answer.ts";
import { makeSessionFacts } from "../session_facts.ts";
import type { SessionParts } from "../session_routes.ts";
import { accounts, drafts, entries, holds, seals, statement } from "./ledger.ts";
import { customerMonths, customers, deposits, members, purchases, ratedLines } from "./people.ts";
import type { Export, Query } from "./query.ts";
import { balanceSheet, incomeStatement, trialBalance } from "./statements.ts";
import { alerts, branchRows, findings } from "./watch.ts";
import {
  accountFreezes,
  decisions,
  healActions,
  healProposals,
  healRuns,
  jobRuns,
  jobs,
  maintenanceRuns,
} from "./work.ts";

/** Exports by the name of their file. */
export const exports: Readonly<Record<string, Export>> = {
  accounts,
  entries,
  drafts,
  statement,
  holds,
  seals,
  "trial-balance": trialBalance,
  "balance-sheet": balanceSheet,
  "income-statement": incomeStatement,
  members,
  purchases,
  customers,
  deposits,
  "customer-months": customerMonths,
  "rated-lines": ratedLines,
  findings,
  "heal-runs": healRuns,
  "heal-actions": healActions,
  "heal-proposals": healProposals,
  "account-freezes": accountFreezes,
  decisions,
  alerts,
  jobs,
  "job-runs": jobRuns,
  "maintenance-runs": maintenanceRuns,
  "branch-rows": branchRows,
};

// Spreadsheets know UTF-8 by this.
const BYTE_ORDER_MARK = "\ufeff";

/** The routes. */
export async function exportRoutes(parts: SessionParts): Promise<Router> {
  const router = express.Router();
  const { context, lanes, gatekeeper } = parts;
  const statuses = await readStatuses(context.serverPool);
  const readFacts = makeSessionFacts(context.serverPool);
  const serve: RequestHandler = async (request, response) => {
    const { role } = currentCaller();
    if (role === "saldo_anonymous") throw new Refusal("unauthenticated");
    const name = String(request.params["name"]);
    const made = Object.hasOwn(exports, name) ? exports[name] : undefined;
    if (made === undefined) throw new Refusal("not_found", `export ${name.slice(0, 100)}`);
    const query = made.prepare(request.query);
    const { time_zone } = await readFacts(role);
    const load = { isReport: true, slotCount: 1 };
    const { turn } = await admit(lanes, load, request, response);
    const endWork = turn.begin();
    try {
      await send(parts, { name, query, timeZone: time_zone }, response);
    } catch (error) {
      refuse(error, statuses, response);
    } finally {
      endWork();
      turn.end();
    }
  };
  const path = "/console/export/:name.csv";
  router.get(path, onlyGet, authenticateRequests(gatekeeper), serve);
  return router;
}

/** A HEAD would cost as much as the file. */
const onlyGet: RequestHandler = (request, response, next) => {
  if (request.method === "GET") return next();
  response.setHeader("Allow", "GET");
  throw new Refusal("input_invalid", "the method is GET", { status: 405 });
};

interface File {
  readonly name: string;
  readonly query: Query;
  readonly timeZone: string;
}

async function send(
  { context }: SessionParts,
  { name, query, timeZone }: File,
  response: Response,
): Promise<void> {
  const timeoutMs = context.config.exportTimeoutMs;
  const settings = { ...settingsFor(currentCaller(), timeoutMs), TimeZone: timeZone };
  const client = ownClient(context.serverPool);
  // A client that leaves ends the session, and with it the query. To cancel it would need another
  // connection still, and could come late.
  const leave = () => void client.end().catch(() => {}); // it was gone before
  response.once("close", leave);
  // PostgreSQL does not look at its clock while a client does not read.
  const limit = setTimeout(() => response.destroy(), timeoutMs);
  try {
    await client.connect();
    await withRole(client, { settings, mode: "read only" }, async () => {
      const { rows } = await client.query<{ text: string }>(
        `select format($1, variadic $2::text[]) as text,
          case when version() !~ 'Visual C|mingw'
            then set_config('client_connection_check_interval', '1s', true) end`,
        [query.part.text, query.part.values],
      );
      if (response.destroyed) throw new Error("the client has left");
      await stream(client, rows[0]?.text ?? "", name, query.header, response);
    });
    response.end();
  } finally {
    clearTimeout(limit);
    response.off("close", leave);
    leave();
  }
}

/**
 * A connection like those of the pool, but of its own: these send statements without waiting for
 * answers, which COPY cannot, and one that reads slowly keeps none of them.
 */
function ownClient({ options }: Pool): Client {
  const { Client: Kind = Client } = options as { Client?: typeof Client };
  const client = new Kind({ ...(options as ClientConfig), pipeline: false } as ClientConfig);
  client.on("error", () => {}); // a lost connection fails the query that was under way
  return client;
}

async function stream(
  client: ClientBase,
  text: string,
  name: string,
  header: string,
  response: Response,
): Promise<void> {
  const rows = client.query(copyTo(`copy (${text}) to stdout with (format csv, encoding 'UTF8')`));
  const begin = () => {
    if (response.headersSent || response.destroyed) return;
    const day = new Date().toISOString().slice(0, 10);
    response.setHeader("Content-Disposition", `attachment; filename="saldo-${name}-${day}.csv"`);
    response.type("text/csv; charset=utf-8");
    response.write(`${BYTE_ORDER_MARK}${header}\n`);
  };
  // An error before the first row is answered as one: nothing is sent until there is a row.
  for await (const chunk of rows) {
    // Nothing would ever be told of what is written to nobody.
    if (response.destroyed) throw new Error("the client has left");
    begin();
    if (!response.write(chunk)) await drained(response);
  }
  begin();
}

/** Waits until the client has taken what was written, or is gone. */
async function drained(response: Response): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([
    once(response, "drain", { signal }),
    once(response, "close", { signal }),
  ]).catch(() => {}); // an error is a client that is gone
  over.abort();
}

/** A file that was begun is broken off, so that nobody takes a part for the whole. */
function refuse(error: unknown, statuses: ReadonlyMap<string, number>, response: Response): void {
  const description = describeDatabaseError(error);
  const isGone = response.destroyed;
  if (isGone || response.headersSent) response.destroy();
  // Whoever has left has ended the session.
  if (isGone) return;
  if (description === undefined) throw error;
  if (response.headersSent) {
    response.locals["code"] = description.extensions.code;
    return;
  }
  const { code } = description.extensions;
  response.locals["code"] = code;
  response.status(statuses.get(code) ?? 500).json({ errors: [description] });
}
