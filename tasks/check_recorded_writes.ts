import { z } from "zod";
import { evaluateNow } from "../src/alerts/evaluate_now.ts";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

const payloadSchema = z.object({}).strict();

/**
 * Looks whether the guard has recorded a write past the engine that no check has seen yet, and then
 * asks for a check. The alerts are evaluated before it, too: it may take its time, and somebody is
 * to hear of the write at once.
 */
const checkRecordedWrites: SaldoTask = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const found = await queryAsAdmin<{ is_due: boolean }>(
    helpers,
    "select saldo_private.has_unchecked_writes() as is_due",
  );
  if (!found?.is_due) return;
  await evaluateNow(helpers);
  // In the queue of the checks: one runs at a time, and one more waits.
  await helpers.addJob(
    "reconcile",
    {},
    { queueName: "reconcile", jobKey: "recorded_writes", maxAttempts: 3 },
  );
};

export default checkRecordedWrites;
