import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import test from "ava";
import { WebSocket } from "ws";
import { makeBoundedLog } from "../../src/http/bounded_log.ts";
import { type Api, openApi } from "../_support/api.ts";

const api = await openApi();
test.after.always(() => api.close());

/** Sends bytes of our own and returns what came back until the end, or nothing after a reset. */
async function say(text: string, act: (socket: Socket) => void = () => {}): Promise<string> {
  const { hostname, port } = new URL(api.url);
  const socket = connectSocket(Number(port), hostname);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(text);
  act(socket);
  await once(socket, "close");
  return answer;
}

const upgradeTo = (path: string) =>
  [
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: graphql-transport-ws",
    "\r\n",
  ].join("\r\n");

const isAlive = async () => (await api.post("{ __typename }")).status === 200;

test("an upgrade to anything but the API is 404, whatever its path", async (t) => {
  for (const path of ["/", "//", "//x", "http://[", "/graphql/", "/%", "*"]) {
    t.regex(await say(upgradeTo(path)), /^HTTP\/1\.1 40[04] /, path);
    t.true(await isAlive());
  }
});

test("a socket that is reset while it is refused or opened harms nobody", async (t) => {
  for (const path of ["/nothing", "//", "/graphql"]) {
    await Promise.all(
      Array.from({ length: 20 }, () => say(upgradeTo(path), (socket) => socket.resetAndDestroy())),
    );
    t.true(await isAlive());
  }
});

test("a frame that is no frame ends its socket only", async (t) => {
  const answer = await say(`${upgradeTo("/graphql")}\xff\xff\xff\xff\xff`);
  t.regex(answer, /^HTTP\/1\.1 101 /);
  t.true(await isAlive());
});

/** Opens a socket, sends messages, and resolves with the code that it is closed with. */
async function closeCodeOf(own: Api, messages: readonly (object | string)[]): Promise<number> {
  const socket = new WebSocket(`${own.url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
  socket.on("error", () => {});
  socket.once("open", () => {
    for (const each of messages)
      socket.send(typeof each === "string" ? each : JSON.stringify(each));
  });
  const [code] = await once(socket, "close");
  return code;
}

const init = (authorization?: unknown) => ({
  type: "connection_init",
  ...(authorization !== undefined && { payload: { authorization } }),
});

test.serial(
  "what is no token, or no message, ends its socket and is nowhere written",
  async (t) => {
    const own = await openApi();
    t.teardown(() => own.close());
    const console_ = { ...console };
    const written: unknown[] = [];
    for (const name of ["error", "warn", "log"] as const) {
      console[name] = (...words: unknown[]) => void written.push(words);
    }
    const codes: number[] = [];
    try {
      for (const authorization of [
        { toString: 1 },
        ["Bearer a.b.c"],
        5,
        null,
        "x".repeat(10_000),
      ]) {
        codes.push(await closeCodeOf(own, [init(authorization)]));
      }
      for (const text of ["", "{", "[]", "null", '{"type":"unheard of"}', "[".repeat(10_000)]) {
        codes.push(await closeCodeOf(own, [text]));
      }
      codes.push(await closeCodeOf(own, ["x".repeat(30_000)]));
      codes.push(await closeCodeOf(own, [init("a.b.c")]));
    } finally {
      Object.assign(console, console_);
    }
    t.deepEqual(codes.slice(0, 5), Array(5).fill(4401));
    t.deepEqual(codes.slice(5, 11), Array(6).fill(4400));
    t.deepEqual(codes.slice(11), [1009, 4403], "too many of them are told to stay away");
    t.deepEqual(written, []);
    t.deepEqual(own.log, []);
  },
);

test("sockets are counted by address, by subject, and before they say who they are", async (t) => {
  const own = await openApi({
    config: { socketCountPerAddressMax: 4, socketCountPerSubjectMax: 2 },
  });
  t.teardown(() => own.close());
  const url = `${own.url.replace("http", "ws")}/graphql`;
  const authorization = `Bearer ${await own.token({})}`;
  const taken = async (message: object) => {
    const socket = new WebSocket(url, "graphql-transport-ws");
    await once(socket, "open");
    socket.send(JSON.stringify(message));
    return String(await Promise.race([once(socket, "message"), once(socket, "close")]));
  };
  t.regex(await taken(init(authorization)), /ack/);
  t.regex(await taken(init(authorization)), /ack/);
  t.regex(await taken(init(authorization)), /^1013/);
  t.regex(await taken(init(`Bearer ${await own.token({ sub: "other" })}`)), /ack/);
  t.regex(await taken(init()), /ack/);
  const refused = new WebSocket(url, "graphql-transport-ws");
  const [error] = await once(refused, "error");
  t.regex(error.message, /429/);
});

test("a socket without a subscription is ended, one with a subscription is not", async (t) => {
  const own = await openApi({ config: { socketIdleSeconds: 3 } });
  t.teardown(() => own.close());
  const [account] = await own.root("select id from saldo.open_account('s', 'S', 'liability')");
  const url = `${own.url.replace("http", "ws")}/graphql`;
  const authorization = `Bearer ${await own.token({})}`;
  const busy = new WebSocket(url, "graphql-transport-ws");
  await once(busy, "open");
  busy.send(JSON.stringify(init(authorization)));
  await once(busy, "message");
  const query = `subscription { accountChanged(accountId: "${account?.id}") { event } }`;
  busy.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query } }));
  t.regex(String(await once(busy, "message")), /subscribed/);
  const idle = [init(authorization), init()].map((message) => closeCodeOf(own, [message]));
  t.deepEqual(await Promise.all(idle), [1001, 1001]);
  t.is(busy.readyState, busy.OPEN);
});

test("a connection that sends no request, or a part of one, is ended", async (t) => {
  const own = await openApi({ config: { requestTimeoutMs: 200 } });
  t.teardown(() => own.close());
  const { hostname, port } = new URL(own.url);
  const head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  for (const text of ["", "POST /gra", head, `${head}Content-Length: 100\r\n\r\n{`]) {
    const socket = connectSocket(Number(port), hostname);
    socket.on("error", () => {});
    socket.resume();
    if (text !== "") socket.write(text);
    await once(socket, "close", { signal: AbortSignal.timeout(60_000) });
    t.true(socket.destroyed, text);
  }
});

test("errors that clients can cause are one line in ten seconds", (t) => {
  let now = 0;
  const lines: object[] = [];
  const write = (message: string, fields?: object) => void lines.push({ message, ...fields });
  const report = makeBoundedLog({ info: write, warn: write, error: write }, "failed", () => now);
  for (let index = 0; index < 100; index += 1) report({ reason: "x" });
  now = 10_000;
  report({ reason: "y" });
  t.deepEqual(lines, [
    { message: "failed", count: 1, reason: "x" },
    { message: "failed", count: 100, reason: "y" },
  ]);
});
