import { createHmac } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import type { AlertConfig } from "../../src/alerts/channels.ts";
import { deliverAlert } from "../../src/alerts/delivery.ts";
import { openMail, openWebhook } from "../_support/receivers.ts";
import { type Message, openWatched } from "../alert/_alerts.ts";

const SECRET = "a secret for webhooks of tests";

async function open(t: ExecutionContext, channels = "webhook") {
  const database = await openWatched(channels);
  const webhook = await openWebhook();
  const mail = await openMail();
  t.teardown(async () => {
    await webhook.close();
    await mail.close();
    await database.close();
  });
  const config: AlertConfig = {
    alertEverySeconds: 15,
    alertWebhookUrl: webhook.url,
    alertWebhookSecret: SECRET,
    alertSmtpUrl: mail.url,
    alertEmailFrom: "saldo@example.com",
    alertEmailTo: ["anna@example.com", "budi@example.com"],
    alertTimeoutMs: 20_000,
  };
  const send = async (id: string, changes: Partial<AlertConfig> = {}) => {
    const client = await database.pool.connect();
    try {
      return await deliverAlert(client, id, { ...config, ...changes });
    } finally {
      client.release();
    }
  };
  return {
    database,
    webhook,
    mail,
    config,
    send,
    /** Makes a test alert, and returns its message on the first channel. */
    async message(): Promise<string> {
      await database.query("select saldo.send_test_alert()");
      return (await database.messages()).at(-1)?.id ?? "";
    },
    async state(id: string): Promise<Message> {
      return (await database.messages()).find((each) => each.id === id) as Message;
    },
    /** What is due, as a worker asks for it. */
    async due(): Promise<string[]> {
      const rows = await database.query<{ id: string }>(
        "select id from saldo_private.due_alert_deliveries('{webhook,email}', 0)",
      );
      return rows.map(({ id }) => id);
    },
    /** As if the wait for the next attempt were over. */
    async wait(): Promise<void> {
      await database.query("update saldo.alert_delivery set next_attempt_at = now()");
    },
  };
}

test("a webhook is signed, Slack can show it, and its id says which one it is", async (t) => {
  const { webhook, message, send, state } = await open(t);
  const id = await message();
  t.like(await send(id), { outcome: "delivered", status: 200 });
  t.is(webhook.received.length, 1);
  const { headers, body, path } = webhook.received[0] ?? ({} as never);
  t.is(path, "/hook?token=hush");
  const timestamp = String(headers["x-saldo-timestamp"]);
  const expected = createHmac("sha256", SECRET).update(`${timestamp}.${body}`).digest("hex");
  t.is(headers["x-saldo-signature"], `sha256=${expected}`);
  t.true(Math.abs(Date.now() / 1000 - Number(timestamp)) < 60);
  t.is(headers["x-saldo-delivery"], id);
  t.is(headers["x-saldo-event"], "test");
  t.is(headers["content-type"], "application/json");
  const { text, blocks, alert } = JSON.parse(body);
  t.is(text, "[Saldo] Test: A test alert");
  t.deepEqual(
    blocks.map(({ type }: { type: string }) => type),
    ["header", "section", "context"],
  );
  t.like(alert, { event: "test", condition: "test", severity: "info" });
  t.like(await state(id), { attempt_count: 1, last_status: 200, last_error: null });
  t.not((await state(id)).delivered_at, null);
  t.is(await send(id), undefined, "delivered is delivered");
  t.is(webhook.received.length, 1);
});

test("without a secret nothing is signed", async (t) => {
  const { webhook, message, send } = await open(t);
  await send(await message(), { alertWebhookSecret: undefined });
  t.false("x-saldo-signature" in (webhook.received[0]?.headers ?? {}));
});

test("a name and password in the address go as a header", async (t) => {
  const { webhook, message, send } = await open(t);
  const url = new URL(webhook.url);
  url.username = "alerts";
  url.password = "p@ss:wörd";
  t.like(await send(await message(), { alertWebhookUrl: url.href }), { outcome: "delivered" });
  const [, encoded = ""] = webhook.received[0]?.headers.authorization?.split(" ") ?? [];
  t.is(Buffer.from(encoded, "base64").toString(), "alerts:p@ss:wörd");
});

test("what somebody named cannot speak for us in Slack", async (t) => {
  const { database, webhook, due, send } = await open(t);
  await database.query(
    `create or replace function saldo_private.alert_backlog()
    returns table (key text, text text, detail jsonb) language sql
    as $$ select 'k'::text, '<!channel> & <https://evil.example|here>'::text, '{}'::jsonb $$`,
  );
  await database.evaluate();
  await send((await due())[0] ?? "");
  const { blocks } = JSON.parse(webhook.received[0]?.body ?? "");
  t.regex(blocks[1].text.text, /^&lt;!channel&gt; &amp; &lt;https/);
});

test("a receiver in trouble gets the message again, with the same id and body", async (t) => {
  const { webhook, message, send, state, due, wait } = await open(t);
  const id = await message();
  for (const status of [500, 503, 408, 429]) {
    webhook.answer = (response) => response.writeHead(status).end();
    t.like(await send(id), { outcome: "retry", status });
    t.like(await state(id), { last_status: status, delivered_at: null, failed_at: null });
    t.deepEqual(await due(), [], "not at once");
    t.is(await send(id), undefined, "its time has not come");
    await wait();
  }
  webhook.answer = (response) => response.end();
  t.like(await send(id), { outcome: "delivered" });
  t.is((await state(id)).attempt_count, 5);
  t.is(new Set(webhook.received.map(({ headers }) => headers["x-saldo-delivery"])).size, 1);
  t.is(new Set(webhook.received.map(({ body }) => body)).size, 1);
});

test("a receiver's wish to wait is heard", async (t) => {
  const { database, webhook, message, send } = await open(t);
  webhook.answer = (response) => response.writeHead(429, { "retry-after": "600" }).end();
  await send(await message());
  const [row] = await database.query<{ is_later: boolean }>(
    `select next_attempt_at > now() + interval '590 seconds' as is_later
    from saldo.alert_delivery`,
  );
  t.true(row?.is_later);
});

test("a wish to wait forever is a wait of an hour, and recorded", async (t) => {
  const { database, webhook, message, send } = await open(t);
  webhook.answer = (response) => response.writeHead(503, { "retry-after": "99999999999999" }).end();
  t.like(await send(await message()), { outcome: "retry", status: 503 });
  const [row] = await database.query<{ attempt_count: number; is_an_hour: boolean }>(
    `select attempt_count,
      next_attempt_at - now() between interval '59 minutes' and interval '61 minutes' as is_an_hour
    from saldo.alert_delivery`,
  );
  t.like(row, { attempt_count: 1, is_an_hour: true });
});

for (const status of [400, 401, 404, 410]) {
  test(`a receiver's ${status} is recorded and the message not tried again`, async (t) => {
    const { webhook, message, send, state, due, wait } = await open(t);
    webhook.answer = (response) => response.writeHead(status).end();
    const id = await message();
    t.like(await send(id), { outcome: "failed", status });
    t.not((await state(id)).failed_at, null);
    await wait();
    t.deepEqual(await due(), []);
    t.is(await send(id), undefined);
    t.is(webhook.received.length, 1);
  });
}

test("a redirect is not followed", async (t) => {
  const { webhook, message, send } = await open(t);
  const other = await openWebhook();
  t.teardown(() => other.close());
  webhook.answer = (response) => response.writeHead(307, { location: other.url }).end();
  t.like(await send(await message()), { outcome: "retry", status: 307 });
  t.is(other.received.length, 0);
});

test("a receiver that does not answer costs the timeout and no more", async (t) => {
  const { webhook, message, send } = await open(t);
  webhook.answer = () => {};
  const id = await message();
  const begin = Date.now();
  t.like(await send(id, { alertTimeoutMs: 300 }), { outcome: "retry", error: "TimeoutError" });
  t.true(Date.now() - begin < 60_000);
});

test("an answer without end is not read", async (t) => {
  const { webhook, message, send } = await open(t);
  webhook.answer = (response) => {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
    };
    response.on("drain", more);
    more();
  };
  t.like(await send(await message()), { outcome: "delivered" });
});

test("neither database nor outcome has address or secret, whatever goes wrong", async (t) => {
  const { database, webhook, message, send, wait, mail } = await open(t);
  const id = await message();
  const outcomes: unknown[] = [];
  const mailUrl = mail.url.replace("//", "//anna:hush@");
  webhook.answer = (response) => response.writeHead(500).end(SECRET);
  outcomes.push(await send(id));
  await wait();
  await webhook.close();
  outcomes.push(await send(id));
  await wait();
  outcomes.push(await send(id, { alertWebhookUrl: "http://no-such-host.invalid/hush" }));
  await database.query("select saldo.set_setting('alert_channels', 'email')");
  outcomes.push(await send(await message(), { alertSmtpUrl: mailUrl }));
  t.is(outcomes.length, 4);
  const rows = await database.query("select d::text from saldo.alert_delivery as d");
  for (const text of [JSON.stringify(outcomes), JSON.stringify(rows)]) {
    t.notRegex(text, /hush|127\.0\.0\.1|no-such-host|a secret/);
  }
  t.regex(JSON.stringify(outcomes[1]), /ECONNREFUSED/);
  t.regex(JSON.stringify(outcomes[3]), /EAUTH/);
});

test("a mail goes to all addresses, with the same id for each try", async (t) => {
  const { mail, message, send, state } = await open(t, "email");
  const id = await message();
  t.like(await send(id), { outcome: "delivered", status: 250 });
  const [sent] = mail.mails;
  t.is(sent?.from, "saldo@example.com");
  t.deepEqual(sent?.to, ["anna@example.com", "budi@example.com"]);
  t.regex(sent?.text ?? "", /^Subject: \[Saldo\] Test: A test alert\r$/m);
  t.regex(sent?.text ?? "", new RegExp(`^Message-ID: <${id}@saldo>\r$`, "m"));
  // Long lines are broken on the way (quoted-printable), wherever the names in them end.
  const words = (sent?.text ?? "").replaceAll("=\r\n", "");
  t.regex(words, /Nothing is wrong: somebody asked for it\./);
  t.not((await state(id)).delivered_at, null);
});

test("a mail server's 4xx is tried again, its 5xx is not, and one address may be refused", async (t) => {
  const { mail, message, send, state } = await open(t, "email");
  mail.refuse = () => 450;
  t.like(await send(await message()), { outcome: "retry", status: 450 });
  mail.refuse = () => 550;
  const refused = await message();
  t.like(await send(refused), { outcome: "failed", status: 550 });
  t.not((await state(refused)).failed_at, null);
  mail.refuse = (address) => (address.startsWith("budi") ? 550 : undefined);
  const partly = await message();
  t.like(await send(partly), { outcome: "delivered" });
  t.is((await state(partly)).last_error, "1 of the addresses were refused");
});

test("a mail server that is away, or says nothing, is tried again", async (t) => {
  const { webhook, mail, message, send, wait } = await open(t, "email");
  const id = await message();
  // An HTTP server waits for its client to speak, as a mail client does for its server.
  const mute = webhook.url.replace("http", "smtp").replace("/hook?token=hush", "");
  t.like(await send(id, { alertSmtpUrl: mute, alertTimeoutMs: 300 }), { outcome: "retry" });
  await mail.close();
  await wait();
  t.like(await send(id), { outcome: "retry", error: "ESOCKET" });
});

test("of two that send at once one does", async (t) => {
  const { webhook, message, send } = await open(t);
  const id = await message();
  let finish = () => {};
  webhook.answer = (response) => {
    finish = () => response.end();
  };
  const first = send(id);
  await webhook.count(1);
  t.is(await send(id), undefined);
  finish();
  t.like(await first, { outcome: "delivered" });
  t.is(webhook.received.length, 1);
});

test("an endpoint that is down for an hour gets each message once when it is back, in order", async (t) => {
  const { database, webhook, due, send, wait } = await open(t);
  const port = Number(new URL(webhook.url).port);
  await webhook.close();
  const silence =
    "update saldo_private.alert_state set worker_seen_at = now() - interval '2 hours'";
  const round = async () => {
    await wait();
    await database.evaluate();
    const ids = await due();
    t.true(ids.length <= 1, "one message asks whether the receiver is back");
    for (const id of ids) await send(id);
  };
  // Opened, standing beyond the time of a reminder, over, and opened again.
  await database.query(silence);
  for (let count = 0; count < 4; count++) await round();
  await database.query("update saldo.alert set told_at = told_at - interval '25 hours'");
  for (let count = 0; count < 4; count++) await round();
  await database.query("select saldo_private.record_worker_seen()");
  for (let count = 0; count < 4; count++) await round();
  await database.query(silence);
  for (let count = 0; count < 4; count++) await round();
  const again = await openWebhook(port);
  t.teardown(() => again.close());
  for (let count = 0; count < 5; count++) {
    await wait();
    for (const id of await due()) await send(id);
  }
  const told = again.received.map(({ body }) => JSON.parse(body).alert);
  const first = told.filter((each) => each.alert_id === told[0]?.alert_id);
  t.is(told.length, 3);
  t.is(new Set(told.map(({ alert_id }) => alert_id)).size, 2);
  t.deepEqual(first.map(({ event }) => event).concat(["opened"]), ["opened", "resolved", "opened"]);
  t.true((await database.messages()).every(({ delivered_at }) => delivered_at !== null));
});

test("a process without the channel's address leaves the message to one that has it", async (t) => {
  const { message, send, state, wait } = await open(t);
  const id = await message();
  t.like(await send(id, { alertWebhookUrl: undefined }), { outcome: "retry" });
  await wait();
  t.like(await send(id), { outcome: "delivered" });
  t.is((await state(id)).attempt_count, 2);
});
