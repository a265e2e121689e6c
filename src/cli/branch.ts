import { branchHelp, branchOptions } from "../branch/options.ts";
import { type Command, UsageError } from "./command.ts";

/** `saldo branch`: a till, which needs no database. */
export const branchCommand: Command = {
  usage: "branch [enrol URL CODE | key KEY | export FILE | import FILE]",
  help: branchHelp,
  options: { ...branchOptions },
  prepare(words) {
    return async () => {
      // Here, since only a till needs SQLite, and an older Node has none.
      const { BranchUsage, runBranch } = await import("../branch/command.ts");
      try {
        return await runBranch(words, process.env);
      } catch (error) {
        if (error instanceof BranchUsage) throw new UsageError(error.message);
        throw error;
      }
    };
  },
};
