import { z } from "zod";
import { evaluateNow } from "../src/alerts/evaluate_now.ts";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

// Cron adds `_cron`; the job itself takes no argument.
const payloadSchema = z.object({ _cron: z.unknown().optional() }).strict();

/**
 * Checks all balances against the journal and records what it finds. Accounts whose rows are not as
 * the engine wrote them are frozen, and all of it is told.
 */
const reconcile: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const run = await queryAsAdmin<{ id: string; status: string }>(
    helpers,
    "select id, status from saldo.reconcile()",
  );
  helpers.logger.info(`reconcile ${run?.id}: ${run?.status}`);
  if (run?.status === "unhealthy") {
    const frozen = await queryAsAdmin<{ count: number }>(
      helpers,
      "select saldo_private.freeze_unproven($1) as count",
      [run.id],
    );
    if (frozen?.count) helpers.logger.warn(`reconcile ${run.id}: ${frozen.count} accounts frozen`);
  }
  await evaluateNow(helpers);
};

export default reconcile;
