import { readdirSync, readFileSync } from "node:fs";
import test from "ava";
import { asAdmin, errorCode, openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { brokenRules } from "../_support/faults.ts";

/* A usual pair of lines is moved by the function that posts it, all else by the posting trigger. */

let database: TestDatabase;
test.before(async () => {
  database = await openTestDatabase(5);
  await database.pool.query(`
    select saldo.open_account('till', 'Till', 'asset', min_balance => 0);
    select saldo.open_account('owner', 'Owner', 'equity');
    select saldo.open_account('shop', 'Shop', 'liability', mode => 'hot', min_balance => 0);
    select saldo.open_account('fees', 'Fees', 'revenue');
    select saldo.transfer(1, 2, 100);
    select saldo.transfer(1, 3, 100);
    select saldo.create_member('buyer', 'Buyer');
    select saldo.create_product('tea', 'Tea', 5);
  `);
});
test.after.always(() => database?.close());

const admin = (...texts: string[]) =>
  asAdmin(database.pool, async (client) => {
    for (const text of texts) await client.query(text);
  });
const total = async (code: string) =>
  (
    await database.pool.query<{ total: string }>(
      `select trim_scale(t.debit_total) || ' ' || trim_scale(t.credit_total) as total
      from saldo.account as a join saldo_private.account_total as t on t.account_id = a.id
      where a.code = $1`,
      [code],
    )
  ).rows[0]?.total;
/** Of the books; that a test has added a trigger is found too, and meant. */
const broken = async () =>
  (await brokenRules(database.pool)).filter((rule) => rule !== "engine_configuration");
const entries = (amount: number) => `select saldo.post_entries('[{"description": "Sale", "lines": [
  {"account_id": 1, "debit": "${amount}"}, {"account_id": 2, "credit": "${amount}"}]}]')`;

test.serial("no setting of a session keeps what it posts from its balances", async (t) => {
  const forge = "select set_config('saldo.moves', '0', true)";
  for (const call of [
    entries(1),
    "select saldo.transfer_many(array[(1, 2, 1, null, null, null)]::saldo.transfer_request[])",
    "select saldo.transfer(1, 2, 1)",
    "select saldo.transfer(1, 3, 1)",
    "select saldo.top_up(1, 9)",
    "select saldo.purchase_with_balance_deduction(1, 1, 5)",
    "select saldo.submit_transaction(3, 1, 'credit', 2)",
    "select saldo.settle_sub_balances()",
    `select saldo.reverse_entry(e.id, 'Mistake') from saldo.journal_entry as e
    where e.source = 'transfer' order by e.id desc limit 1`,
  ]) {
    await admin(forge, call);
    t.deepEqual(await broken(), [], call);
  }
});

test.serial(
  "a trigger of the user's that posts within a posting moves what is its own",
  async (t) => {
    await database.pool.query(`
    create function public.charge() returns trigger language plpgsql as $$
    begin
      if NEW.description = 'Charged' then
        perform saldo.transfer(1, 4, 2, 'Fee');
        ${entries(3).replace("select", "perform")};
        begin
          perform saldo.transfer(4, 1, 1000000, 'Too much');
        exception
          when sqlstate 'SB001' then null;
        end;
      end if;
      return NEW;
    end $$;
    create function public.charge_line() returns trigger language plpgsql as $$
    begin
      if NEW.debit = 77 then
        perform saldo.transfer(1, 4, 2, 'Fee');
        ${entries(3).replace("select", "perform")};
      end if;
      return NEW;
    end $$;
    create trigger a_charge before insert on saldo.journal_entry
      for each row execute function public.charge();
    create trigger z_charge after insert on saldo.journal_entry
      for each row execute function public.charge();
    create trigger a_charge before insert on saldo.journal_line
      for each row execute function public.charge_line();
    create trigger z_charge after insert on saldo.journal_line
      for each row execute function public.charge_line();
  `);
    try {
      await admin("select saldo.transfer(1, 2, 77, 'Charged')");
      await admin("select saldo.transfer(1, 3, 77, 'Charged')");
      t.deepEqual(await broken(), []);
      t.is(await total("fees"), "0 16");
    } finally {
      await database.pool.query(`
      drop function public.charge() cascade; drop function public.charge_line() cascade`);
    }
  },
);

test.serial("a trigger that is made while a posting waits finds it refused", async (t) => {
  const before = [await total("till"), await total("owner")];
  const holder = await database.pool.connect();
  try {
    await holder.query("begin; select from saldo.account where id in (1, 2) for update");
    const waiting = errorCode(admin("select saldo.transfer(1, 2, 40)"));
    const isWaiting = `select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    while ((await database.pool.query(isWaiting)).rows.length === 0);
    await database.pool.query(`
      create function public.swallow() returns trigger language plpgsql as 'begin return null; end';
      create trigger zz_swallow before insert on saldo.journal_line
        for each row execute function public.swallow()`);
    await holder.query("commit");
    t.is(await waiting, "SB015");
  } finally {
    holder.release();
    await database.pool.query(`drop trigger if exists zz_swallow on saldo.journal_line;
      drop function if exists public.swallow`);
  }
  t.deepEqual([await total("till"), await total("owner")], before);
  await admin("select saldo.transfer(1, 2, 40)");
});

test.serial("a posting is usual again once a trigger is gone", async (t) => {
  const client = await database.pool.connect();
  /** How often the two functions that write what is usual have been called so far. */
  const counts = async () => {
    const { rows } = await client.query<{ count: number }>(`
      select coalesce(max(f.calls), 0)::integer as count
      from unnest(array['post_pair__write', 'post_to_hot_on__write']) as name
      left join pg_stat_xact_user_functions as f on f.funcname = name
      group by name
      order by name`);
    return rows.map(({ count }) => count);
  };
  /** By the session that has their plans; in one transaction, as its end may set counts back. */
  const calls = async () => {
    await client.query("begin");
    const before = await counts();
    await client.query(`set local role saldo_admin; select saldo.transfer(1, 2, 1);
      select saldo.top_up(1, 5); select saldo.purchase_with_balance_deduction(1, 1, 5); reset role`);
    const after = await counts();
    await client.query("commit");
    return after.map((count, index) => count - (before[index] ?? 0));
  };
  try {
    await client.query("set track_functions = 'pl'");
    const usual = await calls();
    t.true(
      usual.every((count) => count > 0),
      `${usual}`,
    );
    for (const table of ["journal_entry", "journal_line", "month_movement", "account"]) {
      await database.pool.query(`
        create function public.pass() returns trigger language plpgsql as 'begin return new; end';
        create trigger pass before insert or update on saldo.${table}
          for each row execute function public.pass()`);
      t.deepEqual(await calls(), [0, 0], table);
      await database.pool.query("drop function public.pass cascade");
      t.deepEqual(await calls(), usual, table);
    }
  } finally {
    await client.query("reset track_functions");
    client.release();
  }
  t.deepEqual(await broken(), []);
});

test.serial("a rule of the user's on what a posting writes does not stop it", async (t) => {
  await database.pool.query(`create table public.seen (id uuid);
    grant insert on public.seen to saldo_owner;
    create rule zz_see as on insert to saldo.journal_line
      do also insert into public.seen values (new.entry_id)`);
  try {
    await admin("select saldo.transfer(1, 2, 3)");
    const { rows } = await database.pool.query("select count(*) from public.seen");
    t.deepEqual(rows, [{ count: "2" }]);
  } finally {
    await database.pool.query("drop rule zz_see on saldo.journal_line; drop table public.seen");
  }
});

test.serial("lines that join a pair later in its transaction are refused", async (t) => {
  const client = await database.pool.connect();
  try {
    const join = `insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit)
      select l.account_id, l.posting_date, l.entry_id, 3, 5 from saldo.journal_line as l
      join saldo.journal_entry as e on e.id = l.entry_id and e.description = 'Joined'
      where l.line_no = 1`;
    await client.query("begin; select saldo.transfer(1, 2, 5, 'Joined')");
    t.is(await errorCode(client.query(join)), "SB107");
    await client.query("rollback");
  } finally {
    client.release();
  }
});

test.serial("the first posting of a month makes the months that are missing", async (t) => {
  const at = (day: string) => `occurred_at => '2026-${day}T12:00:00+07:00'`;
  await admin(
    `select saldo.transfer(1, 2, 10, ${at("03-10")})`,
    `select saldo.transfer(1, 4, 10, ${at("03-11")})`,
    `select saldo.transfer(4, 2, 1, ${at("04-30")})`,
    `select saldo.transfer(4, 1, 1, ${at("04-01")})`,
  );
  const { rows } = await database.pool.query(
    `select account_id::integer as account, month::text, line_count::integer as lines
    from saldo.month_movement
    where month between '2026-03-01' and '2026-04-01' order by month, account_id`,
  );
  t.deepEqual(
    rows.map(({ account, month, lines }) => `${month.slice(5, 7)} ${account} ${lines}`),
    ["03 1 2", "03 2 1", "03 4 1", "04 1 1", "04 2 1", "04 4 2"],
  );
  t.deepEqual(await broken(), []);
});

test.serial("each isolation level posts the same", async (t) => {
  const [debit, credit] = ((await total("fees")) ?? "").split(" ").map(Number);
  for (const level of ["read committed", "repeatable read", "serializable"]) {
    await database.pool.query(
      `begin isolation level ${level}; select saldo.transfer(1, 4, 1); commit`,
    );
  }
  t.is(await total("fees"), `${debit} ${(credit ?? 0) + 3}`);
  t.deepEqual(await broken(), []);
});

test.serial("a month that somebody makes meanwhile is moved, and not made twice", async (t) => {
  await database.pool.query(`
    select saldo.create_member('second', 'Second');
    select saldo.top_up(2, 100, occurred_at => '2026-01-15T12:00:00+07:00');
    select saldo.purchase_with_balance_deduction(2, 1, 5, occurred_at => '2026-01-16T12:00:00+07:00');
  `);
  const [first, second] = [await database.pool.connect(), await database.pool.connect()];
  try {
    const buy = "select saldo.purchase_with_balance_deduction(2, 1, 5)";
    await first.query(`begin; ${buy}`);
    const { rows } = await second.query("select pg_backend_pid() as pid");
    const waiting = second.query(buy);
    for (let blocked = false; !blocked; ) {
      const state = await first.query("select cardinality(pg_blocking_pids($1)) > 0 as blocked", [
        rows[0].pid,
      ]);
      blocked = state.rows[0].blocked;
    }
    await first.query("commit");
    await waiting;
  } finally {
    first.release();
    second.release();
  }
  const { rows } = await database.pool.query(
    `select trim_scale(m.debit)::text as debit, m.line_count::integer as lines
    from saldo.month_movement as m join saldo.member as b on b.account_id = m.account_id
    where b.id = 2 and m.month > '2026-02-01'`,
  );
  t.deepEqual(rows, [{ debit: "10", lines: 2 }]);
  t.deepEqual(await broken(), []);
});

test("whatever else brings lines leaves them to the trigger first", (t) => {
  const counts = (readdirSync("sql", { recursive: true }) as string[])
    .filter((file) => file.endsWith(".sql"))
    .map((file) => {
      const text = readFileSync(`sql/${file}`, "utf8");
      const inserts = text.split("insert into saldo.journal_line").length;
      return {
        file,
        missing: inserts - text.split("perform saldo_private.leave_moves_to_trigger()").length,
      };
    })
    .filter(({ missing }) => missing > 0);
  t.deepEqual(
    counts.toSorted((one, other) => one.file.localeCompare(other.file)),
    [
      { file: "ledger/post_pair.sql", missing: 1 },
      { file: "ledger/post_to_hot.sql", missing: 1 },
    ],
  );
});
