import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import type { Pool } from "pg";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { brokenRules } from "../_support/faults.ts";
import { runProgram } from "../_support/process.ts";
import { type SqlFolder, withSqlFolder } from "./_databases.ts";

const clients = 8;

interface Work {
  name: string;
  text: string;
  values: () => unknown[];
}

/** Accounts, a fund that many write, members with money, and a product; what clients do with them. */
async function prepare(pool: Pool): Promise<Work[]> {
  await pool.query(`
    select saldo.open_account('a' || n, 'A', 'asset') from generate_series(1, 10) as n;
    select saldo.open_account('fund', 'Fund', 'liability', mode => 'hot', slots => 8);
    select saldo.create_member('m' || n, 'M') from generate_series(1, 10) as n;
    select saldo.top_up(id, 100000000) from saldo.member;
    select saldo.create_product('voucher', 'Voucher', 10);`);
  const ids = async (text: string) =>
    (await pool.query({ text, rowMode: "array" })).rows.flat() as string[];
  const accounts = await ids("select id from saldo.account where code like 'a%' order by id");
  const [fund] = await ids("select id from saldo.account where code = 'fund'");
  const members = await ids("select id from saldo.member order by id");
  const [product] = await ids("select id from saldo.product");
  const any = (list: string[]) => list[Math.floor(Math.random() * list.length)];
  const key = () => `key ${Math.random()}`;
  return [
    {
      name: "transfer",
      text: "select saldo.transfer($1, $2, 5, idempotency_key => $3)",
      values: () => {
        const place = Math.floor(Math.random() * 9);
        return [accounts[place], accounts[place + 1], key()];
      },
    },
    {
      name: "submit",
      text: "select saldo.submit_transaction($1, 1, 'credit', $2, $3)",
      values: () => [fund, accounts[0], key()],
    },
    {
      name: "purchase",
      text: "select saldo.purchase_with_balance_deduction($1, $2, 10, idempotency_key => $3)",
      values: () => [any(members), product, key()],
    },
    {
      name: "settle",
      text: "select saldo.settle_sub_balances($1)",
      values: () => [1000],
    },
  ];
}

interface Tally {
  done: number;
  retried: Map<string, number>;
  failed: string[];
}

/** One client: does one thing after the other until told to stop, and each again when it fails. */
async function client(pool: Pool, work: Work[], tally: Tally, isOver: () => boolean) {
  const connection = await pool.connect();
  try {
    while (!isOver()) {
      const place = Math.random() < 0.02 ? 3 : Math.floor(Math.random() * 3);
      const { name, text, values } = work[place] as Work;
      const given = values();
      for (let attempt = 1; ; attempt += 1) {
        try {
          await connection.query(text, given);
          tally.done += 1;
          break;
        } catch (error) {
          const { code, message } = error as { code: string; message: string };
          tally.retried.set(code, (tally.retried.get(code) ?? 0) + 1);
          if (attempt === 5) tally.failed.push(`${name}: ${code} ${message}`);
          if (attempt === 5) break;
          await sleep(20 * attempt);
        }
      }
    }
  } finally {
    connection.release();
  }
}

const changes: Record<string, (sql: SqlFolder) => Promise<void>> = {
  "a body, and a new function": (sql) =>
    sql.append(
      "ledger/transfer.sql",
      `create or replace function saldo_private.example(first integer) returns integer
language sql as $$ select 1 $$;`,
    ),
  "arguments of a function that every posting uses": async (sql) => {
    await sql.replace("ledger/transfer.sql", "example(first integer)", "example(second integer)");
    await sql.replace(
      "foundation/setting.sql",
      "setting_value(setting_name text)",
      "setting_value(name_of text)",
    );
    await sql.replace(
      "foundation/setting.sql",
      "where name = setting_name",
      "where name = name_of",
    );
  },
  "policies of tables that everybody writes": (sql) =>
    sql.append(
      "wallet/wallet_history.sql",
      ["saldo.account", "saldo.journal_line", "saldo.purchase", "saldo.sub_balance"]
        .map((table) => `create policy example on ${table} for select to saldo_admin using (true);`)
        .join("\n"),
    ),
};

async function upgradeAtWork(database: TestDatabase, sql: SqlFolder, tally: Tally) {
  const work = await prepare(database.pool);
  let isOver = false;
  const running = Array.from({ length: clients }, () =>
    client(database.pool, work, tally, () => isOver),
  );
  const ends: unknown[] = [];
  try {
    for (const change of Object.values(changes)) {
      await sleep(500);
      await change(sql);
      const start = runProgram("test/database/_start.ts", [database.connectionString, sql.path]);
      ends.push([await start.ended, /up to date/.test(start.output()), start.output()]);
    }
    await sleep(500);
  } finally {
    isOver = true;
    await Promise.all(running);
  }
  return ends;
}

test("a new version starts while eight clients post: no work is lost, and all rules are clean", async (t) => {
  const database = await openTestDatabase(20);
  const tally: Tally = { done: 0, retried: new Map(), failed: [] };
  try {
    await withSqlFolder(async (sql) => {
      const ends = await upgradeAtWork(database, sql, tally);
      t.log(`${tally.done} done, retried: ${JSON.stringify([...tally.retried])}`);
      for (const end of ends) t.like(end, [0, true]);
      t.deepEqual(tally.failed, []);
      t.true(tally.done > 200, "the clients were at work");
      await database.pool.query("select saldo.settle_sub_balances()");
      t.deepEqual(await brokenRules(database.pool), []);
      const { rows } = await database.pool.query(
        "select count(*) from pg_policy where polname = 'example'",
      );
      t.deepEqual(rows, [{ count: "4" }]);
    });
  } finally {
    await database.close();
  }
});
