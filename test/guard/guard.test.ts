import test from "ava";
import { Client, type PoolClient } from "pg";
import {
  asAdmin,
  asMember,
  asOperator,
  errorCode,
  openTestDatabase,
  type TestDatabase,
} from "../_support/database.ts";
import { brokenRules, check, forced } from "../_support/faults.ts";

/** Four accounts in a ring, each with lines of two entries. */
async function openRing(): Promise<TestDatabase> {
  const database = await openTestDatabase(4);
  await database.pool.query(
    "select saldo.open_account('a' || g, 'A', 'asset') from generate_series(1, 4) as g",
  );
  await database.pool.query(
    "select saldo.transfer(g, g % 4 + 1, 10 * g) from generate_series(1, 4) as g",
  );
  return database;
}

const balances = async ({ pool }: TestDatabase) =>
  (await pool.query("select id, balance from saldo.account order by id")).rows;

const events = async ({ pool }: TestDatabase) =>
  (await pool.query("select * from saldo.guard_event order by occurred_at, id")).rows;

/** Runs the statements in one transaction as the session's login, without its role. */
async function inSession(database: TestDatabase, ...statements: string[]): Promise<void> {
  const client: PoolClient = await database.pool.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    client.release(true);
  }
}

test("a session that is saldo_owner from its start is guarded, too", async (t) => {
  const database = await openRing();
  try {
    const force = "update saldo.account set debit_total = debit_total + 5 where id = 1";
    const become = "set session authorization saldo_owner";
    t.is(await errorCode(inSession(database, become, force)), "SB601");
    t.is(await errorCode(inSession(database, become, "truncate saldo.month_movement")), "SB601");
    await inSession(database, "set session_replication_role = replica", become, force);
    t.like((await events(database)).at(-1), { login: "saldo_owner", operation: "update" });
  } finally {
    await database.close();
  }
});

test("nobody but a superuser may even try", async (t) => {
  const database = await openRing();
  const { pool } = database;
  try {
    for (const statement of [
      "update saldo.account set credit_total = 5",
      "delete from saldo.month_movement",
      "truncate saldo.journal_line",
      "insert into saldo.guard_event select * from saldo.guard_event",
    ]) {
      const write = (client: PoolClient) => client.query(statement);
      t.is(await errorCode(asAdmin(pool, write)), "42501", statement);
      t.is(await errorCode(asOperator(pool, write)), "42501", statement);
      t.is(await errorCode(asMember(pool, 1, write)), "42501", statement);
    }
    const server = new Client({ connectionString: database.serverConnectionString });
    await server.connect();
    for (const statement of [
      "set role saldo_owner",
      "set session authorization saldo_owner",
      "set session_replication_role = replica",
    ]) {
      t.is(await errorCode(server.query(statement)), "42501", statement);
    }
    await server.end();
    t.deepEqual(await events(database), []);
  } finally {
    await database.close();
  }
});

for (const { name, statement, expected } of [
  {
    name: "an update of a total",
    statement: "update saldo.account set debit_total = 77 where id = 2",
    expected: [{ table_name: "account", operation: "update", account_id: "2" }],
  },
  {
    name: "a deletion of months",
    statement: "delete from saldo.month_movement where account_id = 3",
    expected: [{ table_name: "month_movement", operation: "delete", account_id: "3" }],
  },
  {
    name: "an edited line",
    statement: "update saldo.journal_line set debit = 7 where account_id = 1 and debit > 0",
    expected: [{ table_name: "journal_line", operation: "update", account_id: "1" }],
  },
  {
    name: "a line from nowhere",
    statement: `insert into saldo.journal_line values
      (4, '2025-01-01', '00000000-0000-0000-0000-000000000001', 1, 5, 0)`,
    expected: [{ table_name: "journal_line", operation: "insert", account_id: "4" }],
  },
  {
    name: "a wiped journal",
    statement: "truncate saldo.journal_line, saldo.journal_entry",
    expected: [
      { table_name: "journal_line", operation: "truncate", account_id: null },
      { table_name: "journal_entry", operation: "truncate", account_id: null },
    ],
  },
]) {
  test(`what gets past the guard is recorded: ${name}`, async (t) => {
    const database = await openRing();
    try {
      await forced(database.pool, (client) => client.query(statement), "night-script");
      const recorded = await events(database);
      t.is(recorded.length, expected.length);
      // Without its literals, which may be somebody's secret.
      const kept = statement.replace(/'[^']*'|\b\d+\b/g, "?");
      for (const [index, event] of expected.entries()) {
        const told = { ...event, statement: kept, application_name: "night-script" };
        t.like(recorded[index], told);
      }
    } finally {
      await database.close();
    }
  });
}

test("a posting and an update of a name leave no record", async (t) => {
  const database = await openRing();
  try {
    await database.pool.query("select saldo.transfer(1, 2, 5)");
    await database.pool.query("update saldo.account set name = 'B', min_balance = null");
    await asAdmin(database.pool, (client) => client.query("select saldo.transfer(1, 2, 5)"));
    t.deepEqual(await events(database), []);
  } finally {
    await database.close();
  }
});

for (const { name, plants } of [
  {
    name: "a journal that was wiped together with its months",
    plants: ["truncate saldo.journal_line, saldo.journal_entry, saldo.month_movement"],
  },
  {
    name: "a journal and months wiped while no trigger was on",
    plants: [
      "alter table saldo.journal_line disable trigger all",
      "alter table saldo.journal_entry disable trigger all",
      "alter table saldo.month_movement disable trigger all",
      "truncate saldo.journal_line, saldo.journal_entry, saldo.month_movement",
      "alter table saldo.journal_line enable trigger all",
      "alter table saldo.journal_entry enable trigger all",
      "alter table saldo.month_movement enable trigger all",
    ],
  },
  {
    name: "a line that was moved to another account, and a month with it",
    plants: [
      "update saldo.journal_line set account_id = 4 where account_id = 2 and credit > 0",
      "update saldo.month_movement set credit = 0, line_count = 1 where account_id = 2",
    ],
  },
  {
    name: "lines that were changed before a total was forced",
    plants: [
      "update saldo.journal_line set debit = debit * 2, credit = credit * 2",
      "update saldo.account set debit_total = debit_total + 1",
    ],
  },
]) {
  test(`a heal launders nothing into the balances: ${name}`, async (t) => {
    const database = await openRing();
    try {
      await forced(database.pool, async (client) => {
        for (const plant of plants) await client.query(plant);
      });
      const before = await balances(database);
      const { rows } = await database.pool.query("select * from saldo.auto_heal(false)");
      t.is(rows[0].healed_count, 0);
      t.true(rows[0].refused_count > 0);
      t.deepEqual(await balances(database), before);
    } finally {
      await database.close();
    }
  });
}

test("a total that was forced on an account without lines is healed", async (t) => {
  const database = await openRing();
  try {
    await database.pool.query("select saldo.open_account('new', 'N', 'asset')");
    await forced(database.pool, (client) =>
      client.query("update saldo.account set debit_total = 5 where id = 5"),
    );
    const { rows } = await database.pool.query("select * from saldo.auto_heal(false)");
    t.like(rows[0], { healed_count: 1, refused_count: 0 });
    t.deepEqual(await brokenRules(database.pool), []);
  } finally {
    await database.close();
  }
});

test("an old write to the journal that a check has found settled blames and blocks nothing", async (t) => {
  const database = await openRing();
  try {
    for (const change of ["debit + 1", "debit - 1"]) {
      await forced(database.pool, (client) =>
        client.query(`update saldo.journal_line set debit = ${change}
          where account_id = 1 and debit > 0`),
      );
    }
    t.deepEqual(await brokenRules(database.pool), []);
    await forced(database.pool, (client) =>
      client.query("update saldo.account set debit_total = debit_total + 1 where id = 1"),
    );
    const { findings } = await check(database.pool);
    t.like(
      findings.find(({ account_id }) => account_id === "1"),
      { cause: "out_of_band_write" },
    );
    const { rows } = await database.pool.query("select * from saldo.auto_heal(false)");
    t.like(rows[0], { healed_count: 1, refused_count: 0 });
  } finally {
    await database.close();
  }
});

test("the balances are healthy again as soon as a heal has put them right", async (t) => {
  const database = await openRing();
  try {
    const isHealthy = async () =>
      (await database.pool.query("select is_healthy from saldo.balance_health()")).rows[0]
        .is_healthy;
    await forced(database.pool, (client) =>
      client.query("update saldo.account set debit_total = debit_total + 1 where id = 1"),
    );
    await check(database.pool);
    t.false(await isHealthy());
    await database.pool.query("select saldo.auto_heal()");
    t.false(await isHealthy());
    await database.pool.query("select saldo.auto_heal(false)");
    t.true(await isHealthy());
  } finally {
    await database.close();
  }
});
