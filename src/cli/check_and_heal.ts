import type { Client } from "pg";
import { applyOptions, type Command, isDry, isForPrograms, requireNoWords } from "./command.ts";
import { connect } from "./connection.ts";
import { Progress, printJson } from "./output.ts";

const LOOK_MS = 1000;

/** Shows how far the check of a session is, from another one, while it runs. */
async function withProgress<TResult>(client: Client, work: Promise<TResult>): Promise<TResult> {
  const ended = work.then(
    () => true,
    () => true,
  );
  const isOver = () =>
    Promise.race([ended, new Promise<boolean>((go) => setTimeout(go, LOOK_MS, false).unref())]);
  if (await isOver()) return await work;
  const watcher = await connect(process.env);
  let progress: Progress | undefined;
  let told = -1;
  try {
    do {
      const { rows } = await watcher.query<{ line_count: string; total_line_count: string }>(
        "select line_count, total_line_count from saldo.running_checks() where pid = $1",
        [(client as Client & { processID: number }).processID],
      );
      if (rows[0] === undefined) continue;
      progress ??= new Progress("lines checked", Number(rows[0].total_line_count));
      const done = Number(rows[0].line_count);
      if (done !== told) progress.at(done);
      told = done;
    } while (!(await isOver()));
  } finally {
    await watcher.end();
  }
  return await work;
}

/** `saldo check`: runs every rule, and tells what it finds. */
export const checkCommand: Command = {
  usage: "check [--progress] [--json]",
  help: [
    "Runs every rule over all balances and the journal; 1 when something is found. On a terminal,",
    "or with --progress, it shows how far it is once it takes longer than a second.",
  ],
  options: { json: { type: "boolean" }, progress: { type: "boolean" } },
  prepare(words) {
    requireNoWords(words);
    return async () => async (client) => {
      const check = client.query(
        `select id, status, finding_count, rule_count, failed_rule_count, account_count, line_count
        from saldo.check_balance_health()`,
      );
      const isShown = words.values["progress"] === true || process.stderr.isTTY;
      const { rows: runs } = await (isShown ? withProgress(client, check) : check);
      const run = runs[0];
      const { rows: findings } = await client.query(
        `select f.rule, f.key, f.stored, f.derived, f.cause, f.explanation,
        (
          select format('%s (%s)', a.code, a.name) from saldo.account as a
          where a.id = f.account_id
        ) as account, array(
          select format('%s (%s): %s', e.cause, e.confidence, e.explanation)
          from saldo.finding_explanation as e
          where e.finding_id = f.id and e.rank > 1 order by e.rank
        ) as others
        from saldo.finding as f where f.check_run_id = $1 order by f.rule, f.key`,
        [run.id],
      );
      const exitCode = run.status === "healthy" ? 0 : 1;
      if (isForPrograms(words)) {
        printJson({ ...run, findings });
        return exitCode;
      }
      for (const finding of findings) {
        const { rule, key, account, stored, derived, cause, explanation, others } = finding;
        const figures = stored === null && derived === null ? "" : `: ${stored}, not ${derived}`;
        const whose = account === null ? "" : ` of ${account}`;
        process.stdout.write(`${rule} ${key}${whose}${figures} (${cause})\n  ${explanation}\n`);
        for (const other of others) process.stdout.write(`  or ${other}\n`);
      }
      process.stdout.write(
        `${run.status}: ${run.finding_count} findings of ${run.rule_count} rules ` +
          `(${run.failed_rule_count} failed), ${run.account_count} accounts, ` +
          `${run.line_count} lines\n`,
      );
      return exitCode;
    };
  },
};

/** `saldo heal`: shows what would be healed, and with --apply heals it. */
export const healCommand: Command = {
  usage: "heal [--dry-run | --apply] [--json]",
  help: [
    "Tells what would be healed, and heals it with --apply; 1 when something is left for a human:",
    "refused, escalated, or waiting for another administrator's approval.",
  ],
  options: {
    ...applyOptions,
    json: { type: "boolean" },
  },
  prepare(words) {
    requireNoWords(words);
    const isDryRun = isDry(words);
    return async () => async (client) => {
      const { rows: runs } = await client.query(
        `select id, refused_count, escalated_count, needs_approval_count
        from saldo.auto_heal($1)`,
        [isDryRun],
      );
      const run = runs[0];
      const { rows: actions } = await client.query(
        `select rule, key, outcome, before, after, reason
        from saldo.heal_action where heal_run_id = $1 order by rule, key`,
        [run.id],
      );
      const leftCount = run.refused_count + run.escalated_count + run.needs_approval_count;
      if (isForPrograms(words)) {
        printJson({ ...run, dry_run: isDryRun, actions });
        return leftCount > 0 ? 1 : 0;
      }
      const healedCount = actions.filter(({ outcome }) => /heal/.test(outcome)).length;
      for (const { rule, key, outcome, before, after, reason } of actions) {
        process.stdout.write(
          `${rule} ${key}: ${outcome}, ${JSON.stringify(before)} -> ${JSON.stringify(after)}\n` +
            `  ${reason}\n`,
        );
      }
      process.stdout.write(
        `${isDryRun ? "would be healed" : "healed"}: ${healedCount}, ` +
          `refused: ${run.refused_count}, escalated: ${run.escalated_count}, ` +
          `need approval: ${run.needs_approval_count}\n`,
      );
      return leftCount > 0 ? 1 : 0;
    };
  },
};
