/**
 * What sealing costs: what is new, whatever was there when its statements were planned, and no job
 * that never ends. A sealer that reads everything again holds back what may be cleaned up, and so
 * makes each posting more expensive.
 */

import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { JobHelpers } from "graphile-worker";
import type pg from "pg";
import expireHolds from "../../tasks/expire_holds.ts";
import sealJournal from "../../tasks/seal_journal.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";

let database: TestDatabase;
test.beforeEach(async () => {
  database = await openTestDatabase(10);
  await database.pool.query(`
    select saldo.make_account_hot((saldo.open_account('hot', 'Hot', 'liability')).id);
    select saldo.create_product('stocked', 'Stocked', 10, is_stock_tracked => true)`);
});
test.afterEach.always(() => database?.close());

const submitMany = `select saldo.submit_transaction(id, 5, 'credit')
  from saldo.account, generate_series(1, $1::integer) where code = 'hot'`;

/** A session whose statements were planned, and kept, while there was nothing to seal. */
async function oldSession() {
  const client = await database.pool.connect();
  await client.query("vacuum analyze");
  for (let call = 0; call < 8; call += 1) await client.query("select saldo.seal_rows()");
  return client;
}

/** Blocks that a statement has looked at, and how many rows it has sealed. */
async function costOfSealing(
  client: pg.PoolClient,
  rowLimit = 50_000,
): Promise<{ blocks: number; count: number }> {
  const count = async () => {
    const { rows } = await client.query(
      "select coalesce(sum(row_count), 0)::integer as count from saldo_private.row_seal",
    );
    return rows[0].count as number;
  };
  const before = await count();
  const { rows } = await client.query(
    `explain (analyze, buffers, timing off, format json) select saldo.seal_rows(${rowLimit})`,
  );
  const plan = rows[0]["QUERY PLAN"][0].Plan;
  const blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
  return { blocks, count: (await count()) - before };
}

test.serial(
  "rows of hot accounts are sealed at the cost of what is new, by an old plan too",
  async (t) => {
    const client = await oldSession();
    t.teardown(() => client.release());
    // Each connection has a slot of its own.
    for (let round = 1; round <= 2; round += 1) {
      const clients = await Promise.all(Array.from({ length: 6 }, () => database.pool.connect()));
      await Promise.all(clients.map((each) => each.query(submitMany, [1000])));
      for (const each of clients) each.release();
      const { blocks, count } = await costOfSealing(client);
      t.is(count, 6000);
      t.true(blocks < count, `round ${round}: ${blocks} blocks`);
    }
    await database.pool.query(submitMany, [1]);
    const { blocks, count } = await costOfSealing(client);
    t.is(count, 1);
    t.true(blocks < 1500, `a row more: ${blocks} blocks`);
  },
);

test.serial("the holds of an account are added up once, however many are new", async (t) => {
  const client = await oldSession();
  t.teardown(() => client.release());
  await database.pool.query(submitMany, [1000]);
  await database.pool.query(
    `select saldo.place_hold(id, 1) from saldo.account, generate_series(1, 2000)
    where code = 'hot'`,
  );
  const { blocks, count } = await costOfSealing(client);
  t.is(count, 3000);
  t.true(blocks < 40 * count, `${blocks} blocks`);
});

test.serial("records are sealed at the cost of what is new, when none is sealed yet", async (t) => {
  const client = await oldSession();
  t.teardown(() => client.release());
  await database.pool.query(
    `select count(*) from saldo.add_stock_items(saldo.id_of_product('stocked'),
      (select array_agg('unit ' || g) from generate_series(1, 10000) as g))`,
  );
  const { blocks, count } = await costOfSealing(client);
  t.is(count, 10_000);
  t.true(blocks < 40 * count, `${blocks} blocks`);
});

test.serial(
  "a backlog of records is sealed batch by batch, none looked at twice or missed",
  async (t) => {
    const { pool } = database;
    const transactions = 16;
    const each = 500;
    let number = 0;
    const add = async (client: pg.ClientBase | pg.Pool, count: number) => {
      await client.query(
        `select count(*) from saldo.add_stock_items(saldo.id_of_product('stocked'),
        (select array_agg('unit ' || g) from generate_series($1::integer, $2) as g))`,
        [number + 1, number + count],
      );
      number += count;
    };
    const open = await pool.connect();
    t.teardown(() => open.release());
    for (let made = 0; made < transactions; made += 1) {
      if (made === 3) {
        await open.query("begin");
        await add(open, 7);
      }
      await add(pool, each);
    }
    await pool.query("analyze");
    const client = await pool.connect();
    t.teardown(() => client.release());
    const costs: number[] = [];
    for (let sealed = 0; sealed < transactions * each; sealed += 1000) {
      const { blocks, count } = await costOfSealing(client, 1000);
      t.is(count, 1000);
      costs.push(blocks);
      if (costs.length === 5) await open.query("commit");
    }
    // While a transaction is open, what began after it is looked at again.
    const [, second = 0] = costs;
    t.true((costs.at(-1) ?? 0) < 1.5 * second, `blocks of each batch: ${costs.join(", ")}`);
    const { rows } = await client.query("select saldo.seal_rows(1000)::integer as count");
    t.is(rows[0].count, 7, "what was not committed when the others were sealed");
    const { rows: left } = await client.query("select * from saldo_private.unsealed_record()");
    t.deepEqual(left, []);
    const { rows: twice } = await client.query(
      `select id from saldo_private.sealed_record
      group by source, owner_id, id having count(*) > 1`,
    );
    t.deepEqual(twice, []);
  },
);

test.serial(
  "a batch is as large as asked for, also where one slot has nearly all rows",
  async (t) => {
    const { pool } = database;
    const clients = await Promise.all(Array.from({ length: 5 }, () => pool.connect()));
    for (const [index, each] of clients.entries()) {
      await each.query(submitMany, [index === 2 ? 900 : 10]);
    }
    for (const each of clients) each.release();
    const seal = async () => {
      const { rows } = await pool.query("select saldo.seal_rows(500)::integer as count");
      return rows[0].count as number;
    };
    t.deepEqual([await seal(), await seal(), await seal()], [500, 440, 0]);
  },
);

/** What the worker gives a task, as far as these need it. Before each statement there is more. */
function helpersOf(pool: pg.Pool, more: string): JobHelpers {
  let count = 0;
  return {
    query: pool.query.bind(pool),
    async withPgClient<Value>(use: (client: pg.PoolClient) => Promise<Value>) {
      count += 1;
      if (count > 20) throw new Error(`it goes on and on: statement ${count}`);
      await pool.query(more, [20]);
      await sleep(5);
      const client = await pool.connect();
      try {
        return await use(client);
      } finally {
        client.release();
      }
    },
    logger: { info() {}, warn() {}, error() {} },
  } as unknown as JobHelpers;
}

for (const [name, task, more] of [
  ["seal_journal", sealJournal, submitMany],
  [
    "expire_holds",
    expireHolds,
    `select saldo.place_hold(id, 1, expires_in => interval '1 millisecond')
    from saldo.account, generate_series(1, $1::integer) where code = 'hot'`,
  ],
] as const) {
  test.serial(`${name} ends though there is something new each time that it looks`, async (t) => {
    await database.pool.query(submitMany, [20]);
    await t.notThrowsAsync(task({}, helpersOf(database.pool, more), {} as never));
  });
}

test.serial("slots whose rows are not whole hold back no others", async (t) => {
  const { pool } = database;
  const seal = async () => {
    const { rows } = await pool.query("select saldo.seal_rows(100)::integer as count");
    return rows[0].count as number;
  };
  await pool.query(
    `select saldo.make_account_hot((saldo.open_account('gap ' || g, 'Gap', 'liability')).id, 1)
    from generate_series(1, 3) as g`,
  );
  await pool.query(`select saldo.submit_transaction(id, 5, 'credit')
    from saldo.account, generate_series(1, 2) where code like 'gap %'`);
  await pool.query("alter table saldo.sub_balance disable trigger all");
  await pool.query("update saldo.sub_balance set seq = 100 where seq = 2");
  await pool.query("alter table saldo.sub_balance enable trigger all");
  // Whose id is the highest.
  await pool.query(
    "select saldo.make_account_hot((saldo.open_account('whole', 'W', 'liability')).id, 1)",
  );
  await pool.query(`select saldo.submit_transaction(id, 5, 'credit')
    from saldo.account, generate_series(1, 3) where code = 'whole'`);
  await seal();
  const { rows } = await pool.query(
    `select sum(t.last_seq - t.first_seq + 1)::integer as count
    from saldo_private.sealed_stretch as t join saldo.account as a on a.id = t.account_id
    where a.code = 'whole'`,
  );
  t.is(rows[0].count, 3);
  while ((await seal()) > 0);
  const { rows: found } = await pool.query(
    `select max(t.last_seq)::integer as last_seq
    from saldo_private.sealed_stretch as t join saldo.account as a on a.id = t.account_id
    where a.code like 'gap %' group by a.id`,
  );
  t.deepEqual(found, Array(3).fill({ last_seq: 1 }), "beyond a gap nothing is sealed");
});

test.serial(
  "how far the journal is sealed is told at the cost of what waits, while the first are sealed",
  async (t) => {
    const { pool } = database;
    await pool.query(`select saldo.open_account(code, code, 'asset')
      from unnest(array['here', 'there']) as code`);
    await pool.query("vacuum analyze");
    const asking = await pool.connect();
    const sealing = await pool.connect();
    t.teardown(() => {
      asking.release();
      sealing.release();
    });
    const status = "select unsealed_entry_count::integer as waiting from saldo.seal_status()";
    for (let call = 0; call < 8; call += 1) await asking.query(status);
    await pool.query(`select count(*) from saldo.transfer_many((
      select array_agg((h.id, t.id, 1, null, null, null)::saldo.transfer_request)
      from saldo.account as h, saldo.account as t, generate_series(1, 1000)
      where h.code = 'here' and t.code = 'there'))`);
    await sealing.query("begin");
    await sealing.query("select count(*) from saldo.seal_journal()");
    await asking.query("begin");
    const { rows } = await asking.query(status);
    t.is(rows[0].waiting, 1000);
    const read = await asking.query(`select seq_scan::integer as count
      from pg_stat_xact_user_tables where relid = 'saldo.journal_seal_entry'::regclass`);
    await asking.query("commit");
    await sealing.query("rollback");
    t.true(read.rows[0].count < 10, `all seals were read ${read.rows[0].count} times`);
  },
);

test.serial("how far the journal is sealed is told without reading what is sealed", async (t) => {
  const { pool } = database;
  await pool.query(`select saldo.open_account(code, code, 'asset')
    from unnest(array['here', 'there']) as code`);
  const post = (count: number) =>
    pool.query(`select count(*) from saldo.transfer_many((
    select array_agg((h.id, t.id, 1, null, null, null)::saldo.transfer_request)
    from saldo.account as h, saldo.account as t, generate_series(1, ${count})
    where h.code = 'here' and t.code = 'there'))`);
  await post(10_000);
  await pool.query("select count(*) from saldo.seal_journal()");
  await post(10);
  await pool.query("vacuum analyze");
  const client = await pool.connect();
  t.teardown(() => client.release());
  // What the session has done before and not reported yet counts as well.
  const scans = async () =>
    (
      await client.query(`select seq_scan::integer as whole, idx_scan::integer as looks
        from pg_stat_xact_user_tables where relid = 'saldo.journal_seal_entry'::regclass`)
    ).rows[0];
  await client.query("begin");
  const before = await scans();
  const { rows } = await client.query(
    "select unsealed_entry_count::integer as waiting from saldo.seal_status()",
  );
  t.is(rows[0].waiting, 10);
  const after = await scans();
  await client.query("commit");
  // A look for each that may wait, and no scan of all, be it of the index. How many may wait is
  // known by transactions, of which others on this server may be open.
  t.is(after.whole, before.whole);
  t.true(after.looks - before.looks >= 10, `${after.looks - before.looks} looks`);
});
