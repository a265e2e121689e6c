import type { Done } from "../database/migrate.ts";
import { type Command, requireNoWords } from "./command.ts";
import { databaseUrl } from "./connection.ts";

/** `saldo start|server|worker`: a process that runs until a signal stops it. */
function processCommand(name: string, part: string, help: string[]): Command {
  return {
    usage: name,
    help,
    options: {},
    prepare(words) {
      requireNoWords(words);
      return async () => {
        // Here, since the other commands start without waiting for GraphQL to load.
        const { runProcess } = await import("../run_process.ts");
        // Whatever a part has left open must not keep the process.
        return process.exit(await runProcess(part));
      };
    },
  };
}

/** `saldo start`: everything, as `npm start` in a checkout. */
export const startCommand = processCommand("start", "all", [
  "Runs everything until a signal: migrations, GraphQL over HTTP, jobs; without DATABASE_URL a",
  "PostgreSQL of its own as well.",
]);

/** `saldo server`: HTTP only. */
export const serverCommand = processCommand("server", "server", [
  "Runs migrations and serves GraphQL over HTTP, without jobs.",
]);

/** `saldo worker`: jobs only. */
export const workerCommand = processCommand("worker", "worker", [
  "Runs migrations and jobs, and opens no port.",
]);

/** What a migration has changed, a line each. */
function wordsOf({ ownerCount, migrations, steps }: Done): string {
  return [
    ...(ownerCount > 0 ? [`Owners put right, as after a restore: ${ownerCount}`] : []),
    ...migrations.map((name) => `Migration run: ${name}`),
    "Roles and logic applied.",
    ...steps.map((name) => `Step run: ${name}`),
    "The database is up to date.",
    "",
  ].join("\n");
}

/** `saldo migrate`: brings a database up to date, and nothing else. */
export const migrateCommand: Command = {
  usage: "migrate [--back]",
  help: [
    "Brings the database up to date: start, server and worker do so too.",
    "--back: also where another version has replaced the logic of this one.",
  ],
  options: { back: { type: "boolean" } },
  prepare(words) {
    requireNoWords(words);
    return async () => {
      const { migrate } = await import("../database/migrate.ts");
      const { requireDirectConnection } = await import("../database/direct_connection.ts");
      const address = await databaseUrl(process.env);
      await requireDirectConnection(address);
      const done = await migrate(address, { mayGoBack: words.values["back"] === true });
      process.stdout.write(done ? wordsOf(done) : "The database was up to date.\n");
      return 0;
    };
  },
};
