import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import test from "ava";
import { ownPath } from "../../src/http/console/oidc_routes.ts";
import { openApi } from "../_support/api.ts";
import { startIdentityProvider } from "./_identity_provider.ts";

// The provider has to know the server's address before the server is there, and the other way round.
const place = createServer();
place.listen(0, "127.0.0.1");
await new Promise((done) => place.once("listening", done));
const front = `http://127.0.0.1:${(place.address() as AddressInfo).port}`;
const provider = await startIdentityProvider(`${front}/console/oidc/callback`);
const oidcRoles = [
  { value: "it-admins", role: "admin" },
  { value: "finance", role: "accountant" },
  { value: "customers", role: "member" },
  { value: "old", role: "janitor" },
];
const api = await openApi({
  config: {
    consoleUrl: front,
    oidcIssuer: provider.issuer,
    oidcClientId: "saldo",
    oidcClientSecret: "a secret of the provider's",
    oidcRoles,
    oidcName: "the bank's sign-in",
    oidcSessionMinutes: 30,
  },
});
place.close();
test.after.always(() => {
  provider.close();
  return api.close();
});

/** A browser that keeps cookies by host and follows redirects, and knows where Saldo really is. */
function browser() {
  const jars = new Map<string, Map<string, string>>();
  return {
    jars,
    async open(address: string, headers: Record<string, string> = {}) {
      let url = new URL(address, front);
      for (let hop = 0; hop < 12; hop += 1) {
        const jar = jars.get(url.host) ?? new Map<string, string>();
        jars.set(url.host, jar);
        // The provider leads there, from another site: a strict cookie stays behind.
        const sent = [...jar].filter(
          ([name]) => name !== "saldo_session" || !url.pathname.endsWith("/callback"),
        );
        const cookie = sent.map(([name, value]) => `${name}=${value}`).join("; ");
        const at = url.href.replace(front, api.url);
        const answer = await fetch(at, { redirect: "manual", headers: { cookie, ...headers } });
        for (const line of answer.headers.getSetCookie()) {
          const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
          if (value === "") jar.delete(name);
          else jar.set(name, value);
        }
        const location = answer.headers.get("location");
        if (location === null || stops(new URL(location, url))) {
          return { url: new URL(location ?? url, url), answer, text: await answer.text() };
        }
        url = new URL(location, url);
      }
      throw new Error("too many redirects");
    },
  };
}

let stopAt = "/console/members";
const stops = (url: URL) => url.host === new URL(front).host && url.pathname.startsWith(stopAt);

const session = async (jar: Map<string, string> | undefined) =>
  JSON.parse(
    (
      await api.request("/console/session", {
        headers: { cookie: `saldo_session=${jar?.get("saldo_session")}` },
      })
    ).text,
  );

test.serial("somebody signs in from start to end, with the role of a group", async (t) => {
  provider.people["u-1"] = { groups: ["staff", "finance"] };
  provider.next = "u-1";
  t.is((await session(undefined)).sign_in.oidc.name, "the bank's sign-in");
  const visitor = browser();
  const { url } = await visitor.open("/console/oidc/begin?return_to=/console/members%3Fq=ayu");
  t.is(url.href, `${front}/console/members?q=ayu`);
  const jar = visitor.jars.get(new URL(front).host);
  t.like(await session(jar), { subject: "u-1", role: "accountant", member_id: null });
  t.false(jar?.has("saldo_oidc"), "what was kept for the way is gone");
});

test.serial("signing in again ends the session before, and none outlasts its time", async (t) => {
  provider.people["u-9"] = { groups: ["finance"] };
  provider.next = "u-9";
  const visitor = browser();
  const signIn = async () => {
    await visitor.open("/console/oidc/begin?return_to=/console/members");
    return new Map(visitor.jars.get(new URL(front).host));
  };
  const first = await signIn();
  const before = Date.now();
  const told = await session(first);
  const minutes = (Date.parse(told.expires_at) - before) / 60_000;
  t.true(minutes > 28 && minutes <= 30, String(minutes));
  const second = await signIn();
  t.is((await session(first)).subject, null);
  t.is((await session(second)).subject, "u-9");
  const [row] = await api.root(
    "select way from saldo_private.console_session where subject = 'u-9' and ended_at is null",
  );
  t.is(row?.["way"], "provider");
});

test.serial("whoever has no role here is told so in a sentence, and has no session", async (t) => {
  for (const [id, groups] of [
    ["u-2", ["staff"]],
    ["u-3", ["old"]],
    ["u-4", undefined],
    ["u-5", ["customers"]],
  ] as const) {
    provider.people[id] = { groups };
    provider.next = id;
    const visitor = browser();
    const person = { accept: "text/html" };
    const { answer, text } = await visitor.open("/console/oidc/begin", person);
    t.is(answer.status, 403, id);
    t.true(text.includes("SB065"), text);
    t.false(visitor.jars.get(new URL(front).host)?.has("saldo_session"));
  }
  provider.people["u-5"] = { groups: ["customers"], member_id: "1" };
  const visitor = browser();
  await visitor.open("/console/oidc/begin?return_to=/console/members");
  t.is((await session(visitor.jars.get(new URL(front).host))).member_id, "1");
});

/** Goes as far as the way back, and stops before it. */
async function atTheDoor(id: string) {
  provider.people[id] = { groups: ["it-admins"] };
  provider.next = id;
  const visitor = browser();
  stopAt = "/console/oidc/callback";
  const { url } = await visitor.open("/console/oidc/begin");
  stopAt = "/console/members";
  const jar = visitor.jars.get(new URL(front).host) as Map<string, string>;
  return { visitor, url, jar };
}

test.serial(
  "another state, another nonce, another verifier and no cookie are refused",
  async (t) => {
    const changes: [string, (kept: Record<string, string>) => object][] = [
      ["state", (kept) => ({ ...kept, state: "x".repeat(43) })],
      ["nonce", (kept) => ({ ...kept, nonce: "x".repeat(43) })],
      ["verifier", (kept) => ({ ...kept, verifier: "x".repeat(43) })],
      ["form", () => ({})],
    ];
    for (const [what, change] of changes) {
      const { visitor, url, jar } = await atTheDoor(`u-${what}`);
      const kept = JSON.parse(Buffer.from(jar.get("saldo_oidc") ?? "", "base64url").toString());
      const changed = Buffer.from(JSON.stringify(change(kept))).toString("base64url");
      jar.set("saldo_oidc", changed);
      const { answer, text } = await visitor.open(url.href);
      t.is(answer.status, 401, what);
      t.true(text.includes("SB064"), text);
      t.false(jar.has("saldo_session"), what);
    }
    // Somebody is led to the end of another one's way.
    const { url } = await atTheDoor("u-other");
    t.true((await browser().open(url.href)).text.includes("SB064"));
    const { visitor, url: mine, jar } = await atTheDoor("u-mine");
    await visitor.open(mine.href);
    t.true(jar.has("saldo_session"));
    t.true((await visitor.open(mine.href)).text.includes("SB064"), "a way back is gone once");
  },
);

test("nobody is led to another place", (t) => {
  for (const asked of [
    "https://evil.example/console/",
    "//evil.example/console/",
    "/\\evil.example/console/",
    "/\t/evil.example",
    "/console/..//evil.example",
    "/console/%2e%2e//evil.example",
    "/console@evil.example",
    "javascript:alert(1)",
    "/graphql",
    "/console/oidc/begin",
    "/console/sign-in",
    ["/console/a"],
    undefined,
  ]) {
    t.is(ownPath(asked), "/console/", String(asked));
  }
  t.is(ownPath("/console/accounts?code=1#x"), "/console/accounts?code=1");
});

test("a provider that does not answer holds up no start, and is asked again", async (t) => {
  const gone = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => gone.once("listening", done));
  const issuer = `http://localhost:${(gone.address() as AddressInfo).port}`;
  const config = { oidcIssuer: issuer, oidcClientId: "saldo", oidcRoles };
  gone.once("request", (_request, response) => response.writeHead(500).end());
  const own = await openApi({ config });
  t.teardown(() => own.close());
  const first = await own.request("/console/oidc/begin", { headers: { accept: "text/html" } });
  t.is(first.status, 503);
  t.true(first.text.includes("SB063"));
  gone.once("request", (_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ issuer, authorization_endpoint: `${issuer}/auth` }));
  });
  const second = await own.request("/console/oidc/begin");
  t.is(second.status, 302);
  const asked = new URL(second.headers.get("location") ?? "").searchParams;
  t.is(asked.get("redirect_uri"), `${own.url}/console/oidc/callback`);
  t.is(asked.get("code_challenge_method"), "S256");
  t.true((asked.get("nonce") ?? "").length > 20 && (asked.get("state") ?? "").length > 20);
  t.regex(
    second.headers.get("set-cookie") ?? "",
    /^saldo_oidc=[\w-]+; Max-Age=600; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/,
  );
  gone.closeAllConnections();
  gone.close();
});
