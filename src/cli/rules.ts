import type { Client } from "pg";
import { applyRules, readRulesFile } from "../own_tables/rules_file.ts";
import { type Command, UsageError } from "./command.ts";

/** `saldo rules`: lists the rules over the user's own tables, or applies a file of them. */
export const rulesCommand: Command = {
  usage: "rules list | apply FILE",
  help: [
    "Lists the rules over your own tables, or registers and changes those of a JSON file;",
    "1 when one is refused. docs/reference/own-table-rules.md has the form of the file.",
  ],
  options: {},
  prepare({ positionals: [what, file, ...rest] }) {
    if (what === "list" && file === undefined) return async () => list;
    if (what !== "apply" || file === undefined || rest.length > 0) {
      throw new UsageError("Say rules list, or rules apply FILE.");
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

async function list(client: Client): Promise<number> {
  const { rows } = await client.query(
    `select r.name, b.is_enabled, coalesce(r.stored_table || '.' || r.balance_column, 'a query')
      as balance, r.heal, r.guard
    from saldo.registered_rule as r
    join saldo.balance_rule as b on b.name = r.name
    order by r.name`,
  );
  for (const { name, is_enabled: isEnabled, balance, heal, guard } of rows) {
    process.stdout.write(
      `${name}: ${balance}, heal ${heal}, guard ${guard}${isEnabled ? "" : ", disabled"}\n`,
    );
  }
  process.stdout.write(`${rows.length} rules\n`);
  return 0;
}
