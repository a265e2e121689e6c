/** How alerts are sent: webhook and mail. Errors are reported without address or secret. */
import { createHmac } from "node:crypto";
import { createTransport } from "nodemailer";
import type { Config } from "../config.ts";
import { type AlertMessage, mailTextOf, subjectOf, webhookBodyOf } from "./message.ts";

/** The settings that alerts go by. */
export type AlertConfig = Pick<
  Config,
  | "alertEverySeconds"
  | "alertWebhookUrl"
  | "alertWebhookSecret"
  | "alertSmtpUrl"
  | "alertEmailFrom"
  | "alertEmailTo"
  | "alertTimeoutMs"
>;

/** How an attempt ended: `retry` will be tried again, `failed` will not. */
export interface Outcome {
  outcome: "delivered" | "retry" | "failed";
  status?: number | undefined;
  error?: string | undefined;
  retryAfterSeconds?: number | undefined;
}

// A longer wait is cut to this; one with more digits than a number has could not be recorded.
const longestWaitSeconds = 3600;

/** A message to be sent, under an id that stays the same however often it is tried. */
export interface Delivery {
  id: string;
  message: AlertMessage;
}

/**
 * Posts the message. 2xx is delivered. A redirect is not followed: the signed body would go to an
 * address that nobody chose. A 4xx other than 408 and 429 says that another try cannot succeed.
 */
export async function sendWebhook(
  { id, message }: Delivery,
  config: AlertConfig,
  signal: AbortSignal,
): Promise<Outcome> {
  const body = JSON.stringify(webhookBodyOf(message));
  const timestamp = String(Math.floor(Date.now() / 1000));
  const secret = config.alertWebhookSecret;
  const headers = {
    "content-type": "application/json",
    "user-agent": "saldo",
    "x-saldo-delivery": id,
    "x-saldo-event": message.event,
    "x-saldo-timestamp": timestamp,
    ...(secret === undefined ? {} : { "x-saldo-signature": sign(secret, timestamp, body) }),
  };
  try {
    const { href, authorization } = addressOf(config.alertWebhookUrl ?? "");
    const response = await fetch(href, {
      method: "POST",
      headers: { ...headers, ...authorization },
      body,
      redirect: "manual",
      signal,
    });
    // What the receiver says is not read: it may be endless.
    await response.body?.cancel();
    return outcomeOf(response);
  } catch (error) {
    return { outcome: "retry", error: codeOf(error) };
  }
}

/** The address as fetch takes it: a name and password in it become a header. */
function addressOf(address: string): { href: string; authorization: { authorization?: string } } {
  const url = new URL(address);
  const login = [url.username, url.password].map(decodeURIComponent).join(":");
  url.username = "";
  url.password = "";
  const encoded = Buffer.from(login).toString("base64");
  return {
    href: url.href,
    authorization: login === ":" ? {} : { authorization: `Basic ${encoded}` },
  };
}

/** The signature of a webhook: HMAC-SHA256 over the timestamp, a point and the body. */
export function sign(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`;
}

function outcomeOf({ status, headers }: Response): Outcome {
  if (status >= 200 && status < 300) return { outcome: "delivered", status };
  if (status >= 300 && status < 400) {
    return { outcome: "retry", status, error: "a redirect, which is not followed" };
  }
  const isFinal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  const wait = Number(headers.get("retry-after"));
  return {
    outcome: isFinal ? "failed" : "retry",
    status,
    error: `HTTP status ${status}`,
    retryAfterSeconds: Number.isInteger(wait) && wait > 0 ? Math.min(wait, longestWaitSeconds) : 0,
  };
}

/** Sends the message as a mail; the server's 5xx is final, except a login that it refuses. */
export async function sendMail(
  { id, message }: Delivery,
  config: AlertConfig,
  signal: AbortSignal,
): Promise<Outcome> {
  const timeoutMs = config.alertTimeoutMs;
  const transport = createTransport({
    url: config.alertSmtpUrl,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const aborted = new Promise<never>((_done, refuse) => {
    // The library's timeouts are about silence only; a server may also be slow line by line.
    signal.addEventListener("abort", () => refuse(signal.reason), { once: true });
  });
  try {
    const sending = transport.sendMail({
      from: config.alertEmailFrom,
      to: config.alertEmailTo,
      subject: subjectOf(message),
      text: mailTextOf(message),
      // The same for each try: mail programs show what came twice once.
      messageId: `<${id}@saldo>`,
      headers: { "X-Saldo-Delivery": id, "X-Saldo-Event": message.event },
    });
    const sent = await Promise.race([sending, aborted]);
    const refused = sent.rejected.length;
    return {
      outcome: "delivered",
      status: Number(sent.response.slice(0, 3)) || undefined,
      error: refused > 0 ? `${refused} of the addresses were refused` : undefined,
    };
  } catch (error) {
    const status = (error as { responseCode?: number }).responseCode;
    const code = codeOf(error);
    const isFinal = status !== undefined && status >= 500 && code !== "EAUTH";
    const words = status === undefined ? code : `SMTP status ${status} (${code})`;
    return { outcome: isFinal ? "failed" : "retry", status, error: words };
  } finally {
    transport.close();
  }
}

/** A word for an error that has no address in it: messages of drivers name hosts and more. */
function codeOf(error: unknown): string {
  const { code, name, cause } = error as { code?: unknown; name?: string; cause?: unknown };
  const inner = (cause as { code?: unknown } | undefined)?.code;
  for (const each of [inner, code]) {
    if (typeof each === "string" && /^[A-Z0-9_]+$/.test(each)) return each;
  }
  return name ?? "error";
}
