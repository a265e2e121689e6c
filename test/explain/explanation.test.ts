import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { check, forced } from "../_support/faults.ts";

/** What nobody recorded, or only in part, and the causes that are told of it. */
interface Case {
  name: string;
  /** SQL of a superuser whose session has silenced the ordinary triggers. */
  plant: string;
  /** What the engine does before that. */
  before?: string;
  /** What it does after that, and before the check. */
  after?: string;
  /** Rule and account (or key) that are looked at. */
  rule: string;
  key: string;
  /** Causes with their confidence, ranked. */
  causes: string[];
  tells: RegExp[];
}

/** As if the guard had been dropped: nothing is recorded of what is done. */
const unseen = (table: string, text: string) =>
  `alter table ${table} disable trigger user; ${text}; alter table ${table} enable trigger user;
  select saldo_test_always()`;
const newest =
  "(select id from saldo.journal_entry where source = 'transfer' order by id desc limit 1)";
const idOf = (code: string) => `(select id from saldo.account where code = '${code}')`;

/** Posted by way of the trigger, as a usual transfer is not. */
const posted = (amount: number) => `select saldo.post_entries('[{"description": "Sale", "lines": [
  {"account_id": 1, "debit": "${amount}"}, {"account_id": 2, "credit": "${amount}"}]}]')`;

const cases: Case[] = [
  {
    name: "the trigger is off, and what was posted since is the difference",
    plant: "alter table saldo.journal_line disable trigger auto_sync_balance_on_posting",
    after: `${posted(30)}; ${posted(12)}`,
    rule: "account_balance",
    key: "1",
    causes: ["sync_trigger_disabled likely", "journal_changed likely"],
    tells: [
      /^The posting trigger is off: what was posted from 2.* to 2.* \(lines: 2\) did not move the/,
      /it is disabled; transaction \d+ altered it last, between 2.*, when the entry before was posted and 2.*, when the next one was; check [0-9a-f-]{36} saw it on at 2/,
    ],
  },
  {
    name: "the trigger itself is a finding that says since when",
    plant: "alter table saldo.journal_line disable trigger auto_sync_balance_on_posting",
    after: posted(30),
    rule: "engine_configuration",
    key: "trigger auto_sync_balance_on_posting on journal_line",
    causes: ["sync_trigger_disabled certain"],
    tells: [
      /it is disabled; transaction \d+ altered it last, between 2.* and 2.*; check .* saw it/,
    ],
  },
  {
    name: "a trigger that is gone leaves the check that saw it last",
    plant: "drop trigger auto_sync_balance_on_posting on saldo.journal_line",
    after: posted(30),
    rule: "account_balance",
    key: "2",
    causes: ["sync_trigger_disabled likely", "journal_changed likely"],
    tells: [/Of the trigger: it is missing; check [0-9a-f-]{36} saw it on at 2/],
  },
  {
    name: "a line is missing, and nobody recorded that",
    plant: unseen(
      "saldo.journal_line",
      `delete from saldo.journal_line where entry_id = ${newest} and line_no = 1`,
    ),
    rule: "account_balance",
    key: "1",
    causes: ["missing_item likely", "journal_changed likely"],
    tells: [
      /was posted with 2 lines and has 1; it lacks debit 40, which is exactly the difference/,
    ],
  },
  {
    name: "lines of two entries are missing, which are the difference together",
    before: "select saldo.transfer(1, 2, 7); select saldo.transfer(1, 2, 9)",
    plant: unseen(
      "saldo.journal_line",
      "delete from saldo.journal_line where account_id = 2 and credit in (7, 9)",
    ),
    rule: "account_balance",
    key: "2",
    causes: ["missing_item likely", "journal_changed likely"],
    tells: [
      /Lines of 2 entries are missing, and make exactly the difference of 16: 7 line missing/,
    ],
  },
  {
    name: "several writes are the difference together",
    plant: `update saldo.account set debit_total = debit_total + 5 where id = 1;
      update saldo.account set debit_total = debit_total + 6 where id = 1`,
    rule: "account_balance",
    key: "1",
    causes: ["out_of_band_write certain"],
    tells: [/^2 writes make exactly the difference; the last: update of account \(till\)/],
  },
  {
    name: "a recorded write is not all of it",
    plant: `update saldo.account set debit_total = debit_total + 5 where id = 1;
      ${unseen("saldo.account", "update saldo.account set debit_total = debit_total + 1 where id = 1")}`,
    rule: "account_balance",
    key: "1",
    causes: ["out_of_band_write possible"],
    tells: [/^Recorded, and not exactly the difference: update of account/],
  },
  {
    name: "a total that stands alone was forced, though nobody recorded it",
    before: "select saldo.place_hold(3, 60)",
    plant: unseen("saldo.account", "update saldo.account set credit_total = 1001 where id = 3"),
    rule: "account_balance",
    key: "3",
    causes: ["cache_forced likely"],
    tells: [/^Months and journal agree against the totals: these were forced\.$/],
  },
  {
    name: "nothing is invented where nothing was recorded and no two agree",
    plant: `${unseen("saldo.account", "update saldo.account set credit_total = 1001 where id = 3")};
      ${unseen("saldo.month_movement", "update saldo.month_movement set credit = 1002 where account_id = 3")}`,
    rule: "account_balance",
    key: "3",
    causes: [],
    tells: [/^No recorded event explains this difference\.$/],
  },
  {
    name: "holds that were taken from the balance are a set that fits",
    before: "select saldo.place_hold(3, 60), saldo.place_hold(3, 25), saldo.place_hold(3, 100)",
    plant: unseen(
      "saldo.account",
      "update saldo.account set debit_total = debit_total + 85 where id = 3",
    ),
    rule: "account_balance",
    key: "3",
    causes: ["uncounted_items likely"],
    tells: [/^60 HELD \(hold .*\) \+ 25 HELD \(hold .*\) is exactly the difference of 85/],
  },
  {
    name: "an ended hold still counts",
    before: "select saldo.void_hold((saldo.place_hold(3, 60)).id); select saldo.place_hold(3, 25)",
    plant: unseen("saldo.account", "update saldo.account set held_total = 85 where id = 3"),
    rule: "held_total",
    key: "3",
    causes: ["uncounted_items likely"],
    tells: [/^60 VOIDED \(hold .*\) is exactly the difference of 60: ended ones still count/],
  },
  {
    name: "an entry is doubled, and nobody recorded that",
    before: "select saldo.seal_journal()",
    plant: unseen(
      "saldo.journal_line",
      `insert into saldo.journal_entry
      select (jsonb_populate_record(e, jsonb_build_object('id',
        '01900000-0000-7000-8000-000000000001'))).*
      from saldo.journal_entry as e where id = ${newest};
      insert into saldo.journal_line
      select account_id, posting_date, '01900000-0000-7000-8000-000000000001', line_no, debit,
        credit from saldo.journal_line where entry_id = ${newest}`,
    ),
    rule: "month_movement",
    key: "1",
    causes: ["sync_trigger_disabled likely", "doubled_item likely", "journal_changed likely"],
    // No seal knows it; where others were writing while it was sealed, its row tells.
    tells: [/The first is too much: it(s lines arrived later| says that it was posted before the)/],
  },
  {
    name: "a purchase whose record is gone",
    before: `select saldo.create_product('p', 'P', 100);
      select saldo.purchase_with_balance_deduction(1, 1, 100)`,
    plant: "delete from saldo.purchase",
    rule: "purchase_entry",
    key: "",
    causes: ["out_of_band_write likely", "unrecorded_item likely"],
    tells: [
      /^Follows from rows .* Written past the engine: delete of purchase/,
      /^Entry .* took effect, and its record is gone: no purchase/,
    ],
  },
  {
    name: "a sheet that follows from a wrong total",
    plant: "update saldo.account set debit_total = debit_total + 5 where id = 1",
    rule: "balance_sheet",
    key: "IDR",
    causes: ["out_of_band_write certain"],
    tells: [
      /^Follows from a finding of account_balance: Exactly the difference: update of account/,
    ],
  },
  {
    name: "an account that a wrong total has below its minimum",
    plant: "update saldo.account set debit_total = debit_total + 5000 where id = 3",
    rule: "min_balance",
    key: "3",
    causes: ["out_of_band_write certain"],
    tells: [
      /^Follows from a finding of account_balance: Exactly the difference: update of account/,
    ],
  },
];

for (const { name, before, plant, after, rule, key, causes, tells } of cases) {
  test(name, async (t) => {
    const database = await openTestDatabase(2);
    const { pool } = database;
    // The guard's own triggers fire always: enabling all of a table makes them ordinary ones.
    await pool.query(`
      create function saldo_test_always() returns void language plpgsql as $$
      declare
        v_trigger record;
      begin
        for v_trigger in
          select t.tgrelid::regclass as name, t.tgname
          from pg_trigger as t
          where t.tgname ~ '^(record_bypass|guard_)' and t.tgenabled <> 'A'
        loop
          execute format('alter table %s enable always trigger %I', v_trigger.name,
            v_trigger.tgname);
        end loop;
      end $$;
      select saldo.open_account('till', 'Till', 'asset'), saldo.open_account('sales', 'Sales', 'revenue');
      select saldo.create_member('m', 'M');
      select saldo.transfer(1, 2, 100);
      select saldo.transfer(1, 2, 40);
      select saldo.top_up(1, 1000);
    `);
    t.is(await pool.query(`select ${idOf("till")} as id`).then(({ rows }) => rows[0].id), "1");
    if (before) await pool.query(before);
    t.is((await check(pool)).status, "healthy");
    await forced(pool, (client) => client.query(plant));
    if (after) await pool.query(after);

    const { id } = await check(pool);
    const { rows } = await pool.query(
      `select f.explanation as first, e.cause, e.confidence, e.explanation
      from saldo.finding as f
      left join saldo.finding_explanation as e on e.finding_id = f.id
      where f.check_run_id = $1 and f.rule = $2 and f.key like $3 || '%'
      order by e.rank`,
      [id, rule, key],
    );
    t.deepEqual(
      rows.filter(({ cause }) => cause).map(({ cause, confidence }) => `${cause} ${confidence}`),
      causes,
    );
    const told = [rows[0]?.first, ...rows.map(({ explanation }) => explanation)];
    for (const pattern of tells) {
      t.true(
        told.some((text) => pattern.test(text)),
        `${pattern} in ${told.join("\n")}`,
      );
    }
    await database.close();
  });
}
