import { z } from "zod";
import { deliverAlert } from "../src/alerts/delivery.ts";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";

const payloadSchema = z.object({ deliveryId: z.uuid() }).strict();

/**
 * Sends one message about an alert. When and how often it is tried again stands in its row: the
 * job's own waits would grow to hours, and an endpoint that is back must not wait for them.
 */
const sendAlert: SaldoTask = async (payload, { withPgClient, abortSignal, logger }, config) => {
  const { deliveryId } = payloadSchema.parse(payload);
  const outcome = await withPgClient((client) =>
    deliverAlert(client, deliveryId, config, abortSignal),
  );
  if (outcome?.error !== undefined) {
    logger.warn(`send_alert ${deliveryId}: ${outcome.outcome}, ${outcome.error}`);
  }
};

export default sendAlert;
