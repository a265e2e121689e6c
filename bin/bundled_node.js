import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/**
 * The Node that comes along as an npm package, for callers with an older one. Plain JavaScript, for
 * it is the older one that runs it.
 *
 * @returns {string} path of the program
 * @throws Error with a sentence where npm did not install it
 */
export function bundledNode() {
  const folder = dirname(createRequire(import.meta.url).resolve("node/package.json"));
  const file = join(folder, "bin", process.platform === "win32" ? "node.exe" : "node");
  if (existsSync(file)) return file;
  throw new Error(
    `Saldo needs Node 22.18 or newer, not ${process.versions.node}, and the one that comes along ` +
      "was not installed: use a newer Node, or let npm run the install script of the package node.",
  );
}
