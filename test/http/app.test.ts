import { once } from "node:events";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import test from "ava";
import { openApi } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

const QUERY = JSON.stringify({ query: "{ errorCodes(first: 1) { nodes { code } } }" });

test("health answers without the database, ready with it", async (t) => {
  t.is((await api.request("/health")).status, 200);
  t.is((await api.request("/ready")).status, 200);
});

test("a server that is not ready says 503", async (t) => {
  const stopping = await openApi({ isReady: () => false });
  t.is((await stopping.request("/ready")).status, 503);
  const health = await stopping.request("/health");
  t.is(health.status, 200);
  t.is(health.headers.get("connection"), "close");
  await stopping.close();
});

test("a GET, a form, plain text and an array are refused with their status", async (t) => {
  const get = await api.request("/graphql?query={__typename}");
  t.is(get.status, 405);
  t.is(get.headers.get("allow"), "POST");
  const form = { "content-type": "application/x-www-form-urlencoded" };
  t.is((await api.send("query={__typename}", form)).status, 415);
  t.is((await api.send(QUERY, { "content-type": "text/plain" })).status, 415);
  t.is((await api.send(QUERY, { "content-type": "application/graphql" })).status, 415);
  t.is((await api.send(QUERY, { "content-type": "multipart/form-data; boundary=x" })).status, 415);
  t.is((await api.send(QUERY, { accept: "image/png" })).status, 406);
  const array = await api.send(`[${QUERY},${QUERY}]`);
  t.is(array.status, 400);
  t.is(array.code, "SB010");
});

test("GET is refused with what to set, and where it is on serves queries and nothing else", async (t) => {
  const refused = await api.request("/graphql?query={__typename}");
  t.is(refused.status, 405);
  t.regex(refused.errors?.[0]?.extensions["hint"] ?? "", /SALDO_GRAPHQL_GET=true/);

  const open = await openApi({ config: { isGetEnabled: true } });
  t.teardown(() => open.close());
  const authorization = `Bearer ${await open.token({})}`;
  const get = (parameters: Record<string, string>, own = open) =>
    own.request(`/graphql?${new URLSearchParams(parameters)}`, { headers: { authorization } });
  const query = "query One($code: String!) { errorCode(code: $code) { condition } }";
  const good = await get({ query, variables: '{"code":"SB012"}', operationName: "One" });
  t.is(good.status, 200);
  t.is(good.data.errorCode.condition, "query_too_complex");
  t.is(good.headers.get("cache-control"), "no-store");

  const before = await open.digest();
  const mutation =
    'mutation { openAccount(input: { code: "x", name: "X", type: asset }) { result { id } } }';
  const both = `query One { __typename } ${mutation.replace("{", "Two {")}`;
  const changing: Record<string, string>[] = [
    { query: mutation },
    { query: both, operationName: "Two" },
    { query: both, operationName: "One" },
  ];
  for (const parameters of changing) {
    const answer = await get(parameters);
    t.is(answer.status, 405, JSON.stringify(parameters));
    t.is(answer.code, "SB010");
  }
  t.is(await open.digest(), before);
  for (const variables of ["{", "[]", '{"a":1},"query":"{__typename}"', "1"]) {
    const answer = await get({ query, variables });
    t.true(answer.status >= 400 && answer.status < 500, variables);
  }
  t.is((await open.request("/graphql?query={a}&query={b}")).code, "SB010");
  t.is((await open.request("/graphql")).code, "SB010");
  t.is(
    (await get({ query, variables: `{"code":${"[".repeat(100)}${"]".repeat(100)}}` })).code,
    "SB012",
  );
  t.is((await open.request("/graphql", { method: "PUT" })).headers.get("allow"), "GET, POST");
});

test("content types are compared without case, and the body is UTF-8", async (t) => {
  for (const type of ["Application/JSON", "application/json ; Charset=UTF-8"]) {
    t.is((await api.send(QUERY, { "content-type": type })).status, 200, type);
  }
  const latin = { "content-type": "application/json; charset=latin1" };
  t.is((await api.send(QUERY, latin)).status, 415);
  const broken = new Uint8Array([...Buffer.from('{"query":"'), 0xff, ...Buffer.from('"}')]);
  t.is((await api.send(broken)).code, "SB010");
});

test("bodies of the wrong shape are refused as wrong input", async (t) => {
  for (const body of [
    "",
    "{",
    "null",
    "5",
    '"x"',
    "{}",
    '{"query":5}',
    '{"query":"{a}","variables":[]}',
    '{"query":"{a}","variables":"x"}',
    '{"query":"{a}","operationName":5}',
    "\u0000",
  ]) {
    const answer = await api.send(body);
    t.is(answer.status, 400, body);
    t.is(answer.code, "SB010", body);
  }
});

test("a body above the limit is refused, also when it was compressed", async (t) => {
  const large = JSON.stringify({ query: "{ a }", variables: { x: "x".repeat(300_000) } });
  const answer = await api.send(large);
  t.is(answer.status, 413);
  t.is(answer.code, "SB012");
  const bomb = gzipSync(Buffer.alloc(50_000_000, 32));
  t.is((await api.send(bomb, { "content-encoding": "gzip" })).status, 413);
  t.is((await api.send("not gzip", { "content-encoding": "gzip" })).status, 400);
  t.is((await api.send(QUERY, { "content-encoding": "x-unknown" })).status, 415);
});

test("a compressed body of fair size is served", async (t) => {
  const answer = await api.send(gzipSync(QUERY), { "content-encoding": "gzip" });
  t.is(answer.data.errorCodes.nodes.length, 1);
});

/** Sends bytes as they are, and returns the answer's status once the server has closed. */
async function sendRaw(lines: string[]): Promise<number> {
  const { port, hostname } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  socket.write(lines.join("\r\n"));
  await once(socket, "close");
  return Number(answer.split(" ")[1]);
}

test("requests whose length is in doubt are refused", async (t) => {
  const head = ["POST /graphql HTTP/1.1", "Host: x", "Content-Type: application/json"];
  const { length } = QUERY;
  const both = [`Content-Length: ${length}`, "Transfer-Encoding: chunked", "", QUERY];
  t.is(await sendRaw([...head, ...both]), 400);
  const twice = [`Content-Length: ${length}`, `Content-Length: ${length + 1}`, "", QUERY];
  t.is(await sendRaw([...head, ...twice]), 400);
  t.is(await sendRaw([...head, "Content-Length: -1", "", QUERY]), 400);
  const close = ["Connection: close", `Content-Length: ${length}`, "", QUERY];
  t.is(await sendRaw([...head, ...close]), 200);
});

test("a header of many kilobytes is refused", async (t) => {
  const answer = await api.send(QUERY, { authorization: `Bearer ${"x".repeat(40_000)}` });
  t.is(answer.status, 431);
});

test("a body that is cut short harms nobody", async (t) => {
  const { port, hostname } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.write(
    ["POST /graphql HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 500"]
      .concat("", "{")
      .join("\r\n"),
  );
  socket.destroy();
  t.is((await api.send(QUERY)).status, 200);
});

test("a bad token is 401 with a code, whatever the query", async (t) => {
  const [header, , signature] = (await api.token({})).split(".");
  const forged = Buffer.from(JSON.stringify({ sub: "x", role: "admin", aud: "saldo", exp: 9e9 }));
  for (const token of [
    `${header}.${forged.toString("base64url")}.${signature}`,
    `${Buffer.from('{"alg":"none"}').toString("base64url")}.${forged.toString("base64url")}.`,
    await api.token({}, "-1 minute"),
    "x".repeat(8000),
  ]) {
    const answer = await api.send(QUERY, { authorization: `Bearer ${token}` });
    t.true(answer.status === 401 || answer.status === 429);
    t.is(answer.code, answer.status === 401 ? "SB011" : "SB018");
  }
});

test("guesses count whatever they ask for", async (t) => {
  const guessed = await openApi();
  const guess = { authorization: "Bearer e.e.e", "content-type": "application/json" };
  const doors = ["/metrics", "/api/v1/balance/cash:IDR", "/graphql"] as const;
  const statuses: number[] = [];
  for (let round = 0; round < 4; round += 1) {
    for (const path of doors) {
      const body = path === "/graphql" ? { method: "POST", body: QUERY } : {};
      statuses.push((await guessed.request(path, { headers: guess, ...body })).status);
    }
  }
  t.deepEqual(statuses, [...Array(10).fill(401), 429, 429]);
  await guessed.close();
});

test("many bad tokens are answered 429, a good one is still served", async (t) => {
  const own = await openApi();
  const codes = new Set<string | undefined>();
  for (let attempt = 0; attempt < 15; attempt += 1) {
    codes.add((await own.send(QUERY, { authorization: "Bearer a.b.c" })).code);
  }
  t.deepEqual([...codes], ["SB011", "SB018"]);
  t.is((await own.send(QUERY, { authorization: `Bearer ${await own.token({})}` })).status, 200);
  await own.close();
});

test("unknown addresses answer 404 in JSON", async (t) => {
  for (const path of [
    "/nope",
    "/graphql/stream",
    "/ruru-static/ruru.js",
    "/graphiql",
    "/%00",
    "/.env",
  ]) {
    const answer = await api.request(path);
    t.true(answer.status === 404 || answer.status === 405, `${path} ${answer.status}`);
    t.truthy(answer.code, path);
  }
});

test("a malformed address is a client's error", async (t) => {
  const answer = await api.request("/%E0%A4%A");
  t.true(answer.status >= 400 && answer.status < 500);
});

test("answers carry the headers that browsers ask for", async (t) => {
  const { headers } = await api.send(QUERY);
  t.is(headers.get("x-content-type-options"), "nosniff");
  t.is(headers.get("x-powered-by"), null);
  t.is(headers.get("access-control-allow-origin"), null);
  t.regex(headers.get("content-security-policy") ?? "", /default-src 'none'/);
});

test("GraphiQL is served only where it is on", async (t) => {
  const open = await openApi({ config: { isGraphiqlEnabled: true } });
  const page = await open.request("/graphiql");
  t.regex(page.text, /<!DOCTYPE html>/i);
  t.regex(page.text, /<title>Saldo: GraphiQL<\/title>/);
  t.regex(page.text, /<label for="saldo-token-input">Token<\/label>/);
  const policy = page.headers.get("content-security-policy") ?? "";
  const [, nonce = ""] = /script-src 'self' 'nonce-([\w+/=]{24})';/.exec(policy) ?? [];
  t.regex(policy, /^default-src 'none';.*frame-ancestors 'none'$/);
  const scripts = page.text.match(/<script\b[^>]*/g) ?? [];
  t.true(scripts.length > 1 && scripts.every((each) => each.includes(`nonce="${nonce}"`)));
  const again = (await open.request("/graphiql")).headers.get("content-security-policy") ?? "";
  t.false(again.includes(nonce), "each page has its own");
  t.is((await open.request("/ruru-static/ruru.js")).status, 200);
  await open.close();
  t.is((await api.request("/graphiql")).status, 404);
});

const AMOUNTS = ["total_assets", "total_liabilities", "total_equity"];

test.serial("the balances' health is 200, with amounts for staff only", async (t) => {
  await api.member("anna", "500000");
  await api.root("select saldo.check_balance_health()");
  const ask = async (role?: "admin" | "operator" | "member" | "branch") => {
    const claims = { role: role ?? ("admin" as const), member_id: "1" };
    const headers = { authorization: `Bearer ${await api.token(claims)}` };
    return api.request("/admin/balance-health/check", role === undefined ? {} : { headers });
  };
  for (const role of [undefined, "member", "branch"] as const) {
    const { status, text } = await ask(role);
    t.is(status, 200);
    const body = JSON.parse(text);
    t.like(body, { health: "healthy", balance: "balanced" });
    t.regex(body.message, /^Checked at \S+Z\.$/);
    t.deepEqual(Object.keys(body.data), [
      "is_healthy",
      "is_valid",
      "is_overdue",
      "last_check_at",
      "last_check_age_seconds",
      "worker_seen_at",
    ]);
  }
  for (const role of ["admin", "operator"] as const) {
    const { text } = await ask(role);
    for (const total of AMOUNTS) t.regex(text, new RegExp(`"${total}":(500000|0)[,}]`));
    t.regex(JSON.parse(text).message, /rules over 2 journal lines/);
  }
  const headers = { authorization: "Bearer a.b.c" };
  t.is((await api.request("/admin/balance-health/check", { headers })).code, "SB011");
});

test.serial("balanceHealth tells amounts to those who may read them", async (t) => {
  const query = "{ balanceHealth { isHealthy totalAssets totalLiabilities totalEquity } }";
  const none = { totalAssets: null, totalLiabilities: null, totalEquity: null };
  const member = await api.memberToken("1");
  for (const token of [null, member, await api.token({ role: "branch" })]) {
    const { data } = await api.post(query, {}, token);
    t.deepEqual(data.balanceHealth, { isHealthy: true, ...none });
  }
  for (const role of ["admin", "operator"] as const) {
    const { data } = await api.post(query, {}, await api.token({ role }));
    t.is(data.balanceHealth.totalLiabilities, "500000");
  }
});

test.serial(
  "metrics have amounts for those with a token, and ask for it where it is set",
  async (t) => {
    const read = async (own: typeof api, authorization?: string) =>
      own.request("/metrics", authorization === undefined ? {} : { headers: { authorization } });
    const amounts = /^saldo_(total_assets|total_liabilities|total_equity|drift_amount)\b/m;
    t.notRegex((await read(api)).text, amounts);
    t.notRegex((await read(api, `Bearer ${await api.memberToken("1")}`)).text, amounts);
    const staff = await read(api, `Bearer ${await api.token({ role: "operator" })}`);
    t.regex(staff.text, /^saldo_total_liabilities 500000$/m);

    const metricsToken = "a-token-for-metrics-only";
    const own = await openApi({ config: { metricsToken } });
    t.teardown(() => own.close());
    t.is((await read(own)).status, 401);
    t.is((await read(own, "Bearer another token that")).status, 401);
    t.is((await read(own, `Bearer ${metricsToken}x`)).status, 401);
    t.regex((await read(own, `Bearer ${metricsToken}`)).text, amounts);
    t.is((await read(own, `Bearer ${await own.token({})}`)).status, 200);
  },
);

test.serial("metrics tell whether the balance sheet is valid", async (t) => {
  await api.send(QUERY);
  const { status, text } = await api.request("/metrics");
  t.is(status, 200);
  t.regex(text, /^balance_sheet_valid 1$/m);
  t.regex(text, /^saldo_drift_count 0$/m);
  t.regex(text, /^saldo_http_request_duration_seconds_count\{.*route="\/graphql".*\} \d+$/m);
  t.false(text.includes("/nope"));
});

test("metrics tell how settlement is doing", async (t) => {
  const [{ id } = {}] = await api.root(
    "select id from saldo.open_account('metered', 'Metered', 'liability')",
  );
  await api.root("select saldo.make_account_hot($1, 2)", [id]);
  await api.root("select saldo.submit_transaction($1, 5, 'credit')", [id]);
  await api.root("select saldo.place_hold($1, 1)", [id]);
  // What was read a moment ago is kept for some seconds.
  const deadline = Date.now() + 20_000;
  let text = "";
  do ({ text } = await api.request("/metrics"));
  while (
    !(/^saldo_pending_count 1$/m.test(text) && /^saldo_open_hold_count 1$/m.test(text)) &&
    Date.now() < deadline
  );
  t.regex(text, /^saldo_pending_count 1$/m);
  t.regex(text, /^saldo_oldest_pending_age_seconds \d+(\.\d+)?$/m);
  t.regex(text, /^saldo_open_hold_count 1$/m);
  t.regex(text, /^saldo_overdue_hold_count 0$/m);
  t.regex(text, /^saldo_last_settled_at Nan$/m);
  t.regex(text, /^saldo_slot_rebuild_count \d+$/m);
  t.regex(text, /^saldo_hot_account_count \d+$/m);
});
