import test from "ava";
import { ConfigError, readConfig, requireNode, settings } from "../../src/config.ts";

const read = (environment: Record<string, string>) => () => readConfig(environment);
const databaseUrl = "postgres://owner:secret@127.0.0.1/saldo";

test("without any variable every setting has its default", (t) => {
  const config = readConfig({});
  t.is(config.port, 8080);
  t.is(config.timeZone, "Asia/Jakarta");
  t.is(config.currency, "IDR");
  t.is(config.maintenanceAt, "02:00");
  t.is(config.reconcileEveryHours, 6);
  t.is(config.settleEverySeconds, 5);
  t.is(config.databaseUrl, undefined);
  t.true(config.isGraphiqlEnabled);
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
  ["SALDO_TIME_ZONE", "Asia/Atlantis"],
  ["SALDO_CURRENCY", "rupiah"],
  ["SALDO_MAINTENANCE_AT", "24:00"],
  ["SALDO_MONTHLY_SYNC_AT", "24:00"],
  ["SALDO_MONTHLY_RECALCULATION_AT", "Sun 01:00"],
  ["SALDO_RECONCILE_HOURS", "0"],
  ["SALDO_SETTLE_EVERY_SECONDS", "0"],
  ["SALDO_SETTLE_EVERY_SECONDS", "3601"],
  ["SALDO_GRAPHIQL", "yes"],
  ["LOG_LEVEL", "loud"],
  ["SALDO_POOL_SIZE", "Infinity"],
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

test("production on a server of one's own wants a secret, embedded it makes one", (t) => {
  t.throws(read({ NODE_ENV: "production", DATABASE_URL: databaseUrl }), {
    instanceOf: ConfigError,
    message: /SALDO_JWT_SECRET/,
  });
  t.notThrows(read({ NODE_ENV: "production" }));
  const config = readConfig({
    NODE_ENV: "production",
    DATABASE_URL: databaseUrl,
    SALDO_JWT_SECRET: "x".repeat(32),
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
