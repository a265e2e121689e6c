import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { startEmbedded } from "../../src/database/embedded.ts";
import { migrate } from "../../src/database/migrate.ts";
import { connectWhenUp } from "../_support/postgres.ts";

/*
 * The backend that seals rows is killed with SIGKILL, each time behind another of its writes: all
 * of PostgreSQL recovers, slots are empty, and the next sealer begins where the last commit was.
 */

const books = [
  "select saldo.open_account('owner', 'Owner', 'equity')",
  `select saldo.make_account_hot(
    (saldo.open_account('h' || g, 'H', 'liability', min_balance => 0)).id, 2)
  from generate_series(1, 3) as g`,
  `select saldo.transfer(1, a.id, 100000) from saldo.account as a where a.code ~ '^h[0-9]$'`,
];

const work = `
  select count(saldo.submit_transaction(a.id, g, 'debit'))
  from saldo.account as a, generate_series(1, 40) as g
  where a.code ~ '^h[0-9]$'`;
const holds = `
  select count(saldo.place_hold(a.id, g))
  from saldo.account as a, generate_series(1, 20) as g
  where a.code ~ '^h[0-9]$'`;

/** Tables before whose writes, or whose lock, the sealer waits when it is killed. */
const stops = ["sealed_stretch", "row_seal", "sealed_record", "row_seal_progress"];

/** Has rows sealed by a backend that comes to wait for a table, and kills it there. */
async function killWhileSealing(connectionString: string, table: string): Promise<void> {
  const [gate, sealer] = [
    await connectWhenUp(connectionString),
    await connectWhenUp(connectionString),
  ];
  await gate.query(`begin; lock table saldo_private.${table} in share mode`);
  const { rows } = await sealer.query("select pg_backend_pid() as pid");
  const pid = Number(rows[0].pid);
  const ended = sealer.query("select saldo.seal_rows()").then(
    () => "sealed",
    () => "killed",
  );
  for (;;) {
    const { rows: waiting } = await gate.query(
      "select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'",
      [pid],
    );
    if (waiting.length > 0) break;
    await sleep(20);
  }
  process.kill(pid, "SIGKILL");
  if ((await ended) !== "killed") throw new Error("it had sealed before it was killed");
  await Promise.allSettled([gate.end(), sealer.end()]);
}

/** What is covered by seals: how often, and by how many seals that follow on one another. */
const evidence = `
  select
    (select count(*) from saldo.sub_balance)::int as rows,
    (select count(*) from saldo.sub_balance as s where 1 <> (
      select count(*) from saldo_private.sealed_stretch as t
      where t.account_id = s.account_id and t.slot_no = s.slot_no
      and s.seq between t.first_seq and t.last_seq))::int as rows_not_once,
    (select count(*) from saldo_private.sealed_source)::int as records,
    (select count(*) from saldo_private.sealed_source as r where 1 <> (
      select count(*) from saldo_private.sealed_record as s
      where s.source = r.source and s.owner_id = r.owner_id and s.id = r.id))::int
      as records_not_once,
    (select count(*) from saldo_private.row_seal)::int
      - (select head_number from saldo_private.row_seal_progress)::int as seals_beside_the_chain,
    (select count(*) from saldo_private.row_seal)::int as seals`;

test("a sealer of rows that is killed has sealed nothing, and the next one seals all once", async (t) => {
  t.timeout(5 * 60_000);
  const folder = await mkdtemp(join(tmpdir(), "saldo-row-seal-kill-"));
  const server = await startEmbedded(folder, { shared_buffers: "32MB" });
  try {
    await migrate(server.connectionString);
    let client = await connectWhenUp(server.connectionString);
    for (const text of books) await client.query(text);
    for (const [index, table] of stops.entries()) {
      await client.query(work);
      await client.query(holds);
      const { rows: before } = await client.query(evidence);
      t.true(before[0].rows_not_once > 0, "there is something to seal");
      await killWhileSealing(server.connectionString, table);
      await client.end().catch(() => {});
      client = await connectWhenUp(server.connectionString);
      const { rows: after } = await client.query(evidence);
      t.deepEqual(after, before, `killed before ${table}: nothing is half sealed`);
      // One is sealed by the next sealer, and the other only after the next kill.
      if (index % 2 === 0) await client.query("select saldo.seal_rows()");
    }
    await client.query("select saldo.seal_rows()");
    await client.query("select count(*) from saldo.settle_sub_balances()");
    await client.query("select saldo.seal_rows()");
    const { rows: sealed } = await client.query("select saldo.seal_rows()::int as count");
    t.is(sealed[0].count, 0, "nothing is left");
    const { rows } = await client.query(evidence);
    t.like(rows[0], {
      rows: stops.length * 3 * 40,
      rows_not_once: 0,
      records_not_once: 0,
      seals_beside_the_chain: 0,
    });
    t.true(rows[0].records > stops.length * 3 * 20, "holds and settlements");
    const { rows: findings } = await client.query(
      `select f.rule, f.key from saldo.reconcile() as r
      join saldo.finding as f on f.check_run_id = r.id`,
    );
    t.deepEqual(findings, []);
    await client.end();
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
