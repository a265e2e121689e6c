import { ConfigError, readConfig } from "./config.ts";
import { StartError } from "./embedded.ts";
import { makeLog } from "./log.ts";
import { start } from "./server.ts";

/**
 * The process: `main.ts` runs everything, `main.ts server` serves HTTP only, `main.ts worker` runs
 * jobs only. Ends with 0 after a signal, with 1 when it cannot start or a part breaks.
 */
const log = makeLog();
const only = process.argv[2];

try {
  const running = await start(
    readConfig(process.env),
    { http: only !== "worker", jobs: only !== "server" },
    log,
  );
  let isStopping = false;
  const stop = async (reason: string, code: number) => {
    if (isStopping) return;
    isStopping = true;
    log.info("stopping", { reason });
    await running.stop();
    log.info("stopped");
    process.exit(code);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      // The second signal is for those who will not wait.
      if (isStopping) process.exit(130);
      void stop(signal, 0);
    });
  }
  running.broken.then((reason) => stop(reason, 1));
} catch (error) {
  if (error instanceof ConfigError || error instanceof StartError) {
    process.stderr.write(`${error.message}\n`);
  } else {
    log.error("start failed", { reason: error instanceof Error ? error.message : String(error) });
  }
  process.exit(1);
}
