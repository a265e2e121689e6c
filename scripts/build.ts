import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * `npm run build`: makes dist/ of src/ and tasks/, JavaScript with types, for the package: Node runs
 * TypeScript as it stands, but not below node_modules. `npm pack` does it by itself.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
