import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import test from "ava";
import { z } from "zod";
import {
  answerSchema,
  configSchema,
  enrolAnswerSchema,
  keyAnswerSchema,
  pushAnswerSchema,
} from "../../src/branch/protocol/schema.ts";
import { type Api, openApi } from "../_support/api.ts";
import { type Till, tillOf } from "./_branch.ts";

let api: Api;
test.before(async () => {
  api = await openApi();
});
test.after.always(() => api?.close());

type Body = string | Uint8Array<ArrayBuffer>;

/** Calls as a till does; the answer is checked against the published form. */
async function call(path: string, body?: Body, key?: string, headers: Record<string, string> = {}) {
  const answer = await api.request(`/api/v1/sync/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...headers,
    },
    ...(body !== undefined && { body }),
  });
  const forms = { push: pushAnswerSchema, enrol: enrolAnswerSchema, key: keyAnswerSchema };
  const form = path === "config" ? configSchema : (forms[path as keyof typeof forms] ?? z.never());
  const parsed = answerSchema(form).parse(JSON.parse(answer.text));
  return {
    status: answer.status,
    retryAfter: answer.headers.get("retry-after"),
    // biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
    data: parsed.data as any,
    code: parsed.success ? undefined : parsed.data.code,
    detail: parsed.success ? undefined : parsed.data.detail,
  };
}

const push = (till: Till, body: unknown = till.body()) =>
  call("push", JSON.stringify(body), till.key);

async function branch(code: string) {
  const made = await api.post(
    `mutation ($code: String!) {
      createBranch(input: { code: $code, name: $code }) { result { id cashAccountId } }
    }`,
    { code },
  );
  return made.data.createBranch.result as { id: string; cashAccountId: string };
}

async function enrolmentCode(branchId: string): Promise<string> {
  const issued = await api.post(
    `mutation ($id: BigInt!) {
      issueEnrolmentCode(input: { branchId: $id }) { result { code expiresAt } }
    }`,
    { id: branchId },
  );
  return issued.data.issueEnrolmentCode.result.code;
}

const enrol = (code: string, device?: string | null) =>
  call(
    "enrol",
    JSON.stringify({ protocol: 1, program: "test/1", code, device_name: "kasir 1", device }),
  );

async function till(branchId: string): Promise<Till> {
  const { data } = await enrol(await enrolmentCode(branchId));
  return tillOf(data);
}

test("a till enrols with a code that is good once, and pushes", async (t) => {
  const { id } = await branch("S1");
  const code = await enrolmentCode(id);
  const answer = await enrol(` ${code.toLowerCase().replaceAll("-", "")} `);
  t.is(answer.status, 200);
  t.is(answer.data.config.branch.code, "S1");
  t.is(answer.data.device_no, 1);
  const again = await enrol(code);
  t.is(again.status, 401);
  t.is(again.code, "SB506");
  const shop = tillOf(answer.data);
  shop.add();
  const pushed = await push(shop);
  t.is(pushed.status, 200);
  t.is(pushed.data.verdicts[0].verdict, "accepted");
  t.is(pushed.data.config_version, answer.data.config.config_version);
  t.is((await call("config", undefined, shop.key)).data.branch.name, "S1");
});

test("a till keeps its own id, until another has it, and the code stays good", async (t) => {
  const [one, two] = [await branch("I1"), await branch("I2")];
  const device = randomUUID();
  t.is((await enrol(await enrolmentCode(one.id), "no-id")).code, "SB507");
  const first = await enrol(await enrolmentCode(one.id), device);
  t.is(first.data.device, device);
  const elsewhere = await enrol(await enrolmentCode(two.id), device);
  t.deepEqual([elsewhere.status, elsewhere.code], [409, "SB515"]);
  const again = await enrol(await enrolmentCode(one.id), device);
  t.deepEqual([again.data.device, again.data.device_no], [device, first.data.device_no]);
  t.is(
    (await push(tillOf(first.data))).status,
    401,
    "the answer that was lost is good for nothing",
  );
  t.is((await push(tillOf(again.data))).status, 200);
  const code = await enrolmentCode(one.id);
  t.is((await enrol(code, device)).code, "SB515", "its key is in use");
  const other = await enrol(code, null);
  t.is(other.status, 200);
  t.not(other.data.device, device);
  t.is((await enrol(code, device)).code, "SB506", "a code is looked at before the id");
});

test("of two who take one id at the same moment, in two branches, one gets it", async (t) => {
  const branches = [await branch("I3"), await branch("I4")];
  const device = randomUUID();
  const codes = await Promise.all(branches.map(({ id }) => enrolmentCode(id)));
  const answers = await Promise.all(codes.map((code) => enrol(code, device)));
  t.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
});

test("a closed device is not enrolled again under its id", async (t) => {
  const { id } = await branch("I5");
  const device = randomUUID();
  await enrol(await enrolmentCode(id), device);
  await api.post(
    `mutation ($id: UUID!) { closeBranchDevice(input: { deviceId: $id, reason: "lost" }) { clientMutationId } }`,
    { id: device },
  );
  t.is((await enrol(await enrolmentCode(id), device)).code, "SB515");
});

test("an old code is refused, and what is no enrolment too", async (t) => {
  const { id } = await branch("S2");
  const code = await enrolmentCode(id);
  await api.root(
    "update saldo_private.branch_enrolment set expires_at = now() where branch_id = $1",
    [id],
  );
  t.is((await enrol(code)).code, "SB506");
  const bare = await call("enrol", JSON.stringify({ protocol: 1, code }));
  t.is(bare.status, 400);
  t.is(bare.code, "SB507");
  t.is(bare.detail, "program");
});

test("two keys work until the new one is used, a revoked one is 401", async (t) => {
  const { id } = await branch("S3");
  const shop = await till(id);
  const old = shop.key;
  const lost = (await call("key", '{"protocol":1}', old)).data.key;
  const next = (await call("key", '{"protocol":1}', old)).data.key;
  t.is((await push({ ...shop, key: lost } as Till)).code, "SB504", "the unused one was replaced");
  t.is((await push(shop)).status, 200);
  shop.key = next;
  t.is((await push(shop)).status, 200);
  const ended = await push({ ...shop, key: old } as Till);
  t.is(ended.status, 401);
  t.is(ended.code, "SB504");
  await api.post(
    `mutation ($id: UUID!) { revokeBranchKey(input: { deviceId: $id, reason: "stolen" }) { clientMutationId } }`,
    { id: shop.device },
  );
  t.is((await push(shop)).status, 401);
  const secrets = await api.root("select secret_hash::text from saldo_private.branch_key_secret");
  t.false(secrets.some(({ secret_hash }) => next.includes(String(secret_hash).slice(2, 20))));
});

test("a key of another device, and texts that are no key, are refused", async (t) => {
  const { id } = await branch("S4");
  const [one, two] = [await till(id), await till(id)];
  one.add();
  const other = await push({ ...one, key: two.key } as Till, one.body());
  t.is(other.status, 403);
  t.is(other.code, "SB505");
  for (const key of ["", "x", one.key.slice(0, -1), `${one.key.slice(0, -1)}g`]) {
    t.is((await call("push", "[]", key)).status, 401, key);
  }
  t.is((await call("push", "[]")).status, 401);
});

test("what is no push is refused with its own status", async (t) => {
  const shop = await till((await branch("S5")).id);
  const send = (body: Body, headers?: Record<string, string>) =>
    call("push", body, shop.key, headers);
  for (const body of ["", "{", "5", "null", '"text"', "{}", '{"protocol":"1"}']) {
    const answer = await send(body);
    t.is(answer.status, 400, body);
    t.is(answer.code, "SB507", body);
  }
  const lacking = await send(JSON.stringify({ ...shop.body(), head: { seq: -1, hash: null } }));
  t.is(lacking.detail, "head.seq");
  const deep = await send(
    JSON.stringify(shop.body()).replace("null", `${"[".repeat(50_000)}${"]".repeat(50_000)}`),
  );
  t.is(deep.status, 400);
  const future = await send('{"protocol":2,"rows":"other"}');
  t.is(future.status, 426);
  t.is(future.code, "SB510");
  t.is((await send("[]", { "content-type": "text/plain" })).status, 415);
  t.is((await send("[]", { "content-type": "application/json; charset=latin1" })).code, "SB509");
  t.is((await send("[]", { "content-encoding": "br" })).status, 415);
  t.is((await send("no gzip", { "content-encoding": "gzip" })).status, 400);
});

test("a push beyond 256 rows or 256 KiB is refused, also out of gzip", async (t) => {
  const shop = await till((await branch("S6")).id);
  const rows = await push(
    shop,
    Array.from({ length: 257 }, () => ({})),
  );
  t.is(rows.status, 413);
  t.is(rows.code, "SB508");
  t.is((await call("push", `[${" ".repeat(262_143)}]`, shop.key)).status, 413);
  const bomb = gzipSync(Buffer.alloc(50_000_000, " "));
  t.true(bomb.length < 100_000);
  const answer = await call("push", new Uint8Array(bomb), shop.key, { "content-encoding": "gzip" });
  t.is(answer.status, 413);
  shop.add();
  const packed = new Uint8Array(gzipSync(JSON.stringify(shop.body())));
  t.is((await call("push", packed, shop.key, { "content-encoding": "gzip" })).status, 200);
});

test("a row that no database can keep is quarantined, the others are posted", async (t) => {
  const { id } = await branch("S7");
  const shop = await till(id);
  const bad = shop.add({ description: "nul \u0000" });
  const half = shop.add({ description: "half \ud800" });
  shop.add();
  const deep = JSON.parse(`${"[".repeat(5000)}${"]".repeat(5000)}`);
  const { status, data } = await push(shop, shop.body([bad, half, shop.rows[2], deep]));
  t.is(status, 200);
  t.deepEqual(
    data.verdicts.map((each: { verdict: string; seq: number }) => [each.verdict, each.seq]),
    [
      ["quarantined", 1],
      ["quarantined", 2],
      ["accepted", 3],
      ["quarantined", null],
    ],
  );
  t.deepEqual(data.seen.missing, []);
});

test("a key gets no more than two connections at a time", async (t) => {
  const { id } = await branch("S8");
  const shop = await till(id);
  const { default: pg } = await import("pg");
  const holder = new pg.Client({ connectionString: api.connectionString });
  await holder.connect();
  await holder.query("begin");
  await holder.query("select from saldo.branch where id = $1 for update", [id]);
  const waiting = [push(shop), push(shop)];
  const refused = await until(
    () => push(shop),
    ({ status }) => status === 429,
  );
  t.is(refused.code, "SB511");
  t.is(refused.retryAfter, "5");
  await holder.query("rollback");
  await holder.end();
  for (const answer of await Promise.all(waiting)) t.true([200, 429].includes(answer.status));
  t.is((await push(shop)).status, 200);
});

// Two of the three come first, in any order: the refused one is asked for, not waited for.
async function until<T>(ask: () => Promise<T>, isIt: (answer: T) => boolean): Promise<T> {
  const asked = Array.from({ length: 3 }, ask);
  const found = Promise.any(
    asked.map(async (each) => {
      const answer = await each;
      if (isIt(answer)) return answer;
      throw new Error("another one");
    }),
  );
  return found;
}

const rename = (from: string, to: string) =>
  api.root(`begin;
    set local session_replication_role = replica;
    update saldo.branch_device set id = '${to}' where id = '${from}';
    update saldo.branch_key set device_id = '${to}' where device_id = '${from}';
    commit`);

test("the bodies of every protocol that was ever released are taken", async (t) => {
  const folder = new URL("bodies/", import.meta.url);
  const names = (await readdir(folder)).sort();
  t.deepEqual(names, ["protocol_0.json", "protocol_1.json"]);
  const { id } = await branch("JKT-01");
  for (const name of names) {
    const shop = await till(id);
    const text = await readFile(new URL(name, folder), "utf8");
    const { rows = JSON.parse(text), device } = JSON.parse(text);
    // The hashes of a stored body are those of the device that it was made at.
    if (device !== undefined) await rename(shop.device, device);
    const { status, data } = await call("push", text, shop.key);
    t.is(status, 200, name);
    t.deepEqual(
      data.verdicts.map((each: { verdict: string }) => each.verdict),
      name === "protocol_0.json"
        ? ["accepted", "accepted", "quarantined"]
        : rows.map(() => "accepted"),
      name,
    );
  }
});

test("a branch token reads nothing, and anonymous neither", async (t) => {
  const shop = await till((await branch("S9")).id);
  shop.add();
  await push(shop);
  t.is((await api.root("select from saldo.branch_intake")).length > 0, true);
  const token = await api.token({ sub: "till", role: "branch" });
  for (const bearer of [token, null]) {
    for (const query of [
      "{ branches { nodes { code } } }",
      "{ branchIntakes { nodes { id } } }",
      "{ branchKeys { nodes { id } } }",
      "{ branchGaps { nodes { firstSeq } } }",
      "{ accounts { nodes { id } } }",
      'mutation { createBranch(input: { code: "X", name: "X" }) { result { id } } }',
      'mutation { rotateBranchKey(input: { deviceId: "00000000-0000-4000-8000-000000000000" }) { result } }',
    ]) {
      const { code } = await api.post(query, {}, bearer);
      t.is(code, bearer === null ? "SB011" : "SB006", query);
    }
  }
  const missing = await api.post(
    'mutation { rotateBranchKey(input: { deviceId: "00000000-0000-4000-8000-000000000000" }) { result } }',
  );
  t.is(missing.code, "SB502");
});
