import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * `npm run build:web`, and each `npm ci` at its end: builds the pages of src/web into dist/web, where
 * they are missing or older than their sources; `--force` builds anyway. Without its tools (an install without development's
 * packages) it says so and leaves all as it is: the servers work without pages.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const pages = ["cashier", "console"];

function sourcesHash(page: string): string {
  const hash = createHash("sha256");
  const files = ["src/web/vite.config.ts", "scripts/build_web.ts", "package-lock.json"];
  for (const folder of [`src/web/${page}`, "src/web/shared"]) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) files.push(join(entry.parentPath, entry.name).slice(root.length));
    }
  }
  for (const file of files.sort()) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

// Whoever builds, a test too: a page with half of React for development and half not does not run.
process.env["NODE_ENV"] = "production";
const isForced = process.argv.includes("--force");
const stampOf = (page: string) => join(root, "dist/web", page, "sources.sha256");
const vite = await import("vite").catch(() => undefined);
if (vite === undefined) {
  // Where they were built elsewhere and brought along there is nothing to say.
  if (isForced || !pages.every((page) => existsSync(stampOf(page)))) {
    console.error("The pages are not built: vite is not installed. Run npm ci, with all packages.");
  }
  process.exit(isForced ? 1 : 0);
}
for (const page of pages) {
  const stamp = stampOf(page);
  const hash = sourcesHash(page);
  if (!isForced && existsSync(stamp) && readFileSync(stamp, "utf8") === hash) continue;
  const configFile = join(root, "src/web/vite.config.ts");
  await vite.build({ configFile, mode: page, logLevel: "warn" });
  // What SALDO_ALLOWED_DOCUMENTS=console goes by, where only the built files are.
  const documents = join(root, "src/web", page, "allowed_documents.json");
  if (existsSync(documents)) copyFileSync(documents, join(dirname(stamp), basename(documents)));
  writeFileSync(stamp, hash);
  console.log(`dist/web/${page} is built.`);
}
