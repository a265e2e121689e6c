import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Client } from "pg";
import { type EmbeddedPostgres, startEmbedded } from "../../src/database/embedded.ts";
import { migrate } from "../../src/database/migrate.ts";
import { errorCode } from "../_support/database.ts";
import { killPostgres } from "../_support/postgres.ts";

/*
 * A prepared transaction outlives a crash, and the slots of hot accounts do not. Until it is
 * decided nobody sees what it has taken, so that no slots may be made without it.
 */

const settings = { shared_buffers: "32MB", max_prepared_transactions: "20" };
const folders: string[] = [];

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "saldo-prepared-"));
  folders.push(folder);
  return folder;
}

test.after.always(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function connect({ connectionString }: EmbeddedPostgres): Promise<Client> {
  const client = new Client({ connectionString, statement_timeout: 8000 });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Each way to take funds of a hot account: $1 is its code, $2 the amount. */
const idOf = "(select id from saldo.account where code = $1)";
const ways = {
  debit: `select from saldo.submit_transaction(${idOf}, $2, 'debit')`,
  batch: `select from saldo.submit_transactions(array[
    row(${idOf}, $2, 'debit', null, null, null)::saldo.submit_request
  ]) as r where r.is_accepted or saldo_private.fail(r.error_condition) is null`,
  hold: `select from saldo.place_hold(${idOf}, $2)`,
  posting: `select from saldo.transfer(
    ${idOf}, (select id from saldo.account where code = 'other'), $2
  )`,
};
const kinds = Object.keys(ways) as (keyof typeof ways)[];

async function openHot(client: Client, code: string): Promise<void> {
  await client.query(
    `select from saldo.open_account(
      $1, $1, 'liability', min_balance => 0, mode => 'hot'
    )`,
    [code],
  );
  await client.query(`select saldo.make_account_hot(${idOf}, slots => 2)`, [code]);
  await client.query(`select from saldo.submit_transaction(${idOf}, 1000.01, 'credit')`, [code]);
  await client.query(ways.posting, [code, 0.01]); // so that the month has its stripes
}

async function prepare(client: Client, name: string, query: string, values: unknown[]) {
  await client.query("begin");
  await client.query(query, values);
  await client.query(`prepare transaction '${name}'`);
}

async function availableOf(client: Client, code: string): Promise<number> {
  const { rows } = await client.query(`select available_balance from saldo.balances(${idOf})`, [
    code,
  ]);
  return Number(rows[0].available_balance);
}

/** What must be true on a server that has prepared transactions of 700, and no slots. */
async function prove(t: ExecutionContext, server: EmbeddedPostgres): Promise<void> {
  const client = await connect(server);
  t.is((await client.query("select from saldo_private.account_slot")).rowCount, 0);
  t.is((await client.query("select from pg_prepared_xacts")).rowCount, kinds.length + 1);
  for (const kind of [...kinds, "returned" as const]) {
    const began = Date.now();
    const way = ways[kind === "returned" ? "debit" : kind];
    t.is(await errorCode(client.query(way, [kind, 700])), "SB207", kind);
    t.true(Date.now() - began < 5000, `${kind}: refused in time`);
  }
  t.is(
    await errorCode(client.query(`select saldo.make_account_immediate(${idOf})`, ["debit"])),
    "SB207",
    "what is pending cannot be settled to the end",
  );
  await openHot(client, "opened since");
  t.is(await availableOf(client, "opened since"), 1000, "nobody can have taken from it");

  for (const kind of kinds) await client.query(`commit prepared '${kind}'`);
  await client.query("rollback prepared 'returned'");
  for (const kind of kinds) {
    t.is(await errorCode(client.query(ways[kind], [kind, 300.01])), "SB001", kind);
    t.is(await availableOf(client, kind), 300, kind);
    t.is(await errorCode(client.query(ways[kind], [kind, 300])), "none", kind);
    t.is(await availableOf(client, kind), 0, kind);
  }
  t.is(await errorCode(client.query(ways.debit, ["returned", 1000])), "none");
  while ((await client.query("select from saldo.settle_sub_balances()")).rowCount !== 0);
  const check = await client.query(
    "select status, finding_count from saldo.check_balance_health()",
  );
  t.deepEqual(check.rows, [{ status: "healthy", finding_count: 0 }]);
  await client.end();
}

/** A standby of a server that is stopped, as a copy of its folder. */
async function copyStandby(folder: string): Promise<string> {
  const standby = await newFolder();
  // With owners, which Node's own copy does not keep.
  execFileSync("cp", ["-a", join(folder, "postgres"), standby]);
  await writeFile(join(standby, "postgres", "data", "standby.signal"), "");
  return standby;
}

/** Waits until the standby has all that the primary has written. */
async function caughtUp(primary: Client, standby: Client): Promise<void> {
  const { rows } = await primary.query("select pg_current_wal_flush_lsn() as lsn");
  for (;;) {
    const { rows: seen } = await standby.query(
      "select coalesce(pg_last_wal_replay_lsn() >= $1, false) as is_so",
      [rows[0].lsn],
    );
    if (seen[0].is_so) return;
    await sleep(50);
  }
}

test("what a prepared transaction has taken is taken after a crash and on a promoted standby", async (t) => {
  const folder = await newFolder();
  let primary = await startEmbedded(folder, settings);
  await migrate(primary.connectionString);
  await primary.stop();
  const standbyFolder = await copyStandby(folder);
  primary = await startEmbedded(folder, settings);
  const standby = await startEmbedded(standbyFolder, {
    ...settings,
    primary_conninfo: primary.connectionString,
  });

  const client = await connect(primary);
  await client.query("select from saldo.open_account('other', 'Other', 'revenue', mode => 'hot')");
  for (const code of [...kinds, "returned"]) await openHot(client, code);
  for (const kind of kinds) await prepare(client, kind, ways[kind], [kind, 700]);
  await prepare(client, "returned", ways.debit, ["returned", 700]);
  const watcher = await connect(standby);
  await caughtUp(client, watcher);
  await client.end();
  await killPostgres(folder);
  await primary.stop();

  await watcher.query("select pg_promote()");
  await watcher.end();
  await prove(t, standby);
  await standby.stop();
  primary = await startEmbedded(folder, settings);
  await prove(t, primary);
  await primary.stop();
});

test("slots that a prepared transaction is about to make or has are waited for, but not for ever", async (t) => {
  const folder = await newFolder();
  const server = await startEmbedded(folder, settings);
  await migrate(server.connectionString);
  const [client, other] = [await connect(server), await connect(server)];
  await client.query("select from saldo.open_account('other', 'Other', 'revenue', mode => 'hot')");
  const openFirst = (code: string) =>
    client.query(
      "select from saldo.open_account($1, $1, 'liability', min_balance => 0, mode => 'hot')",
      [code],
    );
  const credit = `select from saldo.submit_transaction(${idOf}, 10, 'credit')`;
  await openHot(client, "first"); // the accounts of the engine are made with it
  for (const code of ["soon", "left"]) {
    await openFirst(code);
    await prepare(client, code, credit, [code]);
  }

  const waiting = other.query(credit, ["soon"]);
  await sleep(500);
  await client.query("commit prepared 'soon'");
  await t.notThrowsAsync(waiting);
  t.is(await availableOf(client, "soon"), 20);

  t.is(await errorCode(other.query(credit, ["left"])), "SB207", "its first slots are not decided");
  const { rows } = await client.query("show lock_timeout");
  t.is(rows[0].lock_timeout, "0");
  await client.query("rollback prepared 'left'");
  t.is(await errorCode(other.query(credit, ["left"])), "none");

  await prepare(client, "held", credit, ["left"]);
  t.is(
    await errorCode(
      client.query(
        "select saldo_private.rebuild_slots(id, true) from saldo.account where code = 'left'",
      ),
    ),
    "SB207",
    "a slot that it has is not taken away",
  );
  await client.query("commit prepared 'held'");
  t.is(await availableOf(client, "left"), 20);

  // A session that is at work is waited for, however long it takes.
  await openFirst("slow");
  await client.query("begin");
  await client.query(credit, ["slow"]);
  const patient = other.query(credit, ["slow"]);
  await sleep(4000);
  await client.query("commit");
  await t.notThrowsAsync(patient);
  t.is(await availableOf(client, "slow"), 20);
  await client.end();
  await other.end();
  await server.stop();
});
