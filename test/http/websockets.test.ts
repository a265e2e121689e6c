import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import test from "ava";
import { openApi } from "../_support/api.ts";

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
