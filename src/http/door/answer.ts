/** How the simple door answers: `status`, `data`, and where something is refused a message too. */
import { randomUUID } from "node:crypto";
import type { ErrorRequestHandler } from "express";
import type { Pool } from "pg";
import { currentCaller } from "../../auth/caller.ts";
import { withRole } from "../../database/with_role.ts";
import { causeOf, describeDatabaseError } from "../../errors/database_error.ts";
import {
  CATALOGUE,
  type Description,
  described,
  type ErrorExtensions,
  Refusal,
} from "../../errors/refusal.ts";
import type { Log } from "../../log.ts";

const RETRY_SECONDS = "1";

/** The HTTP status of each code of the catalogue. */
export type Statuses = ReadonlyMap<string, number>;

/** Reads the catalogue's statuses: the database's own errors have theirs there. */
export async function readStatuses(serverPool: Pool): Promise<Statuses> {
  const settings = { role: "saldo_anonymous" };
  return await withRole(serverPool, { settings, mode: "read only" }, async (client) => {
    const { rows } = await client.query<{ code: string; http_status: number }>(
      "select code, http_status from saldo.error_code",
    );
    return new Map(rows.map(({ code, http_status }) => [code, http_status]));
  });
}

/** What an error means to the client; undefined for one that stays inside. */
function descriptionOf(error: unknown): (Description & { status?: number }) | undefined {
  if (error instanceof Refusal) return error;
  const description = describeDatabaseError(error) ?? refusedInput(error);
  if (description !== undefined) return description;
  // Errors of reading the body, or of an address that cannot be decoded.
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === "number" && status >= 400 && status < 500
    ? { ...described("input_invalid", "the request could not be read"), status }
    : undefined;
}

/** Fields are read as those of GraphQL are, and refused by its errors. */
function refusedInput(error: unknown): Description | undefined {
  const { message, extensions } = error as { message: string; extensions?: ErrorExtensions };
  return Object.hasOwn(CATALOGUE, extensions?.condition ?? "")
    ? { message, extensions: extensions as ErrorExtensions }
    : undefined;
}

/** Answers what was refused or failed; what is not known stays in the log, under an id. */
export function answerRefusal(log: Log, statuses: Statuses): ErrorRequestHandler {
  // Express tells an error handler by its four parameters.
  return (error, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    let found = descriptionOf(error);
    if (found?.extensions.condition === "forbidden" && currentCaller().role === "saldo_anonymous") {
      found = described("unauthenticated");
    }
    const errorId = found === undefined ? randomUUID() : undefined;
    if (found === undefined) {
      const requestId = response.locals["requestId"];
      log.error("request failed", { errorId, requestId, path: request.path, ...causeOf(error) });
      found = described("internal_error");
    }
    const status = found.status ?? statuses.get(found.extensions.code) ?? 500;
    if (status === 429 || status === 503) response.setHeader("Retry-After", RETRY_SECONDS);
    const { code, condition, detail = null, hint = null } = found.extensions;
    response.locals["code"] = code;
    response.status(status).json({
      status: "error",
      message: found.message,
      data: { code, condition, detail, hint, ...(errorId && { error_id: errorId }) },
    });
  };
}
