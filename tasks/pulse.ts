import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

const payloadSchema = z.object({}).strict();

/**
 * Notes that jobs are done: it proves that a job has passed through the queue. The watch over
 * workers goes by it, and a worker that is only alive cannot write it.
 */
const pulse: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  await queryAsAdmin(helpers, "select saldo_private.record_worker_seen()");
};

export default pulse;
