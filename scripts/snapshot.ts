import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Pool } from "pg";
import { startEmbedded } from "../src/database/embedded.ts";
import { migrate } from "../src/database/migrate.ts";
import { printSchemaOf } from "../src/graphql/print_schema.ts";
import { branchSchemaPath, branchSchemaText } from "./branch_schema.ts";
import { consoleDocuments } from "./console_documents.ts";
import { documentParts, documentsWithParts, withParts } from "./doc_tables.ts";
import { envExample } from "./env_example.ts";
import { schemaSql } from "./schema_sql.ts";
import { sqlTypes } from "./sql_types.ts";
import { surfaceText } from "./surface_text.ts";

/**
 * `npm run snapshot` writes what is generated: migrations/schema.sql, schema.graphql,
 * src/sql_types.ts, test/house/surface.txt, .env.example, the console's documents, and the parts of documents that come from
 * the program.
 */
const root = fileURLToPath(new URL("../", import.meta.url));

const folder = join(tmpdir(), `saldo-snapshot-${randomBytes(4).toString("hex")}`);
const server = await startEmbedded(folder, { fsync: "off" });
try {
  await migrate(server.connectionString);
  const pool = new Pool({ connectionString: server.connectionString });
  // The server may stop before a connection that was closed has taken its leave.
  pool.on("error", () => {});
  await writeFile(`${root}migrations/schema.sql`, await schemaSql(pool));
  await writeFile(`${root}test/house/surface.txt`, await surfaceText(pool));
  await writeFile(`${root}src/sql_types.ts`, await sqlTypes(pool));
  const parts = await documentParts(pool);
  for (const path of documentsWithParts) {
    await writeFile(`${root}${path}`, withParts(await readFile(`${root}${path}`, "utf8"), parts));
  }
  await pool.end();
  // What the schema shows depends on who looks: the owner would see what nobody may call.
  const serverPool = new Pool({
    connectionString: server.connectionString,
    options: "-c role=saldo_server",
  });
  serverPool.on("error", () => {});
  await writeFile(`${root}schema.graphql`, await printSchemaOf(serverPool));
  await serverPool.end();
} finally {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

const documents = await consoleDocuments();
for (const [path, text] of documents) await writeFile(`${root}${path}`, text);
await writeFile(`${root}.env.example`, envExample());
await writeFile(`${root}${branchSchemaPath}`, branchSchemaText());
const written = ["migrations/schema.sql", "schema.graphql", "src/sql_types.ts"];
written.push("test/house/surface.txt", ".env.example", branchSchemaPath, ...documentsWithParts);
console.log(`written: ${written.join(", ")}`);
