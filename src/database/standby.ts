/** Standbys: copies of a database that follow it, and answer questions only. */
import type { Client, Pool } from "pg";
import { StartError } from "../start_error.ts";
import { OwnClient } from "./own_client.ts";

const lookMs = 2000;

/** Whether the database is one that follows another. */
export async function isStandby(connectionString: string): Promise<boolean> {
  const client = new OwnClient({ connectionString, application_name: "saldo start" });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  await client.connect();
  try {
    return await isInRecovery(client);
  } finally {
    await client.end();
  }
}

/**
 * Refuses to bring a standby up to date.
 *
 * @throws StartError that says where to do so instead
 */
export async function requirePrimary(client: Client): Promise<void> {
  if (!(await isInRecovery(client))) return;
  throw new StartError(
    "The database is a standby, and is not as this version of Saldo needs it: start this version " +
      "on the primary first.",
  );
}

/** Looks every two seconds whether the standby became a primary, and tells it once. */
export function watchPromotion(pool: Pool, tell: () => void): { stop(): Promise<void> } {
  let current: Promise<void> = Promise.resolve();
  let isLooking = false;
  const look = async () => {
    if (await isInRecovery(pool)) return;
    clearInterval(timer);
    tell();
  };
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    current = look()
      .catch(() => {}) // no database just now
      .finally(() => {
        isLooking = false;
      });
  }, lookMs);
  return {
    async stop() {
      clearInterval(timer);
      await current;
    },
  };
}

async function isInRecovery(source: Client | Pool): Promise<boolean> {
  const { rows } = await source.query<{ is_standby: boolean }>(
    "select pg_is_in_recovery() as is_standby",
  );
  return rows[0]?.is_standby === true;
}
