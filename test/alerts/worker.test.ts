import { randomBytes } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { openApi } from "../_support/api.ts";
import { type Program, runProgram } from "../_support/process.ts";
import { openMail, openWebhook } from "../_support/receivers.ts";
import { openWatched, type Watched } from "../alert/_alerts.ts";

/*
 * The real program, as worker and as server, with receivers on loopback. Where it is killed it is
 * with SIGKILL, in the middle of a delivery.
 */

const alertOf = (body: string) => JSON.parse(body).alert as Record<string, string>;

async function arrange(t: ExecutionContext, channels = "") {
  const database = await openWatched(channels);
  const webhook = await openWebhook();
  const mail = await openMail();
  const programs: Program[] = [];
  t.teardown(async () => {
    for (const { child, ended } of programs) {
      child.kill("SIGTERM");
      await ended;
    }
    await webhook.close();
    await mail.close();
    await database.close();
  });
  return {
    database,
    webhook,
    mail,
    async run(part: "worker" | "server", environment: Record<string, string> = {}) {
      const program = runProgram("src/main.ts", [part], {
        PORT: "0",
        NODE_ENV: "production",
        DATABASE_URL: database.connectionString,
        SERVER_DATABASE_URL: database.serverConnectionString,
        SALDO_JWT_SECRET: randomBytes(24).toString("base64url"),
        SALDO_ALERT_EVERY_SECONDS: "1",
        SALDO_ALERT_WEBHOOK_URL: webhook.url,
        ...environment,
      });
      programs.push(program);
      await program.printed(part === "worker" ? /jobs are running/ : /listening/);
      return program;
    },
  };
}

/** Looks again and again until it is so; the test's own timeout ends it. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((done) => setTimeout(done, 50));
}

const delivered = (database: Watched) => async () =>
  (await database.messages()).every(({ delivered_at }) => delivered_at !== null);

test.serial(
  "a worker sends a test alert on each of its channels, and says nothing secret",
  async (t) => {
    const { database, webhook, mail, run } = await arrange(t);
    const program = await run("worker", {
      SALDO_ALERT_WEBHOOK_SECRET: "a secret for webhooks",
      SALDO_ALERT_SMTP_URL: mail.url,
      SALDO_ALERT_EMAIL_FROM: "saldo@example.com",
      SALDO_ALERT_EMAIL_TO: "anna@example.com, budi@example.com",
    });
    webhook.answer = (response) => {
      response.writeHead(webhook.received.length === 1 ? 500 : 200).end();
    };
    await database.query("select saldo.send_test_alert()");
    await until(async () => (await delivered(database)()) && mail.mails.length === 1);
    t.is(webhook.received.length, 2, "the first was answered 500");
    t.is(alertOf(webhook.received[1]?.body ?? "{}").event, "test");
    t.deepEqual(mail.mails[0]?.to, ["anna@example.com", "budi@example.com"]);
    t.regex(program.output(), /send_alert .*retry, HTTP status 500/);
    t.notRegex(program.output(), /hush|a secret for|smtp:/);
  },
);

for (const part of ["worker", "server"] as const) {
  test.serial(`where nothing can be evaluated the ${part} sends what waits`, async (t) => {
    const { database, webhook, run } = await arrange(t, "webhook");
    await database.query(
      "update saldo_private.alert_state set worker_seen_at = now() - interval '2 hours'",
    );
    const program = await run(part);
    // After the start, which would make the function again.
    await database.query("alter function saldo_private.run_alert_evaluation() rename to hidden");
    await database.query("select saldo.send_test_alert()");
    await webhook.count(1);
    await until(delivered(database));
    t.is(alertOf(webhook.received[0]?.body ?? "{}").event, "test");
    // It is told after what waited was sent.
    const told = /run_alert_evaluation\(\) does not exist/;
    await until(async () => told.test(program.output()));
    t.regex(program.output(), told);
  });
}

test.serial(
  "a worker that is killed in the middle of a delivery leaves it to the next",
  async (t) => {
    const { database, webhook, run } = await arrange(t);
    const first = await run("worker");
    webhook.answer = () => {}; // it hangs, and the worker with it
    await database.query("select saldo.send_test_alert()");
    await webhook.count(1);
    first.child.kill("SIGKILL");
    t.is(await first.ended, "SIGKILL");
    t.like((await database.messages())[0], { delivered_at: null, failed_at: null });
    webhook.answer = (response) => response.end();
    await run("worker");
    await until(delivered(database));
    const ids = webhook.received.map(({ headers }) => headers["x-saldo-delivery"]);
    t.is(ids.length, 2);
    t.is(new Set(ids).size, 1, "the same id, so that the receiver knows it");
  },
);

test.serial(
  "without a worker the server tells that there is none, and a worker that it is over",
  async (t) => {
    const { database, webhook, run } = await arrange(t, "webhook");
    await database.query(
      "update saldo_private.alert_state set worker_seen_at = now() - interval '2 hours'",
    );
    const servers = [await run("server"), await run("server")];
    await webhook.count(1);
    await until(delivered(database));
    t.like(alertOf(webhook.received[0]?.body ?? "{}"), {
      event: "opened",
      condition: "worker_silent",
    });
    await servers[0]?.printed(/no worker takes care of alerts/).catch(() => {});
    await run("worker");
    await webhook.count(2);
    await until(delivered(database));
    t.like(alertOf(webhook.received[1]?.body ?? "{}"), {
      event: "resolved",
      condition: "worker_silent",
    });
    t.is(webhook.received.length, 2, "two servers and a worker send each message once");
  },
);

test.serial("a server that cannot send leaves the channels to the worker", async (t) => {
  const { database, run } = await arrange(t, "webhook");
  await run("server", { SALDO_ALERT_WEBHOOK_URL: "" });
  const channels = async () =>
    (await database.query("select value from saldo.setting where name = 'alert_channels'"))[0];
  t.like(await channels(), { value: "webhook" });
  await run("worker", { SALDO_ALERT_WEBHOOK_URL: "" });
  t.like(await channels(), { value: "" });
});

test.serial("a worker checks at its start where no check was", async (t) => {
  const { database, run } = await arrange(t);
  await database.query("delete from saldo.check_run");
  await run("worker");
  await until(async () => (await database.query("select from saldo.check_run")).length > 0);
  const [health] = await database.query(
    "select is_healthy, is_overdue from saldo.balance_health()",
  );
  t.like(health, { is_healthy: true, is_overdue: false });
});

test("alerts and their deliveries are seen, tested and acknowledged over GraphQL", async (t) => {
  const api = await openApi();
  t.teardown(() => api.close());
  const sendTest = `mutation { sendTestAlert(input: {}) { result { id condition resolvedAt
    alertDeliveries { nodes { channel event deliveredAt failedAt attemptCount } } } } }`;
  t.is((await api.post(sendTest)).code, "SB651");
  await api.root("select saldo.set_setting('alert_channels', 'webhook,email')");
  const operator = await api.token({ role: "operator" });
  t.is((await api.post(sendTest, {}, operator)).code, "SB006");
  t.is((await api.post(sendTest, {}, null)).code, "SB011");
  const sent = (await api.post(sendTest)).data.sendTestAlert.result;
  t.like(sent, { condition: "test" });
  t.deepEqual(
    sent.alertDeliveries.nodes.map(({ channel }: { channel: string }) => channel).sort(),
    ["email", "webhook"],
  );

  await api.root("update saldo_private.alert_state set created_at = now() - interval '1 day'");
  const evaluate = "mutation { evaluateAlerts(input: {}) { result { openedCount openCount } } }";
  const { data } = await api.post(evaluate);
  t.deepEqual(data.evaluateAlerts.result, { openedCount: 2, openCount: 2 });
  const list = `{ alerts(filter: { resolvedAt: { isNull: true } }, orderBy: [CONDITION_ASC]) {
    nodes { id condition severity title text occurrenceCount } } }`;
  const found = (await api.post(list, {}, operator)).data.alerts.nodes;
  t.deepEqual(
    found.map(({ condition }: { condition: string }) => condition),
    ["check_overdue", "worker_silent"],
  );
  const acknowledge = `mutation ($id: UUID!, $note: String!) {
    acknowledgeAlert(input: { alertId: $id, note: $note }) {
      result { acknowledgedBy acknowledgementNote } } }`;
  const variables = { id: found[0].id, note: "on it" };
  t.is((await api.post(acknowledge, variables, operator)).code, "SB006");
  t.deepEqual((await api.post(acknowledge, variables)).data.acknowledgeAlert.result, {
    acknowledgedBy: "root",
    acknowledgementNote: "on it",
  });
});
