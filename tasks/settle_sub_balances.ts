import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

const payloadSchema = z.object({}).strict();

/**
 * Settles what is pending when it begins, batch by batch, each in a transaction of its own: a
 * worker that is killed leaves nothing half done. What comes meanwhile is left to the next run:
 * under load a run would never end otherwise, and settle a handful of rows at a time.
 */
const settleSubBalances: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const health = await queryAsAdmin<{ pending_count: string }>(
    helpers,
    "select pending_count from saldo.settlement_health()",
  );
  let left = Number(health?.pending_count ?? 0);
  // Once in any case: it also folds what was posted to hot accounts into their rows.
  do {
    const batch = await queryAsAdmin<{ row_count: string }>(
      helpers,
      "select coalesce(sum(row_count), 0) as row_count from saldo.settle_sub_balances()",
    );
    const settled = Number(batch?.row_count ?? 0);
    if (settled === 0) return; // other workers have the rest
    left -= settled;
  } while (left > 0 && !helpers.abortSignal?.aborted);
};

export default settleSubBalances;
