/** Who begins when: short calls and reports each have connections of their own, shared by caller. */
import { setImmediate } from "node:timers/promises";
import type { Request, RequestHandler, Response } from "express";
import { currentCaller } from "../auth/caller.ts";
import type { Refusal } from "../errors/refusal.ts";
import { JOINT_FIELDS } from "../graphql/joint_call.ts";
import { type Connections, inTurn } from "../graphql/turn.ts";
import { networkOf } from "./client_address.ts";
import { Lane, type OwnTurn, type Share } from "./fair_share.ts";
import { makeKnownDocuments } from "./known_documents.ts";

/** The settings that admission goes by. */
export interface AdmissionConfig {
  /** Connections of the API. */
  readonly poolSize: number;
  /** Connections that reports may take, of these. */
  readonly reportSlotCount: number;
  /** Requests of one caller that may wait. */
  readonly callerQueueMax: number;
  /** Longest time of one request's SQL; nobody waits longer for a turn. */
  readonly statementTimeoutMs: number;
}

/** The lanes before the database. */
export interface Lanes {
  readonly short: Lane;
  readonly report: Lane;
  /**
   * Mutations that may be carried out together. These slots are no connections: a statement takes one
   * of the short calls' when it is made.
   */
  readonly joint: Lane;
  /** For documents that were never seen: planning takes the thread that serves everybody. */
  readonly plan: Lane;
}

// Beyond this many callers at once each waits longer than a client would.
const QUEUE_COUNT_OF_CALLERS = 4;
const ANONYMOUS_QUEUE_MAX = 10;
// What waits meanwhile goes in the next statement: more at once would be more statements, not more calls.
const JOINT_STATEMENT_COUNT_MAX = 2;
const JOINT_CALLS_PER_CONNECTION = 16;
const RETRY_SECONDS = "1";

/** Lanes of these sizes. */
export function makeLanes(config: AdmissionConfig): Lanes {
  const sizes = {
    callerQueueMax: config.callerQueueMax,
    queueMax: config.callerQueueMax * QUEUE_COUNT_OF_CALLERS,
    waitMsMax: config.statementTimeoutMs,
  };
  return {
    short: new Lane({ ...sizes, slotCount: config.poolSize }),
    report: new Lane({ ...sizes, slotCount: config.reportSlotCount }),
    joint: new Lane({ ...sizes, slotCount: config.poolSize * JOINT_CALLS_PER_CONNECTION }),
    plan: new Lane({ ...sizes, slotCount: 1 }),
  };
}

/** Of so many slots: what one subject may hold, so that the next one finds some free. */
function mostOf(slotCount: number, percent: number): number {
  return Math.max(1, slotCount - Math.ceil((slotCount * (100 - percent)) / 100));
}

function sharesOf(slotCount: number, address: string): [Share, ...Share[]] {
  const { role, subject, memberId } = currentCaller();
  if (role === "saldo_anonymous") {
    return [{ holder: `address ${address}`, slotCountMax: mostOf(slotCount, 20) }];
  }
  return [
    { holder: `subject ${role} ${memberId} ${subject}`, slotCountMax: mostOf(slotCount, 80) },
    // Many subjects may come by one address, a shop's server say: it is left more than one of them.
    { holder: `signed in at ${address}`, slotCountMax: mostOf(slotCount, 90) },
  ];
}

const isAnonymous = () => currentCaller().role === "saldo_anonymous";

/** What a request takes of its lane. */
export interface Load {
  /** Whether it reads more than a page, or goes through tables. */
  readonly isReport: boolean;
  /** Connections that it may take at once. */
  readonly slotCount: number;
  /** Whether it may be carried out with others. */
  readonly isJoint?: boolean;
}

/** A turn, and a signal that the client has left. */
export interface Admitted {
  readonly turn: OwnTurn;
  readonly left: AbortSignal;
}

/**
 * Waits for the turn of a request in its lane. It is kept until its work has ended, so that leaving
 * early frees nothing for the next one.
 *
 * @throws Refusal busy
 */
export async function admit(
  lanes: Lanes,
  { isReport, slotCount, isJoint = false }: Load,
  request: Request,
  response: Response,
): Promise<Admitted> {
  const lane = laneFor(lanes, isReport, isJoint);
  const left = new AbortController();
  // With a reason: the error that is made without one costs more than the rest of the wait for a turn.
  response.once("close", () => left.abort("left"));
  const turn = await lane.enter(
    {
      shares: sharesOf(lane.slotCount, networkOf(request.ip ?? "")),
      slotCount,
      ...(isAnonymous() && { queueMax: ANONYMOUS_QUEUE_MAX }),
    },
    left.signal,
  );
  response.once("close", () => turn.end());
  if (response.closed) turn.end();
  return { turn, left: left.signal };
}

function laneFor(lanes: Lanes, isReport: boolean, isJoint: boolean): Lane {
  if (isReport) return lanes.report;
  return isJoint ? lanes.joint : lanes.short;
}

/** Connections of the short calls, for statements of a request that has only a turn to make some. */
function connectionsOf({ short }: Lanes, address: string): Connections {
  const enter = async (shares: readonly [Share, ...Share[]]) => {
    const turn = await short.enter({ shares, slotCount: 1 });
    return () => turn.end();
  };
  const slotCountMax = Math.min(JOINT_STATEMENT_COUNT_MAX, short.slotCount);
  // Now: later another request may be the one that asks.
  const shares = sharesOf(short.slotCount, address);
  return {
    own: () => enter(shares),
    joint: () => enter([{ holder: "calls made together", slotCountMax }]),
  };
}

/** Lets a request of GraphQL wait for its turn, after `limitQuery` has found what it asks for. */
export function shareFairly(lanes: Lanes, isReport: (rootName: string) => boolean): RequestHandler {
  const documents = makeKnownDocuments();
  return async (request, response, next) => {
    const rootNames = response.locals["rootNames"] as readonly string[];
    const isJoint = mayBeJoint(rootNames);
    const load = { isReport: rootNames.some(isReport), slotCount: rootNames.length, isJoint };
    const { turn, left } = await admit(lanes, load, request, response);
    const hash = response.locals["documentHash"] as string;
    let planned = () => {};
    if (!documents.has(hash)) {
      const planning = await lanes.plan.enter(
        { shares: sharesOf(1, networkOf(request.ip ?? "")), slotCount: 1 },
        left,
      );
      response.once("close", () => planning.end());
      // Whoever waits for the thread comes before the next plan.
      await setImmediate();
      planned = () => {
        documents.add(hash);
        planning.end();
      };
    }
    const begin = () => {
      const endWork = turn.begin();
      // The database is done; how slowly a client reads its answer is nobody else's business.
      return () => {
        endWork();
        turn.end();
      };
    };
    const refused = (code: string) => {
      response.locals["code"] ??= code;
    };
    const requestId = response.locals["requestId"] as string | undefined;
    const ofTurn = {
      ...(requestId !== undefined && { requestId }),
      ...(isJoint && { connections: connectionsOf(lanes, networkOf(request.ip ?? "")) }),
    };
    inTurn({ begin, planned, refused, ...ofTurn }, next);
  };
}

function mayBeJoint([name = "", ...more]: readonly string[]): boolean {
  return JOINT_FIELDS.has(name) && more.length === 0 && !isAnonymous();
}

/** What an answer of 429 says beside its body. */
export function retryAfter({ condition }: Refusal): string | undefined {
  if (condition === "busy") return RETRY_SECONDS;
  return condition === "too_many_requests" ? "10" : undefined;
}
