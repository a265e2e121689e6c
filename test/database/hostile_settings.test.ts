import { randomBytes } from "node:crypto";
import test from "ava";
import { Client } from "pg";
import { signToken } from "../../src/auth/token.ts";
import { migrate } from "../../src/database/migrate.ts";
import { OwnClient } from "../../src/database/own_client.ts";
import { SECRET } from "../_support/api.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { poolerMissing, startPooler } from "../_support/pooler.ts";
import { type Program, runProgram } from "../_support/process.ts";
import { withClient, withEmptyDatabase } from "./_databases.ts";

/*
 * Databases that were given settings for other applications, or event triggers of theirs: Saldo
 * works all the same, or says what is in its way.
 */

const nameOf = (url: string) => new URL(url).pathname.slice(1);
const quoted = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** Gives a database these settings. */
async function give(url: string, settings: Record<string, string>): Promise<void> {
  await withClient(url, async (client) => {
    for (const [name, value] of Object.entries(settings)) {
      // Not every server knows every one.
      const { rowCount } = await client.query("select from pg_settings where lower(name) = $1", [
        name,
      ]);
      if (rowCount === 0) continue;
      // A list is set as such: a text in quotes would be one name.
      const text = name === "search_path" ? value : quoted(value);
      await client.query(`alter database ${nameOf(url)} set ${name} = ${text}`);
    }
  });
}

const run = (url: string, part: string[] = []): Program =>
  runProgram("src/main.ts", part, {
    PORT: "0",
    NODE_ENV: "development",
    DATABASE_URL: url,
    SERVER_DATABASE_URL: serverUrlOf(url),
    SALDO_JWT_SECRET: SECRET,
    SALDO_LOG_LEVEL: "info",
  });

let database: TestDatabase;
test.before(async () => {
  database = await openTestDatabase(3);
});
test.after.always(() => database?.close());

/** The login of the API on another database of the server. */
function serverUrlOf(url: string): string {
  const server = new URL(database.serverConnectionString);
  server.pathname = new URL(url).pathname;
  return server.href;
}

async function ask(address: string, query: string): Promise<string> {
  const token = await signToken(SECRET, { sub: "tester", role: "admin" }, "1h");
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return await response.text();
}

const makeCustomer = (code: string) =>
  `mutation { createCustomer(input: { code: "${code}", name: "Example" }) { result { code } } }`;

const settingsByKind: Record<string, Record<string, string>> = {
  "repeatable read": { default_transaction_isolation: "repeatable read" },
  "serializable, deferrable": {
    default_transaction_isolation: "serializable",
    default_transaction_deferrable: "on",
  },
  "short limits of time": {
    statement_timeout: "500ms",
    lock_timeout: "5ms",
    idle_in_transaction_session_timeout: "200ms",
    idle_session_timeout: "300ms",
    transaction_timeout: "500ms",
  },
  "another way of writing": {
    datestyle: "SQL, DMY",
    intervalstyle: "sql_standard",
    timezone: "Asia/Kathmandu",
    bytea_output: "escape",
    client_encoding: "LATIN1",
    extra_float_digits: "0",
    standard_conforming_strings: "off",
    quote_all_identifiers: "on",
    array_nulls: "off",
    transform_null_equals: "on",
  },
  "names of another application": { search_path: "elsewhere", row_security: "off" },
};
for (const [kind, settings] of Object.entries(settingsByKind)) {
  test.serial(`an empty database is taken with ${kind}, and all parts work in it`, async (t) => {
    await withEmptyDatabase(async (url) => {
      await give(url, settings);
      const program = run(url);
      try {
        const [, address = ""] = await program.printed(/"address":"(http:[^"]+)"/);
        await program.printed(/jobs are running/);
        t.regex(await ask(address, makeCustomer("C1")), /"code":"C1"/);
        for (const words of [["migrate"], ["verify"]]) {
          const command = runProgram("src/cli/main.ts", words, { DATABASE_URL: url });
          t.is(await command.ended, 0, command.output());
        }
        // It may find what the server of tests was given, and settings of this kind.
        const check = runProgram("src/cli/main.ts", ["check"], { DATABASE_URL: url });
        await check.ended;
        t.regex(check.output(), /healthy.* rules \(0 failed\)/s);
        const client = new OwnClient({ connectionString: url });
        await client.connect();
        try {
          for (let isDone = false; !isDone; ) {
            const { rows } = await client.query(
              "select (saldo_private.worker_state()).is_silent = false as is_done",
            );
            isDone = rows[0].is_done;
          }
        } finally {
          await client.end();
        }
      } finally {
        program.child.kill("SIGTERM");
        t.is(await program.ended, 0, program.output());
      }
      t.notRegex(program.output(), /"level":"error"/);
    });
  });
}

test.serial("a login that is given another role is itself again in our sessions", async (t) => {
  // Checks of other tests look at the roles of the whole server whose names begin with saldo_.
  const login = `keeper_${randomBytes(6).toString("hex")}`;
  try {
    await withEmptyDatabase(async (url) => {
      await withClient(url, async (client) => {
        await client.query(`create role ${login} superuser login password 'of a test';
          alter role ${login} in database ${nameOf(url)} set role = pg_read_all_data`);
      });
      const address = new URL(url);
      address.username = login;
      address.password = "of a test";
      const start = runProgram("src/cli/main.ts", ["migrate"], { DATABASE_URL: address.href });
      t.is(await start.ended, 0, start.output());
    });
  } finally {
    await database.pool.query(`drop role if exists ${login}`);
  }
});

test.serial("what the address itself says about a setting stays", async (t) => {
  await withEmptyDatabase(async (url) => {
    await give(url, { statement_timeout: "7s", lock_timeout: "7s" });
    const address = new URL(url);
    address.searchParams.set("options", "-c lock_timeout=9s -c role=pg_read_all_data");
    const client = new OwnClient({ connectionString: address.href });
    await client.connect();
    try {
      const { rows } = await client.query(
        `select current_setting('statement_timeout') as statement,
          current_setting('lock_timeout') as lock, current_user as role`,
      );
      t.deepEqual(rows, [{ statement: "0", lock: "9s", role: "pg_read_all_data" }]);
    } finally {
      await client.end();
    }
  });
});

for (const [name, value] of [
  ["default_transaction_read_only", "on"],
  ["session_replication_role", "replica"],
] as const) {
  test.serial(`${name} = ${value} is refused, with the way to set it`, async (t) => {
    const other = await openTestDatabase(1);
    const url = other.connectionString;
    try {
      await give(url, { [name]: value });
      for (const part of [[], ["server"], ["worker"]]) {
        const program = run(url, part);
        t.is(await program.ended, 1);
        t.regex(
          program.output(),
          new RegExp(`^${name} is ${value} for the login of DATABASE_URL,`),
        );
      }
      const [, remedy = ""] = /`(alter role [^`]+)`/.exec(
        (await t.throwsAsync(migrate(url)))?.message ?? "",
      ) as RegExpExecArray;
      // Not in a session that has the setting itself: it could write nothing.
      await database.pool.query(remedy);
      await t.notThrowsAsync(migrate(url));
      const server = run(url, ["server"]);
      t.is(await server.ended, 1);
      t.regex(
        server.output(),
        new RegExp(`${name} is ${value} for the login of SERVER_DATABASE_URL`),
      );
    } finally {
      await other.close();
    }
  });
}

test.serial("a call in psql is told that it needs read committed", async (t) => {
  const other = await openTestDatabase(1);
  try {
    await give(other.connectionString, { default_transaction_isolation: "repeatable read" });
    await withClient(other.connectionString, async (client) => {
      for (const call of [
        "saldo.seal_journal()",
        "saldo.settle_sub_balances()",
        "saldo.continue_retention()",
      ]) {
        const error = await t.throwsAsync(client.query(`select ${call}`), undefined, call);
        t.is((error as { code?: string }).code, "SB020", `${call}: ${error?.message}`);
      }
    });
  } finally {
    await other.close();
  }
});

/** An event trigger of another application; its function does this. */
const eventTrigger = (body: string, more = "") => `
  create schema shop;
  create table shop.ddl_log (tag text, at timestamptz not null default now());
  create function shop."look at ddl"() returns event_trigger language plpgsql ${more} as $$
  begin
    ${body}
  end
  $$;
  create event trigger watch_ddl on ddl_command_end execute function shop."look at ddl"()`;

test.serial("an event trigger that logs does not disturb a start", async (t) => {
  await withEmptyDatabase(async (url) => {
    const body = "insert into shop.ddl_log (tag) values (tg_tag); raise notice 'ddl %', tg_tag;";
    await withClient(url, (client) => client.query(eventTrigger(body, "security definer")));
    await migrate(url);
    t.is(await migrate(url), undefined, "there is nothing left to do");
    await withClient(url, async (client) => {
      const { rows } = await client.query("select count(*) > 100 as is_logged from shop.ddl_log");
      t.true(rows[0].is_logged);
    });
  });
});

for (const [what, body, words] of [
  ["refuses", "raise exception 'no ddl today';", /says: no ddl today\. Let it pass what/],
  [
    "may not log",
    "insert into shop.ddl_log (tag) values (tg_tag);",
    /says: permission denied for schema shop\. It lacks a right as saldo_owner.* security definer/,
  ],
] as const) {
  test.serial(`an event trigger that ${what} is named with its function`, async (t) => {
    await withEmptyDatabase(async (url) => {
      await withClient(url, (client) => client.query(eventTrigger(body)));
      const program = run(url);
      t.is(await program.ended, 1);
      t.regex(program.output(), /^The event trigger watch_ddl of another application/);
      t.regex(program.output(), /Its function shop\."look at ddl"\(\) says/);
      t.regex(program.output(), words);
      const [, remedy = ""] = /`(alter event trigger \w+ disable)`/.exec(
        program.output(),
      ) as RegExpExecArray;
      await withClient(url, (client) => client.query(remedy));
      await t.notThrowsAsync(migrate(url));
    });
  });
}

const missing = poolerMissing();
(missing === undefined ? test.serial : test.serial.skip)(
  "the API writes through a pooler to a database of repeatable read, and sets nothing there",
  async (t) => {
    const other = await openTestDatabase(1);
    await give(other.connectionString, {
      default_transaction_isolation: "repeatable read",
      statement_timeout: "8s",
    });
    const pooler = await startPooler([other.connectionString, other.serverConnectionString], {
      pool_mode: "transaction",
      default_pool_size: 1,
    });
    const through = pooler.through(other.serverConnectionString);
    const program = runProgram("src/main.ts", ["server"], {
      PORT: "0",
      NODE_ENV: "development",
      DATABASE_URL: other.connectionString,
      SERVER_DATABASE_URL: through,
      SALDO_JWT_SECRET: SECRET,
    });
    const guest = new Client({ connectionString: through });
    try {
      const [, address = ""] = await program.printed(/"address":"(http:[^"]+)"/);
      t.regex(await ask(address, makeCustomer("C1")), /"code":"C1"/);
      await guest.connect();
      const { rows } = await guest.query(
        `select current_setting('default_transaction_isolation') as isolation,
          current_setting('statement_timeout') as statement`,
      );
      t.deepEqual(rows, [{ isolation: "repeatable read", statement: "8s" }]);
    } finally {
      await guest.end().catch(() => {});
      program.child.kill("SIGTERM");
      await program.ended;
      await pooler.stop();
      await other.close();
    }
  },
);
