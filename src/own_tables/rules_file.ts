import { readFile } from "node:fs/promises";
import type { ClientBase } from "pg";
import { z } from "zod";
import { CATALOGUE } from "../errors/refusal.ts";
import { StartError } from "../start_error.ts";

const text = z.string().min(1);

/** A rule of the file: the arguments of saldo.register_balance_rule, whose proof is SQL's. */
const ruleSchema = z.strictObject({
  name: text,
  derived: text,
  stored_table: text.optional(),
  key_column: text.optional(),
  balance_column: text.optional(),
  stored: text.optional(),
  items: text.optional(),
  tolerance: z.union([z.number(), z.string().regex(/^\d+(\.\d+)?$/)]).optional(),
  heal: z.enum(["none", "update", "function"]).optional(),
  heal_function: text.optional(),
  guard: z.enum(["none", "record", "refuse"]).optional(),
  writer_roles: z.array(text).optional(),
  writer_applications: z.array(text).optional(),
  title: text.optional(),
  description: text.optional(),
});

const fileSchema = z.strictObject({ rules: z.array(ruleSchema).max(1000) });

/** A rule as a file gives it. */
export type FileRule = z.output<typeof ruleSchema>;

/** What became of a rule; the rest says why it was refused. */
export interface RuleResult {
  name: string;
  outcome: "registered" | "changed" | "unchanged" | "refused";
  code?: string;
  reason?: string;
  detail?: string;
  hint?: string;
}

/** Reads a file of rules; a file that is none is refused in a sentence. */
export async function readRulesFile(file: string): Promise<FileRule[]> {
  const content = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new StartError(`The file of rules ${file} cannot be read (${error.code}).`);
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch (error) {
    throw new StartError(`The file of rules ${file} is no JSON: ${(error as Error).message}.`);
  }
  const result = fileSchema.safeParse(parsed);
  if (!result.success) {
    const [issue] = result.error.issues;
    const place = issue?.path.join(".") || "the file";
    throw new StartError(`The file of rules ${file} is not valid: ${place}: ${issue?.message}.`);
  }
  const names = result.data.rules.map(({ name }) => name);
  const double = names.find((name, index) => names.indexOf(name) < index);
  if (double !== undefined) {
    throw new StartError(`The file of rules ${file} names ${double} twice.`);
  }
  return result.data.rules;
}

/** Applies rules one by one: a rule whose query takes too long is refused. */
export async function applyRules(
  client: ClientBase,
  rules: readonly FileRule[],
): Promise<RuleResult[]> {
  const results: RuleResult[] = [];
  // Each of three queries may be run twice within its budget; the rest is for locks.
  await client.query(
    `select set_config('statement_timeout',
      (30000 + 6 * saldo_private.setting_value('rule_time_budget_ms')::integer)::text, false)`,
  );
  try {
    for (const rule of rules) {
      const { rows } = await client
        .query("select * from saldo.apply_balance_rules($1)", [JSON.stringify([rule])])
        .catch((error: { code?: string; message: string }) => {
          // The queries are told by SQL as SB644: this one waited for something else.
          if (error.code !== "57014") throw error;
          const { code, message, hint } = CATALOGUE.timeout;
          return { rows: [{ outcome: "refused", error_code: code, message, hint }] };
        });
      const { outcome, error_code: code, message: reason, detail, hint } = rows[0];
      results.push(
        outcome === "refused"
          ? { name: rule.name, outcome, code, reason, detail, hint }
          : { name: rule.name, outcome },
      );
    }
  } finally {
    await client.query("reset statement_timeout").catch(() => {}); // where the connection is lost
  }
  return results;
}
