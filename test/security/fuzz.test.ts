import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import test from "ava";
import { LONG_MUTATIONS } from "../../src/graphql/reports.ts";
import { type Answer, BUY, openApi } from "../_support/api.ts";
import { faultOf, inParallel } from "./_answers.ts";
import { Chance, Inputs, type Sent } from "./_inputs.ts";

// More on request: SALDO_FUZZ_INPUTS=1000000 SALDO_FUZZ_SEED=7 npm run test:security
const inputCount = Number(process.env["SALDO_FUZZ_INPUTS"] ?? 20_000);
const seed = Number(process.env["SALDO_FUZZ_SEED"] ?? 20_261_126);
const WIDTH = 8;
const PER_DOCUMENT = 12;

const api = await openApi({ config: { bodyByteCountMax: 1_000_000 } });
const anna = await api.member("anna", "500000");
const budi = await api.member("budi", "300000");
const product = await api.product("voucher", "150000");
await api.post(BUY, { member: budi.id, product: product.id, amount: "150000" });
const [{ entry } = {}] = await api.root("select id as entry from saldo.journal_entry limit 1");
// A wallet that covers nothing: what a member may do changes nothing either.
const citra = await api.member("citra");
test.after.always(() => api.close());

const known = {
  BigInt: [anna.id, budi.id, citra.id, product.id, anna.accountId, budi.accountId],
  UUID: [entry],
  String: ["anna", "voucher", "IDR"],
  BigFloat: ["1", "150000"],
  Int: [1, 2],
};

/** What was wrong, each with the input that caused it. */
type Faults = string[];

function note(faults: Faults, answer: Answer, input: Sent): void {
  const fault = faultOf(answer);
  if (fault === undefined || faults.length >= 20) return;
  faults.push(`${fault}\n${input.query}\n${JSON.stringify(input.variables).slice(0, 1000)}`);
}

test.serial(
  "no input of a caller who may change nothing is a fault, or changes anything",
  async (t) => {
    const inputs = new Inputs(new Chance(seed), known);
    const tokens = [
      null,
      await api.memberToken(citra.id),
      await api.token({ sub: "ops", role: "operator" }),
      await api.token({ sub: "till", role: "branch" }),
    ];
    // An operator may run a check, which keeps what it found.
    const isChangeless = (name: string) => !LONG_MUTATIONS.has(name);
    const faults: Faults = [];
    const codes = new Map<string, number>();
    const before = await api.digest();
    const count = Math.floor(inputCount * 0.55);
    const requests = (function* () {
      for (let index = 0; index < count; index += PER_DOCUMENT) {
        const kind = (index / PER_DOCUMENT) % 3 === 0 ? "query" : "mutation";
        for (const [place, input] of inputs.requests(kind, PER_DOCUMENT, isChangeless).entries()) {
          yield { input, token: tokens[place % tokens.length] ?? null };
        }
      }
    })();
    await inParallel(requests, WIDTH, async ({ input, token }) => {
      const answer = await api.post(input.query, input.variables, token);
      note(faults, answer, input);
      const code = answer.code ?? "served";
      codes.set(code, (codes.get(code) ?? 0) + 1);
    });
    t.log(`seed ${seed}:`, Object.fromEntries([...codes].sort()));
    t.deepEqual(faults, []);
    t.is(await api.digest(), before);
    // The inputs reach what they are meant to try.
    for (const code of ["served", "SB006", "SB010", "SB011"])
      t.true((codes.get(code) ?? 0) > inputCount / 1000, code);
  },
);

test.serial("no input of an administrator is a fault, and the books stay balanced", async (t) => {
  const inputs = new Inputs(new Chance(seed + 1), known);
  const faults: Faults = [];
  const codes = new Map<string, number>();
  const token = await api.token({ sub: "fuzz" });
  // Each of these takes as long as a thousand others.
  const isShort = (name: string) => !LONG_MUTATIONS.has(name);
  const requests = (function* () {
    for (let index = 0; index < Math.floor(inputCount * 0.2); index += PER_DOCUMENT) {
      const kind = (index / PER_DOCUMENT) % 2 === 0 ? "query" : "mutation";
      yield* inputs.requests(kind, PER_DOCUMENT, isShort);
    }
  })();
  await inParallel(requests, WIDTH, async (input) => {
    const answer = await api.post(input.query, input.variables, token);
    note(faults, answer, input);
    const code = answer.code ?? "served";
    codes.set(code, (codes.get(code) ?? 0) + 1);
  });
  t.log(`seed ${seed}:`, Object.fromEntries([...codes].sort()));
  t.deepEqual(faults, []);
  t.true((codes.get("served") ?? 0) > inputCount / 1000);
  const unbalanced = await api.root(
    `select entry_id from saldo.journal_line join saldo.account on account.id = account_id
    group by entry_id, currency having sum(debit) <> sum(credit)`,
  );
  t.deepEqual(unbalanced, []);
});

const BODY = JSON.stringify({ query: "{ errorCodes(first: 1) { nodes { code } } }" });
const PATHS = [
  "/graphql",
  "/metrics",
  "/ready",
  "/health",
  "/admin/balance-health/check",
  "/",
].concat([
  "/api/v1/transaction",
  "/api/v1/pending/1",
  "/api/realtime-balance/1/months",
  "/admin/balance-health/auto-heal",
  "/api/openapi.json",
  "/api/v1/sync/push",
  "/api/v1/sync/enrol",
  "/api/v1/sync/config",
  "/graphiql",
  "/nowhere",
]);

/** An HTTP request that only a hostile or broken client makes. */
function request(chance: Chance): [path: string, init: RequestInit] {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (chance.is(0.3))
    headers["content-type"] = chance.of(["text/plain", "", "a/b", "multipart/form-data"]);
  if (chance.is(0.2))
    headers["content-encoding"] = chance.of(["gzip", "br", "deflate", "x", "gzip, gzip"]);
  if (chance.is(0.2)) headers["accept"] = chance.of(["image/png", "*/*;q=0", "x", ",,,"]);
  if (chance.is(0.3)) {
    headers["authorization"] = chance.of([
      "Bearer a.b.c",
      "Basic eDp4",
      "Bearer ",
      "x",
      "Bearer sk_1_x",
    ]);
  }
  if (chance.is(0.1))
    headers["x-forwarded-for"] = chance.of(["127.0.0.1", "::1, x", ",", "x".repeat(500)]);
  const bytes = Buffer.from(
    chance.of([
      BODY,
      "",
      "{",
      "[]",
      "null",
      `[${BODY}]`,
      "[".repeat(5000),
      `{"query":${"9".repeat(400)}}`,
    ]),
  );
  for (
    let count = chance.is(0.4) ? chance.below(6) : 0;
    count > 0 && bytes.length > 0;
    count -= 1
  ) {
    bytes[chance.below(bytes.length)] = chance.below(256);
  }
  const body = chance.is(0.2) ? gzipSync(bytes) : bytes;
  const suffix = chance.of([
    "",
    "",
    "",
    "?query={a}",
    "/",
    "%00",
    "/../metrics",
    `?${"x".repeat(2000)}`,
  ]);
  const method = chance.of(["POST", "POST", "POST", "GET", "PUT", "DELETE", "OPTIONS", "PATCH"]);
  const hasBody = method !== "GET";
  return [
    chance.of(PATHS) + suffix,
    { method, headers, ...(hasBody && { body: new Uint8Array(body) }) },
  ];
}

test.serial("no request over HTTP is a fault, or changes anything", async (t) => {
  const chance = new Chance(seed + 2);
  const faults: string[] = [];
  const statuses = new Map<number, number>();
  const before = await api.digest();
  const requests = (function* () {
    for (let index = 0; index < Math.floor(inputCount * 0.23); index += 1) yield request(chance);
  })();
  await inParallel(requests, WIDTH, async ([path, init]) => {
    const answer = await api.request(path, init);
    // Probes say 503 of themselves, and tills are answered in a form of their own.
    const isProbe = /^\/(ready|admin)/.test(path) && answer.status === 503;
    const fault = isProbe ? undefined : faultOf(answer);
    if (fault !== undefined && faults.length < 20) {
      faults.push(`${fault}\n${path.slice(0, 100)} ${JSON.stringify(init).slice(0, 1000)}`);
    }
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
  });
  t.log(`seed ${seed}:`, Object.fromEntries([...statuses].sort()));
  t.deepEqual(faults, []);
  t.is(await api.digest(), before);
  for (const status of [200, 400, 404, 405, 415])
    t.true((statuses.get(status) ?? 0) > 0, String(status));
});

test.serial("no bytes on a connection end the server", async (t) => {
  const chance = new Chance(seed + 3);
  const { hostname, port } = new URL(api.url);
  const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
  const upgrade =
    "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
  const before = await api.digest();
  const all = (function* () {
    // These are answered, and so waited for: the test says something.
    yield { bytes: Buffer.from(upgrade), isAnswered: true };
    yield { bytes: Buffer.from("nonsense\r\n\r\n"), isAnswered: true };
    for (let index = 0; index < Math.floor(inputCount * 0.02); index += 1) {
      const bytes = Buffer.from(chance.of([head, upgrade + head, upgrade, head + head]));
      for (let count = chance.below(8); count > 0; count -= 1) {
        bytes[chance.below(bytes.length)] = chance.below(256);
      }
      yield { bytes: bytes.subarray(0, 1 + chance.below(bytes.length)), isAnswered: false };
    }
  })();
  const answers: string[] = [];
  await inParallel(all, WIDTH, ({ bytes, isAnswered }) => {
    const socket = connect(Number(port), hostname);
    return new Promise((done) => {
      let answer = "";
      socket.on("data", (chunk) => {
        answer += chunk.toString("latin1");
        socket.end();
      });
      socket.on("error", () => {});
      socket.once("close", () => {
        answers.push(answer);
        done();
      });
      socket.write(bytes);
      // What may never be answered is cut off.
      if (!isAnswered) setTimeout(() => socket.end(), 20);
    });
  });
  t.deepEqual(
    answers.filter((each) => /^HTTP\/1\.1 5/.test(each)),
    [],
  );
  t.true(answers.some((each) => each.startsWith("HTTP/1.1 101")));
  t.true(answers.some((each) => each.startsWith("HTTP/1.1 400")));
  t.is((await api.send(BODY)).status, 200);
  t.is(await api.digest(), before);
  t.deepEqual(
    api.log.filter(({ message }) => message === "request failed"),
    [],
  );
});
