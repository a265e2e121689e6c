import type { Socket } from "node:net";
import {
  type ClientBase,
  escapeIdentifier,
  escapeLiteral,
  Pool,
  type PoolClient,
  type QueryArrayConfig,
} from "pg";
import { NobodyClient } from "./own_client.ts";

/** Settings for one transaction only: the role first of all, then timeouts, the subject, ... */
export type RoleSettings = { readonly role: string } & Readonly<Record<string, string>>;

/** How a transaction of withRole runs. */
export interface RoleTransaction {
  readonly settings: RoleSettings;
  /** What the transaction may do, as `read only`. */
  readonly mode?: "read only" | "read write" | "isolation level repeatable read read only";
}

/** What the driver has and its types do not tell. */
interface Driver {
  /** Whether statements are sent without waiting for the answers of those before. */
  readonly pipeline?: boolean;
  readonly connection: {
    readonly stream: Socket;
    readonly parsedStatements: Record<string, string>;
  };
  /** Whether the last answer has come whole. */
  readonly readyForQuery: boolean;
  /** `I` outside of a transaction. */
  getTransactionStatus?(): string | null;
}

/**
 * Works in one transaction under a role: only here and in callWithRole Saldo takes one. It commits
 * when the work is done and rolls back when that fails; the settings end with the transaction. A pool
 * lends a connection for it, and does not get one back whose transaction may still be open.
 */
export async function withRole<Result>(
  source: Pool | ClientBase,
  transaction: RoleTransaction,
  work: (client: ClientBase) => Promise<Result>,
): Promise<Result> {
  const borrowed: PoolClient | undefined =
    source instanceof Pool ? await source.connect() : undefined;
  const client = borrowed ?? (source as ClientBase);
  let isUsable = true;
  let isCommitting = false;
  try {
    await client.query(opening(transaction));
    const result = await work(client);
    isCommitting = true;
    await client.query("commit");
    return result;
  } catch (error) {
    isUsable = await client.query("rollback").then(
      () => true,
      () => false, // the connection is gone, and its transaction with it
    );
    // After a commit a pooler may answer for a session that it has lost.
    if (isUsable && !isCommitting) noteUndone(error);
    throw error;
  } finally {
    borrowed?.release(!isUsable);
  }
}

/**
 * A single statement in a transaction under a role. Where the driver can, all of it is sent at once:
 * nobody waits for the answer of a begin. It is not less whole for that: after a failure PostgreSQL
 * refuses what follows, and the commit that follows rolls back. Only where the begin itself was not
 * carried out does it not refuse: so all goes at once only in sessions that are nobody by themselves.
 */
export async function callWithRole<Row extends unknown[]>(
  pool: Pool,
  transaction: RoleTransaction,
  statement: QueryArrayConfig,
) {
  const begin = opening(transaction);
  const client = await pool.connect();
  const driver = client as unknown as Driver;
  if (driver.pipeline !== true || !(client instanceof NobodyClient)) {
    try {
      const { name: _, ...nameless } = statement;
      return await withRole(client, transaction, () => client.query<Row>(nameless));
    } finally {
      client.release(driver.getTransactionStatus?.() !== "I");
    }
  }
  const { stream } = driver.connection;
  stream.cork();
  const known = remembered(client, statement);
  const begun = client.query(begin);
  const answered = client.query<Row>(known);
  const committed = client.query("commit");
  stream.uncork();
  const [first, , last] = await Promise.allSettled([begun, answered, committed]);
  if (last.status === "rejected") await answeredWhole(client, driver);
  const isEnded = driver.getTransactionStatus?.() === "I";
  client.release(!isEnded);
  try {
    // The first failure is the reason of the others.
    await begun;
    const answer = await answered;
    await committed;
    return answer;
  } catch (error) {
    // The end was answered, or the session is out of the transaction that had begun.
    if (last.status === "fulfilled" || (isEnded && first.status === "fulfilled")) noteUndone(error);
    throw error;
  }
}

/** A failure is told before the word that says how the session stands: it may come a packet later. */
async function answeredWhole(client: PoolClient, driver: Driver): Promise<void> {
  const { stream } = driver.connection;
  if (driver.readyForQuery || stream.destroyed || stream.readableEnded) return;
  await new Promise<void>((resolve) => {
    const end = () => {
      client.off("drain", end).off("end", end);
      stream.off("close", end);
      resolve();
    };
    client.once("drain", end).once("end", end);
    stream.once("close", end);
  });
}

const undone = new WeakSet<object>();

function noteUndone(error: unknown): void {
  if (typeof error === "object" && error !== null) undone.add(error);
}

/**
 * Whether nothing is there of what ended with this error: PostgreSQL said that the transaction is
 * over. Of what was cut off nobody knows. The words of an error do not tell, they are translated.
 */
export function isUndone(error: unknown): boolean {
  return typeof error === "object" && error !== null && undone.has(error);
}

/** What begins a transaction and settles it, in one message. */
function opening({ settings, mode }: RoleTransaction): string {
  const each = Object.entries(settings).map(
    ([name, value]) => `; set local ${escapeIdentifier(name)} = ${literal(value)}`,
  );
  return `begin${mode === undefined ? "" : `; set transaction ${mode}`}${each.join("")}`;
}

function literal(text: string): string {
  // A text of the protocol ends there, and the rest would be gone.
  if (text.includes("\0")) throw new Error("a setting has the character zero");
  return escapeLiteral(text);
}

// Plans are worth it for what comes again; there are few such statements, and a plan takes memory.
const STATEMENT_COUNT_MAX = 100;

const statementsOf = new WeakMap<object, Set<string>>();

/** Prepares a statement that has a name; of a session's too many the one that rested longest goes. */
function remembered(client: PoolClient, statement: QueryArrayConfig): QueryArrayConfig {
  const { name } = statement;
  if (name === undefined) return statement;
  const names = statementsOf.get(client) ?? new Set();
  statementsOf.set(client, names);
  names.delete(name);
  names.add(name);
  const [oldest] = names;
  if (names.size > STATEMENT_COUNT_MAX && oldest !== undefined) {
    names.delete(oldest);
    delete (client as unknown as Driver).connection.parsedStatements[oldest];
    // One that could not be prepared is not there.
    client.query(`deallocate ${escapeIdentifier(oldest)}`).catch(() => {});
  }
  return statement;
}
