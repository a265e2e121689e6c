import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import pg from "pg";
import { WebSocket } from "ws";
import {
  hashOf,
  makeConsoleSessions,
  type SessionSource,
} from "../../src/auth/console_sessions.ts";
import { type Answer, openApi } from "../_support/api.ts";
import { runProgram } from "../_support/process.ts";
import { cookieOf, linkCode, page, signedIn } from "./_console.ts";

const api = await openApi({ config: { trustProxy: 1 } });
test.after.always(() => api.close());

const ACCOUNTS = "{ accounts(first: 1) { nodes { id } } }";
const MEMBERS = "{ members { nodes { id } } }";

/** Waits until a session is refused for having ended: what was read a moment ago is gone by until then. */
async function refused(signed: { ask(query: string): Promise<Answer> }): Promise<void> {
  for (;;) {
    const { status, code } = await signed.ask(ACCOUNTS);
    if (code === "SB060") return;
    if (status !== 200) throw new Error(`refused with ${code}`);
    await sleep(200);
  }
}

test("a link signs in once, and its cookie is for this server's pages only", async (t) => {
  const code = await linkCode(api);
  const [one, other] = await Promise.all([page(api).signIn({ code }), page(api).signIn({ code })]);
  t.deepEqual([one.status, other.status].sort(), [200, 401]);
  t.is([one, other].find(({ status }) => status === 401)?.code, "SB062");
  const good = one.status === 200 ? one : other;
  t.regex(
    good.headers.get("set-cookie") ?? "",
    /^saldo_session=[0-9a-f]{64}; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Strict$/,
  );
  const told = JSON.parse(good.text);
  t.like(told, { subject: "anna", role: "admin", member_id: null, currency: "IDR" });
  t.true(told.roles.includes("admin") && !told.roles.includes("member"));
  t.is(told.sign_in.oidc, null);
  const hours = (Date.parse(told.expires_at) - Date.now()) / 3_600_000;
  t.true(hours > 11.9 && hours <= 12);
  const signed = page(api, cookieOf(good));
  t.is((await signed.session()).subject, "anna");
  t.is((await signed.ask(ACCOUNTS)).errors, undefined);
  const [, id = ""] = cookieOf(good).split("=");
  const dump = await api.digest();
  t.false(dump.includes(id) || dump.includes(code));
});

test("without a session nobody is signed in, and that is no error", async (t) => {
  t.like(await page(api).session(), { subject: null, sign_in: { oidc: null } });
  const stale = await api.request("/console/session", {
    headers: { cookie: `saldo_session=${"0".repeat(64)}` },
  });
  t.is(JSON.parse(stale.text).subject, null);
  t.regex(stale.headers.get("set-cookie") ?? "", /^saldo_session=; .*Expires=Thu, 01 Jan 1970/);
});

test("a link that is old, a session that has ended, and a made-up one are refused", async (t) => {
  const code = await linkCode(api);
  await api.root(
    `update saldo_private.console_link set expires_at = now()
    where code_hash = sha256(convert_to($1, 'UTF8'))`,
    [code],
  );
  t.is((await page(api).signIn({ code })).code, "SB062");
  const expired = await signedIn(api, "admin", "berta");
  await api.root(
    "update saldo_private.console_session set expires_at = now() where subject = 'berta'",
  );
  await refused(expired);
  t.is((await expired.session()).subject, null);
  const madeUp = page(api, `saldo_session=${"0".repeat(64)}`);
  t.is((await madeUp.ask(ACCOUNTS)).code, "SB011");
  t.is((await page(api, "saldo_session=x").ask(ACCOUNTS)).code, "SB011");
});

test("a session made of a token ends with it, and with the service token", async (t) => {
  const jwt = await api.token({ sub: "citra", role: "operator" }, "1h");
  const told = await page(api).signIn({ token: jwt });
  const minutes = (Date.parse(JSON.parse(told.text).expires_at) - Date.now()) / 60_000;
  t.true(minutes > 59 && minutes <= 60);
  const made = await api.post(
    `mutation {
      createServiceToken(input: { role: "operator", subject: "screen" }) { result }
    }`,
  );
  const answer = await page(api).signIn({ token: made.data.createServiceToken.result });
  t.is(JSON.parse(answer.text).subject, "service:screen");
  const screen = page(api, cookieOf(answer));
  t.is((await screen.ask(ACCOUNTS)).errors, undefined);
  await api.post(
    `mutation ($id: UUID!) {
      revokeServiceToken(input: { tokenId: $id, reason: "gone" }) { result { id } }
    }`,
    { id: (await api.root("select id from saldo.service_token"))[0]?.["id"] },
  );
  await refused(screen);
  t.is((await page(api).signIn({ token: "a.b.c" })).code, "SB011");
  t.is((await page(api).signIn({ token: jwt, code: "x" })).code, "SB010");
  t.is((await page(api).signIn({ token: jwt }, { "content-type": "text/plain" })).status, 415);
});

test("the cookie counts only with the page's own origin, and JSON", async (t) => {
  const signed = await signedIn(api);
  const foreign: Record<string, string>[] = [
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: `${api.url}.evil.example` },
    { origin: api.url.replace(/:\d+$/, ":1") },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ];
  for (const headers of foreign) {
    const { status, code, errors } = await signed.ask(ACCOUNTS, headers);
    t.is(status, 401, JSON.stringify(headers));
    t.is(code, "SB061");
    t.truthy(errors?.[0]?.extensions["detail"]);
    t.is((await page(api).signIn({ code: await linkCode(api) }, headers)).code, "SB061");
    t.is((await signed.signOut(headers)).code, "SB061");
  }
  const { cookie } = signed.headers as { cookie: string };
  const without = await api.send(JSON.stringify({ query: ACCOUNTS }), { cookie });
  t.is(without.code, "SB061");
  t.is((await signed.ask(ACCOUNTS, { "content-type": "text/plain" })).status, 415);
  const twice = `${cookie}; saldo_session=${"1".repeat(64)}`;
  t.is((await signed.ask(ACCOUNTS, { cookie: twice })).code, "SB011");
  t.is((await signed.ask(ACCOUNTS)).errors, undefined, "and it is good all the while");
});

test("a token says who calls, whatever the cookie says", async (t) => {
  const signed = await signedIn(api);
  const authorization = `Bearer ${await api.token({ role: "member", member_id: "999" })}`;
  const asked = await signed.ask(MEMBERS, { authorization, origin: "http://evil.example" });
  t.deepEqual(asked.data.members.nodes, []);
  t.is((await signed.ask(MEMBERS, { authorization: "Bearer a.b.c" })).code, "SB011");
});

test("the simple door takes the session of its own pages, GET by what browsers add", async (t) => {
  const signed = await signedIn(api);
  const { cookie } = signed.headers as { cookie: string };
  const path = "/admin/balance-health/detailed-report";
  const ask = async (headers: Record<string, string>) =>
    (await api.request(path, { headers: { cookie, ...headers } })).status;
  t.is(await ask({ "sec-fetch-site": "same-origin" }), 200);
  t.is(await ask({ origin: api.url }), 200);
  t.is(await ask({}), 401);
  t.is(await ask({ "sec-fetch-site": "none" }), 401);
  t.is(await ask({ "sec-fetch-site": "cross-site" }), 401);
  t.is(await ask({ origin: "http://evil.example" }), 401);
});

test("over https the cookie is Secure and of this host only", async (t) => {
  const https = { "x-forwarded-proto": "https", "x-forwarded-host": "saldo.example" };
  const origin = "https://saldo.example";
  const code = await linkCode(api);
  const answer = await page(api).signIn({ code }, { ...https, origin });
  t.regex(answer.headers.get("set-cookie") ?? "", /^__Host-saldo_session=.*; Secure; SameSite=/);
  const signed = page(api, cookieOf(answer));
  t.is((await signed.ask(ACCOUNTS, { ...https, origin })).errors, undefined);
  t.is(
    (await signed.ask(ACCOUNTS, { ...https, origin: "http://saldo.example" })).code,
    "SB061",
    "whoever answers in between by http is another page",
  );
  const plain = cookieOf(answer).replace("__Host-", "");
  const asked = await signed.ask(ACCOUNTS, { ...https, origin, cookie: plain });
  t.not(asked.errors, undefined, "a cookie that http has set is none");
});

test("a member's session sees its own, and a link for a member names one", async (t) => {
  const ayu = await api.member("ayu", "1000");
  await api.member("budi", "500");
  const signed = await signedIn(api, "member", "ayu", "ayu");
  t.is((await signed.session()).member_id, ayu.id);
  t.deepEqual((await signed.ask(MEMBERS)).data.members.nodes, [{ id: ayu.id }]);
  await t.throwsAsync(linkCode(api, "member", "ayu"), { code: "SB010" });
  await t.throwsAsync(linkCode(api, "admin", "service:x"), { code: "SB010" });
  await t.throwsAsync(linkCode(api, "owner", "x"), { code: "SB010" });
});

test("signing out ends the session, and its sockets", async (t) => {
  const { id } = await api.member("dewi", "1");
  const [row] = await api.root("select account_id from saldo.member where id = $1", [id]);
  const signed = await signedIn(api, "operator", "eka");
  const { cookie } = signed.headers as { cookie: string };
  const open = async (origin: string) => {
    const address = `${api.url.replace("http", "ws")}/graphql`;
    const options = { headers: { cookie, origin } };
    const socket = new WebSocket(address, "graphql-transport-ws", options);
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "connection_init" }));
    return socket;
  };
  const [code] = await once(await open("http://evil.example"), "close");
  t.is(code, 4401);
  const socket = await open(api.url);
  t.regex(String(await once(socket, "message")), /connection_ack/);
  const query = `subscription { accountChanged(accountId: "${row?.["account_id"]}") { event } }`;
  socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query } }));
  t.regex(String(await once(socket, "message")), /subscribed/);
  const closed = once(socket, "close");
  const out = await signed.signOut();
  t.is(out.status, 204);
  t.regex(out.headers.get("set-cookie") ?? "", /^saldo_session=;/);
  t.is((await signed.ask(ACCOUNTS)).code, "SB060", "at this server at once");
  t.is((await closed)[0], 4403);
});

test("another server goes by what the database says", async (t) => {
  const signed = await signedIn(api, "operator", "fitri");
  t.is((await signed.ask(ACCOUNTS)).errors, undefined);
  // As the other one ends it.
  await api.root(
    `select saldo_private.end_console_session(id_hash)
    from saldo_private.console_session where subject = 'fitri'`,
  );
  await refused(signed);
  t.is((await signed.session()).subject, null);
});

test("signing in again ends the session before", async (t) => {
  const first = await signedIn(api, "operator", "gita");
  const answer = await first.signIn({ code: await linkCode(api, "operator", "gita") });
  t.is(answer.status, 200);
  t.is((await first.ask(ACCOUNTS)).code, "SB060");
  t.is((await page(api, cookieOf(answer)).ask(ACCOUNTS)).errors, undefined);
});

test.serial("of more than 20 sessions of somebody the oldest end, and nobody else's", async (t) => {
  const token = await api.token({ sub: "rudi", role: "operator" });
  const others = [await signedIn(api, "operator", "sari")];
  const oldest = page(api, cookieOf(await page(api).signIn({ token })));
  for (let count = 0; count < 20; count += 1) {
    others.push(page(api, cookieOf(await page(api).signIn({ token }))));
  }
  await refused(oldest);
  for (const each of others.slice(0, 3)) t.is((await each.ask(ACCOUNTS)).errors, undefined);
});

test("no login but the server's begins or reads sessions, and only the owner makes links", async (t) => {
  await signedIn(api, "operator", "hana");
  const client = new pg.Client({ connectionString: api.connectionString });
  await client.connect();
  await client.query(`begin;
    create role stranger_to_sessions;
    grant saldo_anonymous, saldo_admin to stranger_to_sessions;
    grant execute on all functions in schema saldo_private to saldo_anonymous`);
  const attempt = async (role: string, statement: string) => {
    await client.query(
      `savepoint s; set local session authorization stranger_to_sessions; set local role ${role}`,
    );
    const result = await client.query(statement).then(
      ({ rowCount }) => rowCount,
      (error: { code: string }) => error.code,
    );
    await client.query("rollback to s");
    return result;
  };
  const hashes = `(select array_agg(sha256(convert_to(n::text, 'UTF8'))) from generate_series(1, 2) n)`;
  t.is(
    await attempt("saldo_admin", "select saldo_private.create_console_link('\\x', 'admin', 'x')"),
    "SB006",
  );
  t.is(
    await attempt(
      "saldo_anonymous",
      "select saldo_private.begin_console_session(sha256('x'), 'admin', 'x', null, null, null)",
    ),
    "SB006",
  );
  t.is(
    await attempt(
      "saldo_anonymous",
      "select saldo_private.use_console_link(sha256('x'), sha256('y'))",
    ),
    "SB006",
  );
  t.is(
    await attempt("saldo_anonymous", `select from saldo_private.console_sessions(${hashes})`),
    0,
  );
  await client.query("rollback");
  await client.end();
});

test("npx saldo console makes links, and ends the sessions of somebody", async (t) => {
  const saldo = async (...words: string[]) => {
    const program = runProgram("bin/saldo.js", ["console", ...words], {
      DATABASE_URL: api.connectionString,
      PORT: "8090",
    });
    return { code: await program.ended, output: program.output() };
  };
  const [made, forApp] = await Promise.all([
    saldo("--role", "operator", "--subject", "ika"),
    saldo("--role", "owner"),
  ]);
  const [, code = ""] =
    /^http:\/\/localhost:8090\/console\/sign-in#(\w{64})$/m.exec(made.output) ?? [];
  const signed = page(api, cookieOf(await page(api).signIn({ code })));
  t.like(await signed.session(), { subject: "ika", role: "operator" });
  t.regex(forApp.output, /^SB010/m);
  t.regex((await saldo("end", "Ika")).output, /^1 sessions of Ika are ended/m);
  await refused(signed);
  const wrong = [saldo("end"), saldo("--subject", "service:x"), saldo("x")];
  for (const each of await Promise.all(wrong)) t.is(each.code, 2, each.output);
});

test("links and sessions whose time is long over are swept, others stay", async (t) => {
  for (const subject of ["joko", "kiki"]) {
    await signedIn(api, "operator", subject);
    await linkCode(api, "operator", subject);
  }
  for (const table of ["console_session", "console_link"]) {
    await api.root(
      `update saldo_private.${table} set expires_at = now() - interval '100 days'
      where subject = 'kiki'`,
    );
  }
  await api.root("select saldo_private.prune_console_sessions(now() - interval '90 days', 0)");
  const left = async (table: string) =>
    await api.root(`select subject from saldo_private.${table}
      where subject in ('joko', 'kiki') group by subject`);
  t.deepEqual(await left("console_session"), [{ subject: "joko" }]);
  t.deepEqual(await left("console_link"), [{ subject: "joko" }]);
  const plan = await api.root(
    "select setting_name from saldo_private.retention_plan() where table_name = 'console_session'",
  );
  t.deepEqual(plan, [{ setting_name: "working_history_days" }]);
});

test("many bad tokens and codes from an address wait", async (t) => {
  const own = await openApi();
  t.teardown(() => own.close());
  // More than two windows let pass.
  const tries = Array.from({ length: 30 }, () => page(own).signIn({ token: "a.b.c" }));
  const codes = new Set((await Promise.all(tries)).map(({ code }) => code));
  t.deepEqual([...codes].sort(), ["SB011", "SB018"]);
  t.is((await page(own).signIn({ code: await linkCode(own) })).status, 200, "a good one passes");
});

test("sessions are read for all who ask at once, and are not gone by when they cannot be", async (t) => {
  let now = 1_000_000;
  let readCount = 0;
  let isBroken = false;
  const seen: number[] = [];
  const source: SessionSource = {
    async read(hashes) {
      readCount += 1;
      if (isBroken) throw new Error("gone");
      return hashes.map((id_hash) => ({
        id_hash,
        role: "operator",
        subject: "x",
        member_id: null,
        service_token_id: null,
        expires_at: new Date(1_040_000),
        is_good: true,
      }));
    },
    see: async (hashes) => void seen.push(hashes.length),
  };
  const sessions = makeConsoleSessions(source, () => now);
  const ids = Array.from({ length: 100 }, (_, number) => String(number).padStart(64, "0"));
  await Promise.all(ids.map((id) => sessions.find(id)));
  t.true(readCount <= 2, `${readCount} reads`);
  t.is(seen.length, 100);
  await Promise.all(ids.map((id) => sessions.find(id)));
  t.true(readCount <= 2);
  t.is(seen.length, 100, "use is noted seldom");
  // As their subscriptions ask, each every two seconds at a time of its own: 100 open consoles.
  const before = readCount;
  for (let step = 0; step < 500; step += 1) {
    now += 20;
    t.true(await sessions.isGood(hashOf(ids[step % 100] ?? "")));
  }
  t.true(readCount - before <= 10, `${readCount - before} reads in ten seconds`);
  const reading = sessions.isGood(hashOf(ids[1] ?? ""));
  sessions.noteEnd(hashOf(ids[1] ?? ""));
  await reading;
  t.false(await sessions.isGood(hashOf(ids[1] ?? "")), "whatever was read meanwhile");
  isBroken = true;
  const [id = ""] = ids;
  now += 3000;
  t.true((await sessions.find(id))?.is_good, "for a moment");
  now += 2001;
  await t.throwsAsync(sessions.find(id), { message: "gone" });
  isBroken = false;
  t.true((await sessions.find(id))?.is_good);
  now = 1_040_000;
  t.false((await sessions.find(id))?.is_good, "expired meanwhile");
});
