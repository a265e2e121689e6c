import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

// Cron adds `_cron`; the job itself takes no argument.
const payloadSchema = z.object({ _cron: z.unknown().optional() }).strict();

const batchSize = 1000;

/** Ends the holds whose time is over, batch by batch. What ends meanwhile is for the next run. */
const expireHolds: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  let total = 0;
  let count: number;
  do {
    const batch = await queryAsAdmin<{ hold_count: number }>(
      helpers,
      `select count(*)::integer as hold_count from saldo.expire_holds(${batchSize})`,
    );
    count = batch?.hold_count ?? 0;
    total += count;
  } while (count === batchSize && !helpers.abortSignal?.aborted);
  if (total > 0) helpers.logger.info(`expire_holds: ${total} ended`);
};

export default expireHolds;
