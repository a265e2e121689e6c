import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

// Cron adds `_cron`; the job itself takes no argument.
const payloadSchema = z.object({ _cron: z.unknown().optional() }).strict();

/** Totals of years that are over, one a transaction: postings into that year wait for it. */
async function keepYears(helpers: Parameters<SaldoTask>[1]): Promise<void> {
  let kept: { year: number | null } | undefined;
  do {
    kept = await queryAsAdmin<{ year: number | null }>(
      helpers,
      "select saldo_private.keep_year() as year",
    );
  } while (kept?.year && !helpers.abortSignal?.aborted);
}

/**
 * Checks, heals what is safe, looks again, and records the run. Slice by slice, each in a
 * transaction of its own: a worker that is killed loses one slice, and the next goes on there.
 */
const scheduledMaintenance: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  let run: { id: string | null; message: string } | undefined;
  do {
    run = await queryAsAdmin<{ id: string | null; message: string }>(
      helpers,
      "select id, message from saldo.continue_maintenance()",
    );
  } while (!run?.id && !helpers.abortSignal?.aborted);
  if (run?.id && !helpers.abortSignal?.aborted) await keepYears(helpers);
  if (run?.id) helpers.logger.info(`scheduled_maintenance ${run.id}: ${run.message}`);
};

export default scheduledMaintenance;
