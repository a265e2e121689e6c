import type { Task } from "graphile-worker";
import { z } from "zod";
import { queryAsAdmin } from "../src/task_query.ts";

// Cron adds `_cron`; the job itself takes no argument.
const payloadSchema = z.object({ _cron: z.unknown().optional() }).strict();

/** Checks, heals what is safe, checks again, and records the run. */
const scheduledMaintenance: Task = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const run = await queryAsAdmin<{ id: string; status: string }>(
    helpers,
    "select id, status from saldo.scheduled_maintenance()",
  );
  helpers.logger.info(`scheduled_maintenance ${run?.id}: ${run?.status}`);
};

export default scheduledMaintenance;
