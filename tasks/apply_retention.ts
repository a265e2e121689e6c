import type { JobHelpers } from "graphile-worker";
import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

// Cron adds `_cron`; the job itself takes no argument.
const payloadSchema = z.object({ _cron: z.unknown().optional() }).strict();

interface Step {
  table_name: string | null;
  deleted_count: string;
  finished_at: Date | null;
}

/**
 * Deletes what is older than it is kept. Step by step, each in a transaction of its own: a worker
 * that is killed loses one step, and the next goes on there.
 */
const applyRetention: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  let step: Step | undefined;
  do {
    step = await queryAsAdmin<Step>(
      helpers,
      "select table_name, deleted_count, finished_at from saldo.continue_retention()",
    );
    if (step?.finished_at && step.deleted_count !== "0") {
      helpers.logger.info(`apply_retention ${step.table_name}: ${step.deleted_count} deleted`);
    }
  } while (step?.table_name && !helpers.abortSignal?.aborted);
  await deleteFailedJobs(helpers);
};

// Jobs that have used up their attempts stay in the queue's table, for whoever looks into them.
async function deleteFailedJobs({ query }: JobHelpers): Promise<void> {
  await query(`
    select graphile_worker.complete_jobs(array_agg(job.id))
    from (
      select each.id
      from graphile_worker.jobs as each
      cross join saldo.setting
      where setting.name = 'working_history_days'
      and setting.value <> '0'
      and each.attempts >= each.max_attempts
      and each.updated_at < now() - make_interval(days => setting.value::integer)
      limit 10000
    ) as job`);
}

export default applyRetention;
