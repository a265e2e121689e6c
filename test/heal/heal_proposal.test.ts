import test from "ava";
import { errorCode } from "../_support/database.ts";
import { brokenRules, check } from "../_support/faults.ts";
import { as, balanceOf, drift, heal, openChain, proposals } from "./_healing.ts";

const limit = "select saldo.set_heal_policy('account_balance', max_amount => 1)";

test("another administrator approves, not the one who proposed, and once", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const approve = (subject: string, id: unknown, reason: unknown = "I have looked") =>
    as(pool, subject, "select * from saldo.approve_heal($1, $2)", [id, reason]);
  try {
    await as(pool, "anna", limit);
    await drift(pool, [2]);
    await heal(pool, "anna");
    const [proposal] = await proposals(pool);
    const id = proposal?.["id"];
    t.is(await errorCode(approve("budi", id, null)), "SB010");
    t.is(await errorCode(approve("budi", id, "  ")), "SB009");
    t.is(await errorCode(approve("budi", "01990000-0000-7000-8000-000000000000")), "SB007");
    t.is(await errorCode(approve("budi", null)), "SB007");
    t.is(await errorCode(approve("anna", id)), "SB621");
    // A token is no person, whoever has made it.
    t.is(await errorCode(approve("service:nightly", id)), "SB621");
    t.is(await balanceOf(pool, 2), "7");

    // The account is in use meanwhile: what was proposed is the difference.
    await pool.query("select saldo.transfer(2, 3, 50)");
    const [action] = await approve("budi", id);
    t.like(action, {
      outcome: "healed",
      rule: "account_balance",
      key: "2",
      heal_run_id: null,
      proposal_id: id,
      actor: "budi",
      reason: "I have looked",
    });
    t.is(await balanceOf(pool, 2), "50");
    t.like((await proposals(pool))[0], { status: "approved", decided_by: "budi" });
    t.is(await errorCode(approve("citra", id)), "SB620");
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    await database.close();
  }
});

test("who made the token that proposed is no other person, and others are", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const approve = (subject: string, id: unknown) =>
    as(pool, subject, "select * from saldo.approve_heal($1, 'x')", [id]);
  try {
    await as(pool, "anna", limit);
    await as(pool, "anna", "select saldo.create_service_token('admin', 'nightly')");
    await drift(pool, [2]);
    await heal(pool, "service:nightly");
    const [proposal] = await proposals(pool);
    t.is(await errorCode(approve("service:nightly", proposal?.["id"])), "SB621");
    t.is(await errorCode(approve("anna", proposal?.["id"])), "SB621");
    t.like(await approve("budi", proposal?.["id"]), [{ outcome: "healed" }]);
  } finally {
    await database.close();
  }
});

test("an administrator's own login does not speak for another one", async (t) => {
  const database = await openChain();
  const { pool } = database;
  const login = `admin_${database.name}`;
  const client = await pool.connect();
  try {
    await as(pool, "anna", limit);
    await pool.query(`create role ${login} in role saldo_admin`);
    await drift(pool, [2]);
    await client.query(`set session authorization ${login}; set role saldo_admin`);
    await client.query("select saldo.auto_heal(false)");
    await client.query("set saldo.subject = 'budi'");
    const { rows } = await client.query("select id, proposed_by from saldo.heal_proposal");
    t.is(rows[0]?.proposed_by, login);
    t.is(
      await errorCode(client.query("select saldo.approve_heal($1, 'x')", [rows[0]?.id])),
      "SB621",
    );
    const moved = await client.query("select posted_by from saldo.transfer(2, 3, 1)");
    t.is(moved.rows[0]?.posted_by, login);
    t.is(await balanceOf(pool, 2), "8");
  } finally {
    client.release(true);
    await pool.query(`drop role if exists ${login}`);
    await database.close();
  }
});

test("what the scheduler proposed any administrator may approve", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await as(pool, "anna", limit);
    await drift(pool, [2]);
    await pool.query("select saldo.scheduled_maintenance()");
    const [proposal] = await proposals(pool);
    await as(pool, "anna", "select saldo.approve_heal($1, 'seen')", [proposal?.["id"]]);
    t.is(await balanceOf(pool, 2), "0");
  } finally {
    await database.close();
  }
});

test("a proposal whose difference is another one by now is not healed, and replaced", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await as(pool, "anna", limit);
    await drift(pool, [2]);
    await heal(pool, "anna");
    const [first] = await proposals(pool);
    await drift(pool, [2], 2);
    const approve = "select saldo.approve_heal($1, 'seen')";
    t.is(await errorCode(as(pool, "budi", approve, [first?.["id"]])), "SB622");
    t.is(await balanceOf(pool, 2), "9");
    await heal(pool, "anna");
    const [stale, second] = await proposals(pool);
    t.is(stale?.["status"], "stale");
    t.like(second, { status: "proposed", difference: "9" });
    t.is(await errorCode(as(pool, "budi", approve, [first?.["id"]])), "SB620");

    // And one whose drift has gone.
    await drift(pool, [2], -9);
    t.is(await errorCode(as(pool, "budi", approve, [second?.["id"]])), "SB622");
  } finally {
    await database.close();
  }
});

test("what was rejected is refused while it stays the same", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await as(pool, "anna", limit);
    await drift(pool, [2]);
    await heal(pool, "anna");
    const [proposal] = await proposals(pool);
    const reject = "select * from saldo.reject_heal($1, 'the journal is wrong')";
    t.is(await errorCode(as(pool, "budi", reject, [null])), "SB007");
    const [rejected] = await as(pool, "budi", reject, [proposal?.["id"]]);
    t.like(rejected, { status: "rejected", decided_by: "budi" });
    t.is(await errorCode(as(pool, "budi", reject, [proposal?.["id"]])), "SB620");
    const run = await heal(pool, "anna");
    t.like(run.actions[0], { outcome: "refused" });
    t.regex(run.actions[0]?.["reason"], /rejected at .* by budi: the journal is wrong/);
    await drift(pool, [2], 1);
    t.is((await heal(pool, "anna")).needs_approval_count, 1, "another difference");
  } finally {
    await database.close();
  }
});

test("a second heal of the same key escalates with its history, and another key does not", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await drift(pool, [2]);
    t.is((await heal(pool, "anna")).healed_count, 1);
    await drift(pool, [2, 3]);
    const dry = await heal(pool, "anna", true);
    t.deepEqual(
      dry.actions.map(({ outcome }) => outcome),
      ["escalated", "would_heal"],
    );
    const run = await heal(pool, "anna");
    t.like(run, { healed_count: 1, escalated_count: 1 });
    const [proposal] = await proposals(pool);
    t.like(proposal, { is_escalated: true, key: "2", status: "proposed" });
    t.regex(proposal?.["reason"], /Healed at .* by anna, wrong again: something keeps writing/);
    t.is(await balanceOf(pool, 2), "7");

    await as(pool, "anna", "select saldo.set_setting('heal_repeat_hours', '0')");
    t.is((await heal(pool, "anna")).healed_count, 1, "outside of the window");
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    await database.close();
  }
});

const undo = "select * from saldo.undo_heal($1, 'it was right before')";

test("an undone heal is there again, postings since stay, and nothing heals it unasked", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await as(pool, "anna", "select saldo.set_setting('heal_repeat_hours', '0')");
    await drift(pool, [2]);
    const run = await heal(pool, "anna");
    await pool.query("select saldo.transfer(2, 3, 50)");
    const id = run.actions[0]?.["id"];
    t.is(await errorCode(as(pool, "anna", "select saldo.undo_heal($1, null)", [id])), "SB010");
    t.is(await errorCode(as(pool, "anna", undo, [null])), "SB007");
    const [action] = await as(pool, "anna", undo, [id]);
    t.like(action, { outcome: "undone", undoes: id, actor: "anna", key: "2" });
    t.like(action?.["before"], { balance: 50 });
    t.like(action?.["after"], { balance: 57 });
    t.is(await balanceOf(pool, 2), "57");
    t.is(await errorCode(as(pool, "anna", undo, [id])), "SB623", "once");
    t.is(await errorCode(as(pool, "anna", undo, [action?.["id"]])), "SB623", "an undone one");

    t.like((await check(pool)).findings[0], { rule: "account_balance", difference: "7" });
    const again = await heal(pool, "anna");
    t.like(again, { healed_count: 0, escalated_count: 1 });
    const [proposal] = await proposals(pool);
    t.regex(proposal?.["reason"], /undone at .* by anna \(it was right before\)/);
    await as(pool, "budi", "select saldo.approve_heal($1, 'no, it was not')", [proposal?.["id"]]);
    t.deepEqual(await brokenRules(pool), []);
  } finally {
    await database.close();
  }
});

test("heals of months, holds and customers' months are undone; those of slots are not", async (t) => {
  const database = await openChain();
  const { pool } = database;
  try {
    await pool.query(`
      select saldo.create_customer('c', 'C');
      select saldo.add_deposit(1, 500);
      select saldo.place_hold(account_id, 40) from saldo.customer;
      select saldo.open_account('hot', 'Hot', 'liability', min_balance => 0, mode => 'hot');
    `);
    await pool.query(
      "select saldo.submit_transaction((select id from saldo.account where code = 'hot'), 5, 'credit')",
    );
    for (const [plant, rule] of [
      ["update saldo.month_movement set debit = debit + 1 where account_id = 2", "month_movement"],
      ["delete from saldo.month_movement where account_id = 2", "month_movement"],
      ["insert into saldo.month_movement values (2, '2001-01-01', 5, 5, 1)", "month_movement"],
      ["update saldo.account set held_total = 70 where held_total = 40", "held_total"],
      ["update saldo.customer_month_total set deposits = 9", "customer_month_total"],
      ["delete from saldo.customer_month_total", "customer_month_total"],
      ["update saldo_private.account_slot set available = available + 1", "account_slot"],
    ] as const) {
      const client = await pool.connect();
      const found = async () => {
        const { rows } = await client.query("select id from saldo.check_balance_health()");
        const findings = await client.query(
          "select rule, key from saldo.finding where check_run_id = $1 order by rule, key",
          [rows[0].id],
        );
        return findings.rows;
      };
      try {
        await client.query("begin");
        await client.query("set local session_replication_role = replica");
        await client.query(plant);
        await client.query("set local session_replication_role = origin");
        const before = await found();
        t.deepEqual([...new Set(before.map((row) => row.rule))], [rule], plant);
        await client.query("select saldo.auto_heal(false)");
        const { rows: actions } = await client.query(
          "select id from saldo.heal_action where outcome = 'healed'",
        );
        t.is(actions.length, before.length, plant);
        for (const { id } of actions) {
          await client.query("savepoint tried");
          const code = await errorCode(client.query(undo, [id]));
          if (code !== "none") await client.query("rollback to tried");
          t.is(code, rule === "account_slot" ? "SB624" : "none", plant);
        }
        t.deepEqual(await found(), rule === "account_slot" ? [] : before, plant);
      } finally {
        await client.query("rollback");
        client.release(true);
      }
    }
  } finally {
    await database.close();
  }
});
