import { z } from "zod";
import { consoleSettings } from "./console_settings.ts";
import { hasKnownPassword, isKnownSecret } from "./known_secrets.ts";
import {
  databaseUrl,
  flag,
  keySource,
  mailAddress,
  mailServer,
  setting,
  timeOfDay,
  timeOfWeek,
  timesOfDay,
  timeZone,
  trustedProxies,
  webAddress,
  whole,
  wholeOrUnset,
} from "./setting_schemas.ts";

/** All settings. The table of docs/reference/settings.md is made of this list. */
export const settings = {
  environment: setting(
    "NODE_ENV",
    "`production` hides GraphiQL and introspection, and with a DATABASE_URL wants a JWT secret or keys; published ones are refused",
    z
      .enum(["development", "production", "test"], { error: "development, production or test" })
      .default("development"),
  ),
  host: setting("HOST", "Address to listen on", z.string().min(1).default("127.0.0.1")),
  port: setting("PORT", "Port of the HTTP server; 0 takes a free one", whole(0, 65535, 8080)),
  databaseUrl: setting(
    "DATABASE_URL",
    "PostgreSQL 15 to 18 to use, with a login that may create roles; migrations and jobs run with it",
    databaseUrl,
    "embedded PostgreSQL 18",
  ),
  serverDatabaseUrl: setting(
    "SERVER_DATABASE_URL",
    "The login of the API, a member of saldo_server and nothing more",
    databaseUrl,
    "one of the database's own, made at start",
  ),
  dataFolder: setting(
    "SALDO_DATA_DIR",
    "Folder of the embedded PostgreSQL and the development secret",
    z.string().min(1).default(".saldo"),
  ),
  jwtSecret: setting(
    "SALDO_JWT_SECRET",
    "Secret that signs tokens (HS256), at least 32 characters",
    z.string().min(32, { error: "at least 32 characters" }).optional(),
    "made at first start, kept in the data folder",
  ),
  jwks: setting(
    "SALDO_JWKS",
    "Public keys that tokens are signed with (RS256, ES256, EdDSA): https address of a JWKS, or a file",
    keySource,
    "none, tokens are signed with SALDO_JWT_SECRET",
  ),
  jwtIssuer: setting(
    "SALDO_JWT_ISSUER",
    "Issuer (iss) that tokens of SALDO_JWKS have to name",
    z.string().min(1).optional(),
    "none, any is believed",
  ),
  jwtAudience: setting(
    "SALDO_JWT_AUDIENCE",
    "Audience (aud) that tokens of SALDO_JWKS have to name",
    z.string().min(1).default("saldo"),
  ),
  ...consoleSettings,
  metricsToken: setting(
    "SALDO_METRICS_TOKEN",
    "Bearer token of whoever reads /metrics, amounts included, at least 16 characters",
    z.string().min(16, { error: "at least 16 characters" }).optional(),
    "none: everybody reads them, without amounts",
  ),
  timeZone: setting(
    "SALDO_TIME_ZONE",
    "Business time zone: decides the date of a posting and when maintenance runs",
    timeZone,
  ),
  currency: setting(
    "SALDO_CURRENCY",
    "Currency where none is named",
    z
      .string()
      .regex(/^[A-Z]{3}$/, { error: "three capital letters" })
      .default("IDR"),
  ),
  reconcileEveryHours: setting(
    "SALDO_RECONCILE_HOURS",
    "Hours between reconciliations, counted from midnight of the business day",
    whole(1, 24, 6),
  ),
  maintenanceAt: setting(
    "SALDO_MAINTENANCE_AT",
    "Times of the maintenance in the business time zone: `02:00`, `02:00,08:00` or `every 6 hours`",
    timesOfDay("02:00"),
  ),
  monthlySyncAt: setting(
    "SALDO_MONTHLY_SYNC_AT",
    "Time of the nightly sync of customers' stored months in the business time zone",
    timeOfDay("02:00"),
  ),
  monthlyRecalculationAt: setting(
    "SALDO_MONTHLY_RECALCULATION_AT",
    "Day and time of the weekly recalculation of all stored months in the business time zone",
    timeOfWeek,
  ),
  rulesFile: setting(
    "SALDO_RULES_FILE",
    "JSON file of rules over your own tables, applied at each start",
    z.string().min(1).optional(),
    "none",
  ),
  settleEverySeconds: setting(
    "SALDO_SETTLE_EVERY_SECONDS",
    "Seconds between settlements of hot accounts",
    whole(1, 3600, 5),
  ),
  rerateEverySeconds: setting(
    "SALDO_RERATE_EVERY_SECONDS",
    "Seconds between looks for readings that a large change of price or factor left to a job",
    whole(1, 3600, 5),
  ),
  sealEverySeconds: setting(
    "SALDO_SEAL_EVERY_SECONDS",
    "Seconds between seals over what was posted to the journal",
    whole(1, 86_400, 60),
  ),
  checkOverdueHours: setting(
    "SALDO_CHECK_OVERDUE_HOURS",
    "Age of the last check at which the balances count as unhealthy",
    wholeOrUnset(1, 168),
    "one more than SALDO_RECONCILE_HOURS",
  ),
  alertEverySeconds: setting(
    "SALDO_ALERT_EVERY_SECONDS",
    "Seconds between looks at what alerts are about",
    whole(1, 3600, 15),
  ),
  alertWebhookUrl: setting(
    "SALDO_ALERT_WEBHOOK_URL",
    "Address that alerts are posted to, of Slack say; the worker decides which channels there are",
    webAddress,
  ),
  alertWebhookSecret: setting(
    "SALDO_ALERT_WEBHOOK_SECRET",
    "Secret that signs them (HMAC-SHA256), at least 16 characters",
    z.string().min(16, { error: "at least 16 characters" }).optional(),
    "none, they are not signed",
  ),
  alertSmtpUrl: setting(
    "SALDO_ALERT_SMTP_URL",
    "Mail server for alerts, with from and to below",
    mailServer,
  ),
  alertEmailFrom: setting(
    "SALDO_ALERT_EMAIL_FROM",
    "Address that mails come from",
    z.string().regex(mailAddress, { error: "an address like saldo@example.com" }).optional(),
  ),
  alertEmailTo: setting(
    "SALDO_ALERT_EMAIL_TO",
    "Addresses that mails go to, with commas between",
    z
      .string()
      .transform((text) => text.split(",").map((part) => part.trim()))
      .refine((all) => all.length <= 50 && all.every((part) => mailAddress.test(part)), {
        error: "addresses like one@example.com,two@example.com, at most 50",
      })
      .optional(),
  ),
  alertTimeoutMs: setting(
    "SALDO_ALERT_TIMEOUT_MS",
    "How long the receiver of an alert may take to answer",
    whole(100, 60_000, 10_000),
  ),
  isGraphiqlEnabled: setting(
    "SALDO_GRAPHIQL",
    "GraphiQL in the browser",
    flag,
    "true, in production false",
  ),
  isIntrospectionEnabled: setting(
    "SALDO_INTROSPECTION",
    "Introspection of the schema and suggestions of names",
    flag,
    "true, in production false",
  ),
  isGetEnabled: setting(
    "SALDO_GRAPHQL_GET",
    "GraphQL queries by GET too, for clients and caches that want it; mutations never",
    flag,
    "false",
  ),
  logLevel: setting(
    "LOG_LEVEL",
    "Least urgent lines of the log",
    z.enum(["info", "warn", "error"], { error: "info, warn or error" }).default("info"),
  ),
  requestLog: setting(
    "SALDO_REQUEST_LOG",
    "Requests with a line in the log (level info): `all`, `refused` or `none`",
    z.enum(["all", "refused", "none"], { error: "all, refused or none" }).default("refused"),
  ),
  statementTimeoutMs: setting(
    "SALDO_STATEMENT_TIMEOUT_MS",
    "Longest time of one request's SQL",
    whole(100, 600_000, 5000),
  ),
  bodyByteCountMax: setting(
    "SALDO_BODY_BYTES",
    "Largest request body",
    whole(1000, 10_000_000, 1_000_000),
  ),
  bodyValueCountMax: setting(
    "SALDO_BODY_VALUES",
    "Values in a request body at most, names of fields included",
    whole(100, 1_000_000, 20_000),
  ),
  anonymousBodyByteCountMax: setting(
    "SALDO_ANONYMOUS_BODY_BYTES",
    "Largest request body without a token",
    whole(1000, 10_000_000, 10_000),
  ),
  callerQueueMax: setting(
    "SALDO_CALLER_QUEUE",
    "Requests of one caller that may wait for a connection; more are answered 429",
    whole(1, 10_000, 500),
  ),
  reportSlotCount: setting(
    "SALDO_REPORT_SLOTS",
    "Connections that reports and long calls may take, of SALDO_POOL_SIZE",
    wholeOrUnset(1, 200),
    "a third of SALDO_POOL_SIZE",
  ),
  requestTimeoutMs: setting(
    "SALDO_REQUEST_TIMEOUT_MS",
    "How long a client may take to send a request; its head has 10 seconds at most",
    whole(100, 600_000, 30_000),
  ),
  trustProxy: setting(
    "SALDO_TRUST_PROXY",
    "Proxies whose X-Forwarded-For is believed: their addresses and networks, or how many in a row",
    trustedProxies,
    "none, limits count the address of the connection",
  ),
  socketCountMax: setting("SALDO_SOCKETS", "Websockets in all", whole(1, 100_000, 1000)),
  socketCountPerAddressMax: setting(
    "SALDO_SOCKETS_PER_ADDRESS",
    "Websockets of an address",
    whole(1, 100_000, 500),
  ),
  socketCountPerSubjectMax: setting(
    "SALDO_SOCKETS_PER_SUBJECT",
    "Websockets of the subject of a token",
    whole(1, 100_000, 100),
  ),
  socketIdleSeconds: setting(
    "SALDO_SOCKET_IDLE_SECONDS",
    "Seconds after which a websocket without a subscription is ended; 10 at most without a token",
    whole(1, 86_400, 60),
  ),
  pageSizeDefault: setting("SALDO_PAGE_SIZE", "Rows of a page unless asked", whole(1, 1000, 50)),
  pageSizeMax: setting("SALDO_PAGE_SIZE_MAX", "Rows of a page at most", whole(1, 10_000, 200)),
  poolSize: setting("SALDO_POOL_SIZE", "Connections of the API", whole(1, 200, 10)),
  shutdownGraceMs: setting(
    "SALDO_SHUTDOWN_GRACE_MS",
    "How long requests and a running job may take to finish after SIGTERM",
    whole(0, 600_000, 15_000),
  ),
};

type Settings = typeof settings;

/** The settings as the program uses them. */
export type Config = {
  readonly [Key in keyof Settings]: z.output<Settings[Key]["schema"]>;
} & {
  readonly isGraphiqlEnabled: boolean;
  readonly isIntrospectionEnabled: boolean;
  readonly isGetEnabled: boolean;
  readonly checkOverdueHours: number;
  readonly reportSlotCount: number;
};

/** Variables of an environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A setting that is not right, in one sentence. */
export class ConfigError extends Error {}

/** Whether this Node can run what GraphQL and jobs are built on, and TypeScript as it stands. */
export function isNodeNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** Refuses an older one; npm scripts and `npx saldo` find the right one. */
export function requireNode(version: string): void {
  if (!isNodeNewEnough(version)) {
    throw new ConfigError(
      `Saldo needs Node 22.18 or newer, not ${version}: npm start and npx saldo bring one along.`,
    );
  }
}

/** Reads and checks the settings of an environment. */
export function readConfig(environment: Environment): Config {
  requireNode(process.versions.node);
  const values = Object.entries(settings).map(([key, { name, schema }]) => {
    // An empty variable means the same as none: docker-compose and .env files leave such behind.
    const result = schema.safeParse(environment[name] || undefined);
    if (!result.success) {
      throw new ConfigError(`${name} is not valid: give ${result.error.issues[0]?.message}.`);
    }
    return [key, result.data];
  });
  const config = Object.fromEntries(values) as Config;
  const isOpen = config.environment !== "production";
  const isWithoutKeys = config.jwtSecret === undefined && config.jwks === undefined;
  if (!isOpen && config.databaseUrl !== undefined && isWithoutKeys) {
    throw new ConfigError(
      "SALDO_JWT_SECRET is missing: in production with a DATABASE_URL give one that all servers " +
        "share, or SALDO_JWKS.",
    );
  }
  if (!isOpen) requireOwnSecrets(config);
  if (config.pageSizeDefault > config.pageSizeMax) {
    throw new ConfigError("SALDO_PAGE_SIZE is not valid: give at most SALDO_PAGE_SIZE_MAX.");
  }
  requireWholeOidc(config);
  const mail = [config.alertSmtpUrl, config.alertEmailFrom, config.alertEmailTo];
  if (mail.includes(undefined) && mail.some((each) => each !== undefined)) {
    throw new ConfigError(
      "Mails need SALDO_ALERT_SMTP_URL, SALDO_ALERT_EMAIL_FROM and SALDO_ALERT_EMAIL_TO, all three.",
    );
  }
  return {
    ...config,
    reportSlotCount: Math.min(
      config.reportSlotCount ?? Math.max(1, Math.floor(config.poolSize / 3)),
      config.poolSize,
    ),
    checkOverdueHours: config.checkOverdueHours ?? config.reconcileEveryHours + 1,
    isGraphiqlEnabled: config.isGraphiqlEnabled ?? isOpen,
    isIntrospectionEnabled: config.isIntrospectionEnabled ?? isOpen,
    isGetEnabled: config.isGetEnabled ?? false,
  };
}

function requireWholeOidc({ oidcIssuer, oidcClientId, oidcRoles }: Config): void {
  const parts = [oidcIssuer, oidcClientId, oidcRoles];
  if (parts.includes(undefined) && parts.some((each) => each !== undefined)) {
    throw new ConfigError(
      "OpenID Connect needs SALDO_OIDC_ISSUER, SALDO_OIDC_CLIENT_ID and SALDO_OIDC_ROLES, all three.",
    );
  }
}

/** In production nobody else may know what keeps it closed. */
function requireOwnSecrets(config: Config): void {
  const given = [
    ["SALDO_JWT_SECRET", config.jwtSecret],
    ["SALDO_METRICS_TOKEN", config.metricsToken],
    ["SALDO_ALERT_WEBHOOK_SECRET", config.alertWebhookSecret],
  ] as const;
  for (const [name, secret] of given) {
    if (secret !== undefined && isKnownSecret(secret)) {
      throw new ConfigError(
        `${name} is known to others, or is easily guessed: give one of your own, made by openssl ` +
          "rand -base64 36 say.",
      );
    }
  }
  for (const url of [config.databaseUrl, config.serverDatabaseUrl]) {
    if (url !== undefined && hasKnownPassword(url)) {
      throw new ConfigError(
        "The password in DATABASE_URL is a published one: give one of your own.",
      );
    }
  }
}
