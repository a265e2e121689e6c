import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { Client } from "pg";
import packageFile from "../package.json" with { type: "json" };
import { signToken } from "../src/auth/token.ts";
import { openTestDatabase, type TestDatabase } from "./_support/database.ts";
import { type Program, runProgram, runScript } from "./_support/process.ts";

const secret = randomBytes(24).toString("base64url");

let database: TestDatabase;
test.before(async () => {
  database = await openTestDatabase(5);
});
test.after.always(() => database?.close());

const settings = () => ({
  PORT: "0",
  NODE_ENV: "production",
  DATABASE_URL: database.connectionString,
  // The role's password belongs to all tests of this server.
  SERVER_DATABASE_URL: database.serverConnectionString,
  SALDO_JWT_SECRET: secret,
});

function run(part: string[], environment: Record<string, string> = {}): Program {
  return runProgram("src/main.ts", part, { ...settings(), ...environment });
}

const addressOf = async (program: Program) =>
  (await program.printed(/"address":"([^"]+)"/))[1] ?? "";

async function end(program: Program): Promise<number | string> {
  program.child.kill("SIGTERM");
  return await program.ended;
}

test("two servers that start at once on one database both answer, and end with 0", async (t) => {
  const programs = [run([]), run([])];
  for (const program of programs) {
    const answer = await fetch(`${await addressOf(program)}/ready`);
    t.is(answer.status, 200);
  }
  t.deepEqual(await Promise.all(programs.map(end)), [0, 0]);
  for (const program of programs) {
    const lines = program.output().trim().split("\n");
    t.notThrows(() => lines.map((line) => JSON.parse(line)), "in production all lines are JSON");
    t.false(program.output().includes(secret));
    t.false(program.output().includes(database.connectionString));
  }
});

test("a server whose keys of tokens are not there starts and says so; with them it believes others", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saldo-keys-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const { privateKey, publicKey } = await generateKeyPair("EdDSA");
  const key = { ...(await exportJWK(publicKey)), kid: "one" };
  await writeFile(join(folder, "jwks.json"), JSON.stringify({ keys: [key] }));
  const [without, withKeys] = ["nothing.json", "jwks.json"].map((file) =>
    run(["server"], {
      SALDO_JWT_SECRET: "",
      SALDO_JWKS: join(folder, file),
      SALDO_JWT_ISSUER: "https://id.example",
      SALDO_JWT_AUDIENCE: "https://saldo.example",
      SALDO_DATA_DIR: folder,
    }),
  ) as [Program, Program];
  const statusFor = async (program: Program, token: string) => {
    const body = JSON.stringify({ query: "{ members(first: 1) { nodes { id } } }" });
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const address = `${await addressOf(program)}/graphql`;
    return (await fetch(address, { method: "POST", headers, body })).status;
  };
  const token = (audience: string) =>
    new SignJWT({ sub: "ayu", role: "auditor", iss: "https://id.example" })
      .setProtectedHeader({ alg: "EdDSA", kid: "one" })
      .setAudience(audience)
      .setExpirationTime("1h")
      .sign(privateKey);
  const right = await token("https://saldo.example");
  await without.printed(/keys of tokens cannot be fetched.*ENOENT/);
  t.is(await statusFor(without, right), 401);
  t.is(await statusFor(withKeys, right), 200);
  t.is(await statusFor(withKeys, await token("saldo")), 401);
  const forged = await signToken(secret, { sub: "x", role: "admin" }, "1h");
  t.is(await statusFor(withKeys, forged), 401);
  // In production a secret that nobody has given is not made.
  await t.throwsAsync(readFile(join(folder, "jwt-secret")), { code: "ENOENT" });
  t.deepEqual(await Promise.all([without, withKeys].map(end)), [0, 0]);
});

test("a request that is under way at SIGTERM gets its answer", async (t) => {
  const program = run(["server"]);
  const address = await addressOf(program);
  const token = await signToken(secret, { sub: "tester", role: "admin" }, "1h");
  const blocker = await database.pool.connect();
  await blocker.query("begin; lock table saldo.member in access exclusive mode");
  const answer = fetch(`${address}/graphql`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query: "{ members(first: 1) { nodes { id } } }" }),
  });
  for (let waiting = 0; waiting === 0; ) {
    const { rowCount } = await database.pool.query(
      "select from pg_locks where not granted and relation = 'saldo.member'::regclass",
    );
    waiting = rowCount ?? 0;
  }
  const ended = end(program);
  await sleep(200);
  t.is(program.child.exitCode, null);
  await blocker.query("rollback");
  blocker.release();
  t.is((await answer).status, 200);
  t.is(await ended, 0);
});

test("a worker alone opens no port, and ends with 0: by the script, whose shell npm signals", async (t) => {
  const { scripts } = packageFile;
  const program = runScript(scripts.worker, settings());
  await program.printed(/jobs are running/);
  t.is(await end(program), 0);
  t.true(program.output().includes('"stopped"'), "node itself has had the signal");
  t.false(program.output().includes("listening"));
  for (const name of ["start", "server", "dev", "branch"] as const) {
    t.regex(scripts[name], /^exec node /, `node stands in the place of the shell: ${name}`);
  }
});

test("a signal while Saldo starts ends it in order", async (t) => {
  const program = run([]);
  await sleep(600);
  t.true([0, "SIGTERM"].includes(await end(program)));
});

test("a lost database ends no server, and /ready tells", async (t) => {
  // Of its own: the other tests' servers are starting at the same time.
  const own = await openTestDatabase(2);
  t.teardown(() => own.close());
  const program = run(["server"], {
    DATABASE_URL: own.connectionString,
    SERVER_DATABASE_URL: own.serverConnectionString,
  });
  const address = await addressOf(program);
  await own.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'saldo' and usename = 'saldo_test_server' and datname = current_database()`,
  );
  t.is((await fetch(`${address}/health`)).status, 200);
  t.is((await fetch(`${address}/ready`)).status, 200);
  t.is(await end(program), 0);
});

test("what prevents the start is one sentence and exit code 1", async (t) => {
  const taken = createServer();
  await new Promise<void>((done) => {
    taken.listen(0, "127.0.0.1", done);
  });
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const cases: [Record<string, string>, RegExp][] = [
    [{ PORT: "eighty" }, /^PORT is not valid: .*\.\n$/],
    [{ PORT: String(port) }, new RegExp(`^Port ${port} is taken: .*\\.\\n$`)],
    [
      { DATABASE_URL: "postgres://nobody:x@127.0.0.1:1/none" },
      /^DATABASE_URL does not work: .*\n$/,
    ],
    [{ DATABASE_URL: `${database.connectionString}_gone` }, /^DATABASE_URL does not work: .*\n$/],
    [{ SALDO_JWT_SECRET: "" }, /^SALDO_JWT_SECRET is missing: .*\.\n$/],
  ];
  for (const [environment, sentence] of cases) {
    const program = run(["server"], environment);
    t.is(await program.ended, 1);
    t.regex(program.output(), sentence);
  }
});

test("an embedded PostgreSQL takes logic back that was replaced: no other server uses it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saldo-back-"));
  const start = () => {
    const program = runProgram("src/main.ts", [], { PORT: "0", SALDO_DATA_DIR: folder });
    return { program, address: addressOf(program) };
  };
  try {
    const first = start();
    await first.address;
    const client = new Client({
      connectionString: (await readFile(join(folder, "database-url"), "utf8")).trim(),
    });
    client.on("error", () => {}); // PostgreSQL stops with the program
    await client.connect();
    // As if an edit that is undone now had been applied since.
    await client.query(
      "insert into saldo_private.replaced_logic (hash) select hash from saldo_private.applied_logic",
    );
    await client.query("update saldo_private.applied_logic set hash = 'of the edit'");
    await client.end();
    t.is(await end(first.program), 0);
    const second = start();
    t.regex(await second.address, /^http:/);
    t.is(await end(second.program), 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
