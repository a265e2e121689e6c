import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { readCommitted } from "../src/database/committed.ts";
import { startEmbedded } from "../src/database/embedded.ts";
import { makeTables } from "../src/database/migrate.ts";

/**
 * `npm run migrate:commit -- "what it does"` turns migrations/current.sql into the next committed
 * migration, then writes what is generated from it. It works on a PostgreSQL of its own that is
 * thrown away, so nothing of yours is reset; when it fails, nothing has changed.
 */
const message = process.argv[2];
if (!message) {
  console.error('Say what the migration does: npm run migrate:commit -- "..."');
  process.exit(1);
}

const root = fileURLToPath(new URL("../", import.meta.url));
const current = `${root}migrations/current.sql`;
const committed = `${root}migrations/committed/`;
const hashes = `${root}test/house/landed_migrations.txt`;
/** What current.sql says while no migration is at hand. */
const template = `-- The migration at hand: tables, types, indexes and changes of data, as saldo_owner. It is run at
-- each start and each save of npm run dev, so write what can be run again: create table if not exists.
-- npm run migrate:commit -- "what it does" makes it the next of migrations/committed/.
`;
// The tools call each other by name.
const path = [`${root}node_modules/.bin`, process.env["PATH"]].join(delimiter);
const folder = join(tmpdir(), `saldo-commit-${randomBytes(4).toString("hex")}`);

const server = await startEmbedded(folder, { fsync: "off" });
try {
  await commit(server.connectionString, message);
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
execFileSync(process.execPath, [`${root}scripts/snapshot.ts`], { stdio: "inherit" });

async function commit(connectionString: string, words: string): Promise<void> {
  const url = (name: string) => connectionString.replace(/\/saldo$/, `/${name}`);
  await createDatabases(url("postgres"), "saldo_development", "saldo_shadow");
  await prepareDevelopment(url("saldo_development"));
  const before = await readFile(current, "utf8");
  await writeFile(current, inOwnersName(before));
  try {
    execFileSync("graphile-migrate", ["commit", "--message", words], {
      cwd: root,
      stdio: "inherit",
      env: {
        ...process.env,
        PATH: path,
        DATABASE_URL: url("saldo_development"),
        SHADOW_DATABASE_URL: url("saldo_shadow"),
        ROOT_DATABASE_URL: url("postgres"),
      },
    });
  } catch (error) {
    // A commit that fails leaves its includes expanded, which the next one would refuse.
    await writeFile(current, before);
    throw error;
  }
  // Git knows no read-only files: they would differ between those who wrote and those who cloned.
  for (const file of await readdir(committed)) await chmod(`${committed}${file}`, 0o644);
  await writeFile(current, template);
  await noteHashes();
}

/** What is made belongs to saldo_owner, whoever the login is that runs the migration. */
function inOwnersName(text: string): string {
  if (/^set local role saldo_owner;$/m.test(text)) return text;
  const body = text.startsWith(template) ? text.slice(template.length) : text;
  return `set local role saldo_owner;\n\n${body.trim()}\n\nreset role;\n`;
}

/** A test holds committed migrations to the hashes that they had when they were made. */
async function noteHashes(): Promise<void> {
  const noted = await readFile(hashes, "utf8");
  for (const { name, hash } of await readCommitted()) {
    if (!noted.includes(`${name} `)) await appendFile(hashes, `${name} ${hash}\n`);
  }
}

/** The tables without the logic, which may need those that are at hand. */
async function prepareDevelopment(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await makeTables(client, connectionString, { patienceMs: 60_000 });
  } finally {
    await client.end();
  }
}

async function createDatabases(rootUrl: string, ...names: string[]): Promise<void> {
  const client = new Client({ connectionString: rootUrl });
  await client.connect();
  for (const name of names) await client.query(`create database ${name}`);
  await client.end();
}
