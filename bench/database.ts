import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { startEmbedded } from "../src/database/embedded.ts";
import { migrate } from "../src/database/migrate.ts";

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
  const server = await startEmbedded(folder, {
    shared_buffers: "1GB",
    max_wal_size: "8GB",
    min_wal_size: "4GB",
  });
  await migrate(server.connectionString);
  await fillLog(server.connectionString);
  return {
    connectionString: server.connectionString,
    async release() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A server that has run for a while writes into log files that it has already; a new one makes
 * each, which costs whoever writes most of them a third of its speed.
 */
async function fillLog(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  await client.query(
    `select count(pg_logical_emit_message(false, 'bench', repeat('x', 1000000)))
    from generate_series(1, 4000)`,
  );
  await client.query("checkpoint");
  await client.end();
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
