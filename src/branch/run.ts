/** The till's own program: `node src/branch/run.ts`, and what its small package runs. */
import { parseArgs } from "node:util";
import { BranchUsage, runBranch } from "./command.ts";
import { branchHelp, branchOptions } from "./options.ts";

try {
  const words = parseArgs({
    options: { ...branchOptions, help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (words.values.help) process.stdout.write(`${branchHelp.join("\n")}\n`);
  else process.exitCode = await runBranch(words, process.env);
} catch (error) {
  const { code } = error as { code?: string };
  const isUsage = error instanceof BranchUsage || code?.startsWith("ERR_PARSE_ARGS");
  if (!isUsage) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
