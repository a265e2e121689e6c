import type { Task } from "graphile-worker";
import { z } from "zod";
import { queryAsAdmin } from "../src/task_query.ts";

const payloadSchema = z.object({}).strict();

/**
 * Settles what is pending, batch by batch, each in a transaction of its own: a worker that is
 * killed leaves nothing half done. What comes meanwhile is left to the next run, so that it ends.
 */
const settleSubBalances: Task = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const startedAt = Date.now();
  for (;;) {
    const batch = await queryAsAdmin<{ settlement_count: number }>(
      helpers,
      "select count(*)::integer as settlement_count from saldo.settle_sub_balances()",
    );
    const isThrough = !batch || batch.settlement_count === 0;
    if (isThrough || Date.now() - startedAt > RUN_MS_MAX || helpers.abortSignal?.aborted) return;
  }
};

// Writers that are faster than settlement would keep a run going for ever.
const RUN_MS_MAX = 60_000;

export default settleSubBalances;
