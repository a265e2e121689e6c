/**
 * Whether a worker works. A timer in its process would go on while its queue is stuck, so only what
 * has passed through the queue counts: answers to its queries, jobs that ended, and the pulse,
 * which a job writes (tasks/pulse.ts).
 */
import type { WorkerEvents } from "graphile-worker";
import type { ClientConfig } from "pg";
import { OwnClient } from "../database/own_client.ts";

/** How long a worker may seem idle. */
export interface WorkLimits {
  /** Jobs that it runs at once at most. */
  slotCount: number;
  /** While all slots are taken no pulse passes: how long it may take until one of them is free. */
  busyMs: number;
  /** Time between two looks. */
  lookEveryMs: number;
}

/** Watches one worker. */
export interface WorkWatch {
  /** Resolves with the reason when the worker has stopped working. */
  stoodStill: Promise<string>;
  stop(): void;
}

interface Pulse {
  is_silent: boolean;
  silent_seconds: number;
}

/**
 * Watches a worker by its events and by the pulse in the database. While the database does not
 * answer nobody is to blame: the time starts again from zero.
 */
export function watchWork(
  events: WorkerEvents,
  connection: ClientConfig,
  limits: WorkLimits,
): WorkWatch {
  let heardAt = performance.now(); // the queue answered
  let endedAt = heardAt; // a job came to its end, or a slot was free
  let pulseSince = heardAt; // from here on a pulse is expected
  let runningCount = 0;
  let report: (reason: string) => void = () => {};
  const stoodStill = new Promise<string>((done) => {
    report = done;
  });
  const hear = () => {
    heardAt = performance.now();
  };
  events.on("worker:getJob:empty", hear);
  events.on("job:start", () => {
    hear();
    runningCount += 1;
  });
  events.on("job:complete", () => {
    hear();
    endedAt = heardAt;
    runningCount -= 1;
  });
  // It shuts itself down then, counts what it waits for, and may wait forever.
  events.on("pool:fatalError", ({ error }) =>
    report(`the end of a job could not be recorded: ${(error as Error).message}`),
  );
  events.on("pool:gracefulShutdown", ({ message }) => report(`the queue shut down: ${message}`));

  const look = async () => {
    const now = performance.now();
    if (runningCount >= limits.slotCount) {
      if (now - endedAt > limits.busyMs) report("all jobs at once take longer than any may");
      heardAt = now;
      pulseSince = now;
      return;
    }
    endedAt = now;
    const pulse = await readPulse(connection).catch(() => undefined);
    if (pulse === undefined) {
      heardAt = performance.now();
      pulseSince = heardAt;
      return;
    }
    const silentMs = pulse.silent_seconds * 1000;
    if (now - heardAt > silentMs) {
      report(`the queue has not answered for ${pulse.silent_seconds} s, and the database does`);
    } else if (pulse.is_silent && now - pulseSince > silentMs) {
      report(`no job has passed through the queue for ${pulse.silent_seconds} s`);
    }
  };
  let isLooking = false;
  const timer = setInterval(async () => {
    if (isLooking) return;
    isLooking = true;
    await look();
    isLooking = false;
  }, limits.lookEveryMs);
  return { stoodStill, stop: () => clearInterval(timer) };
}

/** Asks on a connection of its own: the worker's pool may be what stands still. */
async function readPulse(connection: ClientConfig): Promise<Pulse | undefined> {
  const client = new OwnClient({
    ...connection,
    application_name: "saldo watchdog",
    connectionTimeoutMillis: 5000,
    query_timeout: 5000,
  });
  client.on("error", () => {}); // a lost connection fails the query that was under way
  try {
    await client.connect();
    const { rows } = await client.query<Pulse>(
      "select is_silent, silent_seconds from saldo_private.worker_state()",
    );
    return rows[0];
  } finally {
    await client.end();
  }
}
