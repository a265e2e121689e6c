import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The real program in a process of its own. */
export interface Program {
  child: ChildProcess;
  /** Ends it at once, as nothing can refuse. */
  kill(): Promise<void>;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Resolves with the text that the output has come to match. */
  says(pattern: RegExp): Promise<string>;
}

/** Starts `src/main.ts` with these arguments and settings. */
export function startProgram(args: string[], settings: Record<string, string>): Program {
  const child = spawn(process.execPath, [`${root}src/main.ts`, ...args], {
    cwd: root,
    env: { ...process.env, NODE_ENV: "development", ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exited = new Promise<void>((done) => child.once("exit", () => done()));
  const end = async (signal: "SIGKILL" | "SIGTERM") => {
    child.kill(signal);
    await exited;
  };
  return {
    child,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    async says(pattern) {
      for (let waited = 0; waited < 60_000; waited += 20) {
        const found = pattern.exec(output);
        if (found) return found[1] ?? found[0];
        if (child.exitCode !== null) break;
        await new Promise((done) => setTimeout(done, 20));
      }
      throw new Error(`it never said ${pattern}:\n${output}`);
    },
  };
}
