/**
 * `GET /console/export/NAME.csv`: all that matches a filter, as CSV, with what the caller may see. It
 * is streamed: neither side keeps more of it than a few pages. And the copy of the journal, as an archive.
 */
import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { to as copyTo } from "pg-copy-streams";
import { currentCaller } from "../../../auth/caller.ts";
import { Refusal } from "../../../errors/refusal.ts";
import { copyJournal } from "../../../journal_copy/export.ts";
import { admit } from "../../admission.ts";
import { authenticateRequests } from "../../authenticate_requests.ts";
import { readStatuses } from "../../door/answer.ts";
import { makeSessionFacts } from "../session_facts.ts";
import type { SessionParts } from "../session_routes.ts";
import { branchDevices, branches, branchGaps, branchRows } from "./branches.ts";
import { deliver, refuse, writeOut } from "./deliver.ts";
import { hotAccounts, pending, settlements } from "./hot.ts";
import { accounts, drafts, entries, holds, seals, statement } from "./ledger.ts";
import { customerMonths, customers, deposits, members, purchases, ratedLines } from "./people.ts";
import { factors, reratings, tariffParts, tariffs } from "./prices.ts";
import type { Export, Query } from "./query.ts";
import {
  accountMonths,
  balanceSheet,
  incomeStatement,
  periods,
  trialBalance,
} from "./statements.ts";
import { alerts, findings, guardWrites, rules } from "./watch.ts";
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
import { ZipArchive } from "./zip.ts";

/** Exports by the name of their file. */
export const exports: Readonly<Record<string, Export>> = {
  accounts,
  entries,
  drafts,
  statement,
  "account-months": accountMonths,
  holds,
  "hot-accounts": hotAccounts,
  pending,
  settlements,
  periods,
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
  tariffs,
  factors,
  "tariff-parts": tariffParts,
  reratings,
  rules,
  findings,
  "guard-writes": guardWrites,
  "heal-runs": healRuns,
  "heal-actions": healActions,
  "heal-proposals": healProposals,
  "account-freezes": accountFreezes,
  decisions,
  alerts,
  jobs,
  "job-runs": jobRuns,
  "maintenance-runs": maintenanceRuns,
  branches,
  "branch-gaps": branchGaps,
  "branch-devices": branchDevices,
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
    await inTurn(request, response, () => {
      return send(parts, { name, query, timeZone: time_zone }, response);
    });
  };
  const serveCopy: RequestHandler = async (request, response) => {
    const { role } = currentCaller();
    if (role === "saldo_anonymous") throw new Refusal("unauthenticated");
    const { time_zone } = await readFacts(role);
    await inTurn(request, response, () => sendCopy(parts, time_zone, response));
  };
  const inTurn = async (request: Request, response: Response, work: () => Promise<void>) => {
    const load = { isReport: true, slotCount: 1 };
    const { turn } = await admit(lanes, load, request, response);
    const endWork = turn.begin();
    try {
      await work();
    } catch (error) {
      refuse(error, statuses, response);
    } finally {
      endWork();
      turn.end();
    }
  };
  const path = "/console/export/:name.csv";
  router.get(path, onlyGet, authenticateRequests(gatekeeper), serve);
  const copyPath = "/console/export/journal-copy.zip";
  router.get(copyPath, onlyGet, authenticateRequests(gatekeeper), serveCopy);
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

const dayOfFile = () => new Date().toISOString().slice(0, 10);

async function send(
  parts: SessionParts,
  { name, query, timeZone }: File,
  response: Response,
): Promise<void> {
  await deliver(parts, { timeZone, mode: "read only" }, response, async (client) => {
    const { rows } = await client.query<{ text: string }>(
      "select format($1, variadic $2::text[]) as text",
      [query.part.text, query.part.values],
    );
    const text = rows[0]?.text ?? "";
    const found = client.query(
      copyTo(`copy (${text}) to stdout with (format csv, encoding 'UTF8')`),
    );
    let hasBegun = false;
    const begin = async () => {
      if (hasBegun) return;
      hasBegun = true;
      response.setHeader(
        "Content-Disposition",
        `attachment; filename="saldo-${name}-${dayOfFile()}.csv"`,
      );
      response.type("text/csv; charset=utf-8");
      await writeOut(response, `${BYTE_ORDER_MARK}${query.header}\n`);
    };
    // An error before the first row is answered as one: nothing is sent until there is a row.
    for await (const chunk of found) {
      await begin();
      await writeOut(response, chunk);
    }
    await begin();
  });
}

/** The copy of the journal that `npx saldo verify --from` reads, as one archive of one snapshot. */
async function sendCopy(parts: SessionParts, timeZone: string, response: Response): Promise<void> {
  const mode = "isolation level repeatable read read only";
  await deliver(parts, { timeZone, mode }, response, async (client) => {
    // It begins with the state of the seals, which is for those only who see the whole journal.
    const archive = new ZipArchive((bytes) => {
      if (!response.headersSent) {
        const name = `saldo-journal-copy-${dayOfFile()}.zip`;
        response.setHeader("Content-Disposition", `attachment; filename="${name}"`);
        response.type("application/zip");
      }
      return writeOut(response, bytes);
    });
    await copyJournal(client, (name, bytes) => archive.add(name, bytes));
    await archive.end();
  });
}
