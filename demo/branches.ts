import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "pg";
import { takeKey } from "../src/branch/push/enrol.ts";
import { openCentre } from "./branch_centre.ts";
import { DemoTill } from "./branch_till.ts";
import { one } from "./incident.ts";

type Say = (line: string) => void;

interface Branch {
  id: string;
  code: string;
  cash: string;
  tills: DemoTill[];
}

const money = (amount: number | string) => Number(amount).toLocaleString("en");

/** Plays a day of three branches whose network is down for hours; the client is a superuser's. */
export async function tellBranches(
  client: Client,
  say: Say,
  connectionString: string,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "saldo-branches-"));
  const centre = await openCentre(connectionString);
  const branches: Branch[] = [];
  try {
    say("1. Morning: a centre and three branches, one of them with two tills");
    for (const [code, tillCount] of [
      ["JKT-01", 1],
      ["BDG-01", 2],
      ["SBY-01", 1],
    ] as const) {
      branches.push(await openBranch(client, centre.address, root, code, tillCount));
    }
    const [jakarta, bandung, surabaya] = branches as [Branch, Branch, Branch];
    for (const till of allTills(branches)) till.sell(150_000);
    await pushAll(branches, say);
    surabaya.tills[0]?.backUp();
    say("   SBY-01 keeps a copy of its store");

    say("");
    say("2. The network is down; the tills go on selling");
    await centre.cutLine();
    const paper = sellOffline(branches);
    await sayOutage(client, { jakarta, bandung, surabaya }, paper, say);
    await pushAll(branches, say);

    say("");
    say("3. The network is back: each till hands over what waits");
    await centre.mendLine();
    await pushAll(branches, say);
    await sayCash(client, branches, say);

    say("");
    say("4. What the centre lists, each with its reason");
    await sayTroubles(client, say);

    say("");
    say("5. A person decides");
    await decide(client, { bandung, surabaya }, say);
    await pushAll(branches, say);

    say("");
    say("6. The end of the day");
    await sayCash(client, branches, say);
    await sayEnd(client, say);
  } finally {
    for (const { store } of allTills(branches)) store.close();
    await centre.close();
    await rm(root, { recursive: true, force: true });
  }
}

const allTills = (branches: Branch[]) => branches.flatMap(({ tills }) => tills);

async function openBranch(
  client: Client,
  address: string,
  root: string,
  code: string,
  tillCount: number,
): Promise<Branch> {
  const { id, cash_account_id: cash } = await one<{ id: string; cash_account_id: string }>(
    client,
    "select id, cash_account_id from saldo.create_branch($1, $1)",
    [code],
  );
  for (const [flow, category, type] of [
    ["IN", "Sales", "revenue"],
    ["OUT", "Supplies", "expense"],
  ]) {
    await client.query(
      `select saldo.set_posting_rule($1, $2, (saldo.open_account($3, $3, $4)).id, $5)`,
      [flow, category, `${category?.toLowerCase()}:${code}`, type, id],
    );
  }
  const tills: DemoTill[] = [];
  for (let number = 1; number <= tillCount; number += 1) {
    const till = new DemoTill(root, tillCount === 1 ? code : `${code} till ${number}`);
    const issued = await one<{ code: string }>(
      client,
      "select code from saldo.issue_enrolment_code($1)",
      [id],
    );
    await till.enrol(address, issued.code);
    tills.push(till);
  }
  return { id, code, cash, tills };
}

/** 200 rows that nobody but the tills knows; gives what SBY-01 has on paper only, later. */
function sellOffline(branches: Branch[]): number[] {
  const tills = allTills(branches);
  const paper: number[] = [];
  for (let number = 0; number < 194; number += 1) {
    const till = tills[number % tills.length] as DemoTill;
    const amount = 5000 + 500 * (number % 37);
    if (number % 9 === 8) till.spend(amount);
    else {
      till.sell(amount);
      if (till === tills.at(-1)) paper.push(amount);
      continue;
    }
    if (till === tills.at(-1)) paper.push(-amount);
  }
  return paper;
}

interface Places {
  jakarta: Branch;
  bandung: Branch;
  surabaya: Branch;
}

async function sayOutage(
  client: Client,
  { jakarta, bandung, surabaya }: Places,
  paper: number[],
  say: Say,
): Promise<void> {
  const [first, second] = bandung.tills as [DemoTill, DemoTill];
  for (const amount of [12_000, 8000, 20_000, 9500]) first.sell(amount, "Parking");
  say("   BDG-01 sells under Parking, a category that the centre has no rule for");
  const order = randomUUID();
  first.sell(50_000, "Sales", order);
  second.sell(55_000, "Sales", order);
  say("   an order app hands one order to both tills of BDG-01, with 50,000 and with 55,000");
  const { key } = await one<{ key: string }>(
    client,
    `select saldo.rotate_branch_key((select id from saldo.branch_device where branch_id = $1))
      as key`,
    [jakarta.id],
  );
  takeKey((jakarta.tills[0] as DemoTill).store, key);
  say("   the key of JKT-01 is replaced; its till is told the new one by telephone");

  const till = surabaya.tills[0] as DemoTill;
  till.restore();
  say(
    `   the disk of SBY-01 dies: the copy of the morning lacks ${paper.length} rows, ` +
      `and is noticed as a copy (epoch ${till.store.chain.epoch_no})`,
  );
  for (const amount of paper) {
    if (amount < 0) till.spend(-amount);
    else till.sell(amount);
  }
  say(`   the cashier enters them again from the receipts`);
  const rows = allTills([jakarta, bandung, surabaya]).map(({ store }) => store.queue().waiting);
  say(`   ${rows.reduce((sum, each) => sum + each, 0)} rows wait for the network`);
}

async function pushAll(branches: Branch[], say: Say): Promise<void> {
  for (const till of allTills(branches)) {
    const before = till.store.queue().waiting;
    const error = await till.push();
    const { waiting, attention } = till.store.queue();
    const sent = error === null ? `${before - waiting} rows sent` : `not reached (${error})`;
    const trouble = attention === 0 ? "" : `, ${attention} need a person`;
    say(`   ${till.name.padEnd(13)}  ${sent}, ${waiting} wait${trouble}`);
  }
}

async function sayCash(client: Client, branches: Branch[], say: Say): Promise<void> {
  for (const { code, cash, tills } of branches) {
    const atTills = tills.reduce((sum, { store }) => sum + store.summary().balance, 0);
    const { balance } = await one<{ balance: string }>(
      client,
      "select balance from saldo.account where id = $1",
      [cash],
    );
    const difference = Number(balance) - atTills;
    say(
      `   ${code}: cash at the tills ${money(atTills)}, at the centre ${money(balance)}` +
        (difference === 0 ? ", equal" : `, difference ${money(difference)}`),
    );
  }
}

async function sayTroubles(client: Client, say: Say): Promise<void> {
  const { rows } = await client.query(
    `select b.code, i.category, i.verdict, i.verdict_reason as reason, count(*)::int as count,
      sum(i.amount)::text as amount
    from saldo.branch_intake as i
    join saldo.branch as b on b.id = i.branch_id
    where i.verdict <> 'accepted' or i.is_suspense
    group by 1, 2, 3, 4 order by 1, 2`,
  );
  for (const { code, category, verdict, reason, count, amount } of rows) {
    const what = verdict === "accepted" ? "in suspense: no rule" : `${verdict}: ${reason}`;
    say(`   ${code}  ${count} × ${category}, ${money(amount)}, ${what}`);
  }
  const gaps = await client.query("select * from saldo.branch_gaps()");
  for (const { branch_code, epoch_no, first_seq, last_seq } of gaps.rows) {
    say(
      `   ${branch_code}  rows ${first_seq} to ${last_seq} of epoch ${epoch_no} were told of, ` +
        "and never came",
    );
  }
}

async function decide(
  client: Client,
  { bandung, surabaya }: Pick<Places, "bandung" | "surabaya">,
  say: Say,
): Promise<void> {
  await client.query(
    `select saldo.set_posting_rule('IN', 'Parking',
      (saldo.open_account('parking:BDG-01', 'Parking', 'revenue')).id, $1)`,
    [bandung.id],
  );
  const moved = await one<{ rows: number; amount: string }>(
    client,
    "select sum(row_count)::int as rows, sum(amount)::text as amount from saldo.repost_suspense()",
  );
  say(`   Parking has a rule: ${moved.rows} rows, ${money(moved.amount)}, leave suspense`);

  await client.query(
    `select saldo.resolve_conflict(i.id, false, 'the app took the order once, for 50,000')
    from saldo.branch_intake as i where i.verdict = 'conflict'`,
  );
  const second = bandung.tills[1] as DemoTill;
  await second.push();
  const [refused] = second.store.find({ page: 1, limit: 1, standing: "attention" }).facts;
  say(
    `   the order counts once; ${second.name} hears "${refused?.verdict}", and takes its row back`,
  );
  second.store.addVoid({ voids: refused?.id ?? "", reason: "sold at till 1" });

  const { rows } = await client.query(
    `select saldo.waive_branch_gap(g.device_id, g.epoch_no, g.first_seq, g.last_seq,
      'the disk was lost; entered again from the receipts')
    from saldo.branch_gaps($1) as g`,
    [surabaya.id],
  );
  say(`   ${rows.length} gap of SBY-01 is waived, by name and with the reason`);
}

async function sayEnd(client: Client, say: Say): Promise<void> {
  const { rows } = await client.query("select * from saldo.branch_gaps()");
  say(`   gaps: ${rows.length === 0 ? "none" : rows.length}`);
  const run = await one<{ id: string; status: string; rule_count: number }>(
    client,
    "select id, status, rule_count from saldo.check_balance_health()",
  );
  say(`   check: ${run.status} (${run.rule_count} rules)`);
  const findings = await client.query(
    "select rule, key, stored, derived from saldo.finding where check_run_id = $1",
    [run.id],
  );
  for (const { rule, key, stored, derived } of findings.rows) {
    say(`   - ${rule} of ${key}: stored ${stored}, derived ${derived}`);
  }
}
