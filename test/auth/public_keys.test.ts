import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from "jose";
import { makePublicKeys } from "../../src/auth/public_keys.ts";
import { authenticate, signToken, type Trust } from "../../src/auth/token.ts";
import { makeVerifiedTokens } from "../../src/auth/verified_tokens.ts";

const SECRET = "a secret of more than thirty-two characters";

/** A pair of keys, and its public half as a JWKS has it. */
async function pair(alg: string, kid: string) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid } as JWK };
}
type Pair = Awaited<ReturnType<typeof pair>>;

const rsa = await pair("RS256", "rsa");
const ec = await pair("ES256", "ec");
const ed = await pair("EdDSA", "ed");
const next = await pair("ES256", "next");

/** A token that is right in all but what the test changes. */
function token({ alg, kid, privateKey }: Pair, claims: object = {}, header: object = {}) {
  return new SignJWT({ role: "operator", sub: "ayu", aud: "saldo", ...claims })
    .setProtectedHeader({ alg, kid, ...header })
    .setExpirationTime("1h")
    .sign(privateKey);
}

/** A server that answers with what `answer` says now, and counts how often it was asked. */
async function issuer(keys: JWK[]) {
  const state = { body: JSON.stringify({ keys }), status: 200, askedCount: 0, isHanging: false };
  const server: Server = createServer((_request, response) => {
    state.askedCount += 1;
    if (state.isHanging) return;
    response.writeHead(state.status, { location: "https://example.com/" }).end(state.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const lines: Record<string, unknown>[] = [];
  const write = (message: string, fields?: object) => void lines.push({ message, ...fields });
  const log = { info: write, warn: write, error: write };
  const clock = { now: 1_000_000_000 };
  const url = `http://127.0.0.1:${port}/jwks`;
  const source = makePublicKeys(url, log, () => clock.now);
  const trust: Trust = { secret: SECRET, keys: source, verified: makeVerifiedTokens() };
  return { state, clock, lines, source, trust, url, server };
}

async function verdict(trust: Trust, given: string): Promise<string> {
  try {
    return (await authenticate(trust, `Bearer ${given}`)).role;
  } catch (error) {
    return (error as { condition: string }).condition;
  }
}

test("tokens by RS256, ES256 and EdDSA are believed beside those by HS256", async (t) => {
  const { trust, state, server } = await issuer([rsa.jwk, ec.jwk, ed.jwk]);
  for (const each of [rsa, ec, ed]) t.is(await verdict(trust, await token(each)), "saldo_operator");
  t.is(await verdict(trust, await token(ec, {}, { kid: undefined })), "saldo_operator", "no kid");
  t.is(
    await verdict(trust, await signToken(SECRET, { sub: "a", role: "admin" }, "1h")),
    "saldo_admin",
  );
  t.is(state.askedCount, 1);
  server.close();
});

test("a public key is no secret, and no key serves another algorithm", async (t) => {
  const { trust, server } = await issuer([rsa.jwk, { ...ed.jwk, alg: "RS256" }]);
  await trust.keys?.begin();
  const claims = { role: "admin", sub: "x", aud: "saldo", exp: 4_000_000_000 };
  const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  for (const secret of [await exportSPKI(rsa.publicKey), JSON.stringify(rsa.jwk), rsa.jwk.n]) {
    for (const alg of ["HS256", "RS256"]) {
      const signed = `${base64({ alg, kid: "rsa" })}.${base64(claims)}`;
      const signature = createHmac("sha256", secret ?? "")
        .update(signed)
        .digest("base64url");
      t.is(await verdict(trust, `${signed}.${signature}`), "unauthenticated");
    }
  }
  // Signed rightly, with a key that says that it is for something else.
  t.is(await verdict(trust, await token(ed)), "unauthenticated");
  t.is(await verdict(trust, await token({ ...ec, kid: "rsa" })), "unauthenticated");
  const pss = await generateKeyPair("PS256");
  const other = { ...rsa, alg: "PS256", privateKey: pss.privateKey };
  t.is(await verdict(trust, await token(other)), "unauthenticated");
  server.close();
});

test("without a secret no token by HS256 is believed, with the empty one neither", async (t) => {
  const { source, server } = await issuer([rsa.jwk]);
  const forged = await new SignJWT({ role: "admin", sub: "x", aud: "saldo" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(SECRET));
  t.is(await verdict({ keys: source }, forged), "unauthenticated");
  t.is(await verdict({ keys: source }, await token(rsa)), "saldo_operator");
  server.close();
});

test("issuer and audience have to be those of the settings", async (t) => {
  const { source, server } = await issuer([ec.jwk]);
  const trust = { keys: source, issuer: "https://id.example", audience: "https://saldo.example" };
  const right = { iss: trust.issuer, aud: trust.audience };
  t.is(await verdict(trust, await token(ec, right)), "saldo_operator");
  for (const wrong of [{ iss: undefined }, { iss: "https://other.example" }, { aud: "saldo" }]) {
    t.is(await verdict(trust, await token(ec, { ...right, ...wrong })), "unauthenticated");
  }
  server.close();
});

test("a new key is fetched when a token names it, and unknown ones ask seldom", async (t) => {
  const { trust, state, clock, server } = await issuer([ec.jwk]);
  t.is(await verdict(trust, await token(ec)), "saldo_operator");
  state.body = JSON.stringify({ keys: [next.jwk] });
  clock.now += 10_000;
  t.is(await verdict(trust, await token(next)), "saldo_operator");
  t.is(await verdict(trust, await token(ec)), "unauthenticated", "withdrawn");
  for (let number = 0; number < 50; number += 1) {
    t.is(await verdict(trust, await token({ ...ec, kid: `guess ${number}` })), "unauthenticated");
  }
  t.is(state.askedCount, 2);
  server.close();
});

test("a key that was withdrawn ends, though no token names another", async (t) => {
  const { trust, state, clock, server } = await issuer([ec.jwk, ed.jwk]);
  const [old, kept] = await Promise.all([token(ec), token(ed)]);
  for (const each of [old, kept, old]) t.is(await verdict(trust, each), "saldo_operator");
  t.truthy(trust.verified?.find(old), "it is remembered as good");
  state.body = JSON.stringify({ keys: [ed.jwk] });
  clock.now += 600_001;
  t.is(await verdict(trust, old), "unauthenticated");
  t.is(trust.verified?.find(old), undefined);
  t.is(await verdict(trust, kept), "saldo_operator", "the same key, fetched again");
  server.close();
});

test("a key that another takes the place of under its id ends", async (t) => {
  const { trust, state, clock, server } = await issuer([ec.jwk]);
  const old = await token(ec);
  t.is(await verdict(trust, old), "saldo_operator");
  state.body = JSON.stringify({ keys: [{ ...next.jwk, kid: ec.kid }] });
  clock.now += 600_001;
  t.is(await verdict(trust, old), "unauthenticated");
  t.is(await verdict(trust, await token({ ...next, kid: ec.kid })), "saldo_operator");
  server.close();
});

test("where keys cannot be fetched it is said, and the last ones are good for a day", async (t) => {
  const { trust, source, state, clock, lines, url, server } = await issuer([ec.jwk]);
  state.status = 500;
  await source.begin();
  t.like(lines[0], { source: url, reason: "it is answered 500" });
  t.is(await verdict(trust, await token(ec)), "unauthenticated");
  state.status = 200;
  clock.now += 10_000;
  t.is(await verdict(trust, await token(ec)), "saldo_operator");
  for (const [status, body] of [
    [500, ""],
    [302, ""],
    [200, "{"],
    [200, "null"],
    [200, '{"keys":[]}'],
    [200, `{"keys":[],"x":"${"x".repeat(100_001)}"}`],
  ] as const) {
    Object.assign(state, { status, body });
    clock.now += 700_000;
    const lineCount = lines.length;
    t.is(await verdict(trust, await token(ec)), "saldo_operator", `${status} ${body.slice(0, 20)}`);
    while (lines.length === lineCount) await sleep(1);
  }
  t.is(lines.length, 7);
  clock.now += 86_400_000;
  t.is(await verdict(trust, await token(ec)), "unauthenticated");
  server.close();
});

test("an address that does not answer holds up nobody whose key is known", async (t) => {
  const { trust, state, clock, lines, server } = await issuer([ec.jwk]);
  t.is(await verdict(trust, await token(ec)), "saldo_operator");
  state.status = 500;
  clock.now += 700_000;
  t.is(await verdict(trust, await token(ec)), "saldo_operator");
  state.isHanging = true;
  clock.now += 20_000;
  const asked = verdict(trust, await token(ec));
  t.is(await Promise.race([asked, sleep(2000, "still waiting")]), "saldo_operator");
  while (state.askedCount < 3) await sleep(1); // it is asked all the same
  server.closeAllConnections();
  while (lines.length < 2) await sleep(1);
  server.close();
});

test("private, secret, weak and foreign keys of a file are left out", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saldo-keys-"));
  const file = join(folder, "jwks.json");
  const weak = { kty: "RSA", n: "3".repeat(170), e: "AQAB", kid: "weak" };
  const keys = [
    { ...(await exportJWK(ec.privateKey)), kid: "ec" },
    { kty: "oct", k: Buffer.from(SECRET).toString("base64url"), kid: "secret" },
    weak,
    { ...rsa.jwk, use: "enc" },
    { ...rsa.jwk, key_ops: ["encrypt"] },
    null,
    "key",
    { ...(await pair("ES384", "long")).jwk },
    ed.jwk,
  ];
  await writeFile(file, JSON.stringify({ keys }));
  const lines: object[] = [];
  const write = (message: string, fields?: object) => void lines.push({ message, ...fields });
  const trust = { keys: makePublicKeys(file, { info: write, warn: write, error: write }) };
  t.is(await verdict(trust, await token(ed)), "saldo_operator");
  t.is(await verdict(trust, await token(ec)), "unauthenticated");
  t.is(await verdict(trust, await token(rsa)), "unauthenticated");
  t.like(lines[0], { refusedCount: 8 });
  await rm(folder, { recursive: true });
});
