import test from "ava";
import { byTwo, errorCode } from "../_support/database.ts";
import { brokenRules, check, forced } from "../_support/faults.ts";
import { as, balanceOf, drift, heal, openChain } from "./_healing.ts";

const adjust = "select * from saldo.adjust_balance($1, $2, $3)";

test("an adjustment sets totals to the journal and posts the rest, once for a key", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    // The journal says 100 for account 1; its totals 107, its month something else; it is 130.
    await drift(pool, [1], 7);
    await forced(pool, (client) =>
      client.query("update saldo.month_movement set debit = debit + 3 where account_id = 1"),
    );
    const { findings } = await check(pool);
    const finding = findings.find(({ rule }) => rule === "account_balance");
    const text = `select * from saldo.adjust_balance(1, 130, 'counted twice', idempotency_key => 'k',
      finding_id => (select id from saldo.finding where rule = 'account_balance'
        order by id desc limit 1))`;
    const [done] = await as(pool, "anna", text);
    t.like(done, {
      balance_before: "107",
      journal_balance: "100",
      new_balance: "130",
      adjusted_by: "anna",
      reason: "counted twice",
    });
    t.truthy(finding);
    t.is(await balanceOf(pool, 1), "130");
    const { rows: entries } = await pool.query(
      "select kind, source, description from saldo.journal_entry where id = $1",
      [done?.["entry_id"]],
    );
    t.deepEqual(entries, [
      { kind: "adjustment", source: "adjust_balance", description: "counted twice" },
    ]);
    const { rows: other } = await pool.query(
      "select type, balance from saldo.account where code = 'difference:IDR'",
    );
    t.deepEqual(other, [{ type: "expense", balance: "-30" }]);
    const { rows: actions } = await pool.query(
      "select rule, outcome, heal_run_id, reason from saldo.heal_action order by rule",
    );
    t.deepEqual(
      actions,
      ["account_balance", "month_movement"].map((rule) => ({
        rule,
        outcome: "healed",
        heal_run_id: null,
        reason: "counted twice",
      })),
    );
    t.deepEqual(await brokenRules(pool), []);

    const [again] = await as(pool, "anna", text);
    t.is(again?.["id"], done?.["id"]);
    t.is(await balanceOf(pool, 1), "130");
    const otherContent = text.replace("130", "131");
    t.is(await errorCode(as(pool, "anna", otherContent)), "SB005");
  } finally {
    await database.close();
  }
});

test("either side of either type, down as well as up, and to below zero", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await pool.query(`select saldo.open_account(x, 'X', x::saldo.account_type)
      from unnest(array['liability', 'revenue', 'expense', 'equity']) as x`);
    const { rows } = await pool.query(
      "select id from saldo.account where code !~ '[0-9:]' or id = 2",
    );
    for (const { id } of rows) {
      for (const balance of ["12.5", "3", "-7", "0"]) {
        await as(pool, "anna", adjust, [id, balance, "counted"]);
        t.is(Number(await balanceOf(pool, id)), Number(balance));
      }
    }
    t.true(rows.length >= 5);
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    await database.close();
  }
});

test("an adjustment works on a frozen account, immediate or hot, and leaves it frozen", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await pool.query(`
      select saldo.open_account('hot', 'Hot', 'liability', min_balance => 0, mode => 'hot');
      select saldo.open_account('open', 'Open', 'revenue', mode => 'hot');
    `);
    const { rows } = await pool.query("select id from saldo.account where mode = 'hot' or id = 2");
    for (const { id } of rows) {
      await pool.query("select saldo.transfer(5, $1, 200)", [id]);
      for (const isFrozen of [false, true]) {
        if (isFrozen) await as(pool, "anna", "select saldo.freeze_account($1, 'x')", [id]);
        await as(pool, "anna", adjust, [id, isFrozen ? 90 : 120, "counted"]);
        const { rows: now } = await pool.query(
          `select (saldo.balances(id)).settled_balance as balance, frozen_at is not null as is_frozen
          from saldo.account where id = $1`,
          [id],
        );
        t.deepEqual(now, [{ balance: isFrozen ? "90" : "120", is_frozen: isFrozen }]);
        t.deepEqual(await brokenRules(pool), []);
      }
      t.is(await errorCode(pool.query("select saldo.transfer(5, $1, 1)", [id])), "SB121");
      await as(pool, "anna", "select saldo.unfreeze_account($1, 'x')", [id]);
      t.is(await errorCode(pool.query("select saldo.transfer(5, $1, 1)", [id])), "none");
    }
    t.is(rows.length, 3);
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    await database.close();
  }
});

test("an edited journal is settled by adjusting both accounts and unfreezing them", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await forced(pool, (client) =>
      client.query(`update saldo.journal_line set debit = debit * 3, credit = credit * 3
        where entry_id = (select entry_id from saldo.journal_line where account_id = 1)`),
    );
    t.is((await heal(pool)).frozen_count, 2);
    for (const [id, balance] of [
      [1, 100],
      [2, 0],
    ]) {
      await as(pool, "anna", adjust, [id, balance, "the entry was edited by hand"]);
      await as(pool, "anna", "select saldo.unfreeze_account($1, 'settled')", [id]);
    }
    t.deepEqual(await brokenRules(pool), []);
    t.like(await heal(pool), { healed_count: 0, refused_count: 0, frozen_count: 0 });
    t.is(await errorCode(pool.query("select saldo.transfer(1, 2, 1)")), "none");
  } finally {
    await database.close();
  }
});

test("bad adjustments have codes of their own and change nothing", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const digest = `select (select sum(version) from saldo.account) as version,
    (select count(*) from saldo.journal_entry) as entries,
    (select count(*) from saldo_private.idempotency_record) as keys,
    (select count(*) from saldo.balance_adjustment) as adjustments,
    (select count(*) from saldo.heal_action) as actions`;
  try {
    await pool.query(`
      select saldo.open_account('closed', 'C', 'asset');
      select saldo.close_account((select id from saldo.account where code = 'closed'));
      select saldo.open_account('usd', 'U', 'asset', currency => 'USD');
      select saldo.open_account('limited', 'L', 'asset', min_balance => 0);
      select saldo.open_account('hot', 'H', 'asset', min_balance => 0, mode => 'hot');
    `);
    await drift(pool, [1], 7);
    const { findings } = await check(pool);
    t.is(findings.length, 2);
    const finding = "(select id from saldo.finding where rule = 'account_balance')";
    const id = (code: string) => `(select id from saldo.account where code = '${code}')`;
    const before = (await pool.query(digest)).rows;
    for (const [args, code] of [
      ["2, 5, null", "SB010"],
      ["2, 5, ''", "SB009"],
      ["2, 5, E'\\x01'", "SB008"],
      ["2, null, 'x'", "SB002"],
      ["2, 'NaN', 'x'", "SB002"],
      ["2, 'Infinity', 'x'", "SB002"],
      ["2, '-Infinity', 'x'", "SB002"],
      ["2, 1e15, 'x'", "SB004"],
      ["2, -1e15, 'x'", "SB004"],
      ["2, 0.001, 'x'", "SB003"],
      ["null, 5, 'x'", "SB101"],
      ["999, 5, 'x'", "SB101"],
      [`${id("closed")}, 5, 'x'`, "SB102"],
      ["2, 5, 'x', 999", "SB101"],
      [`2, 5, 'x', ${id("usd")}`, "SB104"],
      ["2, 5, 'x', 2", "SB203"],
      [`2, 5, 'x', ${id("closed")}`, "SB203"],
      [`2, 5, 'x', ${id("limited")}`, "SB203"],
      [`2, 5, 'x', finding_id => ${finding}`, "SB626"],
      ["2, 5, 'x', finding_id => '01990000-0000-7000-8000-000000000000'", "SB007"],
      ["2, 0, 'x'", "SB625"],
      [`${id("limited")}, -5, 'x'`, "SB001"],
      [`${id("hot")}, -5, 'x'`, "SB001"],
    ] as const) {
      const call = `select saldo.adjust_balance(${args}${args.includes("'x'") ? ", idempotency_key => 'k'" : ""})`;
      t.is(await errorCode(as(pool, "anna", call)), code, args);
    }
    t.deepEqual((await pool.query(digest)).rows, before);
    const reserved = `select saldo.post_entries('[{"description": "x", "source": " adjust_balance ",
      "lines": [{"account_id": "1", "debit": "1"}, {"account_id": "2", "credit": "1"}]}]')`;
    t.is(await errorCode(as(pool, "anna", reserved)), "SB010", "nobody claims the source");
    await as(pool, "anna", "select saldo.freeze_account(3, 'x')");
    t.is(await errorCode(as(pool, "anna", "select saldo.adjust_balance(2, 5, 'x', 3)")), "SB121");
  } finally {
    await database.close();
  }
});

test("adjustments beside postings end at the balance that was given", async (t) => {
  const database = await openChain(30);
  const { pool } = database;
  try {
    await pool.query("select saldo.open_account('hot', 'Hot', 'revenue', mode => 'hot')");
    const hot = (await pool.query("select id from saldo.account where code = 'hot'")).rows[0].id;
    await byTwo(pool, "saldo.propose_setting('adjust_alone_amount', '1000000000', 'a test')");
    let isOver = false;
    const codes = new Set<string>();
    const writers = Array.from({ length: 6 }, async (_, index) => {
      while (!isOver) {
        const text = ["select saldo.transfer(4, $1, 2)", "select saldo.transfer($1, 5, 1)"];
        codes.add(await errorCode(pool.query(text[index % 2] as string, [index < 3 ? hot : 3])));
      }
    });
    try {
      for (let round = 0; round < 6; round += 1) {
        // Far from where postings get to: no difference is refused.
        const target = 1_000_000 * (round + 1);
        for (const id of [hot, 3]) {
          const client = await pool.connect();
          try {
            await client.query("begin");
            const done = await client.query(adjust, [id, target, "counted"]);
            const { rows } = await client.query(
              "select (saldo.balances($1)).settled_balance as b",
              [id],
            );
            t.is(rows[0].b, String(target));
            t.truthy(done.rows[0].entry_id);
            await client.query("commit");
          } finally {
            // Were it left open, the writers would wait for it forever.
            client.release(true);
          }
        }
        t.deepEqual(await brokenRules(pool), []);
      }
    } finally {
      isOver = true;
      await Promise.all(writers);
    }
    t.deepEqual([...codes], ["none"]);
  } finally {
    await database.close();
  }
});
