import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { startEmbedded } from "../../src/database/embedded.ts";
import { migrate } from "../../src/database/migrate.ts";
import { connectWhenUp } from "../_support/postgres.ts";
import { type Program, runProgram } from "../_support/process.ts";

/*
 * One backend of a PostgreSQL of its own is killed with SIGKILL while two jobs run: PostgreSQL ends
 * all connections, recovers and goes on. So must the jobs, in the same process or in the next.
 */

const roundCount = 4;
const patienceMs = 45_000;

/** Waits until the query says yes; says how long that took, or undefined when it never did. */
async function until(connectionString: string, query: string, values: unknown[] = []) {
  const began = Date.now();
  const client = await connectWhenUp(connectionString);
  try {
    while (Date.now() - began < patienceMs) {
      const { rows } = await client.query(query, values);
      if (rows[0]?.is_so === true) return Date.now() - began;
      await sleep(100);
    }
    return undefined;
  } finally {
    await client.end();
  }
}

/** Two jobs run, and the backend that they wait for is killed. Says when all is done again. */
async function killUnderJobs(connectionString: string): Promise<number | undefined> {
  const client = await connectWhenUp(connectionString);
  await client.query("begin; lock table saldo.check_run in access exclusive mode");
  const jobs = await connectWhenUp(connectionString);
  const { rows } = await jobs.query<{ id: string }>(
    `select (graphile_worker.add_job('reconcile', '{}')).id
    from generate_series(1, 2)`,
  );
  const ids = rows.map(({ id }) => id);
  await until(
    connectionString,
    `select count(*) = 2 as is_so from pg_stat_activity
    where wait_event_type = 'Lock' and query ~ 'saldo.reconcile'`,
  );
  const { rows: backends } = await client.query("select pg_backend_pid() as pid");
  process.kill(backends[0].pid, "SIGKILL");
  await Promise.allSettled([client.end(), jobs.end()]);
  const killedAt = Date.now();
  const done = await until(
    connectionString,
    `select not exists (select from graphile_worker.jobs where id = any ($1))
      and not saldo_private.is_overdue(worker_seen_at, interval '12 seconds')
      and worker_seen_at > to_timestamp($2) as is_so
    from saldo_private.alert_state`,
    [ids, killedAt / 1000 + 1],
  );
  return done === undefined ? undefined : Date.now() - killedAt;
}

for (const part of ["worker", "all"]) {
  test.serial(`jobs go on after PostgreSQL crashed under them: ${part}`, async (t) => {
    t.timeout(8 * 60_000);
    const folder = await mkdtemp(join(tmpdir(), "saldo-backend-kill-"));
    const server = await startEmbedded(folder, { shared_buffers: "32MB" });
    await migrate(server.connectionString);
    const codes: (number | string)[] = [];
    let output = "";
    let program: Program;
    let isOver = false;
    const supervise = async () => {
      while (!isOver) {
        program = runProgram("src/main.ts", part === "worker" ? ["worker"] : [], {
          DATABASE_URL: server.connectionString,
          PORT: "0",
          SALDO_DATA_DIR: join(folder, "secrets"),
          SALDO_SHUTDOWN_GRACE_MS: "2000",
        });
        const code = await program.ended;
        output += program.output();
        if (!isOver) codes.push(code);
        await sleep(200);
      }
    };
    const supervised = supervise();
    try {
      // The last that a start prints: one that loses its database ends, and is begun again.
      await program!.printed(part === "all" ? /Admin token/ : /jobs are running/);
      await until(
        server.connectionString,
        "select worker_seen_at is not null as is_so from saldo_private.alert_state",
      );
      const waits: (number | undefined)[] = [];
      for (let round = 0; round < roundCount; round += 1) {
        waits.push(await killUnderJobs(server.connectionString));
        if (waits.includes(undefined)) break;
      }
      t.false(waits.includes(undefined), `jobs stood still: ${waits}\n${program!.output()}`);
      t.log(`jobs done again after ${waits.map((wait) => `${wait} ms`).join(", ")}`);
      if (part === "all") t.deepEqual(codes, [], `the process goes on\n${output}`);
      else
        t.true(
          codes.every((code) => code === 1),
          `exit codes ${codes}`,
        );
      output += program!.output();
      t.regex(output, /the end of a job could not be recorded|the queue shut down/);
    } finally {
      isOver = true;
      program!.child.kill("SIGTERM");
      await supervised;
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
}
