import type { Task } from "graphile-worker";
import { z } from "zod";

const payloadSchema = z.object({}).loose();

/** Checks, heals what is safe, checks again, and records the run. */
const scheduledMaintenance: Task = async (payload, helpers) => {
  payloadSchema.parse(payload);
  const { rows } = await helpers.withPgClient(async (client) => {
    await client.query("begin");
    try {
      await client.query("set local role saldo_admin");
      const result = await client.query("select id, status from saldo.scheduled_maintenance()");
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback");
      throw error;
    }
  });
  helpers.logger.info(`scheduled_maintenance ${rows[0]?.id}: ${rows[0]?.status}`);
};

export default scheduledMaintenance;
