import { readConfig } from "../config.ts";
import { GuestClient } from "../database/own_client.ts";
import { sqlOf } from "../own_tables/proposal_sql.ts";
import { propose } from "../own_tables/propose_rules.ts";
import { StartError } from "../start_error.ts";
import { type Command, requireNoWords, textOption } from "./command.ts";
import { connect } from "./connection.ts";

/** `saldo adopt`: looks for balances that a database keeps by itself, and proposes rules for them. */
export const adoptCommand: Command = {
  usage: "adopt [--database URL]",
  help: [
    "Looks for columns that look like balances kept beside the rows that make them, tries which",
    "sum fits, and prints the SQL that puts them under rules. Changes nothing.",
  ],
  options: { database: { type: "string" } },
  async connect(words) {
    const given =
      textOption(words, "database") ??
      readConfig({ ...process.env, NODE_ENV: undefined }).databaseUrl;
    if (given === undefined) return await connect(process.env);
    const client = new GuestClient({ connectionString: given, connectionTimeoutMillis: 10_000 });
    client.on("error", () => {}); // a lost connection fails the query that was under way
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      throw new StartError(`The database does not answer: ${(error as Error).message}.`);
    }
  },
  prepare(words) {
    requireNoWords(words);
    return async () => async (client) => {
      const proposals = await propose(client);
      process.stdout.write(sqlOf(proposals));
      return 0;
    };
  },
};
