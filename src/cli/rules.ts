import type { Client } from "pg";
import { applyRules, readRulesFile } from "../own_tables/rules_file.ts";
import { type Command, isForPrograms, UsageError } from "./command.ts";
import { printJson } from "./output.ts";

/** `saldo rules`: lists the rules over the user's own tables, applies a file, approves a heal. */
export const rulesCommand: Command = {
  usage: "rules list [--json] | apply FILE | approve NAME CHECK REASON",
  help: [
    "Lists the rules over your own tables, or registers and changes those of a JSON file;",
    "1 when one is refused. docs/reference/own-table-rules.md has the form of the file.",
    "approve lets a rule heal, after you have looked at what it found in that check.",
  ],
  options: { json: { type: "boolean" } },
  needsSession: true,
  prepare(words) {
    const [what, file, ...rest] = words.positionals;
    if (what === "list" && file === undefined) {
      return async () => async (client) => await list(client, isForPrograms(words));
    }
    if (what === "approve" && file !== undefined && rest.length === 2) {
      const [check = "", reason = ""] = rest;
      return async () => async (client) => await approve(client, file, check, reason);
    }
    if (what !== "apply" || file === undefined || rest.length > 0) {
      throw new UsageError("Say rules list, rules apply FILE, or rules approve NAME CHECK REASON.");
    }
    return async () => {
      const rules = await readRulesFile(file);
      return async (client) => {
        const results = await applyRules(client, rules);
        for (const { name, outcome, code, reason, detail, hint } of results) {
          process.stdout.write(`${name}: ${outcome}${code ? ` ${code} ${reason}` : ""}\n`);
          for (const more of [detail, hint]) if (more) process.stdout.write(`  ${more}\n`);
        }
        return results.some(({ outcome }) => outcome === "refused") ? 1 : 0;
      };
    };
  },
};

async function list(client: Client, isJson: boolean): Promise<number> {
  const { rows } = await client.query(
    `select r.name, b.is_enabled, coalesce(r.stored_table || '.' || r.balance_column, 'a query')
      as balance, r.heal, r.guard, saldo_private.is_rule_approved(r) as is_approved,
      last.check_run_id, last.row_count, last.differing_count
    from saldo.registered_rule as r
    join saldo.balance_rule as b on b.name = r.name
    left join lateral (
      select x.*
      from saldo.registered_rule_result as x
      where x.rule = r.name and x.definition_hash = saldo_private.rule_definition_hash(r)
      order by x.check_run_id desc
      limit 1
    ) as last on true
    order by r.name`,
  );
  if (isJson) {
    printJson(rows);
    return 0;
  }
  for (const row of rows) {
    process.stdout.write(
      `${row.name}: ${row.balance}, heal ${row.heal}, guard ${row.guard}` +
        `${row.is_enabled ? "" : ", disabled"}\n`,
    );
    if (row.heal !== "none" && !row.is_approved) {
      process.stdout.write(
        row.check_run_id === null
          ? "  heals nothing: it is to be approved after a check\n"
          : `  heals nothing until it is approved: ${row.differing_count} of ${row.row_count} ` +
              `rows differ in check ${row.check_run_id}\n`,
      );
    }
  }
  process.stdout.write(`${rows.length} rules\n`);
  return 0;
}

async function approve(
  client: Client,
  name: string,
  check: string,
  reason: string,
): Promise<number> {
  const { rows } = await client.query(
    "select differing_count, row_count from saldo.approve_balance_rule($1, $2, $3)",
    [name, check, reason],
  );
  process.stdout.write(
    `${name}: approved, ${rows[0].differing_count} of ${rows[0].row_count} rows differ\n`,
  );
  return 0;
}
