import { Client, Pool, type PoolConfig } from "pg";
import type { Log } from "../log.ts";
import { NobodyClient, OwnClient } from "./own_client.ts";

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
  const Kind = isBehindPooler ? NamelessClient : OwnClient;
  return poolOf({ Client: Kind, connectionString, max }, log);
}

/** The same for callers' calls: who has not taken a role is nobody there. */
export function makeServerPool(
  connectionString: string,
  max: number,
  log: Log,
  isBehindPooler = false,
): Pool {
  if (isBehindPooler) return makePool(connectionString, max, log, isBehindPooler);
  // What belongs together is sent together (callWithRole).
  return poolOf({ Client: NobodyClient, pipeline: true, connectionString, max }, log);
}

function poolOf(config: PoolConfig, log: Log): Pool {
  const pool = new Pool({
    ...config,
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
