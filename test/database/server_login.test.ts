import { randomBytes } from "node:crypto";
import test from "ava";
import { migrate } from "../../src/database/migrate.ts";
import { serverLogin } from "../../src/database/server_login.ts";
import { StartError } from "../../src/start_error.ts";
import { errorCode, openTestDatabase, urlOf } from "../_support/database.ts";
import { withClient, withEmptyDatabase } from "./_databases.ts";

/** Databases of one cluster, with owners and versions of their own, and the login of each API. */

const root = <T>(text: string, values: unknown[] = []) =>
  withClient(urlOf("postgres"), async (client) => (await client.query(text, values)).rows as T[]);
const nameOf = (url: string) => new URL(url).pathname.slice(1);
const loginOf = (url: string) => new URL(url).username;
const canLogIn = (url: string) => errorCode(withClient(url, (client) => client.query("select 1")));

/** A login for the time of the work. */
async function withLogin<T>(options: string, work: (name: string, password: string) => Promise<T>) {
  // Not by a name of Saldo's, whose roles may not make roles.
  const name = `test_owner_${randomBytes(4).toString("hex")}`;
  const password = randomBytes(9).toString("hex");
  await root(`create role ${name} login password '${password}' ${options}`);
  try {
    return await work(name, password);
  } finally {
    await root(`drop owned by ${name}; drop role ${name}`);
  }
}

/** A database for the time of the work, which belongs to this login. */
async function withDatabaseOf<T>(owner: string, work: (name: string) => Promise<T>, from = "") {
  const name = `saldo_test_${randomBytes(6).toString("hex")}`;
  await root(`create database ${name} owner ${owner} ${from}`);
  try {
    return await work(name);
  } finally {
    // Who owns no database any more, and could become the owner, is a finding elsewhere.
    await root(`revoke saldo_owner from ${owner} cascade`);
    // Logins of the API are made by the start, and stay when a database goes.
    const [login] = await root<{ name: string }>(
      "select 'saldo_server_' || oid as name from pg_database where datname = $1",
      [name],
    );
    await root(`drop database ${name} with (force)`);
    await root(`drop role if exists ${login?.name}`);
  }
}

const secretOfSharedRole = () =>
  root("select rolcanlogin, rolpassword from pg_authid where rolname = 'saldo_server'");

test("databases of different owners have logins of their own, and a copy gets one too", async (t) => {
  await withLogin("superuser", (ann, annsPassword) =>
    withLogin("superuser", (bob, bobsPassword) =>
      withDatabaseOf(ann, (first) =>
        withDatabaseOf(bob, async (second) => {
          const annsUrl = urlOf(first, { name: ann, password: annsPassword });
          const bobsUrl = urlOf(second, { name: bob, password: bobsPassword });
          await migrate(annsUrl);
          await migrate(bobsUrl);
          const shared = await secretOfSharedRole();
          // Servers that start at once agree on one.
          const firsts = await Promise.all([1, 2, 3].map(() => serverLogin(annsUrl, undefined)));
          t.is(new Set(firsts).size, 1);
          const ofFirst = String(firsts[0]);
          const ofSecond = await serverLogin(bobsUrl, undefined);
          t.not(loginOf(ofFirst), loginOf(ofSecond));
          t.is(await canLogIn(ofFirst), "none");

          await withDatabaseOf(
            bob,
            async (copy) => {
              const copysUrl = urlOf(copy, { name: bob, password: bobsPassword });
              const ofCopy = await serverLogin(copysUrl, undefined);
              t.is(new Set([ofFirst, ofSecond, ofCopy].map(loginOf)).size, 3);
              t.is(
                new Set([ofFirst, ofSecond, ofCopy].map((url) => new URL(url).password)).size,
                3,
              );
              t.is(await serverLogin(copysUrl, undefined), ofCopy);
            },
            `template ${second}`,
          );
          t.is(await canLogIn(ofFirst), "none");
          t.is(await canLogIn(ofSecond), "none");
          t.is(await serverLogin(annsUrl, undefined), ofFirst);
          // A password that somebody has changed is set again, by the one that is kept.
          await root(`alter role ${loginOf(ofFirst)} password 'another'`);
          t.is(await serverLogin(annsUrl, undefined), ofFirst);
          t.deepEqual(await secretOfSharedRole(), shared);
        }),
      ),
    ),
  );
});

test("whoever owns another database gets into this one only where it lets connect", async (t) => {
  await withLogin("createrole", (ann, annsPassword) =>
    withDatabaseOf(ann, async (first) => {
      await root(
        `grant saldo_owner, saldo_admin, saldo_server, saldo_rule_reader to ${ann}
        with admin option`,
      );
      const annsUrl = urlOf(first, { name: ann, password: annsPassword });
      await migrate(annsUrl);
      const ofFirst = await serverLogin(annsUrl, undefined);
      await withEmptyDatabase(async (url) => {
        await root(`revoke connect on database ${nameOf(url)} from public`);
        await migrate(url);
        const ofSecond = await serverLogin(url, undefined);
        t.is(await canLogIn(ofSecond), "none");
        const elsewhere = (address: string) => address.replace(first, nameOf(url));
        t.is(await canLogIn(elsewhere(annsUrl)), "42501");
        t.is(await canLogIn(elsewhere(ofFirst)), "42501");
        await root(`drop owned by ${loginOf(ofSecond)}`);
        await withClient(url, (client) =>
          client.query(`drop owned by ${loginOf(ofSecond)}; drop role ${loginOf(ofSecond)}`),
        );
      });
    }),
  );
});

test("a second owner who may not use the roles of the first is told what to say", async (t) => {
  await withLogin("createrole", (bob, password) =>
    withDatabaseOf(bob, async (name) => {
      const url = urlOf(name, { name: bob, password });
      const [server] = await root<{ number: number }>(
        "select current_setting('server_version_num')::integer as number",
      );
      // Up to 15 whoever may make roles may grant all of them.
      if (Number(server?.number) >= 160_000) {
        const { message } = await t.throwsAsync(migrate(url), { instanceOf: StartError });
        const say = /say `(grant saldo_owner.* with admin option)`/.exec(message)?.[1];
        t.truthy(say, message);
        await root(String(say));
      }
      t.truthy(await migrate(url));
      t.is(await canLogIn(await serverLogin(url, undefined)), "none");
    }),
  );
});

// Before the others, which look whether that role stays as it is.
test.serial("an older version beside it keeps its login, and is no finding", async (t) => {
  const database = await openTestDatabase(2);
  try {
    // What the start of a version before this one did, for its own database.
    const [before] = await secretOfSharedRole();
    await root("alter role saldo_server login password 'derived from its owner''s'");
    const shared = await secretOfSharedRole();
    const login = await serverLogin(database.connectionString, undefined);
    t.is(await canLogIn(login), "none");
    t.deepEqual(await secretOfSharedRole(), shared);
    const older = urlOf("postgres", { name: "saldo_server", password: "derived from its owner's" });
    t.is(await canLogIn(older), "none");
    const { rows } = await database.pool.query(
      "select * from saldo_private.rule_engine_configuration() where key ~ 'saldo_server'",
    );
    t.deepEqual(rows, []);
    if (!(before as { rolcanlogin: boolean }).rolcanlogin) {
      await root("alter role saldo_server nologin password null");
    }
    await database.pool.query(`drop owned by ${loginOf(login)}; drop role ${loginOf(login)}`);
  } finally {
    await database.close();
  }
});

test("the password is nobody's to read but the owner's", async (t) => {
  const database = await openTestDatabase(2);
  try {
    for (const role of ["saldo_admin", "saldo_operator", "saldo_server", "saldo_rule_reader"]) {
      const look = database.pool.query(
        `begin; set local role ${role}; select password from saldo_private.server_login`,
      );
      t.is(await errorCode(look), "42501", role);
      await database.pool.query("rollback");
    }
  } finally {
    await database.close();
  }
});

test("a login of the API that may not speak for callers is refused in a sentence", async (t) => {
  const database = await openTestDatabase(2);
  const name = `${database.name}_api`;
  const given = urlOf(database.name, { name, password: "not a secret" });
  try {
    await database.pool.query(
      `create role ${name} login noinherit password 'not a secret' in role saldo_member`,
    );
    const error = await t.throwsAsync(serverLogin(database.connectionString, given), {
      instanceOf: StartError,
    });
    t.regex(error.message, new RegExp(`say \`grant saldo_server to ${name}\``));
    await database.pool.query(`grant saldo_server to ${name}`);
    t.is(await serverLogin(database.connectionString, given), given);
  } finally {
    await database.pool.query(`drop owned by ${name}; drop role ${name}`);
    await database.close();
  }
});
