import test from "ava";
import { check } from "../_support/faults.ts";
import { causes, openShop, registerShop, shopRule } from "./_shop.ts";

const item = (amount: number, status: string, reference: string, at = "2025-12-01 10:00+07") =>
  `insert into public.transactions (user_id, amount, type, status, reference, created_at)
  values (3, ${amount}, 'x', '${status}', '${reference}', '${at}');`;
const balance = (figure: number) => `update public.users set balance = ${figure} where id = 3;`;

/** What was done to user 3, and the causes that are found for it. */
const stories: [string, string, [string, string][]][] = [
  ["nothing that fits", balance(123), []],
  [
    "a pending item that was deducted",
    item(100, "completed", "a") + item(-30, "pending", "b") + balance(70),
    [["uncounted_items", "likely"]],
  ],
  [
    "two failed items that were deducted",
    item(100, "completed", "a") +
      item(-30, "failed", "b") +
      item(-11, "failed", "c") +
      item(-7, "pending", "d") +
      balance(59),
    [["uncounted_items", "likely"]],
  ],
  [
    "one of two equal pending items",
    item(100, "completed", "a") +
      item(-30, "pending", "b") +
      item(-30, "pending", "c") +
      balance(70),
    [["uncounted_items", "possible"]],
  ],
  [
    "an item that was recorded twice",
    item(100, "completed", "a") +
      item(-30, "completed", "b") +
      item(-30, "completed", "b", "2025-12-05") +
      balance(70),
    [["doubled_item", "likely"]],
  ],
  [
    "an item that was recorded twice within a minute",
    item(100, "completed", "a") +
      item(-30, "completed", "b", "2025-12-05 10:00:00+07") +
      item(-30, "completed", "c", "2025-12-05 10:00:59+07") +
      balance(70),
    [["doubled_item", "possible"]],
  ],
  [
    "an item that was never applied",
    item(100, "completed", "a") + item(-30, "completed", "b") + balance(100),
    [["unapplied_item", "possible"]],
  ],
  [
    "a deduction that was never recorded",
    item(100, "completed", "a") + item(-30, "completed", "b") + balance(40),
    [["unrecorded_item", "possible"]],
  ],
];

for (const [title, story, expected] of stories) {
  test(`the items explain ${title}`, async (t) => {
    const database = await openShop();
    try {
      await registerShop(database);
      await database.pool.query(story);
      const { findings } = await check(database.pool);
      t.is(findings.length, 1);
      t.is(findings[0]?.cause, expected[0]?.[0] ?? "unknown");
      const found = await causes(database);
      t.deepEqual(
        found.map(({ cause, confidence }) => [cause, confidence]),
        expected,
        JSON.stringify(found),
      );
    } finally {
      await database.close();
    }
  });
}

test("the incident: 150,000 pending and 250,000 are exactly what is missing", async (t) => {
  const database = await openShop(1_500_000);
  try {
    await registerShop(database);
    const { findings } = await check(database.pool);
    t.deepEqual(
      findings.map(({ rule, key, stored, derived, difference }) => [
        rule,
        key,
        stored,
        derived,
        difference,
      ]),
      [["user_balance", "1", "1500000.00", "1900000.00", "-400000"]],
    );
    const [cause, ...others] = await causes(database);
    t.deepEqual(others, []);
    t.like(cause, { cause: "uncounted_items", confidence: "possible" });
    t.regex(
      cause.explanation,
      /^150000.00 pending \(\d+\) \+ 250000.00 completed \(\d+\) is exactly/,
    );
    t.deepEqual(
      cause.evidence.items.map(({ amount, status }: Record<string, string>) => [amount, status]),
      [
        ["-150000.00", "pending"],
        ["-250000.00", "completed"],
      ],
    );
    t.is(cause.evidence.sets_of_this_size, 3, "there are three purchases of 250,000");
  } finally {
    await database.close();
  }
});

test("a trigger that kept the balance and is gone is a possible cause", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await pool.query(`
      create function public.keep() returns trigger language plpgsql as $$
      begin
        update public.users set balance = balance + new.amount where id = new.user_id;
        return null;
      end $$;
      create trigger keep after insert on public.transactions
      for each row when (new.status = 'completed') execute function public.keep()`);
    await registerShop(database);
    await pool.query(item(10, "completed", "a"));
    t.is((await check(pool)).status, "healthy");
    await pool.query(
      `alter table public.transactions disable trigger keep; ${item(20, "completed", "b")}`,
    );
    t.is((await check(pool)).findings[0]?.cause, "unapplied_item");
    t.deepEqual(
      (await causes(database)).map(({ cause, confidence }) => [cause, confidence]),
      [
        ["unapplied_item", "possible"],
        ["sync_trigger_disabled", "possible"],
      ],
    );
    t.regex(
      (await causes(database))[1].explanation,
      /trigger keep on public.transactions disabled/,
    );
    await pool.query("drop trigger keep on public.transactions");
    await check(pool);
    t.regex((await causes(database))[1].explanation, /trigger keep on public.transactions dropped/);
  } finally {
    await database.close();
  }
});

test("items that fail leave the finding, and many items take no longer than a moment", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await registerShop(database, {
      items: `select user_id as key, id as item, amount, false as is_counted
        from public.transactions where 1 / (id - 100) is not null`,
    });
    await pool.query("update public.users set balance = 5");
    await pool.query(`insert into public.transactions (user_id, amount, type, status, created_at)
      select 3, -g % 977, 'x', 'pending', now() from generate_series(1, 3000) as g`);
    const { findings } = await check(pool);
    t.is(findings.length, 4);
    t.like(findings[0], { detail: { items_failed: "division by zero" } } as never);
    await pool.query("select saldo.change_balance_rule('user_balance', items => $1)", [
      shopRule.items,
    ]);
    await pool.query("update public.users set balance = -100000 where id = 3");
    const started = process.hrtime.bigint();
    t.is((await check(pool)).findings.length, 4);
    t.true(process.hrtime.bigint() - started < 5_000_000_000n);
  } finally {
    await database.close();
  }
});
