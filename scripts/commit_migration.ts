import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { startEmbedded } from "../src/embedded.ts";
import { migrate } from "../src/migrate.ts";

/**
 * `npm run migrate:commit -- "what it does"` turns migrations/current.sql into the next committed
 * migration. It works on a PostgreSQL of its own that is thrown away, so nothing of yours is reset.
 */
const message = process.argv[2];
if (!message) throw new Error('Say what the migration does: npm run migrate:commit -- "..."');

const folder = join(tmpdir(), `saldo-commit-${randomBytes(4).toString("hex")}`);
const server = await startEmbedded(folder, { fsync: "off" });
try {
  const url = (name: string) => server.connectionString.replace(/\/saldo$/, `/${name}`);
  const root = new Client({ connectionString: url("postgres") });
  await root.connect();
  for (const name of ["saldo_development", "saldo_shadow"]) {
    await root.query(`create database ${name}`);
  }
  await root.end();
  const environment = {
    ...process.env,
    DATABASE_URL: url("saldo_development"),
    SHADOW_DATABASE_URL: url("saldo_shadow"),
    ROOT_DATABASE_URL: url("postgres"),
  };
  const run = (...words: string[]) =>
    execFileSync("graphile-migrate", words, { env: environment, stdio: "inherit" });
  await migrate(environment.DATABASE_URL);
  run("commit", "--message", message);
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
