import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { Client } from "pg";
import { startEmbedded } from "../../src/database/embedded.ts";
import { migrate } from "../../src/database/migrate.ts";
import { serverFolder } from "./server_folder.ts";

/**
 * `npm test`: a real PostgreSQL for the tests (that of DATABASE_URL, or an embedded one that is
 * thrown away), a migrated template database in it, then AVA with a clone for every test file.
 */

const template = `saldo_test_template_${randomBytes(4).toString("hex")}`;

async function startServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const given = process.env["DATABASE_URL"];
  if (given) return { url: given, stop: async () => {} };
  const folder = serverFolder("saldo-test");
  // The faults that need a durable server start one of their own.
  // A check touches every table, and dozens of tests check at once.
  const server = await startEmbedded(folder, {
    fsync: "off",
    max_connections: "400",
    max_locks_per_transaction: "256",
  });
  return {
    url: server.connectionString,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function prepareTemplate(url: string): Promise<string> {
  const root = new Client({ connectionString: url });
  root.on("error", () => {});
  await root.connect();
  const { rows } = await root.query<{ datname: string }>(
    `select datname from pg_database
    where datname ~ '^saldo_test_[0-9a-f]{12}$'
    and not exists (select from pg_stat_activity where pg_stat_activity.datname = pg_database.datname)`,
  );
  for (const { datname } of rows) await root.query(`drop database if exists ${datname}`);
  await root.query(`create database ${template}`);
  const templateUrl = new URL(url);
  templateUrl.pathname = `/${template}`;
  await migrate(templateUrl.href);
  await acceptServer(templateUrl.href);
  const password = await makeServerLogin(root);
  await root.end();
  return password;
}

/** A login as one may give to the API, for all databases of the tests. */
async function makeServerLogin(root: Client): Promise<string> {
  const password = randomBytes(18).toString("base64url");
  await root.query(`do $$ begin
    if to_regrole('saldo_test_server') is null then
      create role saldo_test_server login noinherit in role saldo_server;
    end if;
  end $$`);
  await root.query(`alter role saldo_test_server password '${password}'`);
  return password;
}

/** Tests do not need what they write after a crash of the server: it may do without fsync. */
async function acceptServer(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `select saldo.accept_configuration(c.key, 'a server for tests')
      from saldo_private.acceptable_configuration() as c
      where c.key in ('setting fsync', 'setting full_page_writes', 'setting synchronous_commit')`,
    );
  } finally {
    await client.end();
  }
}

async function dropTemplate(url: string): Promise<void> {
  const root = new Client({ connectionString: url });
  await root.connect();
  await root.query(`drop database if exists ${template} with (force)`);
  await root.end();
}

let child: ReturnType<typeof spawn> | undefined;
let isCancelled = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    isCancelled = true;
    child?.kill(signal);
  });
}
const server = await startServer();
try {
  const password = await prepareTemplate(server.url);
  if (isCancelled) throw new Error("cancelled");
  const ava = new URL("../../node_modules/.bin/ava", import.meta.url).pathname;
  const { DATABASE_URL: _, ...environment } = process.env;
  // Each file and each server that a test starts compiles the same modules: once is enough.
  const compiled = new URL("../../node_modules/.cache/compiled", import.meta.url).pathname;
  const started = spawn(ava, process.argv.slice(2), {
    stdio: "inherit",
    env: {
      NODE_COMPILE_CACHE: compiled,
      ...environment,
      SALDO_TEST_DATABASE_URL: server.url,
      SALDO_TEST_TEMPLATE: template,
      SALDO_TEST_SERVER_PASSWORD: password,
    },
  });
  child = started;
  process.exitCode = await new Promise<number>((done) =>
    started.once("exit", (code) => done(code ?? 1)),
  );
  await dropTemplate(server.url);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await server.stop();
}
