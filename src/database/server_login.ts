/**
 * The login of the API. Roles belong to the whole cluster: each database has a login of its own, so
 * that another Saldo in the cluster, whoever owns it and of whatever version, has nothing to do with
 * it. Its password is random, and kept in the database for the servers to come.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { Client, type ClientBase, escapeIdentifier, escapeLiteral } from "pg";
import { StartError } from "../start_error.ts";
import { OwnClient } from "./own_client.ts";
import { refuseSettings } from "./refused_settings.ts";
import { withLockTimeout } from "./start_wait.ts";
import { withRole } from "./with_role.ts";

interface Login {
  readonly login: string;
  readonly password: string;
}

/**
 * The address with which the API logs in: that of the settings, or the database's own login on the
 * owner's server. That is made when logging in with it fails; on a standby, which has it from its
 * primary, it is not.
 *
 * @throws StartError when it cannot log in, or may not speak for callers
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
  const owner = new OwnClient({
    connectionString: withLockTimeout(ownerUrl),
    application_name: "saldo start",
  });
  owner.on("error", () => {}); // a lost connection fails the query that was under way
  await owner.connect();
  try {
    return await ownLogin(owner, new URL(ownerUrl), isReplica);
  } finally {
    await owner.end();
  }
}

async function ownLogin(owner: Client, ownerUrl: URL, isReplica: boolean): Promise<string> {
  const kept = await keptLogin(owner);
  let refusal: string | undefined = "it is made by the first server on the primary";
  if (kept !== undefined) {
    const address = withLogin(ownerUrl, kept);
    refusal = await refusalOf(address);
    if (refusal === undefined) return address;
  }
  if (!isReplica) {
    const address = withLogin(ownerUrl, await makeLogin(owner));
    refusal = await refusalOf(address);
    if (refusal === undefined) return address;
  }
  throw new StartError(
    `The API cannot log in as ${kept?.login ?? "the login of this database"} (${refusal}): give ` +
      "its login as SERVER_DATABASE_URL.",
  );
}

// A copy or a restored dump brings along the row of the database that it comes from.
const here = `
  select d.oid as database_id, saldo_private.current_cluster() as cluster
  from pg_catalog.pg_database as d
  where d.datname = current_database()`;

/** The login that was made for this very database. */
async function keptLogin(owner: Client): Promise<Login | undefined> {
  return await withRole(owner, { settings: { role: "saldo_owner" } }, async (client) => {
    const { rows } = await client.query<Login>(`
      select l.login, l.password
      from saldo_private.server_login as l
      join (${here}) as here on here.database_id = l.database_id and here.cluster = l.cluster`);
    return rows[0];
  });
}

/** Makes the login, or gives it its password again; servers that start at once take turns. */
async function makeLogin(owner: Client): Promise<Login> {
  return await withRole(owner, { settings: { role: "saldo_owner" } }, async (client) => {
    const password = randomBytes(24).toString("base64url");
    await client.query(
      `insert into saldo_private.server_login as l (id, login, password, database_id, cluster)
      select 1, 'saldo_server_' || here.database_id, $1, here.database_id, here.cluster
      from (${here}) as here
      on conflict (id) do update
      set login = excluded.login, password = excluded.password,
        database_id = excluded.database_id, cluster = excluded.cluster, made_at = now()
      where (l.database_id, l.cluster) is distinct from (excluded.database_id, excluded.cluster)`,
      [password],
    );
    const { rows } = await client.query<Login>(
      "select login, password from saldo_private.server_login for update",
    );
    const login = rows[0] as Login;
    await client.query("set local role none");
    await makeRole(client, login);
    return login;
  });
}

async function makeRole(client: ClientBase, { login, password }: Login): Promise<void> {
  const { rows } = await client.query<{ database: string; exists: boolean }>(
    "select current_database() as database, to_regrole(quote_ident($1)) is not null as exists",
    [login],
  );
  const name = escapeIdentifier(login);
  const secret = escapeLiteral(scramSecret(password));
  const doing = rows[0]?.exists ? "alter" : "create";
  await client.query(`${doing} role ${name} login noinherit password ${secret}`);
  await client.query(`grant saldo_server to ${name}`);
  // Where the owner has taken it from public.
  const database = escapeIdentifier(rows[0]?.database ?? "");
  await client.query(`grant connect on database ${database} to ${name}`);
}

/** What PostgreSQL keeps of a password: sent like this, no log of statements has the password. */
function scramSecret(password: string): string {
  const salt = randomBytes(16);
  const iterations = 4096;
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const keyOf = (what: string) => createHmac("sha256", salted).update(what).digest();
  const storedKey = createHash("sha256").update(keyOf("Client Key")).digest("base64");
  const serverKey = keyOf("Server Key").toString("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

function withLogin(address: URL, { login, password }: Login): string {
  const url = new URL(address);
  for (const name of ["user", "password"]) url.searchParams.delete(name);
  if (url.hostname === "") {
    // A URL without a host (a socket's) has no place for a login before it.
    url.searchParams.set("user", login);
    url.searchParams.set("password", password);
  } else {
    url.username = login;
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
