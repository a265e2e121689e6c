import test from "ava";
import type { TestDatabase } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";
import { found, openNews, steps } from "./_news.ts";

/** What touches accounts. */
const ways: Record<string, string[]> = {
  "a transfer": ["select saldo.transfer(1, 2, 5)"],
  "transfers of many days in one call": [
    `select count(*) from saldo.transfer_many((select array_agg((1, 2, g, null, null,
      '2025-01-01'::date + g)::saldo.transfer_request) from generate_series(1, 70) as g))`,
  ],
  "a draft that is posted": [
    `select saldo.post_draft((saldo.make_draft('{"description": "Late", "lines": [
      {"account_id": 1, "debit": 3}, {"account_id": 2, "credit": 3}]}')).id)`,
  ],
  "a purchase": [(steps.buy ?? "").replaceAll("$1", "'2'")],
  "rows of a hot account that are settled": [
    "select saldo.submit_transaction((select id from saldo.account where code = 'hot-1'), 7, 'debit')",
    "select saldo.settle_sub_balances()",
  ],
  "a posting to a hot account": [
    "select saldo.transfer(1, (select id from saldo.account where code = 'hot-2'), 9)",
  ],
  "an adjustment": ["select saldo.adjust_balance(2, 1234, 'counted')"],
  "a reading that is rated": ["select saldo.add_reading(2, '2025-03-01 12:00+07', volume => 5)"],
};

/** The newest entry, and a line of it. */
const entry = "(select id from saldo.journal_entry order by posted_in desc, id desc limit 1)";
const line = `(entry_id, line_no) = (select entry_id, line_no from saldo.journal_line
  where entry_id = ${entry} order by debit desc limit 1)`;

/** What may be wrong with what was touched, and the rules that say so. */
interface Fault {
  name: string;
  text: string;
  rules: string[];
}

const faults: Fault[] = [
  {
    name: "a line of another amount",
    text: `update saldo.journal_line set debit = debit + 1 where ${line}`,
    rules: ["account_balance", "entry_balance", "month_movement"],
  },
  {
    name: "an entry of other amounts that balances",
    text: `update saldo.journal_line set debit = debit * 3, credit = credit * 3
      where entry_id = ${entry}`,
    rules: ["account_balance", "month_movement"],
  },
  {
    name: "a line that is gone",
    text: `delete from saldo.journal_line where ${line}`,
    rules: ["account_balance", "entry_lines", "month_movement"],
  },
  {
    name: "a line of another account",
    text: `update saldo.journal_line set account_id = (select max(id) from saldo.account)
      where ${line}`,
    rules: ["account_balance", "month_movement"],
  },
  {
    name: "a total",
    text: `update saldo.account set debit_total = debit_total + 1
      where id = (select account_id from saldo.journal_line where ${line})`,
    rules: ["account_balance"],
  },
];

/** Who looks for writes past the engine, and is made to look away. */
const quietly = {
  journal_line: "record_bypass",
  account: "guard_cached_balance",
};

/** What an incremental check says of a fault that nobody recorded. Undone at the end. */
async function seen(database: TestDatabase, text: string): Promise<string[]> {
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    for (const [table, trigger] of Object.entries(quietly)) {
      await client.query(`alter table saldo.${table} disable trigger ${trigger}`);
    }
    await client.query("set local session_replication_role = replica");
    await client.query(text);
    await client.query("set local session_replication_role = origin");
    for (const [table, trigger] of Object.entries(quietly)) {
      await client.query(`alter table saldo.${table} enable always trigger ${trigger}`);
    }
    return await found(client, "reconcile");
  } finally {
    await client.query("rollback");
    client.release();
  }
}

test("whatever touched an account, an incremental check sees what is wrong with it", async (t) => {
  const database = await openNews();
  const status = async (name: string) => {
    const { rows } = await database.pool.query(`select * from saldo.${name}()`);
    return `${rows[0].scope} ${rows[0].status}`;
  };
  t.is(await status("check_balance_health"), "full healthy");
  for (const [place, [way, texts]] of Object.entries(ways).entries()) {
    for (const text of texts) await database.pool.query(text);
    // Two for each way: each fault comes with three ways at least.
    for (const step of [0, 2]) {
      const { name, text, rules } = faults[(place + step) % faults.length] as Fault;
      const [scope, ...findings] = await seen(database, text);
      t.is(scope, "incremental");
      const broken = new Set(findings.map((finding) => finding.split(" ")[0]));
      t.deepEqual(
        rules.filter((rule) => !broken.has(rule)),
        [],
        `${way}: ${name}: ${findings.join(", ")}`,
      );
    }
    t.is(await status("reconcile"), "incremental healthy", way);
  }
  await database.close();
});

test("a recorded write to what was proven long ago an incremental check looks at", async (t) => {
  const database = await openNews();
  await database.pool.query("select saldo.check_balance_health()");
  const at = (place: number) =>
    `(select id from saldo.journal_entry order by posted_in, id offset ${place} limit 1)`;
  await forced(database.pool, async (client) => {
    for (const text of [
      `update saldo.journal_line set debit = debit * 3 where entry_id = ${at(0)}`,
      `update saldo.journal_entry set line_count = 3 where id = ${at(1)}`,
      "update saldo.account set credit_total = credit_total + 1 where code = 'owner'",
      `update saldo.month_movement set debit = debit + 1
        where account_id = (select account_id from saldo.customer limit 1)`,
    ]) {
      t.not((await client.query(text)).rowCount, 0, text);
    }
  });
  const client = await database.pool.connect();
  const [scope, ...findings] = await found(client, "reconcile");
  client.release();
  t.is(scope, "incremental");
  t.deepEqual(
    [...new Set(findings.map((finding) => finding.split(" ")[0]))].filter((rule) =>
      ["account_balance", "entry_balance", "entry_lines", "month_movement"].includes(rule ?? ""),
    ),
    ["account_balance", "entry_balance", "entry_lines", "month_movement"],
    findings.join(", "),
  );
  await database.close();
});
