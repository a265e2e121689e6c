/**
 * The process: `main.ts` runs everything, `main.ts server` serves HTTP only, `main.ts worker` runs
 * jobs only.
 */
import { runProcess } from "./run_process.ts";

process.exit(await runProcess(process.argv[2] ?? "all"));
