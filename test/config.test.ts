import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import test from "ava";
import { envExample } from "../scripts/env_example.ts";
import { ConfigError, readConfig, requireNode, settings } from "../src/config.ts";

const read = (environment: Record<string, string>) => () => readConfig(environment);
const databaseUrl = "postgres://owner:secret@127.0.0.1/saldo";
const ownSecret = randomBytes(24).toString("base64");

test("without any variable every setting has its default", (t) => {
  const config = readConfig({});
  t.is(config.port, 8080);
  t.is(config.timeZone, "Asia/Jakarta");
  t.is(config.currency, "IDR");
  t.deepEqual(config.maintenanceAt, ["02:00"]);
  t.is(config.reconcileEveryHours, 6);
  t.is(config.settleEverySeconds, 5);
  t.is(config.databaseUrl, undefined);
  t.true(config.isGraphiqlEnabled);
});

test("trusted proxies are a number, or addresses and networks", (t) => {
  t.is(readConfig({ SALDO_TRUST_PROXY: "2" }).trustProxy, 2);
  t.deepEqual(readConfig({ SALDO_TRUST_PROXY: "loopback, 192.0.2.0/24,::1" }).trustProxy, [
    "loopback",
    "192.0.2.0/24",
    "::1",
  ]);
});

test("maintenance has one time, several, or one every so many hours", (t) => {
  const at = (text: string) => readConfig({ SALDO_MAINTENANCE_AT: text }).maintenanceAt;
  t.deepEqual(at("08:00,02:00,08:00"), ["02:00", "08:00"]);
  t.deepEqual(at("every 6 hours"), ["00:00", "06:00", "12:00", "18:00"]);
  t.deepEqual(at("every 1 hour").length, 24);
});

test("reports have a third of the connections, and never more than there are", (t) => {
  t.is(readConfig({}).reportSlotCount, 3);
  t.is(readConfig({ SALDO_POOL_SIZE: "1" }).reportSlotCount, 1);
  t.is(readConfig({ SALDO_POOL_SIZE: "4", SALDO_REPORT_SLOTS: "9" }).reportSlotCount, 4);
});

test("an empty variable means the same as none", (t) => {
  t.deepEqual(
    readConfig(Object.fromEntries(Object.values(settings).map(({ name }) => [name, ""]))),
    readConfig({}),
  );
});

for (const [name, value] of [
  ["PORT", "65536"],
  ["PORT", "-1"],
  ["PORT", "80.5"],
  ["PORT", "http"],
  ["NODE_ENV", "staging"],
  ["DATABASE_URL", "mysql://host/db"],
  ["DATABASE_URL", "postgres://[/db"],
  ["SALDO_JWT_SECRET", "short"],
  ["SALDO_JWKS", "http://id.example/jwks"],
  ["SALDO_JWKS", "https://user:password@id.example/jwks"],
  ["SALDO_JWKS", "ftp://id.example/jwks"],
  ["SALDO_TIME_ZONE", "Asia/Atlantis"],
  ["SALDO_CURRENCY", "rupiah"],
  ["SALDO_MAINTENANCE_AT", "24:00"],
  ["SALDO_MAINTENANCE_AT", "02:00,"],
  ["SALDO_MAINTENANCE_AT", "every 5 hours"],
  ["SALDO_MONTHLY_SYNC_AT", "24:00"],
  ["SALDO_MONTHLY_RECALCULATION_AT", "Sun 01:00"],
  ["SALDO_RECONCILE_HOURS", "0"],
  ["SALDO_SETTLE_EVERY_SECONDS", "0"],
  ["SALDO_SETTLE_EVERY_SECONDS", "3601"],
  ["SALDO_GRAPHIQL", "yes"],
  ["LOG_LEVEL", "loud"],
  ["SALDO_POOL_SIZE", "Infinity"],
  ["SALDO_ALERT_WEBHOOK_URL", "ftp://host/secret"],
  ["SALDO_ALERT_WEBHOOK_SECRET", "short"],
  ["SALDO_ALERT_SMTP_URL", "https://user:secret@host"],
  ["SALDO_ALERT_EMAIL_FROM", "Saldo <saldo@example.com>"],
  ["SALDO_ALERT_EMAIL_TO", "anna@example.com,,budi@example.com"],
  ["SALDO_ALERT_EVERY_SECONDS", "0"],
  ["SALDO_CHECK_OVERDUE_HOURS", "169"],
  ["SALDO_REPORT_SLOTS", "0"],
  ["SALDO_TRUST_PROXY", "true"],
  ["SALDO_TRUST_PROXY", "0"],
  ["SALDO_TRUST_PROXY", "0.0.0.0/0"],
  ["SALDO_TRUST_PROXY", "192.0.2.0/33"],
  ["SALDO_TRUST_PROXY", "192.0.2.1,everybody"],
  ["SALDO_SOCKET_IDLE_SECONDS", "0"],
] as const) {
  test(`${name}=${value} is refused in one sentence that names it`, (t) => {
    const error = t.throws(read({ [name]: value }), { instanceOf: ConfigError });
    t.regex(error.message, new RegExp(`^${name} is not valid: give [^\n]+\\.$`));
    t.false(error.message.includes("secret"));
  });
}

test("a page is not larger by default than at most", (t) => {
  t.throws(read({ SALDO_PAGE_SIZE: "300", SALDO_PAGE_SIZE_MAX: "200" }), {
    instanceOf: ConfigError,
  });
});

test("mails need their server, from and to, all three", (t) => {
  const mail = {
    SALDO_ALERT_SMTP_URL: "smtps://user:secret@mail.example.com:465",
    SALDO_ALERT_EMAIL_FROM: "saldo@example.com",
    SALDO_ALERT_EMAIL_TO: "anna@example.com, budi@example.com",
  };
  t.deepEqual(readConfig(mail).alertEmailTo, ["anna@example.com", "budi@example.com"]);
  for (const name of Object.keys(mail)) {
    const error = t.throws(read({ ...mail, [name]: "" }), { instanceOf: ConfigError });
    t.false(error.message.includes("secret"));
  }
});

test("a check is overdue an hour after it was due, unless said otherwise", (t) => {
  t.is(readConfig({}).checkOverdueHours, 7);
  t.is(readConfig({ SALDO_RECONCILE_HOURS: "24" }).checkOverdueHours, 25);
  t.is(readConfig({ SALDO_CHECK_OVERDUE_HOURS: "48" }).checkOverdueHours, 48);
});

test("in production a secret that was ever published, or is easily guessed, is refused", (t) => {
  const production = { NODE_ENV: "production", DATABASE_URL: databaseUrl };
  const known = [
    "a-secret-for-a-trial-and-nothing-else",
    "A-Secret-For-A-Trial-And-Nothing-Else",
    "a-string-secret-at-least-256-bits-long",
    "please-change-me-before-you-go-to-production",
    "x".repeat(40),
    "abc".repeat(20),
  ];
  for (const secret of known) {
    for (const name of ["SALDO_JWT_SECRET", "SALDO_METRICS_TOKEN", "SALDO_ALERT_WEBHOOK_SECRET"]) {
      const given = { SALDO_JWT_SECRET: ownSecret, [name]: secret };
      const error = t.throws(read({ ...production, ...given }), { instanceOf: ConfigError });
      t.true(error.message.startsWith(`${name} is known to others`), error.message);
      t.false(error.message.includes(secret));
      t.notThrows(read({ ...given }), "in development it is as good as another");
    }
  }
  const published = "postgres://postgres:saldo-trial@database:5432/saldo";
  t.throws(read({ ...production, SALDO_JWT_SECRET: ownSecret, DATABASE_URL: published }), {
    instanceOf: ConfigError,
    message: /password in DATABASE_URL/,
  });
});

test("docker-compose.yml has no secret, and wants them", async (t) => {
  const text = await readFile(new URL("../docker-compose.yml", import.meta.url), "utf8");
  const secrets = [...text.matchAll(/\$\{(\w*(?:PASSWORD|SECRET|TOKEN|URL)\w*)([^}]*)\}/g)];
  t.true(secrets.length > 5);
  for (const [, name, fallback = ""] of secrets) t.regex(fallback, /^(:-|:\?.*|)$/, name);
  for (const name of ["POSTGRES_PASSWORD", "SALDO_JWT_SECRET"]) {
    t.true(text.includes(`\${${name}:?`), name);
  }
  t.notRegex(text, /\b(PASSWORD|SECRET|TOKEN)\w*: (?!\$)/);
});

test("production on a server of one's own wants a secret, embedded it makes one", (t) => {
  t.throws(read({ NODE_ENV: "production", DATABASE_URL: databaseUrl }), {
    instanceOf: ConfigError,
    message: /SALDO_JWT_SECRET/,
  });
  const keys = { SALDO_JWKS: "https://id.example/jwks.json" };
  t.notThrows(read({ NODE_ENV: "production", DATABASE_URL: databaseUrl, ...keys }));
  t.notThrows(read({ NODE_ENV: "production" }));
  const config = readConfig({
    NODE_ENV: "production",
    DATABASE_URL: databaseUrl,
    SALDO_JWT_SECRET: ownSecret,
  });
  t.false(config.isGraphiqlEnabled);
  t.false(config.isIntrospectionEnabled);
});

test("a Node that cannot run TypeScript is refused", (t) => {
  t.throws(() => requireNode("20.20.2"), { instanceOf: ConfigError });
  t.throws(() => requireNode("22.17.9"), { instanceOf: ConfigError });
  t.notThrows(() => requireNode("22.18.0"));
  t.notThrows(() => requireNode("24.12.0"));
});

test(".env.example lists exactly the settings, each as it is by default (npm run snapshot mends it)", async (t) => {
  const text = await readFile(new URL("../.env.example", import.meta.url), "utf8");
  t.is(text, envExample());
  const lines = [...text.matchAll(/^#([A-Z_]+)=(.*)$/gm)];
  t.deepEqual(
    lines.map(([, name]) => name),
    Object.values(settings).map(({ name }) => name),
  );
  // A default that can be written down means, when set, the same as none.
  const set = Object.fromEntries(lines.map(([, name = "", value = ""]) => [name, value]));
  t.deepEqual(readConfig(set), readConfig({}));
});
