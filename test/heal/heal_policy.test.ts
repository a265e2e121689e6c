import test from "ava";
import { asMember, asOperator, byTwo, errorCode } from "../_support/database.ts";
import { brokenRules, forced } from "../_support/faults.ts";
import { actionsOf, as, balanceOf, drift, heal, openChain, proposals } from "./_healing.ts";

test("a finding above the limit of its rule waits for approval, a smaller one is healed", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await as(pool, "anna", "select saldo.set_heal_policy('account_balance', max_amount => 10)");
    await drift(pool, [2], 10);
    await drift(pool, [3], 11);
    const dry = await heal(pool, "anna", true);
    t.deepEqual(
      dry.actions.map(({ key, outcome }) => [key, outcome]),
      [
        ["2", "would_heal"],
        ["3", "needs_approval"],
      ],
    );
    t.deepEqual(await proposals(pool), [], "a dry run proposes nothing");
    t.is(await balanceOf(pool, 2), "10");

    const run = await heal(pool);
    t.like(run, { healed_count: 1, needs_approval_count: 1, refused_count: 0 });
    t.is(await balanceOf(pool, 2), "0");
    t.is(await balanceOf(pool, 3), "11");
    const [proposal] = await proposals(pool);
    t.like(proposal, {
      rule: "account_balance",
      key: "3",
      account_id: "3",
      stored: "11",
      derived: "0",
      difference: "11",
      status: "proposed",
      proposed_by: "anna",
      is_escalated: false,
    });
    t.like(proposal?.["before"], { debit_total: 111, balance: 11 });
    t.like(proposal?.["after"], { debit_total: 100, balance: 0 });
    t.regex(proposal?.["reason"], /11 is above the limit of 10/);
    t.is(run.actions[1]?.["proposal_id"], proposal?.["id"]);

    await heal(pool);
    t.is((await proposals(pool)).length, 1, "the same is proposed once");
  } finally {
    await database.close();
  }
});

test("too many, too much, and too much for a run: all of it waits", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const set = (policy: string) => as(pool, "anna", `select saldo.set_heal_policy(${policy})`);
  const setting = (name: string, value: string) =>
    as(pool, "anna", "select saldo.set_setting($1, $2)", [name, value]);
  const planned = async () => {
    const { actions } = await heal(pool, "anna", true);
    return [...new Set(actions.map(({ outcome, reason }) => `${outcome}: ${reason}`))];
  };
  try {
    await drift(pool, [2, 3, 4], 5);
    await set("'account_balance', max_count => 2");
    t.deepEqual(await planned(), [
      "needs_approval: 3 findings of the rule are above its limit of 2.",
    ]);
    await set("'account_balance', max_count => 3, max_amount_total => 14");
    t.deepEqual(await planned(), [
      "needs_approval: Differences of 15 of the rule are above its limit of 14.",
    ]);
    await set("'account_balance', max_count => 3, max_amount_total => 15");
    await setting("heal_run_max_count", "2");
    t.deepEqual(await planned(), [
      "needs_approval: 3 findings are above the limit of 2 for a run.",
    ]);
    await setting("heal_run_max_count", "3");
    await setting("heal_run_max_amount", "14");
    t.deepEqual(await planned(), [
      "needs_approval: Differences of 15 are above the limit of 14 for a run.",
    ]);
    await setting("heal_run_max_amount", "15");
    t.is((await heal(pool)).healed_count, 3);
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    await database.close();
  }
});

test("amounts are added up for each currency by itself", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await pool.query("select saldo.open_account('usd', 'U', 'asset', currency => 'USD')");
    await as(
      pool,
      "anna",
      "select saldo.set_heal_policy('account_balance', max_amount_total => 10)",
    );
    await drift(pool, [2], 10);
    await forced(pool, (client) =>
      client.query(`update saldo.account set debit_total = 11 where code = 'usd'`),
    );
    const { actions } = await heal(pool, "anna", true);
    const outcomes = Object.fromEntries(
      actions.map((action) => [action["account_id"], action["outcome"]]),
    );
    t.deepEqual(outcomes["2"], "would_heal");
    t.true(Object.values(outcomes).includes("needs_approval"));
  } finally {
    await database.close();
  }
});

test("a rule that is not healed on schedule waits for approval there, and is healed when asked", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await as(
      pool,
      "anna",
      "select saldo.set_heal_policy('account_balance', is_scheduled => false)",
    );
    await drift(pool, [2]);
    const [run] = await as(pool, "scheduler", "select * from saldo.scheduled_maintenance()");
    t.is(run?.["status"], "unhealthy");
    t.like((await actionsOf(pool, run?.["heal_run_id"]))[0], {
      outcome: "needs_approval",
      reason: "The rule is not healed on schedule.",
    });
    t.like((await proposals(pool))[0], { proposed_by: "scheduler", status: "proposed" });
    t.is((await heal(pool)).healed_count, 1);
    t.like((await proposals(pool))[0], { status: "stale" }, "it was healed since");
  } finally {
    await database.close();
  }
});

test("bad policies are refused, and only administrators decide", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const set = (policy: string) => `select saldo.set_heal_policy(${policy})`;
  try {
    const admin = (text: string) => errorCode(as(pool, "anna", text));
    t.is(await admin(set("'nothing'")), "SB007");
    t.is(await admin(set("null")), "SB007");
    t.is(await admin(set("'account_balance', max_count => -1")), "SB010");
    t.is(await admin(set("'account_balance', max_amount => -0.01")), "SB010");
    t.is(await admin(set("'account_balance', max_amount => 'NaN'")), "SB010");
    t.is(await admin(set("'account_balance', max_amount_total => 'Infinity'")), "SB010");
    t.is(await admin(set("'account_balance', is_scheduled => null")), "SB010");
    t.is(await admin("select saldo.set_setting('heal_repeat_hours', '9000')"), "SB010");
    t.is(await admin("select saldo.set_setting('heal_run_max_amount', '-1')"), "SB010");
    for (const text of [
      set("'account_balance'"),
      "select saldo.approve_heal(gen_random_uuid(), 'x')",
      "select saldo.reject_heal(gen_random_uuid(), 'x')",
      "select saldo.undo_heal(gen_random_uuid(), 'x')",
      "select saldo.freeze_account(1, 'x')",
      "select saldo.unfreeze_account(1, 'x')",
      "select saldo.adjust_balance(1, 5, 'x')",
    ]) {
      t.is(await errorCode(asOperator(pool, (client) => client.query(text))), "42501", text);
      t.is(await errorCode(asMember(pool, 1, (client) => client.query(text))), "42501", text);
    }
    const read = "select from saldo.heal_proposal, saldo.heal_policy, saldo.account_freeze";
    t.is(await errorCode(asOperator(pool, (client) => client.query(read))), "none");
    t.is(await errorCode(asMember(pool, 1, (client) => client.query(read))), "42501");
  } finally {
    await database.close();
  }
});

test("a heal that would rewrite a large share of the accounts waits for approval", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    const ids = (count: number) => Array.from({ length: count }, (_, index) => index + 2);
    await as(pool, "anna", "select saldo.set_setting('heal_repeat_hours', '0')");
    await drift(pool, ids(5));
    t.like(await heal(pool), { healed_count: 5, needs_approval_count: 0 });
    await drift(pool, ids(6));
    const large = await heal(pool);
    t.like(large, { healed_count: 0, needs_approval_count: 6 });
    t.regex(large.actions[0]?.["reason"], /^6 of 20 rows of the rule \(30\.00 %\) .* of 10 %/);
    await byTwo(pool, "saldo.propose_heal_policy('account_balance', 'x', max_percent => 30)");
    t.like(await heal(pool), { healed_count: 6, needs_approval_count: 0 });
  } finally {
    await database.close();
  }
});
