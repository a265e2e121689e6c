import type { Client } from "pg";
import { sqlOf } from "../src/own_tables/proposal_sql.ts";
import { propose } from "../src/own_tables/propose_rules.ts";
import { one } from "./incident.ts";
import { addCustomers, createShop } from "./shop.ts";

interface Explanation {
  rank: number;
  cause: string;
  confidence: string;
  explanation: string;
}

/**
 * Plays the incident on tables that are not Saldo's, and puts them under a rule; the client is a
 * superuser's, who may grant what the rule needs.
 */
export async function tellAdoption(client: Client, say: (line: string) => void): Promise<void> {
  say("1. A shop with its own tables: users.balance should be what transactions say");
  await createShop(client);
  await addCustomers(client);
  await sayBalance(client, say);

  say("");
  say("2. npx saldo adopt looks at the database, and proposes");
  const proposal = sqlOf(await propose(client));
  for (const line of proposal.trimEnd().split("\n")) say(`   ${line}`.trimEnd());

  say("");
  say("3. Reviewed and run, with a heal that sets the column, and a guard that refuses");
  await client.query(proposal);
  await client.query("grant update (balance) on public.users to saldo_rule_reader");
  await client.query(
    "select saldo.change_balance_rule('users_balance', heal => 'update', guard => 'refuse', writer_roles => '{}')",
  );
  const checkId = await sayCheck(client, say);

  say("");
  say("4. A person has looked at what it finds, and approves that the rule heals");
  await sayRuleApproval(client, checkId, say);

  say("");
  say("5. The heal: first dry, then for good");
  for (const isDryRun of [true, false]) await sayHeal(client, isDryRun, say);
  await sayBalance(client, say);
  await sayCheck(client, say);

  say("");
  say("6. The night script comes again");
  const script = "update public.users set balance = balance - 400000 where id = 1";
  try {
    await client.query(script);
    say("   it was let through");
  } catch (error) {
    const { code, message, hint } = error as Error & { code: string; hint: string };
    say(`   ${code}: ${message} ${hint}`);
  }

  say("");
  say("7. It forces its way: triggers silenced, and the guard's fire always");
  await client.query(
    "alter table public.users enable always trigger saldo_guard_update_users_balance",
  );
  await client.query("begin");
  await client.query("set local session_replication_role = replica");
  await client.query(script);
  await client.query("commit");
  await sayCheck(client, say);
  await sayHeal(client, false, say);

  say("");
  say("8. Wrong again within a day: something keeps writing, so a second administrator decides");
  await sayApproval(client, say);
  await sayCheck(client, say);
}

async function sayRuleApproval(
  client: Client,
  checkId: string,
  say: (line: string) => void,
): Promise<void> {
  const approval = await one<{ row_count: string; differing_count: string }>(
    client,
    "select * from saldo.approve_balance_rule('users_balance', $1, 'member1 is known to be wrong')",
    [checkId],
  );
  say(`   approved: ${approval.differing_count} of ${approval.row_count} rows differ`);
}

async function sayApproval(client: Client, say: (line: string) => void): Promise<void> {
  const { id, reason } = await one<{ id: string; reason: string }>(
    client,
    "select id, reason from saldo.heal_proposal where status = 'proposed'",
  );
  say(`   proposed: ${reason}`);
  await client.query("select set_config('saldo.subject', 'another administrator', false)");
  const { outcome, actor } = await one<{ outcome: string; actor: string }>(
    client,
    "select outcome, actor from saldo.approve_heal($1, 'the night script is off now')",
    [id],
  );
  say(`   ${outcome} by ${actor}`);
}

const money = (amount: unknown) => Number(amount).toLocaleString("en");

async function sayBalance(client: Client, say: (line: string) => void): Promise<void> {
  const { balance, derived } = await one<{ balance: string; derived: string }>(
    client,
    `select balance, (
      select sum(amount) from public.transactions
      where user_id = users.id and status = 'completed'
    ) as derived
    from public.users where id = 1`,
  );
  say(`   member1: balance ${money(balance)}, transactions ${money(derived)}`);
}

async function sayCheck(client: Client, say: (line: string) => void): Promise<string> {
  const run = await one<{ id: string; status: string; rule_count: number }>(
    client,
    "select id, status, rule_count from saldo.check_balance_health()",
  );
  say(`   check: ${run.status} (${run.rule_count} rules)`);
  const { rows } = await client.query(
    `select id, rule, key, stored, derived, difference from saldo.finding
    where check_run_id = $1 order by rule, key`,
    [run.id],
  );
  for (const { id, rule, key, stored, derived, difference } of rows) {
    say(
      `   - ${rule} of ${key}: stored ${money(stored)}, derived ${money(derived)}, ` +
        `difference ${money(difference)}`,
    );
    const causes = await client.query<Explanation>(
      `select rank, cause, confidence, explanation from saldo.finding_explanation
      where finding_id = $1 order by rank`,
      [id],
    );
    for (const { rank, cause, confidence, explanation } of causes.rows) {
      say(`     ${rank}. ${cause} (${confidence}): ${explanation}`);
    }
  }
  return run.id;
}

async function sayHeal(
  client: Client,
  isDryRun: boolean,
  say: (line: string) => void,
): Promise<void> {
  const run = await one<{ id: string }>(client, "select id from saldo.auto_heal($1)", [isDryRun]);
  const { rows } = await client.query(
    "select rule, key, outcome, before, after from saldo.heal_action where heal_run_id = $1",
    [run.id],
  );
  for (const { rule, key, outcome, before, after } of rows) {
    const change = after === null ? "" : `, ${money(before)} -> ${money(after)}`;
    say(`   ${outcome}: ${rule} of ${key}${change}`);
  }
}
