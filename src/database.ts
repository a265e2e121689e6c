import { createHmac } from "node:crypto";
import { Client, Pool } from "pg";
import type { Log } from "./log.ts";

/** A pool whose broken connections are logged instead of ending the process. */
export function makePool(connectionString: string, max: number, log: Log): Pool {
  const pool = new Pool({ connectionString, max, application_name: "saldo" });
  const report = (error: Error) => log.warn("database connection lost", { reason: error.message });
  pool.on("error", report);
  // A client that is checked out has no listener of the pool's.
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/**
 * The address with which the API logs in: that of the settings, or saldo_server on the owner's
 * server. Its password is derived from the owner's, so that all servers of a database agree on it
 * without storing it; it is set when logging in with it fails.
 */
export async function serverLogin(ownerUrl: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const url = new URL(ownerUrl);
  const key = decodeURIComponent(url.password);
  url.username = "saldo_server";
  url.password = key === "" ? "" : createHmac("sha256", key).update("saldo_server").digest("hex");
  if (!(await canLogIn(url.href)) && url.password !== "") {
    await setServerPassword(ownerUrl, url.password);
  }
  return url.href;
}

async function canLogIn(connectionString: string): Promise<boolean> {
  const client = new Client({ connectionString });
  client.on("error", () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function setServerPassword(ownerUrl: string, password: string): Promise<void> {
  const owner = new Client({ connectionString: ownerUrl });
  await owner.connect();
  try {
    // No parameters in ALTER ROLE; the password is a digest of our own, in hexadecimal.
    await owner.query(`alter role saldo_server login password '${password}'`);
  } finally {
    await owner.end();
  }
}

/** Writes the settings that SQL goes by. */
export async function writeSettings(
  ownerUrl: string,
  values: { timeZone: string; currency: string },
): Promise<void> {
  const owner = new Client({ connectionString: ownerUrl });
  await owner.connect();
  try {
    await owner.query(
      "select saldo.set_setting('business_time_zone', $1), saldo.set_setting('currency', $2)",
      [values.timeZone, values.currency],
    );
  } finally {
    await owner.end();
  }
}
