import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { Pool } from "pg";
import { branchSync } from "../src/http/branch_sync.ts";
import { makeFailureLimit } from "../src/http/failure_limit.ts";

/** The centre as tills see it: the calls of the branch protocol over HTTP, and a line that can be cut. */
export interface DemoCentre {
  address: string;
  cutLine(): Promise<void>;
  mendLine(): Promise<void>;
  close(): Promise<void>;
}

/** Serves tills from this database. */
export async function openCentre(connectionString: string): Promise<DemoCentre> {
  const serverPool = new Pool({ connectionString, max: 8 });
  // A database that goes away ends its connections: whoever dropped it knows.
  serverPool.on("error", () => {});
  serverPool.on("connect", (client) => client.on("error", () => {}));
  const silent = () => {};
  const app = express();
  app.use(
    "/api/v1/sync",
    branchSync(
      {
        serverPool,
        log: { info: silent, warn: silent, error: console.error },
        config: { statementTimeoutMs: 30_000 },
      },
      makeFailureLimit(100, 60_000),
    ),
  );
  let server: Server = await listen(0);
  const { port } = server.address() as AddressInfo;

  async function listen(at: number): Promise<Server> {
    const fresh = createServer(app);
    await new Promise<void>((done) => fresh.listen(at, "127.0.0.1", done));
    return fresh;
  }
  async function cutLine(): Promise<void> {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
  return {
    address: `http://127.0.0.1:${port}`,
    cutLine,
    async mendLine() {
      server = await listen(port);
    },
    async close() {
      await cutLine();
      await serverPool.end();
    },
  };
}
