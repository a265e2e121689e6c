import { Client } from "pg";
import type { Driver } from "./driver.ts";
import { connections, median, seconds } from "./measure.ts";
import { transfer } from "./scenarios.ts";

const lines = Number(process.env.BENCH_CHECK_LINES ?? 10_000_000);
const accounts = 20_000;
const entriesPerPart = 100_000;
const newTransfers = 50_000;
const driftedAccounts = 10_000;
const runs = 3;
const postingTurns = 7;

const counted = (count: number) => count.toLocaleString("en");
const percent = (share: number) => `${(share * 100).toFixed(1)}%`;

/** What checks, heals and the guard cost, on a ledger of many lines. */
export async function healthReport(
  client: Client,
  driver: Driver,
  connectionString: string,
  head: readonly string[],
): Promise<string> {
  const postings = await postingRounds(client, driver, connectionString);
  console.log(`growing the ledger by ${counted(lines)} lines`);
  await growLedger(client);
  // The first one learns what later ones compare with.
  await client.query("select saldo.check_balance_health()");
  const sums: number[] = [];
  const checks: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    sums.push(await took(client, sumsByAccount));
    checks.push(await took(client, fullCheck));
  }
  const full = median(checks);
  const incremental = await incrementalSeconds(client);
  const [heal, healWithChecks] = await healSeconds(client);
  const ratio = median(checks.map((check, run) => check / (sums[run] ?? Number.NaN)));
  return [
    "# Health",
    "",
    // The machine; nothing here is compared with the ceiling.
    ...head.slice(0, 1),
    `- ${counted(lines)} lines of ${counted(accounts)} accounts in 60 months`,
    "",
    "| what | seconds | beside | goal |",
    "|---|---:|---|---|",
    `| sums of debits and credits by account | ${median(sums).toFixed(2)} | | |`,
    `| full check | ${full.toFixed(2)} | ${ratio.toFixed(1)} times the sums | at most 3 times |`,
    `| incremental check, ${counted(newTransfers * 2)} new lines | ${incremental.toFixed(2)} ` +
      `| ${percent(incremental / full)} of a full check | at most 5% |`,
    `| heal of ${counted(driftedAccounts)} drifted accounts that a check has found ` +
      `| ${heal.toFixed(2)} | | at most 5 s |`,
    "| auto_heal of as many: the check before, the heal, the look after " +
      `| ${healWithChecks.toFixed(2)} | | |`,
    "",
    ...postingLines(postings),
    "",
  ].join("\n");
}

const sumsByAccount = `select sum(debit), sum(credit) from (
  select account_id, sum(debit) as debit, sum(credit) as credit
  from saldo.journal_line group by account_id) as s`;
const fullCheck = "select status from saldo.check_balance_health()";

/** Seconds that a statement takes; what it returns has to be a healthy check, if it is one. */
async function took(client: Client, text: string): Promise<number> {
  const startedAt = performance.now();
  const { rows } = await client.query(text);
  const seconds = (performance.now() - startedAt) / 1000;
  if (rows[0].status !== undefined && rows[0].status !== "healthy") {
    throw new Error(`${text}: ${rows[0].status}`);
  }
  return seconds;
}

const guarded: [string, string][] = [
  ["account", "guard_cached_balance"],
  ["month_movement", "guard_cached_balance"],
  ["journal_line", "record_bypass_insert"],
];

/** Transfers a second of each turn, round by round. */
interface Rounds {
  plain: number[];
  unguarded: number[];
  checked: number[];
}

/**
 * A transfer as it is, without the guard, and with checks going on all the time: in turns, since
 * what is compared is a few percent, and the machine is seldom alone.
 */
async function postingRounds(
  client: Client,
  driver: Driver,
  connectionString: string,
): Promise<Rounds> {
  const run = () => driver.run(transfer, connections, seconds);
  const turns: Record<keyof Rounds, () => Promise<number>> = {
    plain: run,
    unguarded: () => withoutGuard(client, run),
    checked: () => besideChecks(connectionString, run),
  };
  const figures: Rounds = { plain: [], unguarded: [], checked: [] };
  const names = ["plain", "unguarded", "checked"] as const;
  await driver.run(transfer, connections, 1); // not counted: caches and files warm up
  for (let round = 0; round < postingTurns; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      figures[name].push(await turns[name]());
    }
  }
  return figures;
}

async function withoutGuard<T>(client: Client, work: () => Promise<T>): Promise<T> {
  for (const [name, trigger] of guarded) {
    await client.query(`alter table saldo.${name} disable trigger ${trigger}`);
  }
  const result = await work();
  for (const [name, trigger] of guarded) {
    await client.query(`alter table saldo.${name} enable always trigger ${trigger}`);
  }
  return result;
}

async function besideChecks<T>(connectionString: string, work: () => Promise<T>): Promise<T> {
  const checker = new Client({ connectionString });
  await checker.connect();
  let isMeasuring = true;
  let count = 0;
  const checking = (async () => {
    while (isMeasuring) {
      await checker.query("select saldo.reconcile()");
      count += 1;
    }
  })();
  const result = await work();
  isMeasuring = false;
  await checking;
  await checker.end();
  console.log(`${count} checks meanwhile`);
  return result;
}

function postingLines({ plain, unguarded, checked }: Rounds): string[] {
  const cost = (slower: number[], faster: number[]) =>
    percent(median(slower.map((value, round) => 1 - value / (faster[round] ?? Number.NaN))));
  const line = (name: string, figures: number[], costs: string) =>
    `| ${name} | ${Math.round(median(figures)).toLocaleString("en")} | ${costs} |`;
  return [
    `Transfers, ${postingTurns} turns of ${seconds} s each; a cost is the median of those of the rounds:`,
    "",
    "| scenario | per second | cost |",
    "|---|---:|---|",
    line("transfer", plain, ""),
    line(
      "without the guard",
      unguarded,
      `the guard costs ${cost(plain, unguarded)} (goal: at most 3%)`,
    ),
    line(
      "checks one after the other beside it",
      checked,
      `they cost ${cost(checked, plain)} (goal: at most 10%)`,
    ),
  ];
}

/**
 * Writes lines, totals and months past the triggers, as they would have been posted: ten million
 * postings would take hours.
 */
async function growLedger(client: Client): Promise<void> {
  await client.query(
    `select count(saldo.open_account('check-' || g, 'Check', 'liability'))
    from generate_series(1, $1) as g`,
    [accounts],
  );
  const tables = ["journal_entry", "journal_line", "account", "month_movement"];
  await client.query("begin");
  const { rows: triggers } = await client.query(
    `select c.relname, t.tgname, t.tgenabled from pg_trigger as t
    join pg_class as c on c.oid = t.tgrelid
    where c.relnamespace = 'saldo'::regnamespace and c.relname = any ($1) and not t.tgisinternal`,
    [tables],
  );
  for (const name of tables) await client.query(`alter table saldo.${name} disable trigger user`);
  for (let part = 0; part < lines / 2 / entriesPerPart; part += 1) {
    await client.query(insertPart, [part, entriesPerPart, lines / 2, accounts]);
  }
  await client.query(`insert into saldo.month_movement
    select l.account_id, date_trunc('month', l.posting_date::timestamp)::date, sum(l.debit),
      sum(l.credit), count(*)
    from saldo.journal_line as l join saldo.account as a on a.id = l.account_id
    where a.code like 'check-%' group by 1, 2 order by 2, 1`);
  await client.query(`update saldo.account as a set debit_total = m.debit, credit_total = m.credit
    from (select account_id, sum(debit) as debit, sum(credit) as credit
      from saldo.month_movement group by account_id) as m
    where m.account_id = a.id and a.code like 'check-%'`);
  for (const { relname, tgname, tgenabled } of triggers) {
    const state = tgenabled === "A" ? "enable always" : "enable";
    await client.query(`alter table saldo.${relname} ${state} trigger ${tgname}`);
  }
  await client.query("commit");
  await client.query("vacuum analyze");
}

const insertPart = `
  with entry as (
    insert into saldo.journal_entry (id, occurred_at, posting_date, description, line_count,
      recorded_at, posted_at, posted_by, posted_in)
    select saldo_private.uuid_v7(), t.at, (t.at at time zone 'Asia/Jakarta')::date, 'Bench', 2,
      t.at, t.at, 'bench', pg_current_xact_id()
    from generate_series($1::bigint * $2 + 1, $1::bigint * $2 + $2) as g
    cross join lateral (
      select timestamptz '2020-01-01 00:00+07' + interval '1826 days' * (g / $3::numeric)::float8
        as at
    ) as t
    returning id, posting_date
  )
  insert into saldo.journal_line (account_id, posting_date, entry_id, line_no, debit, credit)
  select first.id + case side.no when 1 then e.at else (e.at + 7) % $4::int end, e.posting_date,
    e.id, side.no, case side.no when 1 then 5 else 0 end, case side.no when 2 then 5 else 0 end
  from (select id, posting_date, (random() * ($4::int - 1))::int as at from entry) as e
  cross join (select min(id) as id from saldo.account where code like 'check-%') as first
  cross join (values (1), (2)) as side (no)`;

async function incrementalSeconds(client: Client): Promise<number> {
  const taken: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    for (let part = 0; part < newTransfers; part += 1000) {
      await client.query(
        `select count(*) from saldo.transfer_many((
          select array_agg((first.id + (g * 37 + $1::bigint) % $2::bigint,
            first.id + (g * 37 + $1::bigint + 11) % $2::bigint, 1, null, null, null
          )::saldo.transfer_request)
          from generate_series(1, 1000) as g
          cross join (select min(id) as id from saldo.account where code like 'check-%') as first
        ))`,
        [part * 13, accounts],
      );
    }
    taken.push(await took(client, "select status from saldo.reconcile()"));
  }
  return median(taken);
}

/** So far only two people raise a limit. */
async function raise(client: Client, name: string, value: number): Promise<void> {
  const { rows } = await client.query("select id from saldo.propose_setting($1, $2, 'bench')", [
    name,
    `${value}`,
  ]);
  await client.query("set saldo.subject = 'another one'");
  await client.query("select saldo.approve_decision($1, 'bench')", [rows[0].id]);
  await client.query("reset saldo.subject");
}

async function healSeconds(client: Client): Promise<[heal: number, withChecks: number]> {
  // So many would wait for another administrator.
  for (const name of ["heal_rule_max_count", "heal_run_max_count"]) {
    await raise(client, name, driftedAccounts);
  }
  await raise(client, "heal_rule_max_percent", 100);
  await drift(client);
  const startedAt = performance.now();
  const { rows } = await client.query("select id, healed_count from saldo.auto_heal(false)");
  const withChecks = (performance.now() - startedAt) / 1000;
  if (rows[0].healed_count !== driftedAccounts) {
    throw new Error(`${rows[0].healed_count} accounts were healed`);
  }
  const times = await client.query(
    `select extract(epoch from h.finished_at - c.finished_at)::float8 as heal
    from saldo.heal_run as h join saldo.check_run as c on c.id = h.check_run_id where h.id = $1`,
    [rows[0].id],
  );
  return [times.rows[0].heal, withChecks];
}

async function drift(client: Client): Promise<void> {
  await client.query("begin");
  await client.query("alter table saldo.account disable trigger user");
  await client.query(
    `update saldo.account set debit_total = debit_total + 1
    where code in (select 'check-' || g from generate_series(1, $1) as g)`,
    [driftedAccounts],
  );
  await client.query("alter table saldo.account enable trigger user");
  await client.query("alter table saldo.account enable always trigger guard_cached_balance");
  await client.query("alter table saldo.account enable always trigger guard_truncate");
  await client.query("commit");
}
