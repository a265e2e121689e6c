import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { WebSocket } from "ws";
import { readAllowedDocuments } from "../../src/http/allowed_documents.ts";
import { StartError } from "../../src/start_error.ts";
import { openApi } from "../_support/api.ts";

const QUERY = "query Health { balanceHealth { isHealthy } }";
const SUBSCRIPTION = 'subscription { accountChanged(accountId: "1") { event } }';
const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

const api = await openApi({
  config: { isGetEnabled: true },
  allowedDocuments: new Set([hashOf(QUERY)]),
});
test.after.always(() => api.close());

test("only documents of the list are taken, to the letter, by POST, GET and websocket", async (t) => {
  t.is((await api.post(QUERY)).errors, undefined);
  for (const other of [`${QUERY} `, "{ __typename }", SUBSCRIPTION]) {
    const { status, code, errors } = await api.post(other);
    t.is(status, 403);
    t.is(code, "SB066");
    t.is(errors?.[0]?.extensions["detail"], `sha256 ${hashOf(other)}`);
    t.is((await api.post(other, {}, null)).code, "SB066");
  }
  const byUrl = (query: string) => api.request(`/graphql?query=${encodeURIComponent(query)}`);
  t.is((await byUrl(QUERY)).errors, undefined);
  t.is((await byUrl("{ __typename }")).code, "SB066");
  const socket = new WebSocket(`${api.url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "connection_init" }));
  await once(socket, "message");
  socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: SUBSCRIPTION } }));
  t.true(String(await once(socket, "message")).includes("SB066"));
  socket.close();
});

test("a list is a file of hashes, or the console's; what is neither refuses the start", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saldo-documents-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, "allowed_documents.json");
  const read = async (content: unknown, choice = file) => {
    await writeFile(file, JSON.stringify(content));
    return readAllowedDocuments(choice, folder);
  };
  const hash = hashOf(QUERY);
  t.is(await readAllowedDocuments(undefined, folder), undefined);
  t.deepEqual(await read({ [hash]: "Health" }), new Set([hash]));
  t.deepEqual(await read([hash]), new Set([hash]));
  t.deepEqual(await read({ [hash]: QUERY }, "console"), new Set([hash]));
  for (const content of [{}, [], [QUERY], { [QUERY]: hash }, "x", null]) {
    await t.throwsAsync(read(content), { instanceOf: StartError });
  }
  const none = join(folder, "none");
  const missing = await t.throwsAsync(readAllowedDocuments("console", none), {
    instanceOf: StartError,
  });
  t.regex(missing?.message ?? "", /npm run build:web/);
});
