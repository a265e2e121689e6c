import { spawn } from "node:child_process";
import { createInterface } from "node:readline/promises";
import type { Client, QueryArrayResult } from "pg";
import { type Command, requireNoWords } from "./command.ts";
import { connect, databaseUrl } from "./connection.ts";
import { describeFailure } from "./output.ts";
import { tableOf } from "./table.ts";

/** `saldo sql`: psql on Saldo's database where it is installed, otherwise a small prompt. */
export const sqlCommand: Command = {
  usage: "sql",
  help: [
    "Runs psql on the database, told to show the code of each error. Where psql is not installed: a",
    "small prompt that takes statements up to their semicolon, from a file or pipe as well; 1 when",
    "one is refused.",
  ],
  options: {},
  prepare(words) {
    requireNoWords(words);
    return async () =>
      (await runPsql(await databaseUrl(process.env))) ??
      (await promptOf(await connect(process.env)));
  },
};

/** The exit code of psql; undefined where there is none. */
function runPsql(address: string): Promise<number | undefined> {
  const url = new URL(address);
  // Everybody on the machine sees the words of a process, its environment only its owner.
  const password = decodeURIComponent(url.password);
  url.password = "";
  const environment = password === "" ? process.env : { ...process.env, PGPASSWORD: password };
  // Ctrl-C goes to psql as well, which stops a statement by it and not itself.
  const stay = () => {};
  process.on("SIGINT", stay);
  return new Promise<number | undefined>((done, refuse) => {
    const child = spawn("psql", ["-v", "VERBOSITY=verbose", "-v", "SHOW_CONTEXT=never", url.href], {
      stdio: "inherit",
      env: environment,
    });
    child.once("error", (error: Error & { code?: string }) => {
      if (error.code === "ENOENT") done(undefined);
      else refuse(error);
    });
    child.once("exit", (code) => done(code ?? 1));
  }).finally(() => process.off("SIGINT", stay));
}

async function promptOf(client: Client): Promise<number> {
  const isTerminal = process.stdin.isTTY === true;
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: "saldo> ",
  });
  let isRefused = false;
  process.stderr.write("psql is not installed. Statements end in ; and \\q or Ctrl-D ends.\n");
  try {
    if (isTerminal) lines.prompt();
    let statement = "";
    for await (const line of lines) {
      if (line.trim() === "\\q") break;
      statement += `${line}\n`;
      if (isWhole(statement)) {
        if (!(await run(client, statement))) isRefused = true;
        statement = "";
      }
      if (statement.trim() === "") statement = "";
      lines.setPrompt(statement === "" ? "saldo> " : "saldo- ");
      if (isTerminal) lines.prompt();
    }
    // What a file or pipe ends with needs no semicolon.
    if (!isTerminal && statement !== "" && !(await run(client, statement))) isRefused = true;
  } finally {
    lines.close();
    await client.end().catch(() => {});
  }
  return isRefused && !isTerminal ? 1 : 0;
}

/** Whether it ends in a semicolon that stands in no text, name, body or comment. */
function isWhole(text: string): boolean {
  const quoted = /'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|--[^\n]*|\/\*[\s\S]*?\*\//g;
  const bare = text.replaceAll(quoted, "");
  return /;\s*$/.test(bare) && !/['"]|\$\w*\$|\/\*/.test(bare);
}

/** Runs a statement and prints its rows; false when it is refused. */
async function run(client: Client, text: string): Promise<boolean> {
  try {
    const answer: unknown = await client.query({
      text,
      rowMode: "array",
      // As the database writes them: no number is rounded on its way.
      types: { getTypeParser: () => (value: string) => value } as never,
    });
    for (const result of [answer].flat() as QueryArrayResult<(string | null)[]>[]) {
      const { fields, rows, command, rowCount } = result;
      process.stdout.write(
        fields.length > 0
          ? tableOf(
              fields.map(({ name }) => name),
              rows,
            )
          : `${[command, rowCount].filter((part) => part !== null).join(" ")}\n`,
      );
    }
    return true;
  } catch (error) {
    process.stdout.write(describeFailure(error));
    return false;
  }
}
