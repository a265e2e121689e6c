import { randomBytes } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Client } from "pg";
import { type Program, runProgram } from "../_support/process.ts";

/** A data folder of its own, gone after the test, and launchers for it. */
function scene(t: ExecutionContext): { folder: string; launch(): Program } {
  const folder = join(tmpdir(), `saldo-test-${randomBytes(4).toString("hex")}`);
  const programs: Program[] = [];
  t.teardown(async () => {
    for (const { child, ended } of programs) {
      child.kill("SIGTERM");
      await ended;
    }
    await endPostmaster(folder);
    await rm(folder, { recursive: true, force: true });
  });
  return {
    folder,
    launch() {
      const program = runProgram("test/_support/launch.ts", [folder]);
      programs.push(program);
      return program;
    },
  };
}

const addressOf = async (program: Program) => (await program.printed(/address (\S+)/))[1] ?? "";

async function postmasterPid(folder: string): Promise<number> {
  const file = join(folder, "postgres", "data", "postmaster.pid");
  return Number((await readFile(file, "utf8").catch(() => "0")).split("\n")[0]);
}

async function endPostmaster(folder: string): Promise<void> {
  for (let pid = await postmasterPid(folder); pid > 0; pid = await postmasterPid(folder)) {
    try {
      process.kill(pid, "SIGINT");
    } catch {
      return; // killed before: the file is all that is left
    }
    await sleep(50);
  }
}

async function ask(address: string, text: string): Promise<string> {
  const client = new Client({ connectionString: address });
  client.on("error", () => {});
  await client.connect();
  try {
    const { rows } = await client.query({ text, rowMode: "array" });
    return String(rows[0]?.[0] ?? "");
  } finally {
    await client.end().catch(() => {});
  }
}

test("a data folder is made, kept over a restart with its port, and closed to others", async (t) => {
  const { folder, launch } = scene(t);
  const first = launch();
  const address = await addressOf(first);
  await ask(address, "create table kept as select 42 as answer");
  t.is(await ask(address, "show server_encoding"), "UTF8");
  t.is(await ask(address, "show data_checksums"), "on");
  t.is(await ask(address, "show password_encryption"), "scram-sha-256");
  t.regex(await ask(address, "show server_version"), /^18/);
  t.is((await readFile(join(folder, "database-url"), "utf8")).trim(), address);
  for (const file of ["database-url", "postgres-port", "postgres/password"]) {
    t.is((await stat(join(folder, file))).mode & 0o077, 0, file);
  }
  t.is((await stat(folder)).mode & 0o007, 0);
  await t.throwsAsync(ask(address.replace(/:[^:@]+@/, ":password@"), "select 1"), {
    code: "28P01",
  });

  first.child.kill("SIGTERM");
  t.is(await first.ended, 0);
  t.is(await postmasterPid(folder), 0);
  const second = launch();
  t.is(await addressOf(second), address);
  t.is(await ask(address, "select answer from kept"), "42");
});

test("a second start on a folder is refused in one sentence, and the first lives on", async (t) => {
  const { folder, launch } = scene(t);
  const first = launch();
  const second = launch();
  const ends = await Promise.race([first.ended, second.ended]);
  t.is(ends, 1);
  const [refused, running] = first.child.exitCode === null ? [second, first] : [first, second];
  t.is(
    refused.output(),
    `refused: Saldo is running already on ${folder} (pid ${running.child.pid}): stop it first, ` +
      "or choose another SALDO_DATA_DIR.\n",
  );
  const address = await addressOf(running);
  t.is(await ask(address, "select 1"), "1");

  // A session that crashes makes PostgreSQL end all others: the folder stays taken.
  const victim = new Client({ connectionString: address });
  victim.on("error", () => {});
  await victim.connect();
  const { rows } = await victim.query<{ pid: number }>("select pg_backend_pid() as pid");
  process.kill(rows[0]?.pid ?? 0, "SIGKILL");
  const third = launch();
  t.is(await third.ended, 1);
  t.regex(third.output(), /running already/);
  t.is(running.child.exitCode, null);
  while ((await ask(address, "select 1").catch(() => "recovering")) !== "1") await sleep(50);
});

test("after kill -9 of the launcher the next start ends its PostgreSQL and keeps all data", async (t) => {
  const { folder, launch } = scene(t);
  const first = launch();
  const address = await addressOf(first);
  await ask(address, "create table kept as select 42 as answer");
  const orphan = await postmasterPid(folder);
  first.child.kill("SIGKILL");
  t.is(await first.ended, "SIGKILL");
  t.is(await ask(address, "select 1"), "1", "PostgreSQL outlives its launcher");

  const second = launch();
  t.is(await addressOf(second), address);
  t.not(await postmasterPid(folder), orphan);
  t.is(await ask(address, "select answer from kept"), "42");
});

test("after kill -9 of PostgreSQL the launcher says so, and a start at once keeps all data", async (t) => {
  const { folder, launch } = scene(t);
  const first = launch();
  const address = await addressOf(first);
  await ask(address, "create table kept (answer int)");
  await ask(address, "insert into kept values (42)");
  // A session at work outlives the postmaster for a moment, and holds its memory.
  const atWork = ask(address, "select count(*) from generate_series(1, 3000000)").catch(() => "");
  await sleep(100);
  process.kill(await postmasterPid(folder), "SIGKILL");
  const second = runOnceFree(first, launch);
  t.is(await first.ended, 1);
  t.regex(first.output(), /ended: /);
  t.is(await ask(await addressOf(await second), "select answer from kept"), "42");
  await atWork;
});

/** The next launcher, at the moment when the folder's lock is free. */
async function runOnceFree(running: Program, launch: () => Program): Promise<Program> {
  await running.ended;
  return launch();
}

test("kill -9 of the launcher and of PostgreSQL together loses nothing that was committed", async (t) => {
  const { folder, launch } = scene(t);
  const first = launch();
  const address = await addressOf(first);
  await ask(address, "create table kept (answer int)");
  await ask(address, "insert into kept values (42)");
  first.child.kill("SIGKILL");
  process.kill(await postmasterPid(folder), "SIGKILL");
  const second = launch();
  t.is(await ask(await addressOf(second), "select answer from kept"), "42");
});

test("a cluster that was half made is made again", async (t) => {
  const { folder, launch } = scene(t);
  const first = launch();
  // Killed at any moment of making the cluster.
  await sleep(150);
  first.child.kill("SIGKILL");
  await first.ended;
  const second = launch();
  t.is(await ask(await addressOf(second), "select 1"), "1");
  t.true(folder.length > 0);
});

test("a folder that cannot be used is refused in one sentence", async (t) => {
  const program = runProgram("test/_support/launch.ts", ["/dev/null/saldo"]);
  t.is(await program.ended, 1);
  t.is(
    program.output(),
    "refused: The data folder /dev/null/saldo cannot be used (ENOTDIR): choose another " +
      "SALDO_DATA_DIR.\n",
  );
});

test("as root, a folder that the user of PostgreSQL cannot reach is refused", async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass("only root runs PostgreSQL as another user");
    return;
  }
  const { mkdtemp } = await import("node:fs/promises");
  const closed = await mkdtemp(join(tmpdir(), "saldo-test-"));
  t.teardown(() => rm(closed, { recursive: true }));
  const program = runProgram("test/_support/launch.ts", [join(closed, "data")]);
  t.is(await program.ended, 1);
  t.regex(program.output(), /^refused: As root .* may not enter \S+: choose another/);
});
