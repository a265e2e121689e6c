import test from "ava";
import { asAdmin, openTestDatabase, type TestDatabase } from "../_support/database.ts";

let database: TestDatabase;
test.before(async () => {
  database = await openTestDatabase(5);
  await database.pool.query(`
    select saldo.open_account('till', 'Till', 'asset');
    select saldo.open_account('owner', 'Owner', 'equity');
    select saldo.open_account('books', 'Books', 'expense');
  `);
});
test.after.always(() => database?.close());

const admin = (text: string, values: unknown[] = []) =>
  asAdmin(database.pool, async (client) => (await client.query(text, values)).rows);

/** What a day's statement of an account says, line by line: description and balance after it. */
const statement = async (account: number, day: string) =>
  (
    await admin(
      `select description, balance from saldo.account_statement($1, $2, $2) where line_no > 0`,
      [account, day],
    )
  ).map(({ description, balance }) => `${description} ${balance}`);

const entry = (description: string, occurred_at: string, key: string, amount = "1") => ({
  description,
  occurred_at,
  idempotency_key: key,
  lines: [
    { account_code: "till", debit: amount },
    { account_code: "owner", credit: amount },
  ],
});

test.serial("entries of one batch stand in the order given, whatever their keys", async (t) => {
  const at = "2025-03-01T08:00:00+07:00";
  const keys = ["z", "m", "a", "x", "b"];
  await admin("select saldo.post_entries($1)", [
    JSON.stringify(keys.map((key) => entry(key, at, key))),
  ]);
  t.deepEqual(await statement(1, "2025-03-01"), ["z 1", "m 2", "a 3", "x 4", "b 5"]);
});

test.serial("transfers of one batch stand in the order given, whatever their keys", async (t) => {
  const rows = ["z", "m", "a"].map(
    (key) => `(1, 3, 1, '${key}', '${key} of 3', '2025-03-02 08:00+07')`,
  );
  await admin(`select saldo.transfer_many(array[${rows}]::saldo.transfer_request[])`);
  t.deepEqual(await statement(3, "2025-03-02"), ["z -1", "m -2", "a -3"]);
});

test.serial("what happened earlier on a day stands before, posted later or not", async (t) => {
  const before = await admin("select saldo.balance_at(1, '2025-03-03T00:00:00+07:00') as balance");
  for (const [hour, amount] of [
    ["20", "5"],
    ["08", "3"],
    ["12", "2"],
  ] as const) {
    await admin("select saldo.post_entries($1)", [
      JSON.stringify([entry(hour, `2025-03-03T${hour}:00:00+07:00`, `hour ${hour}`, amount)]),
    ]);
  }
  const start = Number(before[0]?.balance);
  t.deepEqual(await statement(1, "2025-03-03"), [
    `08 ${start + 3}`,
    `12 ${start + 5}`,
    `20 ${start + 10}`,
  ]);
  // The balance after each line is that of its moment.
  const lines = await admin(
    `select balance, saldo.balance_at(1, occurred_at) as at
    from saldo.account_statement(1, '2025-03-03', '2025-03-03') where line_no > 0`,
  );
  t.deepEqual(
    lines.map(({ balance }) => balance),
    lines.map(({ at }) => at),
  );
});

test.serial("ids that are given at once ascend, and are of version 7", async (t) => {
  const { rows } = await database.pool.query(
    `select given.ids = array(select id from unnest(given.ids) as id order by id) as is_sorted,
      (select count(distinct id) from unnest(given.ids) as id) as count,
      (
        select bool_and(id::text ~ '^.{14}7.{4}[89ab]') from unnest(given.ids) as id
      ) as is_version_7,
      abs(extract(epoch from clock_timestamp()) * 1000
        - ('x' || substring(replace(given.ids[1]::text, '-', '') for 12))::bit(48)::bigint)
        < 60000 as is_of_now
    from (select saldo_private.uuids_v7(10000)) as given (ids)`,
  );
  t.deepEqual(rows[0], { is_sorted: true, count: "10000", is_version_7: true, is_of_now: true });
});
