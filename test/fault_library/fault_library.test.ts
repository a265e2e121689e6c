import test, { type ExecutionContext } from "ava";
import type { Pool } from "pg";
import { openTestDatabase } from "../_support/database.ts";
import { check, type Finding, forced, journalDigest } from "../_support/faults.ts";

/** What is done to the books past the engine, and what has to come of it. */
interface Fault {
  name: string;
  /** SQL of a superuser whose session has silenced the ordinary triggers. */
  plant: string;
  /** Rules that have to find it, at least. */
  rules: string[];
  /** Causes of the findings of the first of these rules, ranked, each with its confidence. */
  causes: string[];
  /** What the first of them, and others, have to name. */
  tells: RegExp[];
  /** What the heal does about these. */
  outcome: "healed" | "refused" | "not healed";
  /** Accounts that are frozen afterwards. */
  frozen: readonly string[];
  isHealthyAfter: boolean;
}

const newest =
  "(select id from saldo.journal_entry where source = 'transfer' order by id desc limit 1)";
const copy = `
  insert into saldo.journal_entry (id, occurred_at, posting_date, description, source, line_count,
    posted_at, posted_by, posted_in)
  select '01900000-0000-7000-8000-000000000001', occurred_at, posting_date, description, source,
    line_count, posted_at, posted_by, posted_in
  from saldo.journal_entry where id = ${newest};
  insert into saldo.journal_line
  select account_id, posting_date, '01900000-0000-7000-8000-000000000001', line_no, debit, credit
  from saldo.journal_line where entry_id = ${newest}`;
const journal = { outcome: "refused", isHealthyAfter: false } as const;
const written = "journal_changed certain";
const witnessed = "journal_changed likely";
/** Who wrote, in which transaction, from where, and when. */
const who = /login \w+ \(role \w+, application 'a superuser', from \S+\) in transaction \d+ at 2/;
const copied = "01900000-0000-7000-8000-000000000001";
const cache = { outcome: "healed", frozen: [], isHealthyAfter: true } as const;

const faults: Fault[] = [
  {
    name: "a total is forced",
    plant: "update saldo.account set debit_total = debit_total + 5 where code = 'till'",
    rules: ["account_balance"],
    causes: ["out_of_band_write certain"],
    tells: [who, /^Exactly the difference: update of account \(till\).*debit_total 140 -> 145/],
    ...cache,
  },
  {
    name: "a month's movement is changed",
    plant: `update saldo.month_movement set credit = credit + 5
      where account_id = (select id from saldo.account where code = 'sales')`,
    rules: ["month_movement"],
    causes: ["out_of_band_write certain"],
    tells: [who, /update of month_movement.*credit (100 -> 105|40 -> 45)/],
    ...cache,
  },
  {
    name: "an older state of the months is restored",
    plant:
      "delete from saldo.month_movement; insert into saldo.month_movement select * from old_month",
    rules: ["month_movement"],
    causes: ["out_of_band_write certain"],
    tells: [who, /delete of month_movement.*line_count 1 -> none/],
    ...cache,
  },
  {
    name: "a line is deleted",
    plant: `delete from saldo.journal_line where entry_id = ${newest} and line_no = 1`,
    rules: ["account_balance", "entry_balance", "entry_lines", "month_movement", "trial_balance"],
    causes: [written, "missing_item likely", witnessed],
    tells: [
      who,
      /delete of journal_line \(line 1 of entry .*debit 40 -> none/,
      /entry .* \(Transfer, posted at .*\) was posted with 2 lines and has 1; it lacks debit 40, which/,
    ],
    ...journal,
    frozen: ["till"],
  },
  {
    name: "the amount of a line is changed",
    plant: `update saldo.journal_line set debit = debit + 1 where entry_id = ${newest} and debit > 0`,
    rules: ["account_balance", "entry_balance", "month_movement", "trial_balance"],
    causes: [written, witnessed],
    tells: [who, /update of journal_line \(line 1 of entry .*debit 40 -> 41/],
    ...journal,
    frozen: ["till"],
  },
  {
    name: "an entry is doubled",
    plant: copy,
    rules: ["account_balance", "month_movement"],
    causes: [written, "doubled_item certain", witnessed],
    tells: [
      who,
      new RegExp(`insert of journal_line .*entry ${copied}.* none -> 40`),
      new RegExp(
        `${copied} .* is the same as .*The first is too much: it was inserted by a recorded`,
      ),
    ],
    ...journal,
    frozen: ["sales", "till"],
  },
  {
    name: "entries are posted while the posting trigger is off",
    plant: `alter table saldo.journal_line disable trigger user; ${copy};
      alter table saldo.journal_line enable trigger user;
      alter table saldo.journal_line enable always trigger record_bypass_insert;
      alter table saldo.journal_line enable always trigger record_bypass;
      alter table saldo.journal_line enable always trigger record_bypass_truncate`,
    rules: ["account_balance", "month_movement"],
    causes: ["sync_trigger_disabled likely", "doubled_item likely", witnessed],
    tells: [
      /^The posting trigger was altered, and is on again: .* is exactly the difference/,
      /transaction \d+ altered it last, between 2.*, when the entry before was posted and now/,
      /check [0-9a-f-]{36} saw it on at 2/,
      new RegExp(`${copied} .*The first is too much: its lines arrived later than it says`),
    ],
    ...journal,
    frozen: ["sales", "till"],
  },
  {
    name: "a pending row is deleted",
    plant: "delete from saldo.sub_balance where seq = 2",
    rules: ["sub_balance", "account_slot", "row_seal"],
    causes: ["out_of_band_write likely", "missing_item likely"],
    tells: [
      /Missing in slot \d: row 2, written between 2.* and 2/,
      /The slot still counts debit 0 and credit 2 for it/,
      /Written past the engine: delete of sub_balance/,
    ],
    outcome: "not healed",
    frozen: ["float"],
    isHealthyAfter: false,
  },
  {
    name: "a sealed month is changed",
    plant: "update saldo.closing_snapshot set debit_total = debit_total + 1",
    rules: ["closing_snapshot"],
    causes: ["record_changed likely"],
    tells: [/totals of (a|the) closed period/],
    outcome: "not healed",
    frozen: [],
    isHealthyAfter: false,
  },
  {
    name: "a clock that was ahead is set back",
    plant: "update saldo.check_run set finished_at = finished_at + interval '30 days'",
    rules: ["clock"],
    causes: ["clock_set_back certain"],
    tells: [/^The clock was set back: the latest check is dated 2.*, 2\d{6}(\.\d+)? seconds later/],
    outcome: "not healed",
    frozen: [],
    isHealthyAfter: false,
  },
  {
    name: "everything is truncated, caches with the journal",
    plant: `truncate saldo.journal_line, saldo.journal_entry, saldo.month_movement;
      update saldo.account set debit_total = 0, credit_total = 0;
      truncate saldo_private.account_stripe`,
    rules: ["journal_seal"],
    causes: ["journal_changed likely"],
    tells: [/2 writes are recorded, the last: truncate of journal_entry past the guard by/],
    outcome: "not healed",
    frozen: [],
    isHealthyAfter: false,
  },
];

/** A till that sells, a hot account with rows, a closed month, and seals. */
async function openBooks() {
  const database = await openTestDatabase(2);
  await database.pool.query(`
    select saldo.open_account('till', 'Till', 'asset'), saldo.open_account('sales', 'Sales', 'revenue');
    select saldo.transfer(1, 2, 100, occurred_at => '2025-01-10');
    create table old_month as select * from saldo.month_movement;
    select saldo.transfer(1, 2, 40, occurred_at => '2025-02-10');
    select saldo.open_account('float', 'Float', 'liability');
    select saldo.make_account_hot((select id from saldo.account where code = 'float'), 2);
    select saldo.submit_transaction(
      (select id from saldo.account where code = 'float'), g, 'credit'
    ) from generate_series(1, 6) as g;
    select saldo.close_period('2025-01-01');
    select saldo.seal_journal();
  `);
  return database;
}

const outcomesOf = async (pool: Pool, rule: string) =>
  (
    await pool.query(
      "select distinct outcome::text from saldo.heal_action where rule = $1 order by 1",
      [rule],
    )
  ).rows.map(({ outcome }) => outcome);

/** Finding, ranked causes and expectation agree. */
async function assertExplained(t: ExecutionContext, pool: Pool, finding: Finding, fault: Fault) {
  const { rows: ranked } = await pool.query(
    `select cause, confidence, explanation, evidence
    from saldo.finding_explanation where finding_id = $1 order by rank`,
    [finding.id],
  );
  t.deepEqual(
    ranked.map(({ cause, confidence }) => `${cause} ${confidence}`),
    fault.causes,
  );
  const [first] = ranked;
  t.is(finding.cause, first?.cause ?? "unknown");
  if (first) {
    t.is(finding.explanation, `${first.explanation} (${first.confidence})`);
    t.deepEqual(finding.evidence, [first.evidence].flat());
  }
  const told = first ? ranked.map(({ explanation }) => explanation) : [finding.explanation];
  for (const pattern of fault.tells)
    t.true(
      told.some((text) => pattern.test(text)),
      `${pattern}`,
    );
}

for (const fault of faults) {
  test(`${fault.name}: it is found, explained, and ${fault.outcome}`, async (t) => {
    const database = await openBooks();
    const { pool } = database;
    t.is((await check(pool)).status, "healthy");
    await forced(pool, (client) => client.query(fault.plant));
    const digest = await journalDigest(pool);

    const { findings } = await check(pool);
    const found = new Set(findings.map(({ rule }) => rule));
    t.deepEqual(
      fault.rules.filter((rule) => !found.has(rule)),
      [],
    );
    for (const finding of findings.filter(({ rule }) => rule === fault.rules[0])) {
      await assertExplained(t, pool, finding, fault);
    }

    await pool.query("select saldo.scheduled_maintenance()");
    t.deepEqual(
      await outcomesOf(pool, fault.rules[0] ?? ""),
      fault.outcome === "not healed" ? [] : [fault.outcome],
    );
    const frozen = await pool.query(
      "select code from saldo.account where frozen_at is not null order by code",
    );
    t.deepEqual(
      frozen.rows.map(({ code }) => code),
      fault.frozen,
    );
    t.is((await check(pool)).status, fault.isHealthyAfter ? "healthy" : "unhealthy");
    // Whatever was done to it: the heal leaves the journal as it found it.
    t.is(await journalDigest(pool), digest);
    await database.close();
  });
}

test("slots that are gone are no drift: the next request makes them again", async (t) => {
  const database = await openBooks();
  await database.pool.query("truncate saldo_private.account_slot");
  t.is((await check(database.pool)).status, "healthy");
  await database.pool.query(`select saldo.submit_transaction(
    (select id from saldo.account where code = 'float'), 1, 'credit')`);
  t.is((await check(database.pool)).status, "healthy");
  await database.close();
});

test("a maintenance in steps goes on after one that was broken off, and only one runs", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  await pool.query("select saldo.set_setting('check_slice_lines', '1')");
  await forced(pool, (client) =>
    client.query("update saldo.account set debit_total = debit_total + 5 where code = 'till'"),
  );
  const step = async () => (await pool.query("select * from saldo.continue_maintenance()")).rows[0];
  t.is((await step()).id, null);
  const broken = await pool.connect();
  await broken.query("begin");
  await broken.query("select saldo.continue_maintenance()");
  await t.throwsAsync(pool.query("select saldo.continue_maintenance()"), { code: "SB604" });
  await t.throwsAsync(pool.query("select saldo.scheduled_maintenance()"), { code: "SB604" });
  await broken.query("rollback");
  broken.release();
  const { rows } = await pool.query("select kind, slice_count from saldo.check_progress");
  t.deepEqual(rows, [{ kind: "maintenance", slice_count: 1 }]);
  let run = await step();
  while (run.id === null) run = await step();
  t.is(run.status, "healthy");
  t.deepEqual(await outcomesOf(pool, "account_balance"), ["healed"]);
  t.deepEqual((await pool.query("select from saldo.check_progress")).rows, []);
  await database.close();
});

test("old checks are deleted, those that a heal followed are not", async (t) => {
  const database = await openBooks();
  const { pool } = database;
  await check(pool);
  await pool.query("select saldo.auto_heal(false)");
  await pool.query("update saldo.check_run set finished_at = finished_at - interval '500 days'");
  await check(pool);
  const { rows } = await pool.query("select saldo_private.prune_history()::integer as deleted");
  // The check that the closing made, and the first one here.
  t.is(rows[0].deleted, 2);
  const left = await pool.query("select kind from saldo.check_run order by id");
  t.deepEqual(
    left.rows.map(({ kind }) => kind),
    ["heal", "manual"],
  );
  await database.close();
});
