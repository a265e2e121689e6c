import test from "ava";
import { errorCode, type TestDatabase } from "../_support/database.ts";
import { check } from "../_support/faults.ts";
import { as, heal, proposals } from "../heal/_healing.ts";
import { call, openShop, registerHealing } from "./_shop.ts";

const undo = "select * from saldo.undo_heal($1, 'the items were wrong')";

/** A shop whose first balance was healed, and that heal. */
async function openHealed(changes: object = {}, wrong = 1_500_000) {
  const database = await openShop(wrong);
  await registerHealing(database, changes);
  const run = await heal(database.pool, "anna");
  return { database, id: run.actions[0]?.["id"] as string };
}

const balance = async ({ pool }: TestDatabase) =>
  (await pool.query("select balance from public.users where id = 1")).rows[0].balance;

test("a heal of a user's table is undone where it stands yet, once, and is not healed unasked", async (t) => {
  const { database, id } = await openHealed({ guard: "record" });
  const { pool } = database;
  try {
    await as(pool, "anna", "select saldo.set_setting('heal_repeat_hours', '0')");
    t.is(await balance(database), "1900000.00");
    const [action] = await as(pool, "anna", undo, [id]);
    const target = { table: "public.users", key_column: "id", balance_column: "balance" };
    t.like(action, {
      outcome: "undone",
      undoes: id,
      actor: "anna",
      rule: "user_balance",
      key: "1",
      before: 1900000,
      after: 1500000,
      reason: "the items were wrong",
      heal_run_id: null,
    });
    t.deepEqual(action?.["target"], target);
    t.is(await balance(database), "1500000.00");
    t.is(await errorCode(as(pool, "anna", undo, [id])), "SB623", "once");
    t.is(await errorCode(as(pool, "anna", undo, [action?.["id"]])), "SB623", "an undone one");
    t.deepEqual((await pool.query("select from saldo.guard_event")).rows, [], "not past the guard");

    const { findings } = await check(pool);
    t.like(findings[0], { rule: "user_balance", key: "1", difference: "-400000" });
    t.not(findings[0]?.cause, "out_of_band_write");
    t.like(await heal(pool, "anna"), { healed_count: 0, escalated_count: 1 });
    t.is(await balance(database), "1500000.00");
    await pool.query("select saldo.scheduled_maintenance()");
    t.is(await balance(database), "1500000.00");
    const proposal = (await proposals(pool)).find(({ status }) => status === "proposed");
    t.regex(proposal?.["reason"], /undone at .* by anna \(the items were wrong\)/);
    await as(pool, "budi", "select saldo.approve_heal($1, 'no, they were not')", [
      proposal?.["id"],
    ]);
    t.is(await balance(database), "1900000.00");
    t.is((await check(pool)).status, "healthy");
  } finally {
    await database.close();
  }
});

test("an undo is refused where the balance was written since, or the row is gone", async (t) => {
  const { database, id } = await openHealed();
  const { pool } = database;
  const refusal = async () =>
    await t.throwsAsync<Error & { code: string; detail: string; hint: string }>(
      as(pool, "anna", undo, [id]),
    );
  try {
    await pool.query("update public.users set balance = balance + 10 where id = 1");
    t.like(await refusal(), {
      code: "SB623",
      detail: "public.users, key 1: the balance is 1900010.00, the heal wrote 1900000.00",
      hint: "The balance was written since: only what a heal has left is taken back.",
    });
    await pool.query("update public.users set balance = null where id = 1").catch(() => {});
    await pool.query("delete from public.transactions; delete from public.users where id = 1");
    t.like(await refusal(), { code: "SB623" });
    t.is((await pool.query("select from saldo.heal_action where outcome = 'undone'")).rowCount, 0);
  } finally {
    await database.close();
  }
});

test("an undo waits for a writer of the row, and does not write over what it has written", async (t) => {
  const { database, id } = await openHealed();
  const { pool } = database;
  const writer = await pool.connect();
  try {
    await writer.query("begin");
    await writer.query("update public.users set balance = balance + 10 where id = 1");
    const undoing = errorCode(as(pool, "anna", undo, [id]));
    for (;;) {
      const { rows } = await writer.query(
        "select from pg_locks where not granted and locktype in ('transactionid', 'tuple')",
      );
      if (rows.length > 0) break;
    }
    await writer.query("commit");
    t.is(await undoing, "SB623");
    t.is(await balance(database), "1900010.00");
  } finally {
    writer.release();
    await database.close();
  }
});

test("what was healed is undone, not what the rule is about by now", async (t) => {
  const { database, id } = await openHealed();
  const { pool } = database;
  try {
    await pool.query(`
      create table public.purses (id bigint primary key, balance numeric not null);
      insert into public.purses values (1, 1900000);
      grant select, update (balance) on public.purses to saldo_rule_reader`);
    await call(pool as never, "change_balance_rule", {
      name: "user_balance",
      stored_table: "public.purses",
      derived: "select 1 as key, 1900000 as derived",
    });
    await as(pool, "anna", undo, [id]);
    t.is(await balance(database), "1500000.00");
    t.is((await pool.query("select balance from public.purses")).rows[0].balance, "1900000");
  } finally {
    await database.close();
  }
});

test("a heal of a rule that was unregistered is undone as well", async (t) => {
  const { database, id } = await openHealed();
  try {
    await call(database.pool as never, "unregister_balance_rule", { name: "user_balance" });
    await as(database.pool, "anna", undo, [id]);
    t.is(await balance(database), "1500000.00");
  } finally {
    await database.close();
  }
});

test("figures come back as they were: NULL, NaN and more decimals than a float has", async (t) => {
  const database = await openShop();
  const { pool } = database;
  try {
    await pool.query(`alter table public.users alter balance drop not null,
      alter balance type numeric`);
    await registerHealing(database);
    await as(pool, "anna", "select saldo.set_setting('heal_repeat_hours', '0')");
    for (const wrong of [null, "NaN", "0.1234567890123456789"]) {
      await pool.query("update public.users set balance = $1 where id = 1", [wrong]);
      const run = await heal(pool, "anna");
      const action = run.actions.find(({ outcome }) => outcome === "healed");
      t.truthy(action, String(wrong));
      await as(pool, "anna", undo, [action?.["id"]]);
      t.is(await balance(database), wrong);
      await pool.query("delete from saldo.heal_action");
    }
  } finally {
    await database.close();
  }
});

test("a table that does not take the figure back, or may not be written any more, is told", async (t) => {
  const { database, id } = await openHealed();
  const { pool } = database;
  const attempt = async () => {
    const error = await t.throwsAsync<Error & { code: string; detail: string }>(
      as(pool, "anna", undo, [id]),
    );
    return [error.code, error.detail];
  };
  try {
    await pool.query(`
      create function public.watch() returns trigger language plpgsql as $$
      begin
        raise exception 'not this one';
      end $$;
      create trigger watch before update on public.users
      for each row execute function public.watch()`);
    const [code, detail] = await attempt();
    t.is(code, "SB624");
    t.regex(detail ?? "", /^public\.users, key 1: not this one \(P0001\)$/);
    await pool.query("alter table public.users disable trigger watch");
    await pool.query("revoke update (balance) on public.users from saldo_rule_reader");
    t.is((await attempt())[0], "SB645");
    t.is(await balance(database), "1900000.00");
  } finally {
    await database.close();
  }
});

test("what a function of the user's healed is not undone, and the hint says why", async (t) => {
  const database = await openShop(1_500_000);
  const { pool } = database;
  try {
    await pool.query(`
      create function public.mend(key text) returns void language sql security definer
        set search_path = public, pg_temp
        as 'update users set balance = balance + 400000 where id = key::bigint';
      revoke execute on function public.mend from public;
      grant execute on function public.mend to saldo_rule_reader;
    `);
    await registerHealing(database, { heal: "function", heal_function: "public.mend" });
    const run = await heal(pool, "anna");
    t.like(run.actions[0], { outcome: "healed", target: null });
    // The rule sets a column by now, and the heal did not.
    await call(pool as never, "change_balance_rule", { name: "user_balance", heal: "update" });
    const error = await t.throwsAsync<Error & { code: string; hint: string }>(
      as(pool, "anna", undo, [run.actions[0]?.["id"]]),
    );
    t.is(error.code, "SB624");
    t.regex(error.hint, /function of yours.*by hand/);
    t.is(await balance(database), "1900000.00");
  } finally {
    await database.close();
  }
});

test("an undo in which the table's trigger changes a setting of the session is refused", async (t) => {
  const { database, id } = await openHealed();
  const { pool } = database;
  const client = await pool.connect();
  try {
    await pool.query(`
      create function public.trick() returns trigger language plpgsql as $$
      begin
        perform set_config('search_path', 'evil, pg_catalog', false);
        return null;
      end $$;
      create trigger trick after update on public.users
      for each row execute function public.trick();
    `);
    const before = (await client.query("show search_path")).rows;
    t.is(await errorCode(client.query(undo, [id])), "SB624");
    t.deepEqual((await client.query("show search_path")).rows, before);
    t.is(await balance(database), "1900000.00");
  } finally {
    client.release(true);
    await database.close();
  }
});
