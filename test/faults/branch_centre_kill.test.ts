import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { Client } from "pg";
import { enrol } from "../../src/branch/push/enrol.ts";
import { Pusher } from "../../src/branch/push/pusher.ts";
import type { Store } from "../../src/branch/store/store.ts";
import { startEmbedded } from "../../src/database/embedded.ts";
import { migrate } from "../../src/database/migrate.ts";
import { SECRET } from "../_support/api.ts";
import { connectWhenUp } from "../_support/postgres.ts";
import { type Program, runProgram } from "../_support/process.ts";
import { makePlace, openStore, sell } from "../branch/_till.ts";
import { RoughNetwork } from "./_rough_network.ts";

/*
 * The centre is killed with SIGKILL while it takes a push in: the server's process, or the backend
 * of PostgreSQL, upon which all of PostgreSQL recovers. It is stopped before its writes to a table.
 */

/** Tables in the order in which a push writes them. */
const tables = [
  "branch_epoch",
  "branch_head",
  "branch_intake",
  "journal_entry",
  "journal_line",
  "branch_device",
];
const victims = ["backend", "server"] as const;
const all = tables.flatMap((table) => victims.map((victim) => ({ table, victim })));
/** BRANCH_RUNS asks for all of them; here two each time. */
const stops = process.env["BRANCH_RUNS"]
  ? all
  : victims.map((victim) => {
      const own = all.filter((stop) => stop.victim === victim);
      return own[Math.floor(Math.random() * own.length)] as (typeof all)[number];
    });

const pace = { intervalMs: 1e9, retryBaseMs: 1e9, retryMaxMs: 1e9, timeoutMs: 60_000 };

async function startServer(connectionString: string) {
  const program = runProgram("src/main.ts", ["server"], {
    DATABASE_URL: connectionString,
    PORT: "0",
    NODE_ENV: "development",
    SALDO_JWT_SECRET: SECRET,
  });
  const [, address = ""] = await program.printed(/"address":"(http:[^"]+)"/);
  return { program, address };
}

async function push(store: Store): Promise<string | null> {
  const pusher = new Pusher(store, { pace });
  await pusher.pushAgain();
  const { last_error } = pusher.state();
  await pusher.stop();
  return last_error;
}

/** The backend that waits for the table, once there is one; the push must not have ended by then. */
async function waitingBackend(gate: Client, pushed: Promise<string | null>): Promise<number> {
  let ended: { error: string | null } | undefined;
  void pushed.then((error) => {
    ended = { error };
  });
  for (;;) {
    if (ended !== undefined) throw new Error(`the push ended before: ${ended.error}`);
    // Within a transaction the first look is kept.
    await gate.query("select pg_stat_clear_snapshot()");
    const { rows } = await gate.query(
      `select pid from pg_stat_activity
      where wait_event_type = 'Lock' and query like '%push_branch_rows%'`,
    );
    if (rows[0] !== undefined) return Number(rows[0].pid);
    await sleep(20);
  }
}

interface Scene {
  t: ExecutionContext;
  connectionString: string;
  store: Store;
  server: { program: Program; address: string };
  network: RoughNetwork;
}

/** The one row of a query; PostgreSQL may be about to recover. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what they have asked for
async function ask(connectionString: string, text: string): Promise<any> {
  for (;;) {
    const client = await connectWhenUp(connectionString);
    try {
      return (await client.query(text)).rows[0];
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (!(code?.startsWith("57P") || /terminated/.test(message))) throw error;
    } finally {
      await client.end().catch(() => {});
    }
  }
}

/** What of tills is at the centre. */
const countOf = (connectionString: string) =>
  ask(
    connectionString,
    `select (select count(*)::int from saldo.branch_intake) as rows,
      (select count(*)::int from saldo.journal_entry where source = 'branch') as entries,
      (select count(*)::int from saldo.branch_head) as heads`,
  );

/** Kills in the middle of a push; nothing of it may be left. */
async function killAt(scene: Scene, { table, victim }: (typeof all)[number]): Promise<void> {
  const { t, connectionString, store } = scene;
  for (let amount = 1; amount <= 5; amount += 1) sell(store, amount);
  const before = await countOf(connectionString);
  const gate = await connectWhenUp(connectionString);
  await gate.query(`begin; lock table saldo.${table} in share mode`);
  const pushed = push(store);
  const pid = await waitingBackend(gate, pushed);
  if (victim === "backend") process.kill(pid, "SIGKILL");
  else {
    scene.server.program.child.kill("SIGKILL");
    await gate.query("rollback");
  }
  t.truthy(await pushed, `${victim} at ${table}: the till hears of no success`);
  t.is(store.queue().waiting, 5);
  await gate.end().catch(() => {});
  if (victim === "server") {
    await scene.server.program.ended;
    scene.server = await startServer(connectionString);
    scene.network.target = scene.server.address;
  }
  // What the backend of a server that is gone had begun ends by itself.
  const underWay = `select count(*)::int as count from pg_stat_activity
    where query like '%push_branch_rows%' and state <> 'idle' and pid <> pg_backend_pid()`;
  while ((await ask(connectionString, underWay)).count > 0) await sleep(50);
  t.deepEqual(await countOf(connectionString), before, `${victim} at ${table}: nothing is half`);
  t.is(await push(store), null);
  t.is(store.queue().waiting, 0);
}

test("a centre killed while it takes a push in has taken nothing, and then all of it once", async (t) => {
  t.timeout(10 * 60_000);
  t.log(`killed: ${stops.map(({ table, victim }) => `${victim} at ${table}`).join(", ")}`);
  const folder = await mkdtemp(join(tmpdir(), "saldo-branch-kill-"));
  const postgres = await startEmbedded(folder, { shared_buffers: "32MB" });
  const { connectionString } = postgres;
  let scene: Scene | undefined;
  try {
    await migrate(connectionString);
    const server = await startServer(connectionString);
    const network = new RoughNetwork(server.address);
    const store = openStore(makePlace(t), () => new Date());
    scene = { t, connectionString, store, server, network };
    const client = await connectWhenUp(connectionString);
    const { rows: made } = await client.query(
      "select id, cash_account_id from saldo.create_branch('A', 'A')",
    );
    const { rows: issued } = await client.query("select code from saldo.issue_enrolment_code($1)", [
      made[0].id,
    ]);
    await client.end();
    await enrol(store, { centre: await network.start(), code: issued[0].code });
    for (const stop of stops) {
      // Each in an epoch of its own, so that a push writes every one of the tables.
      store.beginChain(store.chain.device, "restored");
      await killAt(scene, stop);
    }

    // After the commit, and before the till has the answer.
    sell(store, 1000);
    network.notice = (stage, path) => {
      if (stage === "answered" && path.endsWith("/push")) {
        scene?.server.program.child.kill("SIGKILL");
      }
    };
    network.fail(["answer lost"]);
    t.truthy(await push(store));
    network.notice = () => {};
    await scene.server.program.ended;
    t.is(store.queue().waiting, 1);
    scene.server = await startServer(connectionString);
    network.target = scene.server.address;
    t.is(await push(store), null);

    t.is(store.queue().waiting, 0);
    const { rows, entries } = await countOf(connectionString);
    t.deepEqual({ rows, entries }, { rows: 5 * stops.length + 1, entries: rows });
    const last = await connectWhenUp(connectionString);
    const { rows: cash } = await last.query(
      "select balance::int from saldo.account where id = $1",
      [made[0].cash_account_id],
    );
    t.is(cash[0].balance, store.summary().balance);
    t.deepEqual((await last.query("select from saldo.branch_gaps()")).rows, []);
    const { rows: findings } = await last.query(
      `select f.rule, f.key from saldo.check_balance_health() as r
      join saldo.finding as f on f.check_run_id = r.id`,
    );
    t.deepEqual(findings, []);
    await last.end();
    store.close();
  } finally {
    scene?.server.program.child.kill("SIGKILL");
    await scene?.network.stop();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
