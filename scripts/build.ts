import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * `npm run build`: makes dist/ of src/ and tasks/, JavaScript with types, for the package: Node runs
 * TypeScript as it stands, but not below node_modules. `npm pack` does it by itself.
 */
const root = fileURLToPath(new URL("../", import.meta.url));

// A start does not run the migration at hand, and the logic of the package would miss its tables.
const current = readFileSync(`${root}migrations/current.sql`, "utf8");
if (!/^\s*(--[^\n]*\n?\s*)*$/.test(current)) {
  console.error(
    "migrations/current.sql has a migration at hand, which no package may leave out: commit it " +
      "first, with npm run migrate:commit.",
  );
  process.exit(1);
}
rmSync(`${root}dist`, { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
