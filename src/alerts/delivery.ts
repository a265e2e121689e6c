/** Sends one message about an alert, from a job or from the server: whichever holds its row. */
import type { ClientBase } from "pg";
import { z } from "zod";
import { withRole } from "../database/with_role.ts";
import {
  type AlertConfig,
  type Delivery,
  type Outcome,
  sendMail,
  sendWebhook,
} from "./channels.ts";
import { messageSchema } from "./message.ts";

export type AlertChannel = "webhook" | "email";

const rowSchema = z.object({
  id: z.uuid(),
  channel: z.enum(["webhook", "email"]),
  message: messageSchema,
});

/** The channels that the settings have an address for. */
export function channelsOf(config: Pick<AlertConfig, "alertWebhookUrl" | "alertSmtpUrl">) {
  const channels: AlertChannel[] = [];
  if (config.alertWebhookUrl !== undefined) channels.push("webhook");
  if (config.alertSmtpUrl !== undefined) channels.push("email");
  return channels;
}

/**
 * Claims the message, sends it and records how that went, in one transaction: its row is locked
 * meanwhile, so nobody else sends it, and a process that dies releases it. Undefined when there is
 * nothing to send, or another process is sending it.
 */
export async function deliverAlert(
  client: ClientBase,
  deliveryId: string,
  config: AlertConfig,
  abortSignal?: AbortSignal,
): Promise<Outcome | undefined> {
  // The receiver may take longer to answer than the database lets a transaction rest.
  const settings = { role: "saldo_admin", idle_in_transaction_session_timeout: "0" };
  return await withRole(client, { settings }, async () => {
    const { rows } = await client.query(
      "select id, channel, message from saldo_private.claim_alert_delivery($1)",
      [deliveryId],
    );
    if (rows[0] === undefined) return undefined;
    const { channel, ...delivery } = rowSchema.parse(rows[0]);
    const outcome = await send(channel, delivery, config, abortSignal);
    const { status, error, retryAfterSeconds } = outcome;
    await client.query("select saldo_private.record_alert_attempt($1, $2, $3, $4, $5)", [
      deliveryId,
      outcome.outcome,
      status ?? null,
      error ?? null,
      retryAfterSeconds ?? 0,
    ]);
    return outcome;
  });
}

async function send(
  channel: AlertChannel,
  delivery: Delivery,
  config: AlertConfig,
  abortSignal: AbortSignal | undefined,
): Promise<Outcome> {
  if (!channelsOf(config).includes(channel)) {
    return { outcome: "retry", error: "this process has no address for the channel" };
  }
  const timeout = AbortSignal.timeout(config.alertTimeoutMs);
  const signal = abortSignal ? AbortSignal.any([abortSignal, timeout]) : timeout;
  const outcome = await (channel === "webhook" ? sendWebhook : sendMail)(delivery, config, signal);
  // Cut short by a stop: whether it arrived is not known, and it is no fault of the receiver.
  if (outcome.outcome !== "delivered") abortSignal?.throwIfAborted();
  return outcome;
}
