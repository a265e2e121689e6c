import { createHash } from "node:crypto";
import { once } from "node:events";
import test from "ava";
import { Client } from "pg";
import { WebSocket } from "ws";
import { makeServiceTokens, type ServiceToken } from "../../src/auth/service_tokens.ts";
import { openApi } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

const CREATE = `mutation ($role: String!, $subject: String!, $member: String, $end: Datetime) {
  createServiceToken(input: {
    role: $role, subject: $subject, memberCode: $member, expiresAt: $end
  }) { result }
}`;
const REVOKE = `mutation ($id: UUID!) {
  revokeServiceToken(input: { tokenId: $id, reason: "lost" }) { result { revokedBy } }
}`;

async function create(role: string, subject: string, more: object = {}): Promise<string> {
  const { data, errors } = await api.post(CREATE, { role, subject, ...more });
  return data?.createServiceToken?.result ?? errors?.[0]?.extensions["code"];
}

async function idOf(subject: string): Promise<string> {
  const rows = await api.root("select id from saldo.service_token where subject = $1", [subject]);
  return String(rows[0]?.["id"]);
}

const ACCOUNTS = "{ accounts(first: 1) { nodes { id } } }";

test("a service token is its role's caller, and stands in no table", async (t) => {
  const token = await create("operator", "nightly");
  t.regex(token, /^sst_[0-9a-f]{32}_[0-9a-f]{64}$/);
  t.is((await api.post(ACCOUNTS, {}, token)).errors, undefined);
  const refused = await api.post(CREATE, { role: "admin", subject: "more" }, token);
  t.is(refused.code, "SB006");
  const [, , secret = ""] = token.split("_");
  const dump = await api.digest();
  t.false(dump.includes(secret));
  const kept = await api.root(
    `select k.created_by, encode(s.secret_hash, 'hex') as hash
    from saldo.service_token as k
    join saldo_private.service_token_secret as s on s.token_id = k.id
    where k.subject = 'nightly'`,
  );
  t.is(kept[0]?.["created_by"], "root");
  t.not(kept[0]?.["hash"], secret);
});

test("a member's service token sees and spends what is that member's", async (t) => {
  const member = await api.member("ayu", "1000");
  await api.member("budi", "500");
  const token = await create("member", "kiosk", { member: "ayu" });
  const { data } = await api.post("{ members { nodes { id } } }", {}, token);
  t.deepEqual(data.members.nodes, [{ id: member.id }]);
});

test("what cannot be a token is refused", async (t) => {
  const past = new Date(Date.now() - 1000).toISOString();
  const late = new Date(Date.now() + 3 * 365 * 86_400_000).toISOString();
  t.is(await create("owner", "x"), "SB010");
  t.is(await create("anonymous", "x"), "SB010");
  t.is(await create("operator'; drop", "x"), "SB010");
  t.is(await create("operator", "a\nb"), "SB008");
  t.is(await create("operator", "x", { end: past }), "SB010");
  t.is(await create("operator", "x", { end: late }), "SB010");
  t.is(await create("member", "x"), "SB010");
  t.is(await create("operator", "x", { member: "ayu" }), "SB010");
  t.is(await create("member", "x", { member: "nobody" }), "SB304");
  t.deepEqual(await api.root("select from saldo.service_token where subject = 'x'"), []);
});

test("a token that is revoked ends within seconds, its subscriptions too", async (t) => {
  const token = await create("operator", "dashboard");
  const { id } = await api.member("citra", "1");
  const rows = await api.root("select account_id from saldo.member where id = $1", [id]);
  const socket = new WebSocket(`${api.url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
  await once(socket, "open");
  const payload = { Authorization: `Bearer ${token}` };
  socket.send(JSON.stringify({ type: "connection_init", payload }));
  await once(socket, "message");
  const query = `subscription {
    accountChanged(accountId: "${rows[0]?.["account_id"]}") { event }
  }`;
  socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query } }));
  t.regex(String(await once(socket, "message")), /subscribed/);
  const closed = once(socket, "close");
  t.is((await api.post(REVOKE, { id: await idOf("dashboard") })).errors, undefined);
  const revokedAt = Date.now();
  t.is((await closed)[0], 4403);
  while ((await api.post(ACCOUNTS, {}, token)).status !== 401) {
    t.true(Date.now() - revokedAt < 60_000);
  }
  // Asked for again it is refused for what it is, and no other one with it.
  t.is((await api.post(ACCOUNTS, {}, token)).code, "SB011");
  t.is((await api.post(ACCOUNTS, {}, await create("operator", "other"))).errors, undefined);
});

test("a secret of another token, a changed one and a signed service:… are refused", async (t) => {
  const [one, other] = [await create("operator", "one"), await create("admin", "two")];
  const [, id] = one.split("_");
  const [, , secret = ""] = other.split("_");
  t.is((await api.post(ACCOUNTS, {}, `sst_${id}_${secret}`)).code, "SB011");
  t.is(
    (
      await api.post(
        ACCOUNTS,
        {},
        other.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
      )
    ).code,
    "SB011",
  );
  t.is((await api.post(ACCOUNTS, {}, await api.token({ sub: "service:one" }))).code, "SB011");
});

test("no login but the server's is told the hashes of tokens", async (t) => {
  await create("operator", "hashed");
  const client = new Client({ connectionString: api.connectionString });
  await client.connect();
  await client.query(`begin;
    create role stranger_to_tokens;
    grant saldo_anonymous to stranger_to_tokens;
    create role server_of_tokens;
    grant saldo_server to server_of_tokens`);
  const told = async (login: string) => {
    await client.query(`set local session authorization ${login}; set local role saldo_anonymous`);
    const { rows } = await client.query("select from saldo_private.good_service_tokens()");
    await client.query("reset session authorization");
    return rows.length;
  };
  t.is(await told("stranger_to_tokens"), 0);
  t.true((await told("server_of_tokens")) > 0);
  await client.query("rollback");
  await client.end();
});

const token = (id: string, secretHash: Buffer, expiresAt: number): ServiceToken => ({
  id,
  secret_hash: secretHash,
  role: "operator",
  subject: "x",
  member_id: null,
  expires_at: new Date(expiresAt),
});

test("tokens are read seldom, and not gone by when they cannot be read", async (t) => {
  const secret = "0".repeat(64);
  const hash = createHash("sha256").update(secret).digest();
  const id = "00000000-0000-4000-8000-000000000001";
  const given = `sst_${id.replaceAll("-", "")}_${secret}`;
  let now = 1_000_000;
  let all = [token(id, hash, now + 20_000)];
  let readCount = 0;
  let isBroken = false;
  const tokens = makeServiceTokens(
    async () => {
      readCount += 1;
      if (isBroken) throw new Error("gone");
      return all;
    },
    () => now,
  );
  for (let number = 0; number < 100; number += 1) t.is((await tokens.find(given))?.id, id);
  const guesses = Array.from({ length: 100 }, (_, number) =>
    tokens.find(`sst_${String(number).padStart(32, "f")}_${secret}`),
  );
  t.true((await Promise.all(guesses)).every((each) => each === undefined));
  t.true(readCount <= 3, `${readCount} reads`);
  isBroken = true;
  now += 3000;
  t.is((await tokens.find(given))?.id, id, "while it cannot be read, for a moment");
  now += 2001;
  await t.throwsAsync(tokens.find(given), { message: "gone" });
  isBroken = false;
  t.is((await tokens.find(given))?.id, id);
  all = [];
  now += 5001;
  t.is(await tokens.find(given), undefined, "revoked");
  all = [token(id, hash, now + 1)];
  now += 1001;
  t.is(await tokens.find(given), undefined, "expired meanwhile");
});
