/**
 * Whether a connection keeps its session. A pooler that lends a server connection for one
 * transaction at a time forgets prepared statements, and leaves a session's locks to the next
 * client.
 */
import { Client } from "pg";
import { StartError } from "../start_error.ts";

const patienceMs = 5000;
// A second connection that has to wait while the first is idle shows that nobody lends connections.
const borrowPatienceMs = 1500;
// A pooler lends the free connections that it has; by default it keeps at most twenty.
const borrowCountMax = 24;

/**
 * Refuses an address that leads through a pooler in transaction or statement mode.
 *
 * @throws StartError that says what to give instead
 */
export async function requireDirectConnection(connectionString: string): Promise<void> {
  if (!(await isLentByTransaction(connectionString))) return;
  throw new StartError(
    "DATABASE_URL leads through a pooler that lends connections for a transaction at a time: " +
      "migrations and jobs need a direct connection (or session mode); only the API may go " +
      "through it, with SERVER_DATABASE_URL.",
  );
}

/**
 * Whether connections to this address go through somebody who keeps those to PostgreSQL: the
 * process that was told when the session began is then not the one that answers.
 */
export async function isPooled(connectionString: string): Promise<boolean> {
  const client = await open(connectionString);
  try {
    return (await pidOf(client)) !== announcedPid(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Whether two who are connected at once share one connection to PostgreSQL. Transactions are held
 * open, one after the other, until one of them has the backend that answered first, or that one has
 * to be answered by another: either proves it. In session mode neither ever happens.
 */
async function isLentByTransaction(connectionString: string): Promise<boolean> {
  const first = await open(connectionString);
  const borrowers: Client[] = [];
  try {
    const pid = await pidOf(first);
    if (pid === announcedPid(first)) return false; // a direct one: nobody is between
    while (borrowers.length < borrowCountMax) {
      const borrower = await open(connectionString, borrowPatienceMs).catch(() => undefined);
      if (borrower === undefined) return false; // each keeps its own, until there are no more
      borrowers.push(borrower);
      try {
        await borrower.query("begin");
      } catch (error) {
        // It is not told where nobody else is free: one of a session mode waits.
        return (error as { code?: string }).code !== undefined;
      }
      if ((await pidOf(borrower)) === pid || (await pidOf(first)) !== pid) return true;
    }
    return false;
  } finally {
    await Promise.all([first, ...borrowers].map((each) => each.end().catch(() => {})));
  }
}

async function open(connectionString: string, ms: number = patienceMs): Promise<Client> {
  const client = new Client({
    connectionString,
    application_name: "saldo start",
    connectionTimeoutMillis: ms,
    query_timeout: ms,
  });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  await client.connect();
  return client;
}

async function pidOf(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid;
}

/** The process id that PostgreSQL, or a pooler for it, gave for cancelling; not in the types. */
function announcedPid(client: Client): number | null {
  return (client as unknown as { processID: number | null }).processID;
}
