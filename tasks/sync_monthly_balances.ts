import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

// Cron adds `_cron`.
const payloadSchema = z
  .object({ force: z.boolean().default(false), _cron: z.unknown().optional() })
  .strict();

interface Progress {
  id: string | null;
  status: string;
  customer_count: string;
  done_count: string;
  written_count: string;
  change_count: string;
}

/** Puts the stored months of all customers right, slice by slice; with force it writes them all. */
const syncMonthlyBalances: SaldoTask = async (payload, helpers) => {
  const { force } = payloadSchema.parse(payload);
  for (;;) {
    const now = await queryAsAdmin<Progress>(
      helpers,
      `select id, status, customer_count, done_count, written_count, change_count
      from saldo.continue_monthly_sync(force => $1)`,
      [force],
    );
    if (now?.id == null) return; // another worker has come to its end
    const { id, status, done_count: done, customer_count: all } = now;
    helpers.logger.info(
      `sync_monthly_balances ${id}${force ? ", forced" : ""}: ${status}, ${done} of ${all} ` +
        `customers, ${now.written_count} months written, ${now.change_count} put right`,
    );
    if (status === "done") return;
    if (helpers.abortSignal?.aborted) throw new Error("it goes on at the next attempt");
  }
};

export default syncMonthlyBalances;
