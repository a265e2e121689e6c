import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** A program of ours, run as a process of its own. */
export interface Program {
  child: ChildProcess;
  /** All that it has printed so far, on either stream. */
  output(): string;
  /** Resolves with the text's match when it is printed; rejects when the program ends first. */
  printed(text: RegExp): Promise<RegExpExecArray>;
  /** Resolves with its exit code, or with the signal that ended it. */
  ended: Promise<number | string>;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a TypeScript file of the project, with these variables and none of the tests' own. */
export function runProgram(
  file: string,
  args: string[],
  environment: Record<string, string> = {},
  user: { uid?: number; gid?: number } = {},
): Program {
  return watched(
    file,
    spawn(process.execPath, [file, ...args], {
      cwd: root,
      env: { ...inherited(), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      ...user,
    }),
  );
}

/** Runs a script of package.json by the shell, as npm does: what it sends a signal to is the shell. */
export function runScript(command: string, environment: Record<string, string> = {}): Program {
  return watched(
    command,
    spawn("sh", ["-c", command], {
      cwd: root,
      env: { ...inherited(), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
}

/** What no program notices: where to find others, and the modules that are compiled already. */
function inherited(): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }) };
}

function watched(file: string, child: ChildProcessByStdio<null, Readable, Readable>): Program {
  let output = "";
  const listeners = new Set<() => void>();
  const notice = () => {
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      notice();
    });
  }
  let hasEnded = false;
  const ended = new Promise<number | string>((done) => {
    // "exit" and not "close": a PostgreSQL that a killed launcher leaves may hold the pipes.
    child.once("exit", (code, signal) => {
      hasEnded = true;
      setTimeout(() => {
        notice();
        done(code ?? signal ?? "");
      }, 50);
    });
  });
  const printed = (text: RegExp) =>
    new Promise<RegExpExecArray>((done, refuse) => {
      const look = () => {
        const match = text.exec(output);
        if (match) done(match);
        else if (hasEnded) refuse(new Error(`${file} ended without ${text}: ${output}`));
        else return;
        listeners.delete(look);
      };
      listeners.add(look);
      look();
    });
  return { child, output: () => output, printed, ended };
}
