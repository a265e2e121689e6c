import test from "ava";
import { Client, type Pool } from "pg";
import { asAdmin, errorCode, openTestDatabase, type TestDatabase } from "../_support/database.ts";

/** Two accounts to move money between. */
async function openBooks(): Promise<TestDatabase> {
  const database = await openTestDatabase(20);
  await database.pool.query(`
    select saldo.open_account('till', 'Till', 'asset'), saldo.open_account('own', 'Own', 'equity')
  `);
  return database;
}

const post = (client: Pool | Client, amount: number, at = "2026-03-05T12:00:00Z") =>
  client.query("select saldo.transfer(1, 2, $1, occurred_at => $2)", [amount, at]);

async function seal(pool: Pool, rowLimit = 100_000) {
  const { rows } = await asAdmin(pool, (client) =>
    client.query("select * from saldo.seal_journal($1) order by number", [rowLimit]),
  );
  return rows;
}

const verify = async (pool: Pool) =>
  (await pool.query("select kind, key, stored, derived from saldo.verify_journal()")).rows;

/** Entries that are not sealed, and rows of seals that are no entry. */
async function unsealed(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query(`
    select coalesce(e.id, s.entry_id)::text as id
    from saldo.journal_entry as e
    full join saldo.journal_seal_entry as s on s.entry_id = e.id
    where e.id is null or s.entry_id is null
  `);
  return rows.map(({ id }) => id);
}

test("entries are sealed by month, each seal with the hash of the one before", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  await post(pool, 1, "2026-01-05T12:00:00Z");
  await post(pool, 2, "2026-02-05T12:00:00Z");
  await post(pool, 3, "2026-02-06T12:00:00Z");
  const first = await seal(pool);
  t.deepEqual(
    first.map(({ number, entry_count, line_count }) => [number, entry_count, line_count]),
    [
      ["1", "1", "2"],
      ["2", "2", "4"],
    ],
  );
  t.is(first[0].previous_hash, null);
  t.deepEqual(first[1].previous_hash, first[0].hash);
  t.deepEqual(await seal(pool), [], "nothing new, no seal");
  await post(pool, 4, "2026-01-06T12:00:00Z");
  const [third] = await seal(pool);
  t.deepEqual(third.previous_hash, first[1].hash);
  t.deepEqual(await verify(pool), []);
  const { rows } = await pool.query("select * from saldo.seal_status()");
  t.is(rows[0].head_hash, third.hash.toString("hex"));
  t.is(rows[0].sealed_entry_count, "4");
  t.is(rows[0].unsealed_entry_count, "0");
  await database.close();
});

test("a limit takes the earliest entries, also of one large transaction", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  await pool.query(`
    select count(*) from saldo.transfer_many(array(
      select (1, 2, i, 'many', null, null)::saldo.transfer_request from generate_series(1, 25) as i
    ))
  `);
  await post(pool, 1);
  const counts = [];
  for (let seals = await seal(pool, 10); seals.length > 0; seals = await seal(pool, 10)) {
    counts.push(seals.reduce((sum, { entry_count }) => sum + Number(entry_count), 0));
  }
  t.deepEqual(counts, [10, 10, 6]);
  t.deepEqual(await unsealed(pool), []);
  t.deepEqual(await verify(pool), []);
  for (const limit of [0, -1, 1_000_001]) {
    t.is(await errorCode(seal(pool, limit)), "SB010");
    t.is(await errorCode(pool.query("select * from saldo.verify_journal($1)", [limit])), "SB010");
  }
  await database.close();
});

test("what commits late and in another order is sealed once, and not passed over", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  const sessions = await Promise.all(
    [1, 2, 3].map(async () => {
      const client = new Client({ connectionString: database.connectionString });
      await client.connect();
      await client.query("begin");
      // A number of its own, but no lock on an account yet.
      await client.query("select pg_current_xact_id()");
      return client;
    }),
  );
  const [first, second, third] = sessions as [Client, Client, Client];
  await post(third, 3);
  await third.query("commit");
  t.is((await seal(pool)).length, 1, "a transaction that hangs holds up no other's seal");
  await post(first, 1);
  await first.query("commit");
  await post(pool, 4);
  t.is((await seal(pool))[0].entry_count, "2");
  await post(second, 2);
  t.deepEqual(await seal(pool), [], "not committed, not sealed");
  await second.query("commit");
  t.is((await seal(pool))[0].entry_count, "1");
  t.deepEqual(await unsealed(pool), []);
  t.deepEqual(await verify(pool), []);
  await Promise.all(sessions.map((client) => client.end()));
  await database.close();
});

test("two sealers at once, beside postings, seal each entry once", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  let isPosting = true;
  const posters = [1, 2, 3, 4].map(async (amount) => {
    for (let each = 0; each < 40; each += 1) await post(pool, amount, `2026-0${amount}-05T12:00Z`);
  });
  const sealers = [1, 2].map(async () => {
    while (isPosting) await seal(pool, 7);
  });
  await Promise.all(posters);
  isPosting = false;
  await Promise.all(sealers);
  while ((await seal(pool)).length > 0);
  t.deepEqual(await unsealed(pool), []);
  t.deepEqual(await verify(pool), []);
  const { rows } = await pool.query(
    `select max(number) - count(*) as gaps, sum(entry_count) as entries from saldo.journal_seal`,
  );
  t.deepEqual(rows, [{ gaps: "0", entries: "160" }]);
  await database.close();
});

test("a sealer that is killed leaves nothing half done", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  for (let each = 0; each < 5; each += 1) await post(pool, 1);
  const sealer = new Client({ connectionString: database.connectionString });
  sealer.on("error", () => {});
  await sealer.connect();
  await sealer.query("begin");
  const { rows } = await sealer.query(
    "select pg_backend_pid() as pid, s from saldo.seal_journal() s",
  );
  const waiting = seal(pool); // behind the first one's lock
  await pool.query("select pg_terminate_backend($1)", [rows[0].pid]);
  t.is((await waiting)[0].entry_count, "5");
  t.deepEqual(await unsealed(pool), []);
  t.deepEqual(await verify(pool), []);
  await sealer.end().catch(() => {});
  await database.close();
});

test("sealing asks for read committed", async (t) => {
  const database = await openBooks();
  const client = await database.pool.connect();
  await client.query("begin isolation level repeatable read");
  t.is(await errorCode(client.query("select saldo.seal_journal()")), "SB020");
  await client.query("rollback");
  client.release();
  await database.close();
});

test("in a cluster with other transaction numbers all entries are gone through again", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  for (let each = 0; each < 3; each += 1) await post(pool, 1);
  await seal(pool);
  for (let each = 0; each < 3; each += 1) await post(pool, 2);
  // As after dump and restore: numbers of another cluster, far above and below those of this one.
  const client = await pool.connect();
  await client.query("begin");
  await client.query("set local session_replication_role = replica");
  await client.query(
    "update saldo_private.seal_progress set cluster = '1', sealed_until = '7000000'",
  );
  await client.query(`update saldo.journal_entry set posted_in = case
    when id = (select id from saldo.journal_entry order by id desc limit 1) then '9000000' else '5'
    end::xid8`);
  await client.query("commit");
  client.release();
  for (let seals = await seal(pool, 2); seals.length > 0; seals = await seal(pool, 2));
  await post(pool, 3);
  await seal(pool);
  t.deepEqual(await unsealed(pool), []);
  t.deepEqual(await verify(pool), []);
  await database.close();
});

test("hashes are the same in any session, and another scale of a figure changes none", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  await pool.query(`
    select saldo.transfer(1, 2, 10.50, description => E'a\\\\b – ü', occurred_at => '2026-03-05 23:59Z')
  `);
  await pool.query(`
    select * from saldo.post_entries('[{"description": "kept", "metadata": {"b":  1, "a": "x\\ny"},
      "lines": [{"account_code": "till", "debit": "1.5"}, {"account_code": "own", "credit": "1.50"}]}]')
  `);
  await seal(pool);
  const client = await pool.connect();
  for (const [zone, style, conforming] of [
    ["America/St_Johns", "German, DMY", "on"],
    ["Pacific/Kiritimati", "SQL, MDY", "off"],
    ["UTC", "Postgres", "on"],
  ]) {
    const own = new Client({ connectionString: database.connectionString });
    await own.connect();
    await own.query("set standard_conforming_strings = on");
    await own.query(
      `select set_config('timezone', $1, false), set_config('datestyle', $2, false),
      set_config('standard_conforming_strings', $3, false), set_config('bytea_output', 'escape', false),
      set_config('extra_float_digits', '-3', false), set_config('intervalstyle', 'sql_standard', false)`,
      [zone, style, conforming],
    );
    t.deepEqual((await own.query("select kind, key from saldo.verify_journal()")).rows, []);
    await own.end();
  }
  await client.query("begin");
  await client.query("set local session_replication_role = replica");
  await client.query(
    "update saldo.journal_line set debit = debit::numeric(30, 9), credit = credit + 0.000",
  );
  await client.query("commit");
  client.release();
  t.deepEqual(await verify(pool), []);
  await database.close();
});

test("a reversal leaves the seal of its entry as it is", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  await post(pool, 5);
  await seal(pool);
  await pool.query("select saldo.reverse_entry(id, 'wrong') from saldo.journal_entry");
  t.deepEqual(await verify(pool), []);
  await seal(pool);
  t.deepEqual(await verify(pool), []);
  await database.close();
});

test("seals cannot be changed, by nobody", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  await post(pool, 5);
  await seal(pool);
  for (const table of ["journal_seal", "journal_seal_total", "journal_seal_entry"]) {
    t.is(await errorCode(pool.query(`delete from saldo.${table}`)), "SB111");
    t.is(await errorCode(pool.query(`truncate saldo.${table}`)), "SB111");
  }
  t.is(await errorCode(pool.query("update saldo.journal_seal set sealed_by = 'x'")), "SB111");
  for (const role of ["saldo_operator", "saldo_member", "saldo_anonymous"]) {
    const client = await pool.connect();
    await client.query("begin");
    await client.query(`set local role ${role}`);
    t.is(await errorCode(client.query("select saldo.seal_journal()")), "42501");
    await client.query("rollback");
    client.release();
  }
  await database.close();
});
