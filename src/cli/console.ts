import { userInfo } from "node:os";
import type { Client } from "pg";
import { makeConsoleLink } from "../auth/console_link.ts";
import { isName } from "../auth/token.ts";
import { type Command, textOption, UsageError, type Words } from "./command.ts";
import { serverAddress } from "./connection.ts";

/** `saldo console`: makes links for signing in to the console, and ends sessions. */
export const consoleCommand: Command = {
  usage: "console [--role admin] [--subject NAME] [--member CODE]",
  help: [
    "Prints a link that signs somebody in to the console: once, within ten minutes, for twelve hours.",
    "--subject: who acts, as the records have it (your login). --member: with --role member.",
    "console end NAME: ends all sessions of somebody, and links that were not used.",
  ],
  options: {
    role: { type: "string" },
    subject: { type: "string" },
    member: { type: "string" },
  },
  prepare(words) {
    const [what, name, ...rest] = words.positionals;
    if (what === undefined) return make(words);
    if (what === "end" && name !== undefined && rest.length === 0) {
      if (Object.keys(words.values).length > 0) throw new UsageError("console end takes a name.");
      return async () => async (client) => await end(client, name);
    }
    throw new UsageError("Say console [--role ROLE] [--subject NAME], or console end NAME.");
  },
};

function make(words: Words) {
  const role = textOption(words, "role") ?? "admin";
  const subject = textOption(words, "subject") ?? login();
  const member = textOption(words, "member");
  if (subject === undefined) throw new UsageError("A link needs --subject NAME.");
  if (!isName(subject)) throw new UsageError("--subject is the name of a person, as alice.");
  return async () => async (client: Client) => {
    const link = await makeConsoleLink(
      client,
      { role, subject, member },
      serverAddress(process.env),
    );
    process.stdout.write(`${link}\n`);
    process.stderr.write("It is good once, for ten minutes.\n");
    return 0;
  };
}

/** Whoever is logged in to the system; in a container there may be nobody by name. */
function login(): string | undefined {
  try {
    return userInfo().username || undefined;
  } catch {
    return undefined;
  }
}

async function end(client: Client, name: string): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    "select saldo_private.end_console_sessions_of($1) as count",
    [name],
  );
  process.stdout.write(`${rows[0]?.count} sessions of ${name} are ended.\n`);
  return 0;
}
