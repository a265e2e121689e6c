import type { Client } from "pg";
import { bookings, forceBalance, one, replayIncident, type Victim } from "./incident.ts";

interface Wallet {
  balance: string;
  held: string;
  available: string;
}

interface Finding {
  rule: string;
  key: string;
  stored: string;
  derived: string;
  difference: string;
  cause: string;
  explanation: string;
}

/** Plays the incident on an empty Saldo database and tells it; the client is a superuser's. */
export async function tellStory(client: Client, say: (line: string) => void): Promise<void> {
  say("1. What happened");
  const victim = await replayIncident(client);
  for (const { at, amount, kind, product } of bookings) {
    const what = kind === "pending" ? "purchase, pending" : kind.replace("_", "-");
    say(`   ${at.slice(0, 19)}  ${money(amount).padStart(9)}  ${product ?? what}`);
  }
  await sayWallet(client, victim, say);
  const journal = await journalDigest(client);
  await sayCheck(client, say);

  say("");
  say("2. A superuser writes 1,500,000 into the cached balance, past the guard");
  await forceBalance(client, victim);
  await sayWallet(client, victim, say);

  say("");
  say("3. The check finds it, and says whose it was");
  await sayCheck(client, say);

  say("");
  say("4. The heal: first dry, then for good");
  await sayHeal(client, true, say);
  await sayHeal(client, false, say);
  await sayWallet(client, victim, say);

  say("");
  say("5. The next check");
  await sayCheck(client, say);
  const isUntouched = (await journalDigest(client)) === journal;
  say(`   journal: ${isUntouched ? "not a line has changed" : "CHANGED"}`);
}

function money(amount: number | string): string {
  return Number(amount).toLocaleString("en");
}

async function sayWallet(
  client: Client,
  victim: Victim,
  say: (line: string) => void,
): Promise<void> {
  const wallet = await one<Wallet>(
    client,
    "select balance, held, available from saldo.wallet_balance($1)",
    [victim.memberId],
  );
  say(
    `   wallet: balance ${money(wallet.balance)}, held ${money(wallet.held)}, ` +
      `available ${money(wallet.available)}`,
  );
}

async function sayCheck(client: Client, say: (line: string) => void): Promise<void> {
  const run = await one<{
    id: string;
    status: string;
    rule_count: number;
    account_count: string;
    line_count: string;
  }>(client, "select * from saldo.check_balance_health()");
  say(
    `   check: ${run.status} (${run.rule_count} rules, ${run.account_count} accounts, ` +
      `${run.line_count} lines)`,
  );
  const { rows } = await client.query<Finding>(
    "select * from saldo.finding where check_run_id = $1 order by account_id nulls last, rule",
    [run.id],
  );
  for (const finding of rows) {
    say(
      `   - ${finding.rule} of ${finding.key}: stored ${money(finding.stored)}, ` +
        `derived ${money(finding.derived)}, difference ${money(finding.difference)}`,
    );
    say(`     ${finding.cause}: ${finding.explanation.replaceAll(/\s+/g, " ")}`);
  }
}

async function sayHeal(
  client: Client,
  isDryRun: boolean,
  say: (line: string) => void,
): Promise<void> {
  const run = await one<{ id: string }>(client, "select id from saldo.auto_heal($1)", [isDryRun]);
  const { rows } = await client.query<{
    rule: string;
    key: string;
    outcome: string;
    before: unknown;
    after: unknown;
    actor: string;
  }>("select * from saldo.heal_action where heal_run_id = $1 order by id", [run.id]);
  for (const { rule, key, outcome, before, after, actor } of rows) {
    say(`   ${outcome}: ${rule} of ${key}, by ${actor}`);
    say(`     before ${JSON.stringify(before)}`);
    say(`     after  ${JSON.stringify(after)}`);
  }
}

/** A digest of every entry and line of the journal. */
export async function journalDigest(client: Client): Promise<string> {
  const { digest } = await one<{ digest: string }>(
    client,
    `select md5(
      (select string_agg(e::text, '|' order by e.id) from saldo.journal_entry as e)
      || (select string_agg(l::text, '|' order by l.entry_id, l.line_no)
        from saldo.journal_line as l)
    ) as digest`,
  );
  return digest;
}
