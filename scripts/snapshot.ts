import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Pool } from "pg";
import { settings } from "../src/config.ts";
import { startEmbedded } from "../src/database/embedded.ts";
import { migrate } from "../src/database/migrate.ts";
import { printSchemaOf } from "../src/graphql/print_schema.ts";
import { envExample } from "./env_example.ts";
import { schemaSql } from "./schema_sql.ts";
import { sqlTypes } from "./sql_types.ts";
import { surfaceText } from "./surface_text.ts";

/**
 * `npm run snapshot` writes what is generated: migrations/schema.sql, schema.graphql,
 * src/sql_types.ts, test/house/surface.txt, .env.example, and README's table of settings and figures
 * of the bench.
 */
const root = fileURLToPath(new URL("../", import.meta.url));

const folder = join(tmpdir(), `saldo-snapshot-${randomBytes(4).toString("hex")}`);
const server = await startEmbedded(folder, { fsync: "off" });
try {
  await migrate(server.connectionString, { withCurrent: true });
  const pool = new Pool({ connectionString: server.connectionString });
  // The server may stop before a connection that was closed has taken its leave.
  pool.on("error", () => {});
  await writeFile(`${root}migrations/schema.sql`, await schemaSql(pool));
  await writeFile(`${root}test/house/surface.txt`, await surfaceText(pool));
  await writeFile(`${root}src/sql_types.ts`, await sqlTypes(pool));
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

await writeFile(`${root}.env.example`, envExample());

const rows = Object.values(settings).map(
  ({ name, description, default: fallback }) =>
    `| \`${name}\` | ${description} | ${fallback || "none"} |`,
);
const table = ["| setting | meaning | default |", "|---|---|---|", ...rows].join("\n");
const report = await readFile(`${root}bench/report.md`, "utf8").catch(() => "");
const figures = report.replace(/^# Bench\n/, "").trim();

const readme = await readFile(`${root}README.md`, "utf8");
await writeFile(
  `${root}README.md`,
  readme
    .replace(/(<!-- settings -->\n)[\s\S]*?(<!-- \/settings -->)/, `$1${table}\n$2`)
    .replace(/(<!-- bench -->\n)[\s\S]*?(<!-- \/bench -->)/, `$1${figures}\n$2`),
);
console.log(
  "written: .env.example, migrations/schema.sql, schema.graphql, src/sql_types.ts, test/house/surface.txt, README.md",
);
