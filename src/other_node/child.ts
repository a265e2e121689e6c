/** Runs Saldo for a program whose own Node is too old for it, and stops when that program ends. */
import { readConfig } from "../config.ts";
import { requireDirectConnection } from "../database/direct_connection.ts";
import { migrate } from "../database/migrate.ts";
import type { Log } from "../log.ts";
import { type Running, start } from "../start.ts";
import type { Order, Report } from "./messages.ts";

const report = (what: Report) => {
  // The receiver may be gone.
  if (process.connected) process.send?.(what);
};

const tell =
  (level: "info" | "warn" | "error") => (message: string, fields?: Record<string, unknown>) =>
    report({ kind: "log", level, message, fields });
const log: Log = { info: tell("info"), warn: tell("warn"), error: tell("error") };

async function obey(order: Order): Promise<Running | undefined> {
  if (order.call === "migrate") {
    await requireDirectConnection(order.databaseUrl);
    await migrate(order.databaseUrl);
    report({ kind: "done" });
    return undefined;
  }
  const running = await start(readConfig(order.environment), order.parts, log);
  void running.broken.then((reason) => report({ kind: "broken", reason }));
  report({ kind: "started", address: running.address, databaseUrl: running.databaseUrl });
  return running;
}

// Ctrl-C reaches us as well; it is our program that decides when we end.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {});

let obeying: Promise<Running | undefined> | undefined;
process.on("message", (message: Order | "stop") => {
  if (message === "stop") return void end();
  obeying = obey(message).catch((error: Error) => {
    report({ kind: "failed", name: error.constructor.name, message: error.message });
    return undefined;
  });
});
process.on("disconnect", () => void end());
process.on("SIGTERM", () => void end());

async function end(): Promise<never> {
  const running = await obeying;
  await running?.stop();
  process.exit(0);
}
