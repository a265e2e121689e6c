import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConfigError, type Environment } from "../config.ts";
import type { Log } from "../log.ts";
import { rootFolder } from "../paths.ts";
import type { Parts } from "../start.ts";
import { StartError } from "../start_error.ts";
import type { Order, Report } from "./messages.ts";

/*
 * GraphQL and jobs need a newer Node than a program may run under. Saldo runs in a process of the
 * Node that comes along then, and the program has the same functions and handles.
 */

/** What such a process runs. */
export interface Remote {
  readonly address: string;
  readonly databaseUrl: string;
  readonly broken: Promise<string>;
  stop(): Promise<void>;
}

/** database/migrate.ts in the other Node. */
export async function migrateInOtherNode(databaseUrl: string): Promise<void> {
  const { child, ended } = await ask({ call: "migrate", databaseUrl });
  child.send("stop");
  await ended;
}

/** start.ts in the other Node. */
export async function startInOtherNode(
  environment: Environment,
  parts: Parts,
  log: Log,
): Promise<Remote> {
  let isStopping = false;
  const { child, ended, answer } = await ask({ call: "start", environment, parts }, log);
  if (answer.kind !== "started") throw new Error(`an answer out of place: ${answer.kind}`);
  const broken = new Promise<string>((done) => {
    child.on("message", (report: Report) => {
      if (report.kind === "broken") done(report.reason);
    });
    void ended.then(() => {
      if (!isStopping) done("its process ended");
    });
  });
  return {
    address: answer.address,
    databaseUrl: answer.databaseUrl,
    broken,
    async stop() {
      isStopping = true;
      if (child.connected) child.send("stop");
      await ended;
    },
  };
}

interface Asked {
  child: ChildProcess;
  ended: Promise<void>;
  answer: Report;
}

/** Starts the process, gives it its order, and waits for the answer. */
async function ask(order: Order, log?: Log): Promise<Asked> {
  const { bundledNode } = await import(pathToFileURL(join(rootFolder, "bin/bundled_node.js")).href);
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const program = fileURLToPath(new URL(`./child.${extension}`, import.meta.url));
  // Options of the caller's Node would be those of another version.
  const child = fork(program, [], { execPath: bundledNode(), execArgv: [] });
  const ended = new Promise<void>((done) => {
    child.once("exit", () => done());
  });
  const answer = new Promise<Report>((done, refuse) => {
    child.once("error", refuse);
    void ended.then(() => refuse(new StartError("The process that runs Saldo ended too early.")));
    child.on("message", (report: Report) => {
      if (report.kind === "log") log?.[report.level](report.message, report.fields);
      else if (report.kind === "failed") refuse(errorOf(report.name, report.message));
      else done(report);
    });
  });
  child.send(order);
  try {
    return { child, ended, answer: await answer };
  } catch (error) {
    if (child.connected) child.disconnect();
    await ended;
    throw error;
  }
}

function errorOf(name: string, message: string): Error {
  if (name === "StartError") return new StartError(message);
  return name === "ConfigError" ? new ConfigError(message) : new Error(message);
}
