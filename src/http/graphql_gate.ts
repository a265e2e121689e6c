/**
 * The gate before GraphQL: what a request to /graphql must look like, and how much it may ask
 * for. Everything here is refused before planning and before the database.
 */
import type { Request, RequestHandler, Response } from "express";
import { currentCaller } from "../auth/caller.ts";
import { Refusal } from "../errors/refusal.ts";
import { makeCheckedDocuments } from "../graphql/checked_documents.ts";
import { ANONYMOUS_QUERY_LIMITS, type QueryLimits } from "../graphql/query_cost.ts";
import { type AllowedDocuments, requireAllowed } from "./allowed_documents.ts";
import type { BodyLimits } from "./json_body.ts";

// Deeper than any argument of ours; jsonb of the database would take thousands of levels.
const VARIABLE_DEPTH_MAX = 20;

// Health and errors need no variables; GraphiQL's introspection has none either.
const ANONYMOUS_VALUE_COUNT_MAX = 100;

/** Ceilings of bodies as the settings have them. */
export interface BodyConfig {
  readonly bodyByteCountMax: number;
  readonly bodyValueCountMax: number;
  readonly anonymousBodyByteCountMax: number;
}

/** Ceilings of the body of the current caller. */
export function bodyLimitsOf(config: BodyConfig): BodyLimits {
  const { bodyByteCountMax, bodyValueCountMax, anonymousBodyByteCountMax } = config;
  // The variables are a level of the body themselves.
  const depthMax = VARIABLE_DEPTH_MAX + 1;
  return isAnonymous()
    ? {
        byteCountMax: Math.min(anonymousBodyByteCountMax, bodyByteCountMax),
        valueCountMax: Math.min(ANONYMOUS_VALUE_COUNT_MAX, bodyValueCountMax),
        depthMax,
      }
    : { byteCountMax: bodyByteCountMax, valueCountMax: bodyValueCountMax, depthMax };
}

const isAnonymous = () => currentCaller().role === "saldo_anonymous";

/** These ceilings of a document, or the lower ones of a current caller without a token. */
export function ownQueryLimits(limits: QueryLimits): QueryLimits {
  return isAnonymous() ? { ...limits, ...ANONYMOUS_QUERY_LIMITS } : limits;
}

/** Documents that were checked before, apart by the ceilings that they were checked against. */
function checkedDocuments(limits: QueryLimits) {
  const lower = { ...limits, ...ANONYMOUS_QUERY_LIMITS };
  const ofAll = {
    signedIn: makeCheckedDocuments(limits),
    signedInByGet: makeCheckedDocuments({ ...limits, isQueryOnly: true }),
    anonymous: makeCheckedDocuments(lower),
    anonymousByGet: makeCheckedDocuments({ ...lower, isQueryOnly: true }),
  };
  return (isByGet: boolean) => {
    if (isAnonymous()) return isByGet ? ofAll.anonymousByGet : ofAll.anonymous;
    return isByGet ? ofAll.signedInByGet : ofAll.signedIn;
  };
}

/**
 * POST with a JSON body is served, and GET for queries where that is on. A browser sends text/plain
 * and forms across sites without asking, and a GET ends up in logs and caches.
 */
export function requireJsonPost(isGetEnabled: boolean): RequestHandler {
  return (request, response, next) => {
    if (request.method === "GET" && isGetEnabled) {
      takeFromUrl(request, response);
    } else if (request.method !== "POST") {
      response.setHeader("Allow", isGetEnabled ? "GET, POST" : "POST");
      throw new Refusal("input_invalid", "the method is POST", {
        status: 405,
        hint:
          "Send it by POST (a client of urql with preferGetMethod: false), or set " +
          "SALDO_GRAPHQL_GET=true on the server, and queries are served by GET too.",
      });
    } else {
      requireJson(request);
    }
    if (!request.accepts(["application/graphql-response+json", "application/json"])) {
      throw new Refusal("input_invalid", "the answer is application/json", { status: 406 });
    }
    next();
  };
}

/** Makes of the parameters of a URL the body that they would be, still to be counted and parsed. */
function takeFromUrl(request: Request, response: Response): void {
  const { searchParams } = new URL(request.originalUrl, "http://localhost");
  const body: Record<string, unknown> = {};
  for (const name of ["query", "operationName", "variables"]) {
    const [value, ...more] = searchParams.getAll(name);
    if (more.length > 0) throw new Refusal("input_invalid", `${name} is given twice`);
    // A URL is short: parsing before counting costs nothing.
    if (value) body[name] = name === "variables" ? parsed(value) : value;
  }
  response.locals["method"] = request.method;
  // GraphQL's own server knows requests with a body only.
  request.method = "POST";
  request.headers["content-type"] = "application/json";
  takenFromUrl.set(request, Buffer.from(JSON.stringify(body)));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal("input_invalid", "variables is an object");
  }
}

const takenFromUrl = new WeakMap<Request, Buffer>();

/** Bytes that stand for the body of a request by GET; undefined for one that has a body. */
export function bodyFromUrl(request: Request): Buffer | undefined {
  return takenFromUrl.get(request);
}

/**
 * A body is JSON in UTF-8.
 *
 * @throws Refusal input_invalid
 */
export function requireJson(request: Request): void {
  const [mediaType, ...parameters] = (request.headers["content-type"] ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  if (mediaType !== "application/json") {
    throw new Refusal("input_invalid", "the content type is application/json", { status: 415 });
  }
  if (
    parameters.some((each) => each.startsWith("charset=") && !/^charset="?utf-?8"?$/.test(each))
  ) {
    throw new Refusal("input_invalid", "the body is in UTF-8", { status: 415 });
  }
  // GraphQL's own server compares names of types with case, which they do not have.
  request.headers["content-type"] = mediaType;
}

/** Refuses a body that is no single GraphQL request, or one that asks for too much. */
export function limitQuery(
  limits: QueryLimits,
  allowed: AllowedDocuments | undefined,
): RequestHandler {
  const checkFor = checkedDocuments(limits);
  return (request: Request, response, next) => {
    const body: unknown = request.body;
    if (Array.isArray(body)) {
      throw new Refusal("input_invalid", "one request at a time, not an array");
    }
    if (!isRecord(body) || typeof body.query !== "string") {
      throw new Refusal("input_invalid", "the body is an object with a text field query");
    }
    const { query, operationName = null } = body;
    requireAllowed(allowed, query as string);
    const variables = body.variables ?? {};
    if (!isRecord(variables)) {
      throw new Refusal("input_invalid", "variables is an object");
    }
    if (operationName !== null && typeof operationName !== "string") {
      throw new Refusal("input_invalid", "operationName is text");
    }
    if (typeof operationName === "string" && /^[_A-Za-z]\w*$/.test(operationName)) {
      response.locals["operationName"] = operationName;
    }
    const check = checkFor(bodyFromUrl(request) !== undefined);
    const { hash, rootNames } = check(query as string, variables);
    response.locals["documentHash"] = hash;
    response.locals["rootNames"] = rootNames;
    // Only these go on: the rest (onError, extensions) would change how errors are answered.
    request.body = { query, variables, operationName: operationName ?? undefined };
    next();
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
