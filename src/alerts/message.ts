/** What an alert says, as a message for Slack and as a mail. */
import { z } from "zod";

/** The message of a delivery, as saldo_private.tell_alert makes it. */
export const messageSchema = z.object({
  alert_id: z.string(),
  event: z.enum(["opened", "reminder", "resolved", "test"]),
  condition: z.string(),
  key: z.string(),
  severity: z.enum(["info", "warning", "critical"]),
  title: z.string(),
  text: z.string(),
  advice: z.string(),
  detail: z.unknown(),
  opened_at: z.string(),
  last_seen_at: z.string(),
  resolved_at: z.string().nullable(),
  database: z.string(),
});

export type AlertMessage = z.output<typeof messageSchema>;

/** A webhook's body: Slack shows `text` and `blocks`, programs read `alert`. */
export interface WebhookBody {
  text: string;
  blocks: object[];
  alert: AlertMessage;
}

// Slack refuses longer ones.
const HEADER_LENGTH_MAX = 150;
const SECTION_LENGTH_MAX = 3000;

const WORDS = { opened: "", reminder: "Still open: ", resolved: "Resolved: ", test: "Test: " };

/** One line: what, and whether it is over. */
export function subjectOf(message: AlertMessage): string {
  const level = message.event === "opened" ? `${message.severity.toUpperCase()}: ` : "";
  // A key may be a name that somebody gave; a line stays a line.
  return `[Saldo] ${level}${WORDS[message.event]}${message.title}`.replace(/\p{Cc}+/gu, " ");
}

function sentencesOf(message: AlertMessage): string[] {
  return message.event === "resolved"
    ? [`It is over. It began at ${message.opened_at} with: ${message.text}`]
    : [message.text, message.advice];
}

function originOf(message: AlertMessage): string {
  const { condition, key, database, opened_at, resolved_at } = message;
  const end = resolved_at === null ? "" : `, resolved ${resolved_at}`;
  return `${condition} / ${key} · database ${database} · opened ${opened_at}${end}`;
}

export function webhookBodyOf(message: AlertMessage): WebhookBody {
  const subject = subjectOf(message);
  return {
    text: escaped(subject),
    blocks: [
      {
        type: "header",
        text: { type: "plain_text", text: subject.slice(0, HEADER_LENGTH_MAX) },
      },
      {
        type: "section",
        text: {
          type: "mrkdwn",
          text: escaped(sentencesOf(message).join("\n")).slice(0, SECTION_LENGTH_MAX),
        },
      },
      { type: "context", elements: [{ type: "mrkdwn", text: escaped(originOf(message)) }] },
    ],
    alert: message,
  };
}

export function mailTextOf(message: AlertMessage): string {
  const detail = JSON.stringify(message.detail, null, 2);
  return [...sentencesOf(message), "", originOf(message), `Alert ${message.alert_id}`, "", detail]
    .join("\n")
    .concat("\n");
}

/** Slack's three characters: unescaped, a key could make links and mentions. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
