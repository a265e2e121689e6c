import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { JobHelpers } from "graphile-worker";
import { readConfig } from "../../src/config.ts";
import { makePool } from "../../src/database/pools.ts";
import { jobs } from "../../src/jobs/job_list.ts";
import { makeJobRecords, requestKey } from "../../src/jobs/job_records.ts";
import { startWorker } from "../../src/jobs/worker.ts";
import type { Log } from "../../src/log.ts";
import { asAdmin, asOperator, errorCode, openTestDatabase } from "../_support/database.ts";
import { runProgram } from "../_support/process.ts";

const database = await openTestDatabase(6);
test.after.always(() => database.close());

const config = readConfig({ SALDO_MAINTENANCE_AT: "02:00,08:00" });
const quiet: Log = { info() {}, warn() {}, error() {} };

async function saldo(...words: string[]) {
  const program = runProgram("bin/saldo.js", words, { DATABASE_URL: database.connectionString });
  const code = await program.ended;
  return { code, output: program.output() };
}

const ask = (name: string) =>
  asAdmin(database.pool, async (client) => {
    const { rows } = await client.query("select id from saldo.run_job($1)", [name]);
    return rows[0].id as string;
  });

async function one(text: string): Promise<Record<string, unknown>> {
  return (await database.pool.query(text)).rows[0];
}

test.serial(
  "before a worker was started there is nothing to list, and nothing to ask for",
  async (t) => {
    t.is(await errorCode(ask("reconcile")), "SB683");
    const { code, output } = await saldo("job", "list");
    t.is(code, 1, output);
  },
);

test.serial("jobs that are asked for are run once each, and told how they ended", async (t) => {
  const pool = makePool(database.connectionString, 6, quiet);
  const worker = await startWorker(pool, config, quiet);
  try {
    const [first, second] = await Promise.all([ask("reconcile"), ask("reconcile")]);
    t.is(first, second, "two at once are one");
    t.deepEqual(await saldo("job", "run", "apply_retention"), {
      code: 0,
      output: "apply_retention: asked for\napply_retention: done\n",
    });
    const done = "select finished_at is not null and error is null as is_done";
    while (
      (await one(`${done} from saldo.job_request where id = '${first}'`))["is_done"] !== true
    ) {
      await sleep(50);
    }
    const unknown = await saldo("job", "run", "recncile");
    t.is(unknown.code, 2);
    t.regex(
      unknown.output,
      /SB683.*\n.*recncile; there are: analyze_grown_tables, apply_retention, check_recorded/,
    );
  } finally {
    await worker.stop();
    await pool.end();
  }
  const { code, output } = await saldo("job", "list");
  t.is(code, 0);
  t.regex(
    output,
    /^scheduled_maintenance +daily at 02:00, 08:00; last never, next \S+ (02|08):00:00$/m,
  );
  t.regex(output, /^apply_retention +daily at 02:00; last \d{4}-\S+ \S+, next \d{4}-/m);
  t.true(output.endsWith(`${jobs.length} jobs, by the clock of Asia/Jakarta\n`), output);
});

test.serial("a run that fails is told once its last attempt is over", async (t) => {
  const id = await ask("seal_journal");
  const records = makeJobRecords(config);
  const attempt = async (attempts: number) => {
    const client = await database.pool.connect();
    const helpers = {
      job: { key: requestKey(id), attempts, max_attempts: 2 },
      withPgClient: (work: (own: typeof client) => Promise<unknown>) => work(client),
    } as unknown as JobHelpers;
    const fail = () => Promise.reject(new Error("no disk"));
    await t.throwsAsync(records.recorded("seal_journal", {}, helpers, fail), {
      message: "no disk",
    });
    client.release();
    return await one(
      `select r.error, r.finished_at is not null as is_over, j.last_error
      from saldo.job_request as r, saldo.job as j where r.id = '${id}' and j.name = r.job`,
    );
  };
  await database.pool.query(
    `insert into saldo.job_request (id, job, requested_by, taken_at)
    values (gen_random_uuid(), 'gone', 'x', now() - interval '91 days'),
      (gen_random_uuid(), 'kept', 'x', now() - interval '89 days')`,
  );
  t.deepEqual(await attempt(1), { error: null, is_over: false, last_error: "no disk" });
  t.deepEqual(await attempt(2), { error: "no disk", is_over: true, last_error: "no disk" });
  t.regex(
    (await saldo("job", "list")).output,
    /^seal_journal.* \(failed\), next .*\n {2}no disk$/m,
  );
});

test.serial("when a job runs next lies ahead, and is by the clock of the business", async (t) => {
  const row = await one(
    `select bool_and(saldo.job_next_run_at(j) > now()) as is_ahead,
      (select (saldo.job_next_run_at(m) at time zone 'Asia/Jakarta')::time::text
      from saldo.job as m where m.name = 'apply_retention') as retention_at
    from saldo.job as j`,
  );
  t.deepEqual(row, { is_ahead: true, retention_at: "02:00:00" });
});

test.serial("without a worker a request waits, and who may not ask is refused", async (t) => {
  await database.pool.query(
    "update saldo_private.alert_state set worker_seen_at = now() - interval '1 hour'",
  );
  const waiting = await saldo("job", "run", "expire_holds");
  t.deepEqual(waiting, {
    code: 1,
    output: "expire_holds: asked for\nNo worker runs: it waits for one.\n",
  });
  const { id, taken_at } = await one(
    "select id, taken_at from saldo.job_request where job = 'expire_holds'",
  );
  t.is(taken_at, null);
  t.is(await ask("expire_holds"), id as string);
  const asStaff = asOperator(database.pool, (client) =>
    client.query("select from saldo.run_job('expire_holds')"),
  );
  t.is(await errorCode(asStaff), "42501");
});
