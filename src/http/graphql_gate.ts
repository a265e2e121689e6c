/**
 * The gate before GraphQL: what a request to /graphql must look like, and how much it may ask
 * for. Everything here is refused before planning and before the database.
 */
import express, { type RequestHandler } from "express";
import { Refusal } from "../errors/refusal.ts";
import {
  checkQuery,
  type QueryLimits,
  requireCleanText,
  type Variables,
} from "../graphql/query_cost.ts";

// Deeper than any argument of ours; jsonb of the database would take thousands of levels.
const VARIABLE_DEPTH_MAX = 20;

/**
 * Only POST with a JSON body is served. A browser sends text/plain and forms across sites without
 * asking, and a GET ends up in logs and caches.
 */
export const requireJsonPost: RequestHandler = (request, response, next) => {
  if (request.method !== "POST") {
    response.setHeader("Allow", "POST");
    throw new Refusal("input_invalid", "the method is POST", { status: 405 });
  }
  const mediaType = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (mediaType !== "application/json") {
    throw new Refusal("input_invalid", "the content type is application/json", { status: 415 });
  }
  if (request.accepts(["application/graphql-response+json", "application/json"]) === false) {
    throw new Refusal("input_invalid", "the answer is application/json", { status: 406 });
  }
  next();
};

/** Reads the body as JSON; the limit holds for its size after decompression. */
export function readJsonBody(byteCountMax: number): RequestHandler {
  return express.json({ limit: byteCountMax, type: () => true });
}

/** Refuses a body that is no single GraphQL request, or one that asks for too much. */
export function limitQuery(limits: QueryLimits): RequestHandler {
  return (request, _response, next) => {
    const body: unknown = request.body;
    if (Array.isArray(body)) {
      throw new Refusal("input_invalid", "one request at a time, not an array");
    }
    if (!isRecord(body) || typeof body.query !== "string") {
      throw new Refusal("input_invalid", "the body is an object with a text field query");
    }
    const { query, operationName = null } = body;
    const variables = body.variables ?? {};
    if (!isRecord(variables)) {
      throw new Refusal("input_invalid", "variables is an object");
    }
    if (operationName !== null && typeof operationName !== "string") {
      throw new Refusal("input_invalid", "operationName is text");
    }
    checkVariables(variables);
    checkQuery(query as string, variables, limits);
    // Only these go on: the rest (onError, extensions) would change how errors are answered.
    request.body = { query, variables, operationName: operationName ?? undefined };
    next();
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Looks at every text of the variables, and at how deep they are nested. */
export function checkVariables(variables: Variables): void {
  // A list of what is still to see, since recursion would end where the stack does.
  const pending: { value: unknown; depth: number }[] = [{ value: variables, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, depth } = next;
    if (typeof value === "string") {
      requireCleanText(value);
    } else if (typeof value === "object" && value !== null) {
      if (depth >= VARIABLE_DEPTH_MAX) {
        throw new Refusal(
          "query_too_complex",
          `variables of more than ${VARIABLE_DEPTH_MAX} levels`,
        );
      }
      for (const [key, item] of Object.entries(value)) {
        requireCleanText(key);
        pending.push({ value: item, depth: depth + 1 });
      }
    }
  }
}
