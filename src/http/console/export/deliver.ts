/** How an export is sent: from a connection of its own, for as long as the client reads. */
import { once } from "node:events";
import type { Response } from "express";
import { Client, type ClientBase, type ClientConfig, type Pool } from "pg";
import { currentCaller, settingsFor } from "../../../auth/caller.ts";
import { type RoleTransaction, withRole } from "../../../database/with_role.ts";
import { describeDatabaseError } from "../../../errors/database_error.ts";
import type { SessionParts } from "../session_routes.ts";

/** Works in one transaction as the caller, and ends the answer. */
export async function deliver(
  { context }: SessionParts,
  { timeZone, mode }: { timeZone: string; mode: NonNullable<RoleTransaction["mode"]> },
  response: Response,
  work: (client: ClientBase) => Promise<void>,
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
    await withRole(client, { settings, mode }, async () => {
      await client.query(
        `select case when version() !~ 'Visual C|mingw'
          then set_config('client_connection_check_interval', '1s', true) end`,
      );
      if (response.destroyed) throw gone();
      await work(client);
    });
    response.end();
  } finally {
    clearTimeout(limit);
    response.off("close", leave);
    leave();
  }
}

const gone = () => new Error("the client has left");

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

/** Writes, and waits until the client has taken it, or is gone. */
export async function writeOut(response: Response, bytes: Buffer | string): Promise<void> {
  // Nothing would ever be told of what is written to nobody.
  if (response.destroyed) throw gone();
  if (!response.write(bytes)) await drained(response);
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
export function refuse(
  error: unknown,
  statuses: ReadonlyMap<string, number>,
  response: Response,
): void {
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
