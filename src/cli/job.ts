import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { type Command, isForPrograms, UsageError } from "./command.ts";
import { printJson } from "./output.ts";

const lookEveryMs = 500;

interface Request {
  id: string;
  taken_at: Date | null;
  finished_at: Date | null;
  error: string | null;
}

/** `saldo job`: lists the jobs, and has one run now. */
export const jobCommand: Command = {
  usage: "job list [--json] | run NAME [--no-wait]",
  help: [
    "list: the jobs, when each ran last and runs next.",
    "run: has a worker run one now, and tells how it ended; 1 when it failed, or no worker took it.",
  ],
  options: { "no-wait": { type: "boolean" }, json: { type: "boolean" } },
  prepare(words) {
    const [what, name, ...rest] = words.positionals;
    if (what === "list" && name === undefined) {
      return async () => async (client) => await list(client, isForPrograms(words));
    }
    if (what !== "run" || name === undefined || rest.length > 0) {
      throw new UsageError("Say job list, or job run NAME.");
    }
    return async () => async (client) => await run(client, name, words.values["no-wait"] !== true);
  },
};

async function list(client: Client, isJson: boolean): Promise<number> {
  const { rows } = await client.query(
    `select j.name, j.schedule, j.last_finished_at, j.last_error,
      saldo.job_next_run_at(j) as next_run_at, zone.value as zone,
      to_char(j.last_finished_at at time zone zone.value, 'YYYY-MM-DD HH24:MI:SS') as last_at,
      to_char(saldo.job_next_run_at(j) at time zone zone.value, 'YYYY-MM-DD HH24:MI:SS') as next_at
    from saldo.job as j
    join saldo.setting as zone on zone.name = 'business_time_zone'
    order by j.name`,
  );
  if (isJson) {
    printJson(rows.map(({ zone, last_at, next_at, ...job }) => job));
    return rows.length === 0 ? 1 : 0;
  }
  const widest = Math.max(0, ...rows.map(({ name }) => name.length));
  for (const { name, schedule, last_error, last_at, next_at } of rows) {
    process.stdout.write(
      `${name.padEnd(widest)}  ${schedule}; last ${last_at ?? "never"}` +
        `${last_error === null ? "" : " (failed)"}, next ${next_at ?? "never"}\n`,
    );
    if (last_error !== null) process.stdout.write(`  ${last_error}\n`);
  }
  process.stdout.write(
    rows.length === 0
      ? "no jobs: no worker was started yet\n"
      : `${rows.length} jobs, by the clock of ${rows[0].zone}\n`,
  );
  return rows.length === 0 ? 1 : 0;
}

async function run(client: Client, name: string, isWaiting: boolean): Promise<number> {
  const { rows } = await client.query<Request>("select id from saldo.run_job($1)", [name]);
  const id = rows[0]?.id ?? "";
  process.stdout.write(`${name}: asked for\n`);
  if (!isWaiting) return 0;
  for (;;) {
    const request = await look(client, id);
    if (request === undefined) return 1; // it was so long ago that it is kept no more
    if (request.finished_at !== null) {
      process.stdout.write(
        request.error === null ? `${name}: done\n` : `${name}: failed: ${request.error}\n`,
      );
      return request.error === null ? 0 : 1;
    }
    if (request.taken_at === null && !(await hasWorker(client))) {
      process.stdout.write("No worker runs: it waits for one.\n");
      return 1;
    }
    await sleep(lookEveryMs);
  }
}

async function look(client: Client, id: string): Promise<Request | undefined> {
  const { rows } = await client.query<Request>(
    "select id, taken_at, finished_at, error from saldo.job_request where id = $1",
    [id],
  );
  return rows[0];
}

async function hasWorker(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ is_there: boolean }>(
    "select seen_at is not null and not is_silent as is_there from saldo_private.worker_state()",
  );
  return rows[0]?.is_there === true;
}
