import { EventEmitter } from "node:events";
import { setImmediate } from "node:timers/promises";
import test from "ava";
import { logRequests } from "../../src/http/request_log.ts";
import { openApi, TOP_UP } from "../_support/api.ts";

const api = await openApi({ config: { requestLog: "all", trustProxy: ["loopback"] } });
test.after.always(() => api.close());

const lines = () => api.log.filter(({ message }) => message === "request");

/** The line of what is done; it is written when the connection has its answer. */
async function lineOf(work: () => Promise<{ headers: Headers }>) {
  const id = (await work()).headers.get("x-request-id");
  for (;;) {
    const line = lines().find(({ requestId }) => requestId === id);
    if (line !== undefined) return line;
    await setImmediate();
  }
}

test.serial(
  "a line has caller, operation, outcome and id, and nothing that was sent",
  async (t) => {
    const anna = await api.member("anna", "70000.25");
    const { ms, requestId, ...line } = await lineOf(() =>
      api.post(TOP_UP.replace("mutation", "mutation PayIn"), {
        member: anna.id,
        amount: "40321.75",
        text: "a gift of 40321",
      }),
    );
    t.deepEqual(line, {
      message: "request",
      method: "POST",
      route: "/graphql",
      fields: ["topUp"],
      role: "admin",
      subject: "root",
      status: 200,
    });
    t.true((ms as number) > 0);
    t.regex(String(requestId), /^[0-9a-f-]{36}$/);
    const query = "query One($id: BigInt!) { member(id: $id) { code } } query Two { __typename }";
    const named = await lineOf(async () =>
      api.send(JSON.stringify({ query, variables: { id: anna.id }, operationName: "One" }), {
        authorization: `Bearer ${await api.memberToken(anna.id)}`,
      }),
    );
    t.is(named["operation"], "One");
    t.is(named["role"], "member");
    t.is(named["subject"], `member ${anna.id}`);
    t.notRegex(JSON.stringify(lines()), /40321|70000|gift|anna|Bearer|eyJ/);
  },
);

test.serial("a refusal has its code, whoever refuses it", async (t) => {
  const anna = await api.member("budi");
  const short = { member: anna.id, amount: "1.234" };
  const refusals = [
    ["SB003", 200, () => api.post(TOP_UP, short)],
    [
      "SB006",
      200,
      async () => api.post(TOP_UP, { ...short, amount: "1" }, await api.memberToken(anna.id)),
    ],
    ["SB010", 400, () => api.post("{ nothingLikeIt }")],
    ["SB010", 400, async () => api.send("{", { authorization: `Bearer ${await api.token({})}` })],
    ["SB011", 401, () => api.post("{ __typename }", {}, "no token at all")],
    ["SB011", 401, () => api.request("/api/v1/balance/cash-40321")],
    ["SB007", 404, () => api.request("/no/such/40321")],
    ["SB504", 401, () => api.request("/api/v1/sync/config")],
  ] as const;
  for (const [code, status, work] of refusals) {
    const line = await lineOf(work as () => Promise<{ headers: Headers }>);
    t.is(line["code"], code, JSON.stringify(line));
    t.is(line["status"], status, JSON.stringify(line));
  }
  t.notRegex(JSON.stringify(lines()), /40321|no token/);
});

test.serial("a trusted proxy names the request, when it does so in a word", async (t) => {
  const idOf = async (id: string) =>
    (await api.request("/health", { headers: { "x-request-id": id } })).headers.get("x-request-id");
  t.is(await idOf("edge-7.1"), "edge-7.1");
  t.regex((await idOf("two words")) ?? "", /^[0-9a-f-]{36}$/);
  t.regex((await idOf("x".repeat(65))) ?? "", /^[0-9a-f-]{36}$/);
  t.false(
    lines().some(({ route }) => route === "/health"),
    "a probe that is well has no line",
  );
});

test("only what is refused where that is chosen, and so many lines a second", (t) => {
  let now = 0;
  const log: Record<string, unknown>[] = [];
  const info = (message: string, fields?: object) => void log.push({ message, ...fields });
  const pass = (choice: "all" | "refused" | "none", statusCode: number) => {
    const handler = logRequests({ info, warn: info, error: info }, choice, () => now);
    return (times = 1) => {
      for (let each = 0; each < times; each += 1) {
        const response = Object.assign(new EventEmitter(), {
          locals: {},
          statusCode,
          writableFinished: true,
          setHeader: () => {},
        });
        const app = { get: () => () => false };
        const request = {
          headers: { "x-request-id": "theirs" },
          method: "GET",
          path: "/",
          originalUrl: "/?x=1",
          app,
        };
        handler({ ...request, socket: {} } as never, response as never, () => {});
        response.emit("close");
      }
      return log.length;
    };
  };
  t.is(pass("none", 500)(), 0);
  t.is(pass("refused", 200)(), 0);
  t.is(pass("refused", 401)(), 1);
  const flood = pass("all", 401);
  t.is(flood(1500), 1001, "a thousand of a second");
  now += 1000;
  flood();
  t.is(log.at(-1)?.["leftOutBefore"], 500);
  t.false(JSON.stringify(log).includes("theirs"), "nobody but a trusted proxy names a request");
});
