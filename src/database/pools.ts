import { createHmac } from "node:crypto";
import { Client, Pool } from "pg";
import type { Log } from "../log.ts";
import { StartError } from "../start_error.ts";
import { OwnClient } from "./own_client.ts";
import { refuseSettings } from "./refused_settings.ts";
import { withLockTimeout } from "./start_wait.ts";

const atReadCommitted = (text: string) =>
  text.replace(/^begin(?! isolation)/, "begin isolation level read committed");

/**
 * Prepares no named statements, and sets nothing for its session: a pooler may give each transaction
 * another connection. What a transaction goes by is said when it begins.
 */
class NamelessClient extends Client {
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of the driver's method are many
  override query(statement: any, ...rest: any[]): any {
    const plain =
      typeof statement === "string"
        ? atReadCommitted(statement)
        : { ...statement, name: undefined, text: atReadCommitted(statement?.text) };
    return (super.query as (...all: unknown[]) => unknown)(plain, ...rest);
  }
}

/**
 * A pool whose broken connections are logged instead of ending the process. Behind a pooler it does
 * without what lasts longer than a transaction.
 */
export function makePool(
  connectionString: string,
  max: number,
  log: Log,
  isBehindPooler = false,
): Pool {
  const pool = new Pool({
    Client: isBehindPooler ? NamelessClient : OwnClient,
    connectionString,
    max,
    application_name: "saldo",
    // A request that finds no free connection is refused in time instead of waiting forever.
    connectionTimeoutMillis: 5000,
  });
  const report = (error: Error) => {
    // A session that ends while the pool is being ended is not lost.
    if (!pool.ending) log.warn("database connection lost", { reason: error.message });
  };
  pool.on("error", report);
  // A client that is checked out has no listener of the pool's.
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/**
 * The address with which the API logs in: that of the settings, or saldo_server on the owner's
 * server. Its password is derived from the owner's, so that all servers of a database agree on it
 * without storing it; it is set when logging in with it fails; on a
 * standby, which takes it from its primary, it is not.
 */
export async function serverLogin(
  ownerUrl: string,
  given: string | undefined,
  isReplica = false,
): Promise<string> {
  if (given !== undefined) {
    await requireGivenLogin(given);
    return given;
  }
  const owner = new URL(ownerUrl);
  const key = decodeURIComponent(owner.password) || (owner.searchParams.get("password") ?? "");
  const password = key && createHmac("sha256", key).update("saldo_server").digest("hex");
  const address = withLogin(owner, "saldo_server", password);
  let refusal = await refusalOf(address);
  // A login without password (peer, trust) has nothing that could be set.
  const canSet = password !== "" && !isReplica;
  for (let attempt = 0; attempt < 5 && refusal !== undefined && canSet; attempt += 1) {
    await setServerPassword(ownerUrl, password);
    refusal = await refusalOf(address);
  }
  if (refusal === undefined) return address;
  throw new StartError(
    `The API cannot log in as saldo_server (${refusal}): give its login as SERVER_DATABASE_URL.`,
  );
}

function withLogin(address: URL, user: string, password: string): string {
  const url = new URL(address);
  for (const name of ["user", "password"]) url.searchParams.delete(name);
  if (url.hostname === "") {
    // A URL without a host (a socket's) has no place for a login before it.
    url.searchParams.set("user", user);
    if (password !== "") url.searchParams.set("password", password);
  } else {
    url.username = user;
    url.password = password;
  }
  return url.href;
}

/** Why this login is refused; undefined when it is not. */
async function refusalOf(connectionString: string): Promise<string | undefined> {
  const client = new OwnClient({ connectionString });
  client.on("error", () => {});
  try {
    await client.connect();
    await refuseSettings(client, "SERVER_DATABASE_URL");
    return undefined;
  } catch (error) {
    if (error instanceof StartError) throw error;
    const { code, message } = error as { code?: string; message: string };
    // Without a code it is the driver that misses a password.
    if (code === undefined || code.startsWith("28")) return message;
    throw error;
  } finally {
    await client.end().catch(() => {});
  }
}

/** By a plain session: a pooler may be in between. */
async function requireGivenLogin(connectionString: string): Promise<void> {
  const client = new Client({ connectionString, application_name: "saldo start" });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  await client.connect();
  try {
    await refuseSettings(client, "SERVER_DATABASE_URL");
    await requireServerRole(client);
  } finally {
    await client.end();
  }
}

/** Only for such a login the database believes which caller a request has. */
async function requireServerRole(client: Client): Promise<void> {
  const { rows } = await client.query<{ login: string; may_serve: boolean }>(
    `select quote_ident(session_user) as login,
      pg_has_role(session_user, 'saldo_server', 'member') as may_serve`,
  );
  if (rows[0]?.may_serve) return;
  throw new StartError(
    "The login of SERVER_DATABASE_URL may not speak for callers: say " +
      `\`grant saldo_server to ${rows[0]?.login}\`, and start again.`,
  );
}

async function setServerPassword(ownerUrl: string, password: string): Promise<void> {
  const owner = new OwnClient({
    connectionString: withLockTimeout(ownerUrl),
    application_name: "saldo start",
  });
  owner.on("error", () => {}); // a lost connection fails the query that was under way
  await owner.connect();
  try {
    // No parameters in ALTER ROLE; the password is a digest of our own, in hexadecimal.
    await owner.query(`alter role saldo_server login password '${password}'`);
  } catch (error) {
    // Another server set it at the same moment, and to the same.
    if ((error as { code?: string }).code !== "XX000") throw error;
  } finally {
    await owner.end();
  }
}

/** What SQL goes by; the channels of alerts are told by those processes only that send them. */
export interface SqlSettings {
  timeZone: string;
  currency: string;
  checkOverdueHours: number;
  alertChannels?: readonly string[] | undefined;
}

/** Writes the settings that SQL goes by. */
export async function writeSettings(ownerUrl: string, values: SqlSettings): Promise<void> {
  const owner = new OwnClient({ connectionString: ownerUrl, application_name: "saldo start" });
  await owner.connect();
  try {
    await owner.query(
      `select saldo.set_setting(name, value)
      from unnest($1::text[], $2::text[]) as setting (name, value)
      where value is not null
      order by name`,
      [
        ["business_time_zone", "currency", "check_overdue_hours", "alert_channels"],
        [
          values.timeZone,
          values.currency,
          values.checkOverdueHours,
          values.alertChannels?.join(",") ?? null,
        ],
      ],
    );
  } finally {
    await owner.end();
  }
}
