import { setTimeout as sleep } from "node:timers/promises";
import { channelsOf } from "./alerts/delivery.ts";
import type { Config } from "./config.ts";
import { requireDirectConnection } from "./database/direct_connection.ts";
import { startEmbedded } from "./database/embedded.ts";
import { migrate } from "./database/migrate.ts";
import { makePool, writeSettings } from "./database/pools.ts";
import { isStandby } from "./database/standby.ts";
import { announced, withLockTimeout } from "./database/start_wait.ts";
import { startHttp } from "./http/start_http.ts";
import {
  type KeptWorker,
  keepWorking,
  noRestarts,
  restartsBesideOthers,
} from "./jobs/keep_working.ts";
import type { Log } from "./log.ts";
import { applyRules, readRulesFile } from "./own_tables/rules_file.ts";
import { StartError } from "./start_error.ts";

/** Which parts a process runs. */
export interface Parts {
  http: boolean;
  jobs: boolean;
}

/** A running Saldo. */
export interface Running {
  /** Address of the HTTP server; empty without one. */
  address: string;
  /** What signs its tokens; nothing without an HTTP server, or where only others sign them. */
  jwtSecret: string | undefined;
  /** The database with the login that owns it. */
  databaseUrl: string;
  /** Whether it runs a PostgreSQL of its own. */
  isEmbedded: boolean;
  /** Stops in order: no new requests, running ones finish, jobs, pools, PostgreSQL. */
  stop(): Promise<void>;
  /** Resolves with the reason when a part breaks that the others need. */
  broken: Promise<string>;
}

type Stop = () => Promise<void>;

/** Starts the parts, and PostgreSQL before them where no DATABASE_URL is given. */
export async function start(config: Config, parts: Parts, log: Log): Promise<Running> {
  // Stopped in reverse order of starting.
  const stops: Stop[] = [];
  let reportBroken: (reason: string) => void = () => {};
  const broken = new Promise<string>((done) => {
    reportBroken = done;
  });
  try {
    // The first start makes a database, which takes a while, without a word otherwise.
    if (!config.databaseUrl) log.info("starting PostgreSQL", { folder: config.dataFolder });
    const embedded = config.databaseUrl ? undefined : await startEmbedded(config.dataFolder);
    if (embedded) {
      stops.push(() => embedded.stop());
      void embedded.exited.then((lastWords) => reportBroken(`PostgreSQL ended: ${lastWords}`));
    }
    const ownerUrl = config.databaseUrl ?? embedded?.connectionString ?? "";
    if (!embedded) await requireDirectConnection(ownerUrl);
    // On a PostgreSQL of its own no server of another version can run beside this one.
    await migrate(ownerUrl, { log, mayGoBack: embedded !== undefined });
    const isReplica = !embedded && (await isStandby(ownerUrl));
    if (!isReplica) await writeAtStart(ownerUrl, config, parts, log);
    else if (parts.jobs) throw new StartError(noJobsOnStandby);
    const jobs = parts.jobs
      ? await startJobs(ownerUrl, config, parts, log, stops, reportBroken)
      : undefined;
    const http = parts.http
      ? await startHttp(ownerUrl, config, log, stops, {
          areJobsRunning: jobs && (() => jobs.isWorking()),
          tellPromoted: isReplica ? () => reportBroken("the standby became a primary") : undefined,
        })
      : undefined;
    return {
      address: http?.address ?? "",
      jwtSecret: http?.jwtSecret,
      databaseUrl: ownerUrl,
      isEmbedded: embedded !== undefined,
      broken,
      stop: () => stopAll(stops, config, log),
    };
  } catch (error) {
    await stopAll(stops, config, log);
    throw explain(error);
  }
}

const noJobsOnStandby =
  "DATABASE_URL leads to a standby, where no job can run: give that of the primary, or run npx " +
  "saldo server, which answers questions there.";

/** What a start writes besides migrations: settings, and rules over own tables. */
async function writeAtStart(
  ownerUrl: string,
  config: Config,
  parts: Parts,
  log: Log,
): Promise<void> {
  const alertChannels = parts.jobs ? channelsOf(config) : undefined;
  await announced(ownerUrl, "settings", log, () =>
    writeSettings(withLockTimeout(ownerUrl), { ...config, alertChannels }),
  );
  const { rulesFile } = config;
  if (rulesFile) {
    await announced(ownerUrl, "rules over own tables", log, () =>
      applyRulesAtStart(withLockTimeout(ownerUrl), rulesFile, log),
    );
  }
}

/** A rule that is refused is an error in the log: the rest of Saldo works without it. */
async function applyRulesAtStart(ownerUrl: string, file: string, log: Log): Promise<void> {
  const rules = await readRulesFile(file);
  const pool = makePool(ownerUrl, 1, log);
  try {
    const client = await pool.connect();
    try {
      for (const { name, outcome, ...reason } of await applyRules(client, rules)) {
        if (outcome === "refused") log.error("rule refused", { rule: name, ...reason });
        else if (outcome !== "unchanged") log.info(`rule ${outcome}`, { rule: name });
      }
    } finally {
      client.release();
    }
  } finally {
    await pool.end();
  }
}

async function startJobs(
  ownerUrl: string,
  config: Config,
  parts: Parts,
  log: Log,
  stops: Stop[],
  reportBroken: (reason: string) => void,
): Promise<KeptWorker> {
  const restarts = parts.http ? restartsBesideOthers : noRestarts;
  const jobs = await keepWorking(ownerUrl, config, log, restarts);
  void jobs.stopped.then((reason) => reportBroken(`jobs: ${reason}`));
  stops.push(() => jobs.stop());
  log.info("jobs are running");
  return jobs;
}

/**
 * Stops the parts in order. A part that does not stop within the grace and a second is left behind:
 * the parts after it, PostgreSQL last, must be stopped in any case.
 */
async function stopAll(stops: Stop[], { shutdownGraceMs }: Config, log: Log): Promise<void> {
  for (const stop of stops.splice(0).reverse()) {
    const limit = new AbortController();
    const late = sleep(shutdownGraceMs + 1000, "late", { signal: limit.signal });
    late.catch(() => {}); // it was not needed
    try {
      const outcome = await Promise.race([stop(), late]);
      if (outcome === "late") log.warn("a part did not stop in time");
    } catch (error) {
      log.warn("a part did not stop", { reason: (error as Error).message });
    }
    limit.abort();
  }
}

/** Turns what people can mend into a sentence. */
function explain(error: unknown): unknown {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") {
    const { port } = error as { port?: number };
    return new StartError(`Port ${port} is taken: stop what listens there, or set PORT.`);
  }
  if (/^(ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|28|3D000|42501)/.test(code)) {
    // Several addresses of one name fail together, without a message of their own.
    return new StartError(`DATABASE_URL does not work: ${message || code}.`);
  }
  if (/^(EACCES|EPERM|EROFS|ENOSPC|EADDRNOTAVAIL)$/.test(code)) {
    return new StartError(`The system does not let Saldo start: ${message}.`);
  }
  return error;
}
