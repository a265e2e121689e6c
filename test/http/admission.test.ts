import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import test from "ava";
import { buildSchema, getIntrospectionQuery } from "graphql";
import { LONG_MUTATIONS } from "../../src/graphql/reports.ts";
import { makeKnownDocuments } from "../../src/http/known_documents.ts";
import { openApi } from "../_support/api.ts";

// A report that takes its time, and a short call beside it.
const SLOW = `
  create function saldo.slow_rows() returns setof saldo.setting
  language sql stable set search_path = saldo, pg_temp as $$
    select setting.* from saldo.setting, pg_sleep(0.05) limit 1
  $$;
  grant execute on function saldo.slow_rows to saldo_operator;
`;

const api = await openApi({
  prepare: SLOW,
  config: { bodyByteCountMax: 1_000_000, isIntrospectionEnabled: true },
});
test.after.always(() => api.close());

const MANY = JSON.stringify({
  query: "query ($list: [Int]) { a(list: $list) }",
  variables: { list: Array.from({ length: 450_000 }, () => 1) },
});
const FIVE = `{ ${[1, 2, 3, 4, 5].map((n) => `r${n}: slowRows { nodes { name } }`).join(" ")} }`;

test("a body that is too large by its own word is refused before a byte of it", async (t) => {
  const { port, hostname } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    [
      "POST /graphql HTTP/1.1",
      "Host: x",
      "Content-Type: application/json",
      "Content-Length: 900000",
      "\r\n",
    ].join("\r\n"),
  );
  const [answer] = await once(socket, "data", { signal: AbortSignal.timeout(60_000) });
  socket.destroy();
  t.regex(String(answer), /^HTTP\/1\.1 413 [\s\S]*SB012/);
});

test("without a token a request is small, and the schema may be asked for", async (t) => {
  t.is((await api.post("{ a }", { x: "x".repeat(10_000) }, null)).status, 413);
  t.is((await api.post("{ a }", { x: Array.from({ length: 100 }, () => 1) }, null)).code, "SB012");
  t.is((await api.post("{ a b c d e }", {}, null)).code, "SB012");
  const schema = await api.post(
    getIntrospectionQuery({ specifiedByUrl: true, oneOf: true }),
    {},
    null,
  );
  t.is(schema.data?.__schema.queryType.name, "Query");
});

test("a list of 450,000 is refused with a token too, one of some thousands is not", async (t) => {
  const authorization = `Bearer ${await api.token({})}`;
  t.is((await api.send(MANY, { authorization })).code, "SB012");
  const query =
    "query ($in: [String!]) { settings(filter: { name: { in: $in } }) { nodes { name } } }";
  const names = Array.from({ length: 5000 }, (_, index) => `name ${index}`);
  const { data } = await api.post(query, { in: [...names, "currency"] });
  t.deepEqual(data.settings.nodes, [{ name: "currency" }]);
});

test.serial("20 large bodies without a token do not stop the event loop", async (t) => {
  const body = Buffer.from(MANY);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => api.send(new Uint8Array(body)).catch(() => undefined)),
  );
  delay.disable();
  // Some are refused while they are still being sent, which a client may see as a broken connection.
  t.true(answers.every((answer) => answer === undefined || answer.code === "SB012"));

  // What it costs to read them all, in this run and under the same load.
  const startedAt = performance.now();
  for (let index = 0; index < 20; index += 1) Object.entries(JSON.parse(MANY).variables.list);
  const readAllMs = performance.now() - startedAt;
  const stoppedMs = delay.max / 1e6;
  t.true(stoppedMs < readAllMs / 2, `stopped for ${stoppedMs} ms, reading takes ${readAllMs} ms`);
});

test.serial("reports of one caller do not keep another one waiting", async (t) => {
  const [greedy, other] = await Promise.all(
    ["greedy", "other"].map((sub) => api.token({ sub, role: "operator" })),
  );
  let doneCount = 0;
  const reports = Array.from({ length: 20 }, async () => {
    const { data } = await api.post(FIVE, {}, greedy);
    doneCount += 1;
    return data;
  });
  const short = await api.post('{ setting(name: "currency") { value } }', {}, other);
  t.truthy(short.data.setting.value);
  t.true(doneCount < 10, `a short call came after ${doneCount} of 20`);
  const own = await api.post("{ slowRows { nodes { name } } }", {}, other);
  t.is(own.data.slowRows.nodes.length, 1);
  t.true(doneCount < 18, `a report came after ${doneCount} of 20`);
  t.true((await Promise.all(reports)).every((data) => data.r5.nodes.length === 1));
});

test.serial("more than may wait are answered 429, and told when to come again", async (t) => {
  const narrow = await openApi({ prepare: SLOW, config: { callerQueueMax: 2 } });
  t.teardown(() => narrow.close());
  const token = await narrow.token({ role: "operator" });
  const answers = await Promise.all(Array.from({ length: 10 }, () => narrow.post(FIVE, {}, token)));
  const refused = answers.filter(({ status }) => status === 429);
  t.true(refused.length >= 5, `${refused.length} refused`);
  t.true(
    refused.every(({ code, headers }) => code === "SB023" && headers.get("retry-after") === "1"),
  );
  t.is(refused.length + answers.filter(({ data }) => data?.r1).length, 10);
  const { text } = await narrow.request("/metrics");
  t.regex(text, /^saldo_requests_running\{lane="report"\} 0$/m);
  t.regex(text, /^saldo_requests_waiting\{lane="short"\} 0$/m);
  t.regex(
    text,
    new RegExp(`^saldo_requests_refused_total\\{lane="report"\\} ${refused.length}$`, "m"),
  );
  t.regex(text, /^nodejs_eventloop_lag_max_seconds \S+$/m);
});

test.serial("new documents of one caller are planned in turns with those of others", async (t) => {
  const [greedy, other] = await Promise.all(
    ["greedy", "other"].map((sub) => api.token({ sub, role: "operator" })),
  );
  // Each is another document, of some size, and so to be planned.
  const documentOf = (index: number) =>
    `query Q${index} { ${Array.from(
      { length: 8 },
      (_, place) => `a${place}: accounts(first: ${index + 1}) {
        nodes { id code member { id code purchases(first: 1) { nodes { id } } } }
      }`,
    ).join(" ")} }`;
  let doneCount = 0;
  const many = Array.from({ length: 30 }, async (_, index) => {
    const { errors } = await api.post(documentOf(index), {}, greedy);
    doneCount += 1;
    return errors;
  });
  const short = await api.post('query Own { setting(name: "currency") { value } }', {}, other);
  t.truthy(short.data.setting.value);
  t.true(doneCount < 15, `a short call came after ${doneCount} of 30`);
  t.true((await Promise.all(many)).every((errors) => errors === undefined));
  const { text } = await api.request("/metrics");
  t.regex(text, /^saldo_requests_running\{lane="plan"\} 0$/m);
});

test("documents are known by their text, the last thousand of them", (t) => {
  const documents = makeKnownDocuments();
  documents.add("{ a }");
  t.true(documents.has("{ a }"));
  t.false(documents.has("{ b }"));
  for (let index = 0; index < 1000; index += 1) documents.add(`{ a${index} }`);
  t.false(documents.has("{ a }"));
  t.true(documents.has("{ a0 }"));
});

test("mutations that count as long ones exist", async (t) => {
  const schema = buildSchema(await readFile("schema.graphql", "utf8"));
  const fields = schema.getMutationType()?.getFields() ?? {};
  t.deepEqual(
    [...LONG_MUTATIONS].filter((name) => !(name in fields)),
    [],
  );
});
