import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { startEmbedded } from "../src/embedded.ts";
import { migrate } from "../src/migrate.ts";
import { tellStory } from "./story.ts";

/** `npm run demo`: the incident on a PostgreSQL of its own, which is thrown away afterwards. */
const folder = join(tmpdir(), `saldo-demo-${randomBytes(4).toString("hex")}`);
const server = await startEmbedded(folder, { fsync: "off" });
try {
  await migrate(server.connectionString);
  const client = new Client({
    connectionString: server.connectionString,
    application_name: "night-script",
  });
  await client.connect();
  try {
    await tellStory(client, (line) => console.log(line));
  } finally {
    await client.end();
  }
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
