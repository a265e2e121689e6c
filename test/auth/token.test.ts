import { createHmac } from "node:crypto";
import test from "ava";
import { SignJWT } from "jose";
import { ANONYMOUS, settingsFor, type TokenRole } from "../../src/auth/caller.ts";
import { authenticate, signToken } from "../../src/auth/token.ts";
import { makeVerifiedTokens } from "../../src/auth/verified_tokens.ts";
import { makeFailureLimit } from "../../src/http/failure_limit.ts";

const SECRET = "a secret of more than thirty-two characters";
const trust = { secret: SECRET };
const key = (secret: string) => new TextEncoder().encode(secret);
const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;

/** A token that is right in all but what the test changes. */
function builder(claims: object = { role: "admin" }, alg = "HS256") {
  return new SignJWT({ ...claims })
    .setProtectedHeader({ alg })
    .setSubject("root")
    .setAudience("saldo")
    .setExpirationTime("1h");
}

const refused = { code: "SB011", condition: "unauthenticated" };

async function extensionsFor(authorization: string) {
  try {
    await authenticate(trust, authorization);
  } catch (error) {
    const { code, condition } = (error as { extensions: Record<string, unknown> }).extensions;
    return { code, condition };
  }
  return "accepted";
}

test("no header is the anonymous caller", async (t) => {
  t.deepEqual(await authenticate(trust, undefined), ANONYMOUS);
});

test("each role of a token becomes its database role", async (t) => {
  const roles = [
    "admin",
    "accountant",
    "operator",
    "auditor",
    "cashier",
    "biller",
    "app",
    "branch",
  ];
  for (const role of roles as TokenRole[]) {
    const token = await signToken(SECRET, { sub: "someone", role }, "1h");
    const { expiresAt = 0, ...caller } = await authenticate(trust, `Bearer ${token}`);
    t.deepEqual(caller, { role: `saldo_${role}`, subject: "someone", memberId: "" });
    t.true(Math.abs(expiresAt / 1000 - inAnHour()) < 10);
  }
});

test("a member's token carries the member's id into the settings", async (t) => {
  const token = await signToken(SECRET, { sub: "m1", role: "member", member_id: 7 }, "1h");
  const caller = await authenticate(trust, `bearer ${token}`);
  t.deepEqual(settingsFor(caller, 1500), {
    role: "saldo_member",
    "saldo.subject": "m1",
    "saldo.member_id": "7",
    statement_timeout: "1500",
  });
});

test("a member id on a token of another role is not used", async (t) => {
  const claims = { sub: "root", role: "operator", member_id: "7" } as const;
  const token = await signToken(SECRET, claims, "1h");
  t.is((await authenticate(trust, `Bearer ${token}`)).memberId, "");
});

test("a token signed with another key is refused", async (t) => {
  const token = await builder().sign(key("another secret of sufficient length"));
  t.deepEqual(await extensionsFor(`Bearer ${token}`), refused);
});

test("a token of algorithm none is refused, with and without a signature", async (t) => {
  const claims = { sub: "root", role: "admin", aud: "saldo", exp: inAnHour() };
  const unsigned = `${base64({ alg: "none" })}.${base64(claims)}.`;
  t.deepEqual(await extensionsFor(`Bearer ${unsigned}`), refused);
  t.deepEqual(await extensionsFor(`Bearer ${unsigned}c2ln`), refused);
});

test("a token of another algorithm is refused although its key is right", async (t) => {
  const long = SECRET.padEnd(64, "x");
  const token = await builder({ role: "admin" }, "HS512").sign(key(long));
  await t.throwsAsync(authenticate({ secret: long }, `Bearer ${token}`), { name: "Refusal" });
});

test("a token that names RS256 but is signed with the secret is refused", async (t) => {
  const claims = { sub: "root", role: "admin", aud: "saldo", exp: inAnHour() };
  const signed = `${base64({ alg: "RS256" })}.${base64(claims)}`;
  const signature = createHmac("sha256", SECRET).update(signed).digest("base64url");
  t.deepEqual(await extensionsFor(`Bearer ${signed}.${signature}`), refused);
});

test("a token that is expired, or not yet valid, or from the future is refused", async (t) => {
  const past = Math.floor(Date.now() / 1000) - 60;
  const expired = await builder().setExpirationTime(past).sign(key(SECRET));
  const early = await builder().setNotBefore("1h").sign(key(SECRET));
  const future = await builder().setIssuedAt(inAnHour()).sign(key(SECRET));
  for (const token of [expired, early, future]) {
    t.deepEqual(await extensionsFor(`Bearer ${token}`), refused);
  }
});

test("a token without an end, a subject or a role is refused", async (t) => {
  const claims = { sub: "root", role: "admin", aud: "saldo", exp: inAnHour() };
  for (const missing of ["exp", "sub", "role", "aud"]) {
    const rest = Object.fromEntries(Object.entries(claims).filter(([name]) => name !== missing));
    const token = await new SignJWT(rest).setProtectedHeader({ alg: "HS256" }).sign(key(SECRET));
    t.deepEqual(await extensionsFor(`Bearer ${token}`), refused, missing);
  }
});

test("a token for another audience is refused", async (t) => {
  const token = await builder().setAudience("elsewhere").sign(key(SECRET));
  t.deepEqual(await extensionsFor(`Bearer ${token}`), refused);
});

test("a role outside the allow-list is refused, a database's role among them", async (t) => {
  for (const role of ["postgres", "saldo_owner", "saldo_admin", "toString", "", 1, ["admin"]]) {
    const token = await builder({ role }).sign(key(SECRET));
    t.deepEqual(await extensionsFor(`Bearer ${token}`), refused, String(role));
  }
});

test("a role that somebody has composed is believed where the database offers it", async (t) => {
  const composed = { ...trust, composedRoles: new Set(["front_desk"]) };
  const desk = await builder({ role: "front_desk" }).sign(key(SECRET));
  t.like(await authenticate(composed, `Bearer ${desk}`), {
    role: "saldo_front_desk",
    memberId: "",
  });
  t.deepEqual(await extensionsFor(`Bearer ${desk}`), refused);
  const withMember = await builder({ role: "front_desk", member_id: "7" }).sign(key(SECRET));
  t.like(await authenticate(composed, `Bearer ${withMember}`), { memberId: "7" });
  const forged = await builder({ role: "front_desk", member_id: "7 or 8" }).sign(key(SECRET));
  await t.throwsAsync(authenticate(composed, `Bearer ${forged}`), { name: "Refusal" });
});

test("a member's token without a proper member id is refused", async (t) => {
  for (const memberId of [undefined, "", "0", "-1", "1; reset role", 1.5, [1, 2], "9".repeat(19)]) {
    const token = await builder({ role: "member", member_id: memberId }).sign(key(SECRET));
    t.deepEqual(await extensionsFor(`Bearer ${token}`), refused, String(memberId));
  }
});

test("a subject that may look like another one is refused", async (t) => {
  const wrong = ["root\u0000", "root ", " root", "ro\u200bot", "\u202etoor", "re\u0301ne", ""];
  for (const subject of [...wrong, "service:root", "Service:root"]) {
    const token = await builder().setSubject(subject).sign(key(SECRET));
    t.deepEqual(await extensionsFor(`Bearer ${token}`), refused, JSON.stringify(subject));
  }
});

test("a token above 4 KB is refused although it is signed", async (t) => {
  const token = await builder({ role: "admin", padding: "x".repeat(8000) }).sign(key(SECRET));
  t.deepEqual(await extensionsFor(`Bearer ${token}`), refused);
});

test("a header that is no bearer token is refused", async (t) => {
  for (const header of [
    "",
    "Bearer",
    "Bearer ",
    "Basic cm9vdDpyb290",
    "Bearer a.b",
    "Bearer a.b.c",
  ]) {
    t.deepEqual(await extensionsFor(header), refused, header);
  }
});

test("failures count per address and are forgotten when the window ends", (t) => {
  let now = 0;
  const failures = makeFailureLimit(2, 1000, () => now);
  t.deepEqual(
    [1, 2, 3].map(() => failures.isExceededBy("a")),
    [false, false, true],
  );
  t.false(failures.isExceededBy("b"));
  now = 1000;
  t.false(failures.isExceededBy("a"));
});

test("failures from very many addresses do not fill the memory", (t) => {
  const failures = makeFailureLimit(1, 1_000_000);
  for (let index = 0; index < 10_000; index += 1) {
    failures.isExceededBy(`address ${index}`);
  }
  t.false(failures.isExceededBy("address 1"));
});

test("a token that was good before ends with its time, its secret and its signature", async (t) => {
  const verified = makeVerifiedTokens(2);
  const own = { secret: SECRET, verified };
  // Long enough for what comes before its end, where the machine has much to do.
  const until = Math.floor(Date.now() / 1000) + 5;
  const token = await signToken(SECRET, { sub: "ayu", role: "operator" }, until);
  const first = await authenticate(own, `Bearer ${token}`);
  t.is(await authenticate(own, `Bearer ${token}`), first, "the very caller of before");

  const [header, , signature] = token.split(".");
  const more = Buffer.from(
    JSON.stringify({ sub: "ayu", role: "admin", aud: "saldo", exp: until }),
  ).toString("base64url");
  const refused = { name: "Refusal" };
  await t.throwsAsync(authenticate(own, `Bearer ${header}.${more}.${signature}`), refused);
  const other = { secret: `${SECRET} of another server`, verified };
  await t.throwsAsync(authenticate(other, `Bearer ${token}`), refused);

  t.is((await authenticate(own, `Bearer ${token}`)).subject, "ayu");
  await new Promise((done) => setTimeout(done, until * 1000 - Date.now()));
  t.truthy(verified.find(token));
  await t.throwsAsync(authenticate(own, `Bearer ${token}`), refused);

  const tokens = await Promise.all(
    [1, 2, 3].map((number) => signToken(SECRET, { sub: `s${number}`, role: "auditor" }, "1h")),
  );
  for (const each of tokens) await authenticate(own, `Bearer ${each}`);
  t.deepEqual(
    tokens.map((each) => verified.find(each)?.caller.subject),
    [undefined, "s2", "s3"],
  );
});
