import { migrate } from "../../src/database/migrate.ts";

/*
 * `node _start.ts DATABASE_URL [SQL_FOLDER]`: brings the database up to date as a server does before
 * it serves, in a process of its own that may be killed.
 */
const [, , url = "", logicFolder] = process.argv;
const log = {
  info: (message: string, fields?: Record<string, unknown>) => {
    console.log(message, JSON.stringify(fields ?? {}));
  },
};
console.log("starting");
await migrate(url, { log, ...(logicFolder ? { logicFolder } : {}) });
console.log("up to date");
