/**
 * The command line: finds the command, runs it, and ends with 0 when it is done, 1 when rows were
 * refused, or something was found or differs, 2 when it was called in a wrong way or cannot reach
 * the database.
 */
import { parseArgs } from "node:util";
import { requireDirectConnection } from "../database/direct_connection.ts";
import { readVersion } from "../paths.ts";
import { adoptCommand } from "./adopt.ts";
import { branchCommand } from "./branch.ts";
import { branchFileCommand } from "./branch_file.ts";
import { checkCommand, healCommand } from "./check_and_heal.ts";
import { type Command, UsageError } from "./command.ts";
import { connect, databaseUrl } from "./connection.ts";
import { consoleCommand } from "./console.ts";
import { compareCommand, initCommand, syncCommand } from "./customer_months.ts";
import { drillCommand } from "./drill.ts";
import { importCommand } from "./import.ts";
import { jobCommand } from "./job.ts";
import { nearest } from "./nearest.ts";
import { describeFailure } from "./output.ts";
import { migrateCommand, serverCommand, startCommand, workerCommand } from "./processes.ts";
import { reportCommand } from "./report.ts";
import { rulesCommand } from "./rules.ts";
import { sqlCommand } from "./sql.ts";
import { testSystemCommand } from "./test_system.ts";
import { tokenCommand } from "./token.ts";
import { exportCommand, verifyCommand } from "./verify_and_export.ts";

const commands: Record<string, Command> = {
  start: startCommand,
  server: serverCommand,
  worker: workerCommand,
  migrate: migrateCommand,
  import: importCommand,
  sql: sqlCommand,
  check: checkCommand,
  heal: healCommand,
  init: initCommand,
  sync: syncCommand,
  compare: compareCommand,
  report: reportCommand,
  verify: verifyCommand,
  export: exportCommand,
  rules: rulesCommand,
  adopt: adoptCommand,
  token: tokenCommand,
  console: consoleCommand,
  branch: branchCommand,
  "branch-file": branchFileCommand,
  job: jobCommand,
  "test-system": testSystemCommand,
  drill: drillCommand,
};

function usage(chosen: Command[]): string {
  const lines = chosen.flatMap((command) => [
    `  npx saldo ${command.usage}`,
    ...command.help.map((line) => `      ${line}`),
  ]);
  return [
    "Usage:",
    ...lines,
    "",
    "npx saldo help COMMAND tells of one; --version tells the version.",
    "The database is that of DATABASE_URL, or the one that a Saldo runs in SALDO_DATA_DIR (.saldo).",
    "Ends with 0: done; 1: rows refused, findings, or differences; 2: wrong usage, or no connection.",
    "",
  ].join("\n");
}

async function main(words: string[]): Promise<number> {
  const [name = "", ...rest] = words;
  if (name === "--version") {
    process.stdout.write(`${readVersion()}\n`);
    return 0;
  }
  if (["", "help", "-h", "--help"].includes(name)) {
    const asked = rest[0] === undefined ? Object.values(commands) : [find(rest[0])];
    (name === "" ? process.stderr : process.stdout).write(usage(asked));
    return name === "" ? 2 : 0;
  }
  const command = find(name);
  if (rest.some((word) => word === "--help" || word === "-h")) {
    process.stdout.write(usage([command]));
    return 0;
  }
  const parsed = parse(command, rest);
  const work = await command.prepare(parsed)();
  if (typeof work === "number") return work;
  if (command.needsSession) await requireDirectConnection(await databaseUrl(process.env));
  const client = await (command.connect?.(parsed) ?? connect(process.env));
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

function find(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined) return command;
  throw new UsageError(`There is no command ${name}.${didYouMean(name, Object.keys(commands))}`);
}

function didYouMean(written: string, words: readonly string[]): string {
  const word = nearest(written, words);
  return word === undefined ? "" : ` Did you mean ${word}?`;
}

function parse(command: Command, words: string[]) {
  try {
    return parseArgs({ args: words, options: command.options, allowPositionals: true });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const [, unknown] = /^Unknown option '(--[^']+)'/.exec(message) ?? [];
    if (code !== "ERR_PARSE_ARGS_UNKNOWN_OPTION" || unknown === undefined) {
      throw new UsageError(message);
    }
    const known = Object.keys(command.options).map((name) => `--${name}`);
    throw new UsageError(`Unknown option '${unknown}'.${didYouMean(unknown, known)}`);
  }
}

// Whoever reads has had enough, as in: npx saldo rules list | head -1
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(describeFailure(error));
  if (error instanceof UsageError) process.stderr.write("npx saldo --help tells what there is.\n");
  process.exitCode = 2;
}
