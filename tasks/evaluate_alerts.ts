import { z } from "zod";
import { channelsOf } from "../src/alerts/delivery.ts";
import type { SaldoTask } from "../src/jobs/load_tasks.ts";
import { queryAsAdmin } from "../src/jobs/query_as_admin.ts";

const payloadSchema = z.object({}).strict();

interface Due {
  id: string;
  next_attempt_at: string;
}

/**
 * Brings the alerts up to date, and asks for a job for each message whose time comes before the
 * next run. The row is what stays until a message was sent, the job only sends it: one that is lost
 * is asked for again, and one that is there already keeps its key.
 */
const evaluateAlerts: SaldoTask = async (payload, helpers, config) => {
  payloadSchema.parse(payload);
  // One condition that never ends is cancelled and reported; the others have their turn after it.
  const evaluated = queryAsAdmin(helpers, "select saldo.evaluate_alerts()", [], {
    statement_timeout: "30s",
  });
  // What waits is sent whether or not there could be anything new.
  await evaluated.catch(() => {});
  const found = await queryAsAdmin<{ list: Due[] }>(
    helpers,
    `select coalesce(json_agg(d), '[]') as list from saldo_private.due_alert_deliveries(
      '{${channelsOf(config).join(",")}}', ${config.alertEverySeconds}
    ) as d`,
  );
  for (const { id, next_attempt_at } of found?.list ?? []) {
    await helpers.addJob(
      "send_alert",
      { deliveryId: id },
      { jobKey: `send_alert:${id}`, runAt: new Date(next_attempt_at), maxAttempts: 3 },
    );
  }
  await evaluated;
};

export default evaluateAlerts;
