/* A program of somebody who has installed Saldo: run.ts puts it beside node_modules. */
import assert from "node:assert/strict";
import pg from "pg";
import { ConfigError, migrate, signToken, startSaldo, startServer, startWorker } from "saldo";

const jwtSecret = "another secret for a test and for nothing else";
const lines = [];
const keep = (message) => lines.push(message);
const log = { info: keep, warn: keep, error: keep };

const saldo = await startSaldo({ jwtSecret, port: 0 }, { log });
await migrate(saldo.databaseUrl); // again, which changes nothing
const settings = { databaseUrl: saldo.databaseUrl, jwtSecret, port: 0, shutdownGraceMs: 500 };
const server = await startServer(settings, { log });
const worker = await startWorker(settings, { log });
assert.notEqual(server.address, saldo.address);
assert.equal(worker.address, "");
assert.ok(lines.includes("listening") && lines.includes("jobs are running"), String(lines));

// SQL within a transaction of our own, and GraphQL of the same books.
const client = new pg.Client({ connectionString: saldo.databaseUrl });
await client.connect();
await client.query("begin");
const { rows: members } = await client.query("select * from saldo.create_member('budi', 'Budi')");
const memberId = members[0].id;
await client.query("select saldo.top_up($1, 500, 'k')", [memberId]);
await client.query("commit");
await client.end();

const token = await signToken(jwtSecret, { sub: "clerk", role: "admin" }, "1h");
const response = await fetch(`${server.address}/graphql`, {
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
  body: JSON.stringify({ query: `{ member(id: "${memberId}") { account { balance } } }` }),
});
assert.deepEqual(await response.json(), { data: { member: { account: { balance: "500" } } } });

await assert.rejects(startServer({ port: "eighty" }), (error) => {
  assert.ok(error instanceof ConfigError);
  return /^PORT is not valid/.test(error.message);
});
await assert.rejects(startWorker({ databaseUrl: "postgres://127.0.0.1:1/none" }), /does not work/);

await worker.stop();
await server.stop();
await saldo.stop();
await assert.rejects(fetch(`${saldo.address}/health`));
console.log("all done");
