/**
 * Writes the GraphQL schema, sorted, so that a change of it shows in a review:
 * node src/graphql/print_schema.ts [database url] [file]
 * Without a url it takes DATABASE_URL, without a file schema.graphql.
 */
import "./graphile_env.ts";
import { writeFile } from "node:fs/promises";
import { lexicographicSortSchema, printSchema } from "graphql";
import { Pool } from "pg";
import { makeSchema } from "postgraphile";
import { makeSchemaPreset } from "./preset.ts";
import { DEFAULT_QUERY_LIMITS } from "./query_cost.ts";

/** The schema of a migrated database as text; the pool acts as saldo_server. */
export async function printSchemaOf(serverPool: Pool): Promise<string> {
  const { schema } = await makeSchema(makeSchemaPreset(serverPool, DEFAULT_QUERY_LIMITS));
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}

if (import.meta.main) {
  const [connectionString = process.env.DATABASE_URL, file = "schema.graphql"] =
    process.argv.slice(2);
  // What the schema shows depends on who looks: the owner would see functions nobody may call.
  const pool = new Pool({ connectionString, options: "-c role=saldo_server" });
  await writeFile(file, await printSchemaOf(pool));
  await pool.end();
}
