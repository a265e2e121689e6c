import type { Client } from "pg";
import {
  applyOptions,
  type Command,
  isDry,
  isForPrograms,
  requireNoWords,
  textOption,
  UsageError,
  type Words,
  type Work,
} from "./command.ts";
import { printJson } from "./output.ts";

const scope = {
  customer: { type: "string" },
  all: { type: "boolean" },
} as const satisfies Command["options"];

/** `saldo init`: makes the monthly balances of customers that have none. */
export const initCommand: Command = {
  usage: "init --customer CODE | --all [--apply] [--plan HASH]",
  help: [
    "Tells which stored monthly balances it would make, and makes them with --apply; with --plan only",
    "when they are what was shown.",
  ],
  options: { ...scope, ...applyOptions, plan: { type: "string" } },
  prepare: (words) =>
    forCustomers(words, (client, id) =>
      change(
        client,
        `select customer_id, account_id, month::text, action, stored, derived, plan_hash
        from saldo.initialize_monthly_balances(
          customer_id => $1, dry_run => $2, plan_hash => $3
        )`,
        [id, isDry(words), textOption(words, "plan") ?? null],
        isDry(words),
      ),
    ),
};

/** `saldo sync`: puts the stored monthly balances in step with what they are derived from. */
export const syncCommand: Command = {
  usage: "sync --customer CODE | --all [--apply] [--force] [--plan HASH]",
  help: [
    "Tells which stored monthly balances it would put right, and does so with --apply; --force writes",
    "also those that look right.",
  ],
  options: {
    ...scope,
    ...applyOptions,
    force: { type: "boolean" },
    plan: { type: "string" },
  },
  prepare: (words) =>
    forCustomers(words, (client, id) =>
      change(
        client,
        `select customer_id, account_id, month::text, action, stored, derived, plan_hash
        from saldo.sync_monthly_balances(
          customer_id => $1, force => $2, dry_run => $3, plan_hash => $4
        )`,
        [id, isOn(words, "force"), isDry(words), textOption(words, "plan") ?? null],
        isDry(words),
      ),
    ),
};

/** `saldo compare`: tells where stored monthly balances differ, and changes nothing. */
export const compareCommand: Command = {
  usage: "compare --customer CODE | --all [--json]",
  help: ["Compares stored monthly balances with what they are derived from; 1 when they differ."],
  options: { ...scope, json: { type: "boolean" } },
  prepare: (words) =>
    forCustomers(words, async (client, id) => {
      const { rows } = await client.query(
        `select c.month_count, c.difference_count, to_json(c.differences) as differences
        from saldo.compare_monthly_balances(customer_id => $1) as c`,
        [id],
      );
      const [{ month_count, difference_count, differences }] = rows;
      const exitCode = Number(difference_count) > 0 ? 1 : 0;
      if (isForPrograms(words)) {
        printJson({ month_count, difference_count, differences: differences ?? [] });
        return exitCode;
      }
      for (const each of differences ?? []) process.stdout.write(`${JSON.stringify(each)}\n`);
      process.stdout.write(`${difference_count} differences in ${month_count} months\n`);
      return exitCode;
    }),
};

const isOn = ({ values }: Words, name: string) => values[name] === true;

/** Runs a work for the customer that is named, or with null for all. */
function forCustomers(
  words: Words,
  work: (client: Client, customerId: string | null) => Promise<number>,
): () => Promise<Work> {
  requireNoWords(words);
  const code = textOption(words, "customer");
  if ((code === undefined) === !isOn(words, "all")) {
    throw new UsageError("Say --customer CODE or --all.");
  }
  return async () => async (client) =>
    await work(client, code === undefined ? null : await customerId(client, code));
}

async function customerId(client: Client, code: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>("select saldo.id_of_customer($1) as id", [
    code,
  ]);
  return rows[0]?.id ?? "";
}

async function change(
  client: Client,
  text: string,
  values: unknown[],
  isDryRun: boolean,
): Promise<number> {
  const { rows } = await client.query(text, values);
  for (const { customer_id: customer, month, action, stored, derived } of rows) {
    process.stdout.write(
      `customer ${customer} ${month} ${action}: ` +
        `${JSON.stringify(stored)} -> ${JSON.stringify(derived)}\n`,
    );
  }
  process.stdout.write(`${isDryRun ? "dry run, nothing written: " : ""}${rows.length} months\n`);
  // The hash of what was shown: given back as --plan, nothing else is written.
  const plan = rows[0]?.plan_hash;
  if (isDryRun && plan) process.stdout.write(`plan ${plan}\n`);
  return 0;
}
