/**
 * Keeps jobs running: a worker that makes no progress is given up, and another one is started on a
 * new pool. Where that does not help, or is somebody else's task, its end is reported.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { makePool } from "../database/pools.ts";
import { announced } from "../database/start_wait.ts";
import type { Log } from "../log.ts";
import { startWorker, type Worker, type WorkerConfig } from "./worker.ts";

/** How often a worker is restarted at most. */
export interface Restarts {
  count: number;
  withinMs: number;
}

/** For a process with other parts, which go on meanwhile. */
export const restartsBesideOthers: Restarts = { count: 5, withinMs: 600_000 };

/** For a process that is only a worker: its supervisor restarts it. */
export const noRestarts: Restarts = { count: 0, withinMs: 0 };

/** The jobs of a process, whichever worker runs them just now. */
export interface KeptWorker extends Worker {
  /** Whether a worker runs now: it does not while one is being restarted. */
  isWorking(): boolean;
}

// More than a worker runs at once: one holds its name, one listens, some ask for jobs.
const connectionCount = 10;
const waitMaxMs = 10_000;
// What PostgreSQL and the network say while the one starts and the other is away.
const awayCodes = /^(08|57P0|53300|ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|EPIPE)/;

/** Starts the jobs, and restarts them when they make no progress, within bounds. */
export async function keepWorking(
  ownerUrl: string,
  config: WorkerConfig,
  log: Log,
  restarts: Restarts,
): Promise<KeptWorker> {
  let isStopping = false;
  const stopping = new AbortController();
  let report: (reason: string) => void = () => {};
  const stopped = new Promise<string>((done) => {
    report = done;
  });
  let current: OpenWorker | undefined = await openWorker(ownerUrl, config, log);

  const again = async (): Promise<OpenWorker | undefined> => {
    for (let waitMs = 500; !isStopping; waitMs = Math.min(2 * waitMs, waitMaxMs)) {
      await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
      try {
        if (!isStopping) return await openWorker(ownerUrl, config, log);
      } catch (error) {
        const { code = "", message } = error as { code?: string; message: string };
        // A database that is away is waited for; anything else will not pass by itself.
        if (!awayCodes.test(code) && !/timeout|terminated/i.test(message)) throw error;
        log.warn("jobs wait for the database", { reason: message || code });
      }
    }
    return undefined;
  };
  const keep = async () => {
    let restartedAt: number[] = [];
    while (current !== undefined) {
      const reason = await current.worker.stopped;
      if (isStopping) return;
      log.error("jobs stand still", { reason });
      const old = current;
      current = undefined;
      await old.close();
      const now = performance.now();
      restartedAt = [...restartedAt.filter((at) => now - at < restarts.withinMs), now];
      if (restartedAt.length > restarts.count) {
        report(reason);
        return;
      }
      current = await again();
      if (current !== undefined) log.warn("jobs begin again", { restarts: restartedAt.length });
    }
  };
  const kept = keep().catch((error: Error) => report(error.message));

  return {
    stopped,
    isWorking: () => current !== undefined,
    async stop() {
      isStopping = true;
      stopping.abort();
      if (current === undefined) await kept; // one may be starting, or ending
      await current?.close();
    },
  };
}

interface OpenWorker {
  worker: Worker;
  /** Stops it in order; what takes too long loses its connections. */
  close(): Promise<void>;
}

async function openWorker(ownerUrl: string, config: WorkerConfig, log: Log): Promise<OpenWorker> {
  const pool = makePool(ownerUrl, connectionCount, log);
  const clients = new Set<Client>();
  pool.on("connect", (client) => clients.add(client as unknown as Client));
  pool.on("remove", (client) => clients.delete(client as unknown as Client));
  const endPool = async () => {
    // One that a job still holds would be waited for: its statement is over with its connection.
    await within(2000, pool.end());
    for (const client of clients) void client.end().catch(() => {});
  };
  try {
    const worker = await announced(ownerUrl, "the start of jobs", log, () =>
      startWorker(pool, config, log),
    );
    let closing: Promise<void> | undefined;
    const close = async () => {
      const outcome = await within(config.shutdownGraceMs + 1000, worker.stop());
      if (outcome === "late") log.warn("jobs did not stop in time");
      await endPool();
    };
    return {
      worker,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await endPool();
    throw error;
  }
}

/** Waits for it so long; that it fails is its own matter. */
async function within(ms: number, work: Promise<unknown>): Promise<"done" | "late"> {
  const limit = new AbortController();
  const late = sleep(ms, "late" as const, { signal: limit.signal }).catch(() => "late" as const);
  const outcome = await Promise.race([
    work.then(
      () => "done" as const,
      () => "done" as const,
    ),
    late,
  ]);
  limit.abort();
  return outcome;
}
