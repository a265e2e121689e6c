#!/usr/bin/env node
/**
 * `npx saldo`: runs the command line under this Node when it can, or under the Node that comes along
 * as an npm package. In a checkout that is TypeScript as it stands, in the package what was built
 * of it. So this file is plain JavaScript that an older Node understands.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundledNode } from "./bundled_node.js";

const source = new URL("../src/cli/main.ts", import.meta.url);
const program = existsSync(source) ? source : new URL("../dist/src/cli/main.js", import.meta.url);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

// A till's store needs the SQLite of a later Node; for the rest src/config.ts asks for the same version.
const [leastMajor, leastMinor] = process.argv[2] === "branch" ? [24, 15] : [22, 18];
if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) {
  await import(program.href);
} else {
  try {
    runInOurPlace(bundledNode(), [fileURLToPath(program), ...process.argv.slice(2)]);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}

/** Signals go on to it, and it ends us with its own code. */
function runInOurPlace(node, words) {
  const child = spawn(node, words, { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGHUP", "SIGINT"]) {
    process.on(signal, () => {
      // A terminal gives Ctrl-C to both of us.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.once("error", (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  });
  child.once("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}
