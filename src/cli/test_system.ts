import type { Client } from "pg";
import { type Command, isForPrograms, requireNoWords, textOption } from "./command.ts";
import { describeFailure, printJson } from "./output.ts";
import { Fault, type Part, rooms, value } from "./system_probe.ts";
import { customer, states } from "./system_state.ts";

/** `saldo test-system`: one screen that says that everything works, and what does not. */
export const testSystemCommand: Command = {
  usage: "test-system [--customer CODE] [--json]",
  help: [
    "Has each room do its work once in a transaction that is rolled back, and looks at the books,",
    "checks, jobs, settlement, seals and alerts; 1 when a part does not work. Nothing of it stays.",
  ],
  options: { customer: { type: "string" }, json: { type: "boolean" } },
  prepare(words) {
    requireNoWords(words);
    const code = textOption(words, "customer");
    const parts = [...rooms, ...states, ...(code === undefined ? [] : [customer(code)])];
    const run = isForPrograms(words) ? testForPrograms : testSystem;
    return async () => async (client) => await run(client, parts);
  },
};

async function testSystem(client: Client, parts: readonly Part[]): Promise<number> {
  const version = await value(client, "select current_setting('server_version')");
  const zone = await value(
    client,
    "select value from saldo.setting where name = 'business_time_zone'",
  );
  process.stdout.write(`PostgreSQL ${version}, business time zone ${zone}\n`);
  const widest = Math.max(...parts.map(({ name }) => name.length));
  let faultCount = 0;
  for (const part of parts) {
    const { isGood, words } = await tried(client, part);
    if (!isGood) faultCount += 1;
    process.stdout.write(`${isGood ? "ok   " : "FAIL "} ${part.name.padEnd(widest)}  ${words}\n`);
  }
  process.stdout.write(
    faultCount === 0
      ? `All ${parts.length} parts work. Nothing of this test stays.\n`
      : `${faultCount} of ${parts.length} parts do not work. Nothing of this test stays.\n`,
  );
  return faultCount === 0 ? 0 : 1;
}

async function testForPrograms(client: Client, parts: readonly Part[]): Promise<number> {
  const results: { part: string; isGood: boolean; words: string }[] = [];
  for (const part of parts) results.push({ part: part.name, ...(await tried(client, part)) });
  printJson(results);
  return results.every(({ isGood }) => isGood) ? 0 : 1;
}

async function tried(client: Client, part: Part): Promise<{ isGood: boolean; words: string }> {
  try {
    await client.query("begin isolation level read committed");
    // As an administrator, who is nobody's owner. Whoever works must not wait for a test.
    await client.query(
      "set local role saldo_admin; set local lock_timeout = '2s'; set local statement_timeout = '30s'",
    );
    return { isGood: true, words: await part.try(client) };
  } catch (error) {
    const words = error instanceof Fault ? error.message : describeFailure(error).trim();
    return { isGood: false, words: words.replaceAll("\n", " ") };
  } finally {
    await client.query("rollback");
  }
}
