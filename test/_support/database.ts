import { randomBytes } from "node:crypto";
import { Client, type ClientBase, Pool, type PoolClient } from "pg";

/** A database of its own for one test file, cloned from the migrated template. */
export interface TestDatabase {
  name: string;
  /** Superuser: for arranging, and for planting faults. */
  pool: Pool;
  connectionString: string;
  /** The login of the API, which is nobody until it takes a role. */
  serverConnectionString: string;
  close(): Promise<void>;
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error("Run the tests with npm test: it starts PostgreSQL for them.");
  return value;
}

/** The same server and login with another database, and another user where one is given. */
export function urlOf(database: string, user?: { name: string; password: string }): string {
  const url = new URL(required("SALDO_TEST_DATABASE_URL"));
  url.pathname = `/${database}`;
  if (user) {
    url.username = user.name;
    url.password = user.password;
  }
  return url.href;
}

/** Clones the template; close it in `test.after.always`. */
export async function openTestDatabase(connections = 60): Promise<TestDatabase> {
  const name = `saldo_test_${randomBytes(6).toString("hex")}`;
  await asRoot(async (root) => {
    await retryWhileTemplateIsBusy(() =>
      // Files are copied in a third of the time that their pages take through the log.
      root.query(
        `create database ${name} template ${required("SALDO_TEST_TEMPLATE")} strategy file_copy`,
      ),
    );
    // Shadowed variables and the like are errors in tests, and silence elsewhere.
    await root.query(`alter database ${name} set plpgsql.extra_errors = 'all'`);
  });
  const connectionString = urlOf(name);
  const pool = new Pool({ connectionString, max: connections });
  // Dropping the database ends its connections; that is no error of the test's.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return {
    name,
    pool,
    connectionString,
    serverConnectionString: urlOf(name, {
      name: "saldo_test_server",
      password: required("SALDO_TEST_SERVER_PASSWORD"),
    }),
    async close() {
      await pool.end();
      await asRoot((root) => root.query(`drop database ${name} with (force)`));
    },
  };
}

async function asRoot<T>(work: (root: Client) => Promise<T>): Promise<T> {
  const root = new Client({ connectionString: required("SALDO_TEST_DATABASE_URL") });
  await root.connect();
  try {
    return await work(root);
  } finally {
    await root.end();
  }
}

async function retryWhileTemplateIsBusy<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      // Two clones at once: PostgreSQL lets only one read the template.
      if ((error as { code?: string }).code !== "55006") throw error;
      await new Promise((done) => setTimeout(done, 50 + Math.random() * 100));
    }
  }
}

async function asRole<T>(
  pool: Pool,
  role: string,
  settings: Record<string, string>,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    for (const [name, value] of Object.entries({ ...settings, role })) {
      await client.query("select set_config($1, $2, true)", [name, value]);
    }
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

type Work<T> = (client: PoolClient) => Promise<T>;

/** Acts as an administrator, in a transaction. */
export const asAdmin = <T>(pool: Pool, work: Work<T>) =>
  asRole(pool, "saldo_admin", { "saldo.subject": "admin" }, work);

/** Acts as an operator, in a transaction. */
export const asOperator = <T>(pool: Pool, work: Work<T>) =>
  asRole(pool, "saldo_operator", { "saldo.subject": "operator" }, work);

/** Acts as a person with some other role, in a transaction. */
export const asPerson = <T>(pool: Pool, role: string, subject: string, work: Work<T>) =>
  asRole(pool, role, { "saldo.subject": subject }, work);

/** Acts as one member, in a transaction. */
export const asMember = <T>(pool: Pool, memberId: string | number, work: Work<T>) =>
  asRole(
    pool,
    "saldo_member",
    { "saldo.subject": `member ${memberId}`, "saldo.member_id": String(memberId) },
    work,
  );

/** Acts as somebody without a token, in a transaction. */
export const asAnonymous = <T>(pool: Pool, work: Work<T>) =>
  asRole(pool, "saldo_anonymous", {}, work);

/** Does what needs two people: the call of a saldo.propose_..., and another person's approval. */
export async function byTwo(source: Pool | ClientBase, proposal: string): Promise<void> {
  const client = source instanceof Pool ? await source.connect() : source;
  try {
    await client.query("begin; set local role saldo_admin; set local saldo.subject = 'one of two'");
    const { rows } = await client.query(`select id from ${proposal}`);
    await client.query("set local saldo.subject = 'the other of two'");
    await client.query("select saldo.approve_decision($1, 'agreed')", [rows[0].id]);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    if (source instanceof Pool) (client as PoolClient).release();
  }
}

/** SQLSTATE of the error that the promise ends with; "none" when it does not. */
export async function errorCode(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
