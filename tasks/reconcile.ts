import { z } from "zod";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

// Cron adds `_cron`; the job itself takes no argument.
const payloadSchema = z.object({ _cron: z.unknown().optional() }).strict();

/** Checks all balances against the journal and records what it finds. */
const reconcile: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const run = await queryAsAdmin<{ id: string; status: string }>(
    helpers,
    "select id, status from saldo.reconcile()",
  );
  helpers.logger.info(`reconcile ${run?.id}: ${run?.status}`);
};

export default reconcile;
