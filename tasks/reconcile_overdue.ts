import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

const payloadSchema = z.object({}).strict();

/**
 * Checks the balances where the last check is overdue, there was none, or the database was restored
 * in another cluster. A worker asks for it when it starts: a new database, or one that slept over
 * the time of its check, would be called unhealthy until the next.
 */
const reconcileOverdue: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const answer = await queryAsAdmin<{ is_due: boolean }>(
    helpers,
    "select saldo_private.is_check_due() as is_due",
  );
  if (answer?.is_due !== true) return;
  const run = await queryAsAdmin<{ id: string; status: string }>(
    helpers,
    "select id, status from saldo.reconcile()",
  );
  helpers.logger.info(`reconcile_overdue ${run?.id}: ${run?.status}`);
};

export default reconcileOverdue;
