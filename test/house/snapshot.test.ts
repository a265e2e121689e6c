import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { Pool } from "pg";
import { consoleDocuments } from "../../scripts/console_documents.ts";
import { schemaSql } from "../../scripts/schema_sql.ts";
import { sqlTypes } from "../../scripts/sql_types.ts";
import { printSchemaOf } from "../../src/graphql/print_schema.ts";
import { openTestDatabase } from "../_support/database.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("migrations/schema.sql shows the tables as they are (npm run snapshot mends it)", async (t) => {
  const database = await openTestDatabase(2);
  try {
    t.is(await readFile(`${root}migrations/schema.sql`, "utf8"), await schemaSql(database.pool));
  } finally {
    await database.close();
  }
});

test("src/sql_types.ts has the types of the public SQL (npm run snapshot mends it)", async (t) => {
  const database = await openTestDatabase(2);
  try {
    t.is(await readFile(`${root}src/sql_types.ts`, "utf8"), await sqlTypes(database.pool));
  } finally {
    await database.close();
  }
});

test("schema.graphql shows the API as it is (npm run snapshot mends it)", async (t) => {
  const database = await openTestDatabase(5);
  const pool = new Pool({
    connectionString: database.connectionString,
    options: "-c role=saldo_server",
  });
  // Dropping the database ends its connections; that is no error of the test's.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  try {
    t.is(await readFile(`${root}schema.graphql`, "utf8"), await printSchemaOf(pool));
  } finally {
    await pool.end();
    await database.close();
  }
});

test("the console's documents are those of their .graphql files (npm run documents mends it)", async (t) => {
  for (const [path, text] of await consoleDocuments()) {
    t.is(await readFile(`${root}${path}`, "utf8"), text, path);
  }
});

test("the console asks for no more rows than a server gives unless it is told to", async (t) => {
  const [, most] =
    /SALDO_PAGE_SIZE_MAX=(\d+)/.exec(await readFile(`${root}.env.example`, "utf8")) ?? [];
  const folder = `${root}src/web/console/`;
  const asked = [];
  for (const file of await readdir(folder, { recursive: true })) {
    if (!/\.(graphql|ts|tsx)$/.test(file)) continue;
    for (const [, rows] of (await readFile(`${folder}${file}`, "utf8")).matchAll(
      /\bfirst: (\d+)/g,
    )) {
      asked.push({ file, rows: Number(rows) });
    }
  }
  t.true(asked.length > 20);
  t.deepEqual(
    asked.filter(({ rows }) => rows > Number(most)),
    [],
  );
});
