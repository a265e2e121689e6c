/**
 * What tills call, as docs/reference/branch-protocol.md has it: the edge only. The body is read within
 * its limits, the key is taken apart, and an SQL function does the rest as the role saldo_branch.
 */
import express, { type ErrorRequestHandler, type RequestHandler, type Router } from "express";
import type { Pool } from "pg";
import { keyProof } from "../branch/protocol/key.ts";
import { enrolSchema, limits, protocols } from "../branch/protocol/schema.ts";
import { withRole } from "../database/with_role.ts";
import { causeOf, describeDatabaseError } from "../errors/database_error.ts";
import { type Description, Refusal } from "../errors/refusal.ts";
import type { Log } from "../log.ts";
import { networkOf } from "./client_address.ts";
import type { FailureLimit } from "./failure_limit.ts";
import { readJson } from "./json_body.ts";
import { makeKeyLimit } from "./key_limit.ts";
import { pushText, returnText } from "./push_body.ts";

/** What the calls of tills need. */
export interface BranchSyncContext {
  readonly serverPool: Pool;
  readonly log: Log;
  readonly config: { readonly statementTimeoutMs: number };
}

// One that pushes and one that hangs in a dead connection; a third one is a program gone wild.
const CONCURRENT_COUNT_MAX = 2;
// A backlog is drained in pushes one after the other, which come to some dozens a second.
const REQUEST_COUNT_MAX = 600;
const REQUEST_WINDOW_MS = 10_000;
const RETRY_SECONDS = "5";

// Codes of SQL functions that mean something to a till by their status.
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  SB008: 400,
  SB009: 400,
  SB010: 400,
  SB015: 503,
  SB016: 503,
  SB019: 503,
  SB021: 503,
  SB504: 401,
  SB505: 403,
  SB506: 401,
  SB507: 400,
  SB510: 426,
  SB515: 409,
};

/** The routes below /api/v1/sync. */
export function branchSync(context: BranchSyncContext, failures: FailureLimit): Router {
  const router = express.Router();
  const keyLimit = makeKeyLimit(CONCURRENT_COUNT_MAX, REQUEST_COUNT_MAX, REQUEST_WINDOW_MS);
  const call = <Result>(text: string, values: unknown[]) =>
    callAsBranch<Result>(context, text, values);

  router.post(
    "/push",
    requireJson,
    requireKey(failures),
    keyLimit,
    readBody,
    async (request, response) => {
      const { id, secretHash } = response.locals["key"];
      const data = await call<object>("select saldo_private.push_branch_rows($1, $2, $3) as data", [
        id,
        secretHash,
        pushText(request.body),
      ]);
      response.json({
        success: true,
        message: "Taken.",
        data: { ...data, limits, protocol: protocols },
      });
    },
  );
  const byKey = (message: string, text: string, bodyOf = (_: unknown): unknown[] => []) =>
    (async (request, response) => {
      const { id, secretHash } = response.locals["key"];
      const data = await call(text, [id, secretHash, ...bodyOf(request.body)]);
      response.json({ success: true, message, data });
    }) satisfies RequestHandler;
  router.post(
    "/key",
    requireJson,
    requireKey(failures),
    keyLimit,
    readBody,
    byKey(
      "Use it, then the old key ends.",
      "select saldo_private.renew_branch_key($1, $2) as data",
    ),
  );
  router.post(
    "/rows",
    requireJson,
    requireKey(failures),
    keyLimit,
    readBody,
    byKey(
      "Rows of epochs that the device has left.",
      "select saldo_private.return_branch_rows($1, $2, $3) as data",
      (body) => [returnText(body)],
    ),
  );
  router.get(
    "/config",
    requireKey(failures),
    keyLimit,
    byKey("The branch.", "select saldo_private.read_branch_config($1, $2) as data"),
  );
  router.post("/enrol", requireJson, readShortBody, enrolBy(call, failures));
  router.use(answerRefusal(context.log));
  return router;
}

type Call = <Result>(text: string, values: unknown[]) => Promise<Result>;

/** A device and its key of a one-time code; who guesses codes is slowed down. */
function enrolBy(call: Call, failures: FailureLimit): RequestHandler {
  return async (request, response) => {
    const { data: body, error } = enrolSchema.safeParse(request.body);
    if (body === undefined) {
      throw new Refusal("push_invalid", error?.issues[0]?.path.join(".") || "body");
    }
    const data = await call<object>(
      "select saldo_private.enrol_branch_device($1, $2, $3, $4) as data",
      [body.code, body.device_name, body.program, body.device],
    ).catch((failure) => {
      throw isGuess(failure) && failures.isExceededBy(networkOf(request.ip ?? ""))
        ? new Refusal("too_many_requests")
        : failure;
    });
    response.json({
      success: true,
      message: "Enrolled.",
      data: { ...data, limits, protocol: protocols },
    });
  };
}

async function callAsBranch<Result>(
  { serverPool, config }: BranchSyncContext,
  text: string,
  values: unknown[],
): Promise<Result> {
  const settings = {
    role: "saldo_branch",
    "saldo.subject": "branch",
    statement_timeout: String(config.statementTimeoutMs),
  };
  return await withRole(serverPool, { settings }, async (client) => {
    const { rows } = await client.query<{ data: Result }>(text, values);
    return (rows[0] as { data: Result }).data;
  });
}

const requireJson: RequestHandler = (request, _response, next) => {
  const [mediaType, ...parameters] = (request.headers["content-type"] ?? "")
    .toLowerCase()
    .split(";");
  const charset = parameters.find((each) => each.trim().startsWith("charset="));
  if (mediaType?.trim() !== "application/json") {
    throw new Refusal("push_media_type", "content type");
  }
  if (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset.trim())) {
    throw new Refusal("push_media_type", "charset");
  }
  if (
    !["", "identity", "gzip"].includes((request.headers["content-encoding"] ?? "").toLowerCase())
  ) {
    throw new Refusal("push_media_type", "content encoding");
  }
  next();
};

/** Looks at the form of the key only; whether it is good is known under the lock of its branch. */
function requireKey(failures: FailureLimit): RequestHandler {
  return (request, response, next) => {
    const bearer = /^Bearer (\S{1,200})$/i.exec(request.headers.authorization ?? "")?.[1];
    const proof = bearer === undefined ? null : keyProof(bearer);
    if (proof === null) {
      throw failures.isExceededBy(networkOf(request.ip ?? ""))
        ? new Refusal("too_many_requests")
        : new Refusal("branch_key_invalid");
    }
    response.locals["key"] = proof;
    next();
  };
}

// Twice what the largest rows of a full push have.
const VALUE_COUNT_MAX = 20_000;
// The limit holds for what comes out of gzip: inflating stops there.
const readBody = readJson(() => ({
  byteCountMax: limits.bytes,
  valueCountMax: VALUE_COUNT_MAX,
  // A row with such a text is kept aside by itself: the others of its push are good.
  isAnyTextTaken: true,
}));
// Anybody may try to enrol, with a code and three names.
const readShortBody = readJson(() => ({ byteCountMax: 10_000, valueCountMax: 100 }));

const isGuess = (error: unknown) => (error as { code?: unknown } | null)?.code === "SB506";

function answerRefusal(log: Log): ErrorRequestHandler {
  // Express tells an error handler by its four parameters.
  return (error, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const { status, message, extensions } = refusalOf(error);
    if (status === 500)
      log.error("a call of a till failed", { path: request.path, ...causeOf(error) });
    if (status === 429 || status === 503) response.setHeader("Retry-After", RETRY_SECONDS);
    const { code, condition, detail = null, hint = null } = extensions;
    response.locals["code"] = code;
    response
      .status(status)
      .json({ success: false, message, data: { code, condition, detail, hint } });
  };
}

/** What an error means to a till: what passes by itself is 503, so that the same is sent again. */
function refusalOf(error: unknown): Description & { status: number } {
  if (error instanceof Refusal) {
    if (error.status === 413) return new Refusal("push_too_large");
    return ["query_too_complex", "input_invalid"].includes(error.condition)
      ? new Refusal("push_invalid", "the body could not be read")
      : error;
  }
  const description = describeDatabaseError(error);
  if (description !== undefined) {
    return { ...description, status: STATUS_BY_CODE[description.extensions.code] ?? 500 };
  }
  const status = (error as { status?: unknown } | null)?.status;
  if (status === 413) return new Refusal("push_too_large");
  if (status === 415) return new Refusal("push_media_type");
  if (typeof status === "number" && status >= 400 && status < 500) {
    return new Refusal("push_invalid", "the body could not be read");
  }
  return new Refusal("internal_error");
}
