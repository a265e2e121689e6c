import { request } from "node:http";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type RunningTill, startTill } from "../../src/branch/main.ts";
import { makePlace, storeOptions } from "./_till.ts";

/** The local API: the seed's four calls, who may call, and what is refused. */

async function makeTill(t: ExecutionContext, more: object = {}): Promise<RunningTill> {
  const options = storeOptions(makePlace(t), () => new Date());
  const till = await startTill({ ...options, port: 0, pageFolder: undefined, ...more });
  t.teardown(() => till.stop());
  return till;
}

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at what came
  body: { success: boolean; message: string; data: Record<string, any> };
}

async function call(
  till: RunningTill,
  path: string,
  body?: unknown,
  headers = {},
): Promise<Answer> {
  const response = await fetch(`${till.address.replace("localhost", "127.0.0.1")}/api/v1${path}`, {
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
  });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

const sale = { type: "IN", amount: 20000, category: "Penjualan", description: "Kopi" };

test("the seed's calls: enter, look up, summary, status", async (t) => {
  const till = await makeTill(t);
  const entered = await call(till, "/transactions", sale);
  t.is(entered.status, 201);
  t.like(entered.body.data["transaction"], { type: "IN", amount: 20000, is_synced: false });
  await call(till, "/transactions", { type: "OUT", amount: "5000", category: "Bensin" });
  const { body: summary } = await call(till, "/dashboard/summary");
  t.like(summary.data, { balance: 15000, unsynced_count: 2, currency: "IDR", decimals: 0 });
  const { body: page } = await call(till, "/transactions?page=1&limit=10");
  t.like(page.data, { page: 1, limit: 10, total: 2, total_pages: 1 });
  t.like((await call(till, "/transactions?q=kopi&type=IN")).body.data, { total: 1 });
  const { body: status } = await call(till, "/system/status");
  t.like(status.data, { status: "offline", unsynced_count: 2, attention_count: 0, warnings: [] });
  t.is(typeof status.data["oldest_unsynced_seconds"], "number");
});

test("what is wrong is refused field by field, and nothing of it is stored", async (t) => {
  const till = await makeTill(t);
  const wrong: [object | string, string][] = [
    [{ ...sale, amount: 0.5 }, "amount"],
    [{ ...sale, amount: 0 }, "amount"],
    [{ ...sale, amount: -1 }, "amount"],
    [{ ...sale, amount: "20.000" }, "amount"],
    [{ ...sale, amount: "1e3" }, "amount"],
    [{ ...sale, amount: 1e15 }, "amount"],
    [{ ...sale, type: "in" }, "type"],
    [{ ...sale, category: "  " }, "category"],
    [{ ...sale, category: "dua\nbaris" }, "category"],
    [{ ...sale, category: "\u202eipok" }, "category"],
    [{ ...sale, cashier: "Ayu\u200b" }, "cashier"],
    [{ ...sale, description: "a\u0007" }, "description"],
    [{ ...sale, description: "\u2066a" }, "description"],
    [{ ...sale, description: "x".repeat(501) }, "description"],
    [{ ...sale, id: "1" }, "id"],
    [{ ...sale, is_synced: true }, "body"],
    [{ ...sale, corrects: "0b3c0b1e-58a3-4f0e-9f49-0d8a5a3f2a11" }, "reason"],
  ];
  for (const [body, field] of wrong) {
    const { status, body: answer } = await call(till, "/transactions", body);
    t.is(status, 400, JSON.stringify(body));
    t.deepEqual(Object.keys(answer.data["fields"] ?? {}), [field], JSON.stringify(body));
  }
  t.is((await call(till, "/transactions", "{")).status, 400);
  t.is((await call(till, "/transactions?limit=101")).status, 400);
  t.is((await call(till, "/nothing")).status, 404);
  t.like((await call(till, "/transactions")).body.data, { total: 0 });
});

test("a form that is sent twice at once makes one row", async (t) => {
  const till = await makeTill(t);
  const form = { ...sale, id: "0b3c0b1e-58a3-4f0e-9f49-0d8a5a3f2a11" };
  const answers = await Promise.all([1, 2, 3].map(() => call(till, "/transactions", form)));
  t.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
  t.like((await call(till, "/dashboard/summary")).body.data, { balance: 20000 });
});

test("void, correct and count go through", async (t) => {
  const till = await makeTill(t);
  const { body } = await call(till, "/transactions", sale);
  const { id } = body.data["transaction"] as { id: string };
  t.is((await call(till, `/transactions/${id}/void`, {})).status, 400);
  t.is((await call(till, `/transactions/${id}/void`, { reason: "salah" })).status, 201);
  t.is((await call(till, `/transactions/${id}/void`, { reason: "salah" })).status, 409);
  const { body: counted } = await call(till, "/shifts", { at: "close", counted: 100 });
  t.like(counted.data["transaction"], { kind: "count", amount: 100, expected: "0" });
  t.like((await call(till, `/transactions/${id}`)).body.data["transaction"], { kind: "entry" });
});

test("pages of other origins and other names of this machine are refused", async (t) => {
  const till = await makeTill(t);
  const foreign = [
    { origin: "http://example.com" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ];
  for (const headers of foreign) {
    t.is((await call(till, "/transactions", sale, headers)).status, 403, JSON.stringify(headers));
    t.is((await call(till, "/system/status", undefined, headers)).status, 403);
  }
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    t.is((await call(till, "/transactions", sale, { "content-type": type })).status, 415, type);
  }
  t.is(await statusFor(till, "rebound.example.com"), 403);
  t.is(await statusFor(till, "localhost"), 200);
  t.like((await call(till, "/transactions")).body.data, { total: 0 });
});

/** fetch does not let the host be named. */
function statusFor(till: RunningTill, host: string): Promise<number> {
  const { port } = new URL(till.address);
  const headers = { host: `${host}:${port}` };
  return new Promise((done, refuse) => {
    request({ host: "127.0.0.1", port, path: "/api/v1/system/status", headers }, (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    })
      .once("error", refuse)
      .end();
  });
}

test("with a password nobody gets in without it", async (t) => {
  const till = await makeTill(t, { password: "rahasia" });
  t.is((await call(till, "/system/status")).status, 401);
  const authorization = (password: string) => ({ authorization: `Basic ${btoa(`x:${password}`)}` });
  t.is((await call(till, "/system/status", undefined, authorization("rahasi_"))).status, 401);
  t.is((await call(till, "/system/status", undefined, authorization("rahasia"))).status, 200);
});

test("a page that is not built is told in a sentence, and the API works", async (t) => {
  const till = await makeTill(t, { pageFolder: join("no", "such", "folder") });
  const response = await fetch(till.address.replace("localhost", "127.0.0.1"));
  t.is(response.status, 503);
  t.regex(await response.text(), /npm run build:web/);
});
