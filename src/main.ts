import { ConfigError, readConfig } from "./config.ts";
import { makeLog } from "./log.ts";
import { type Parts, type Running, start } from "./start.ts";
import { StartError } from "./start_error.ts";

/**
 * The process: `main.ts` runs everything, `main.ts server` serves HTTP only, `main.ts worker` runs
 * jobs only. Ends with 0 after a signal, with 1 when it cannot start or a part breaks.
 */
const parts: Record<string, Parts> = {
  all: { http: true, jobs: true },
  server: { http: true, jobs: false },
  worker: { http: false, jobs: true },
};

function fail(error: unknown): never {
  const isExplained = error instanceof ConfigError || error instanceof StartError;
  process.stderr.write(
    isExplained
      ? `${error.message}\n`
      : `Saldo could not start: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(1);
}

try {
  const config = readConfig(process.env);
  const log = makeLog(config.logLevel);
  const chosen = parts[process.argv[2] ?? "all"];
  if (chosen === undefined) throw new ConfigError("Say nothing, server or worker.");
  const starting = start(config, chosen, log);

  let isStopping = false;
  const stop = async (reason: string, code: number) => {
    if (isStopping) return;
    isStopping = true;
    log[code === 0 ? "info" : "error"]("stopping", { reason });
    // A start under way is finished first: half a start would leave PostgreSQL behind.
    const running: Running | undefined = await starting.catch(() => undefined);
    await running?.stop();
    log.info("stopped");
    process.exit(code);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    process.on(signal, () => {
      // The second signal is for those who will not wait.
      if (isStopping) process.exit(130);
      void stop(signal, 0);
    });
  }
  const running = await starting;
  void running.broken.then((reason) => stop(reason, 1));
} catch (error) {
  fail(error);
}
