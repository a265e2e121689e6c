import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { startEmbedded } from "../src/embedded.ts";
import { migrate } from "../src/migrate.ts";

/** A migrated, empty database that is gone after the run. */
export interface BenchDatabase {
  connectionString: string;
  release(): Promise<void>;
}

/** On the server of DATABASE_URL, or on an embedded PostgreSQL of its own; both durable. */
export async function benchDatabase(): Promise<BenchDatabase> {
  const given = process.env.DATABASE_URL;
  if (given) return onServer(given);
  const folder = join(tmpdir(), `saldo-bench-${randomBytes(4).toString("hex")}`);
  const server = await startEmbedded(folder, { shared_buffers: "1GB", max_wal_size: "8GB" });
  await migrate(server.connectionString);
  return {
    connectionString: server.connectionString,
    async release() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function onServer(given: string): Promise<BenchDatabase> {
  const name = `saldo_bench_${randomBytes(4).toString("hex")}`;
  const root = new Client({ connectionString: given });
  await root.connect();
  await root.query(`create database ${name}`);
  const url = new URL(given);
  url.pathname = `/${name}`;
  await migrate(url.href);
  return {
    connectionString: url.href,
    async release() {
      await root.query(`drop database ${name} with (force)`);
      await root.end();
    },
  };
}
