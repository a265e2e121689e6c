import { z } from "zod";
import { withRole } from "../src/database/with_role.ts";
import { jobs } from "../src/jobs/job_list.ts";
import { requestKey } from "../src/jobs/job_records.ts";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";

const payloadSchema = z.object({}).strict();

/**
 * Hands the runs that were asked for to the queue, in the transaction that takes them: each once. Of
 * a long task one runs at a time, by its queue.
 */
const takeJobRequests: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  await helpers.withPgClient((client) =>
    withRole(client, { settings: { role: "saldo_admin" } }, async () => {
      const { rows } = await client.query<{ id: string; job: string }>(
        "select id, job from saldo_private.take_job_requests()",
      );
      // The queue is the login's own.
      await client.query("set local role none");
      for (const { id, job: name } of rows) {
        const job = jobs.find((each) => each.name === name);
        if (job === undefined) continue; // of a version that was here before
        await client.query(
          `select from graphile_worker.add_job($1, $2::json, queue_name => $3, max_attempts => 3,
            job_key => $4)`,
          [job.task, JSON.stringify(job.payload), job.queueName ?? null, requestKey(id)],
        );
        helpers.logger.info(`take_job_requests: ${name}`);
      }
    }),
  );
};

export default takeJobRequests;
