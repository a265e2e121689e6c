import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { startEmbedded } from "../src/database/embedded.ts";
import { migrate } from "../src/database/migrate.ts";
import { tellAdoption } from "./adoption.ts";
import { tellBranches } from "./branches.ts";
import { tellStory } from "./story.ts";

/**
 * `npm run demo`: the incident on a PostgreSQL of its own, which is thrown away afterwards;
 * `npm run demo -- adopt`: the same on tables that are not Saldo's; `npm run demo -- branches`: a
 * day of branches whose network is down.
 */
const stories: Record<string, typeof tellBranches> = {
  incident: tellStory,
  adopt: tellAdoption,
  branches: tellBranches,
};
const tell = stories[process.argv[2] ?? "incident"];
if (tell === undefined) {
  console.error("Say npm run demo, npm run demo -- adopt, or npm run demo -- branches.");
  process.exit(1);
}
const folder = join(tmpdir(), `saldo-demo-${randomBytes(4).toString("hex")}`);
const server = await startEmbedded(folder);
try {
  await migrate(server.connectionString);
  const client = new Client({
    connectionString: server.connectionString,
    application_name: "night-script",
  });
  await client.connect();
  try {
    await tell(client, (line) => console.log(line), server.connectionString);
  } finally {
    await client.end();
  }
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
