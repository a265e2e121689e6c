import test from "ava";
import type { Pool } from "pg";
import { errorCode } from "../_support/database.ts";
import { brokenRules, forced } from "../_support/faults.ts";
import { openSealedBooks, tamperings } from "./_sealed_books.ts";

const verify = async (pool: Pool) =>
  (
    await pool.query(
      "select kind, key, entry_id, seal_number, stored, derived from saldo.verify_journal()",
    )
  ).rows;

test("books that nobody touched verify", async (t) => {
  const database = await openSealedBooks();
  t.deepEqual(await verify(database.pool), []);
  t.deepEqual(await brokenRules(database.pool), []);
  await database.close();
});

for (const { name, kinds, plant } of tamperings) {
  test(`a verification finds ${name}`, async (t) => {
    const database = await openSealedBooks();
    await forced(database.pool, (client) => client.query(plant));
    const found = new Set((await verify(database.pool)).map(({ kind }) => kind));
    t.deepEqual(
      kinds.filter((kind) => !found.has(kind)),
      [],
      `found ${[...found].join(", ")}`,
    );
    await database.close();
  });
}

test("it says which entry, and what was sealed", async (t) => {
  const database = await openSealedBooks();
  const { pool } = database;
  const { rows } = await pool.query(
    `select e.id, encode(s.hash, 'hex') as hash, s.seal_number from saldo.journal_entry as e
    join saldo.journal_seal_entry as s on s.entry_id = e.id where e.description = 'more'`,
  );
  await forced(pool, (client) =>
    client.query("update saldo.journal_entry set posted_by = 'x' where description = 'more'"),
  );
  const found = await verify(pool);
  t.is(found.length, 1);
  const [{ derived, ...rest }] = found;
  t.regex(derived, /^[0-9a-f]{64}$/);
  t.deepEqual(rest, {
    kind: "entry_changed",
    key: rows[0].id,
    entry_id: rows[0].id,
    seal_number: rows[0].seal_number,
    stored: rows[0].hash,
  });
  await database.close();
});

test("a check alarms when the journal, its caches and its records vanish together", async (t) => {
  const database = await openSealedBooks();
  const plant = tamperings.find(({ name }) => name === "everything emptied but the seals")?.plant;
  await forced(database.pool, (client) => client.query(plant ?? ""));
  t.true((await brokenRules(database.pool)).includes("journal_seal"));
  await database.close();
});

test("an operator verifies, others do not", async (t) => {
  const database = await openSealedBooks();
  const client = await database.pool.connect();
  for (const [role, code] of [
    ["saldo_operator", "none"],
    ["saldo_member", "42501"],
    ["saldo_anonymous", "42501"],
  ] as const) {
    await client.query("begin");
    await client.query(`set local role ${role}`);
    t.is(await errorCode(client.query("select saldo.verify_journal()")), code);
    await client.query("rollback");
  }
  client.release();
  await database.close();
});
