import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { createClient } from "graphql-ws";
import { Client } from "pg";
import { signToken } from "../../src/auth/token.ts";
import { type EmbeddedPostgres, startEmbedded } from "../../src/database/embedded.ts";
import { migrate } from "../../src/database/migrate.ts";
import { StartError } from "../../src/start_error.ts";
import { SECRET } from "../_support/api.ts";
import { errorCode } from "../_support/database.ts";
import { type Program, runProgram } from "../_support/process.ts";
import { type Standby, startStandby } from "../_support/standby.ts";
import { withSqlFolder } from "./_databases.ts";

/*
 * A standby has no slots of hot accounts, and can write nothing. It answers from what the primary
 * has logged, says how far behind it is, and is as good as the primary once it is promoted.
 */

let folder: string;
let primary: EmbeddedPostgres;
let stopPrimary: (() => Promise<void>) | undefined;
let standby: Standby;
// biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
type Answer = any;

const clients: Client[] = [];
const programs: Program[] = [];

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  client.on("error", () => {});
  await client.connect();
  clients.push(client);
  return client;
}

function run(part: string[], connectionString: string): Program {
  const program = runProgram("src/main.ts", part, {
    DATABASE_URL: connectionString,
    PORT: "0",
    NODE_ENV: "development",
    SALDO_JWT_SECRET: SECRET,
    // A settlement in the middle of a comparison would make two moments of it.
    SALDO_SETTLE_EVERY_SECONDS: "3600",
  });
  programs.push(program);
  return program;
}

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), "saldo-primary-"));
  primary = await startEmbedded(folder, { shared_buffers: "32MB" });
  stopPrimary = () => primary.stop();
  await migrate(primary.connectionString);
  const client = await connect(primary.connectionString);
  await client.query(`
    select from saldo.create_member('ayu', 'Ayu');
    select from saldo.top_up(1, 500);
    select from saldo.create_product('game', 'Game', 50);
    select from saldo.open_account('shop', 'Shop', 'liability', min_balance => 0, mode => 'hot');
    select from saldo.open_account('other', 'Other', 'liability', min_balance => null)`);
  await client.query("select saldo.make_account_hot(id, 4) from saldo.account where code = 'shop'");
  await client.query(`
    select from saldo.submit_transaction(
      (select id from saldo.account where code = 'shop'), 100, 'credit')`);
  await client.query("select from saldo.settle_sub_balances()");
  await client.query(`
    select from saldo.submit_transaction(
      (select id from saldo.account where code = 'shop'), 30.25, 'debit');
    select from saldo.place_hold((select id from saldo.account where code = 'shop'), 10);
    select from saldo.check_balance_health()`);
  // A whole Saldo at the primary gives the API's login its password.
  const saldo = run([], primary.connectionString);
  await saldo.printed(/"address":"http/);
  standby = await startStandby(folder, primary.connectionString);
  await standby.caughtUp();
});

test.after.always(async () => {
  for (const { child } of programs) child.kill("SIGTERM");
  for (const { ended } of programs) await ended;
  for (const client of clients) await client.end().catch(() => {});
  await standby?.stop();
  await stopPrimary?.();
  await rm(folder, { recursive: true, force: true });
});

const shop = "(select id from saldo.account where code = 'shop')";

test.serial("balances, wallets and settlement are told as by the primary", async (t) => {
  const client = await connect(standby.connectionString);
  const there = await connect(primary.connectionString);
  t.deepEqual((await client.query("select pg_is_in_recovery() as is")).rows, [{ is: true }]);
  for (const query of [
    `select * from saldo.balances(${shop})`,
    "select * from saldo.balances(1)",
    "select * from saldo.wallet_balance(1)",
    "select code, saldo.account_held_total(a) from saldo.account as a order by id",
    `select hot_account_count, pending_count, last_settled_at, open_hold_count, slot_rebuild_count
    from saldo.settlement_health()`,
    "select is_healthy, last_check_at, drift_count from saldo.balance_health()",
  ]) {
    const { rows } = await client.query(query);
    t.deepEqual(rows, (await there.query(query)).rows, query);
  }
  const { rows } = await client.query(
    `select settled_balance, pending_debit, held, available_balance, pending_count
    from saldo.balances(${shop})`,
  );
  t.deepEqual(Object.values(rows[0]), ["100", "30.25", "10", "59.75", "1"]);
  t.is(await errorCode(client.query("select saldo.top_up(1, 5)")), "25006");
});

test.serial("a server there answers questions, and says what it is", async (t) => {
  const server = run(["server"], standby.connectionString);
  const [, address] = await server.printed(/"address":"(http:[^"]+)"/);
  t.regex(server.output(), /"standby":"nothing can be changed here"/);
  const token = await signToken(SECRET, { sub: "root", role: "admin" }, "1h");
  const post = async (query: string) => {
    const response = await fetch(`${address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    });
    const answer: Answer = await response.json();
    return { status: response.status, ...answer };
  };
  const { data } = await post(
    "{ walletBalance(memberId: 1) { available } settlementHealth { pendingCount } }",
  );
  t.deepEqual(data, {
    walletBalance: { available: "500" },
    settlementHealth: { pendingCount: "1" },
  });
  const refused = await post(
    'mutation { topUp(input: { memberId: "1", amount: "5" }) { result { id } } }',
  );
  t.is(refused.status, 503);
  t.is(refused.errors[0].extensions.code, "SB021");
  t.is(refused.errors[0].extensions.condition, "read_only");

  const door = async (path: string, body?: object) => {
    const response = await fetch(`${address}${path}`, {
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    });
    const { data: told }: Answer = await response.json();
    return { status: response.status, told };
  };
  t.is((await door("/api/v1/balance/shop")).told.available_balance, "59.75");
  t.is((await door("/api/v1/pending/shop")).told.transactions.length, 1);
  t.is((await door("/admin/balance-health/detailed-report")).told.summary.status, "healthy");
  const write = { account: "shop", amount: "5", direction: "credit" };
  const unwritten = await door("/api/v1/transaction", write);
  t.deepEqual([unwritten.status, unwritten.told.code], [503, "SB021"]);

  const client = createClient({
    url: `${address?.replace("http", "ws")}/graphql`,
    retryAttempts: 0,
    connectionParams: { Authorization: `Bearer ${token}` },
  });
  const heard = client.iterate({
    query: "subscription { accountChanged(accountId: 1) { event } }",
  });
  const first = (await heard.next()).value;
  t.is(first?.errors?.[0]?.extensions?.["code"], "SB021");
  await client.dispose();

  const ready = await fetch(`${address}/ready`);
  t.is(ready.status, 200);
  const { status, standby: told }: Answer = await ready.json();
  t.is(status, "ready");
  // The pulse of the primary's worker comes every five seconds.
  t.true(told.lag_seconds >= 0 && told.lag_seconds < 60);
  const health = await fetch(`${address}/admin/balance-health/check`);
  t.is(health.status, 200);
  const { data: figures }: Answer = await health.json();
  t.true(figures.last_check_age_seconds >= 0);
  t.true(figures.replica_lag_seconds < 60);
  const metrics = await (await fetch(`${address}/metrics`)).text();
  t.regex(metrics, /^saldo_is_standby 1$/m);
  t.regex(metrics, /^saldo_replica_lag_seconds \d+(\.\d+)?$/m);
  t.regex(metrics, /^saldo_pending_count 1$/m);
});

test.serial("what would write is refused there in a sentence", async (t) => {
  for (const part of [["worker"], []]) {
    const program = run(part, standby.connectionString);
    t.is(await program.ended, 1);
    t.regex(program.output(), /^DATABASE_URL leads to a standby, where no job can run: .+\n$/);
  }
  const check = runProgram("src/cli/main.ts", ["check"], {
    DATABASE_URL: standby.connectionString,
  });
  t.is(await check.ended, 2);
  t.regex(check.output(), /^SB021: /);
  const works = runProgram("src/cli/main.ts", ["test-system"], {
    DATABASE_URL: standby.connectionString,
  });
  t.is(await works.ended, 1);
  t.regex(works.output(), /^FAIL {2}posting +SB021: /m);
  t.regex(works.output(), /^ok {4}books /m);
  await t.notThrowsAsync(migrate(standby.connectionString)); // it is up to date
  await withSqlFolder(async (folder) => {
    await folder.append("wallet/member.sql", "-- another version");
    const error = await t.throwsAsync(
      migrate(standby.connectionString, { logicFolder: folder.path }),
      { instanceOf: StartError },
    );
    t.regex(error?.message ?? "", /^The database is a standby, .+ on the primary first\.$/);
  });
});

test.serial("a server ends when the standby is promoted, and the next one writes", async (t) => {
  const server = run(["server"], standby.connectionString);
  await server.printed(/"address":"(http:[^"]+)"/);
  for (const { child } of programs.filter((each) => each !== server)) child.kill("SIGTERM");
  for (const { ended } of programs.filter((each) => each !== server)) await ended;
  await standby.caughtUp();
  stopPrimary = undefined;
  await primary.stop();
  const client = await connect(standby.connectionString);
  t.deepEqual((await client.query("select pg_promote() as is")).rows, [{ is: true }]);
  t.is(await server.ended, 1);
  t.regex(server.output(), /the standby became a primary/);

  const next = run([], standby.connectionString);
  const [, address] = await next.printed(/"address":"(http:[^"]+)"/);
  t.is((await fetch(`${address}/ready`)).status, 200);
  t.is((await client.query("select from saldo_private.account_slot")).rowCount, 0);
  t.is(
    await errorCode(client.query(`select saldo.submit_transaction(${shop}, 60, 'debit')`)),
    "SB001",
  );
  await client.query(`select saldo.submit_transaction(${shop}, 59.75, 'debit')`);
  const { rows } = await client.query(
    `select available_balance, pending_count from saldo.balances(${shop})`,
  );
  t.deepEqual(rows, [{ available_balance: "0", pending_count: "2" }]);
  await client.query("select from saldo.settle_sub_balances()");
  t.is(
    (await client.query("select status from saldo.check_balance_health()")).rows[0].status,
    "healthy",
  );
  for (let look = 0; look < 50; look += 1) {
    const metrics = await (await fetch(`${address}/metrics`)).text();
    if (/^saldo_is_standby 0$/m.test(metrics)) break;
    await sleep(100);
  }
  t.regex(await (await fetch(`${address}/metrics`)).text(), /^saldo_replica_lag_seconds Nan$/m);
});
