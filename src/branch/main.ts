/** The program of a till: a store, a local server with the page, and a pusher. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createTillApp } from "./http/app.ts";
import type { Pace } from "./push/pace.ts";
import { Pusher } from "./push/pusher.ts";
import { keepDailyCopies } from "./store/daily_copy.ts";
import { Store, type StoreOptions } from "./store/store.ts";
import { StoreRefused } from "./till_error.ts";

/** How a till is started. */
export interface TillOptions extends StoreOptions {
  port: number;
  pageFolder: string | undefined;
  password?: string | undefined;
  pace?: Pace;
  say?: (message: string, fields?: Record<string, unknown>) => void;
}

/** A till that runs. */
export interface RunningTill {
  address: string;
  store: Store;
  pusher: Pusher;
  stop(): Promise<void>;
}

/** Opens the store, listens on this machine only, and begins to push. */
export async function startTill(options: TillOptions): Promise<RunningTill> {
  const store = Store.open(options);
  const say = options.say ?? (() => {});
  const pusher = new Pusher(store, { say, ...(options.pace && { pace: options.pace }) });
  const { pageFolder, password } = options;
  const server = createServer(createTillApp({ store, pusher, pageFolder, password }));
  try {
    await new Promise<void>((done, refuse) => {
      server.once("error", refuse);
      server.listen(options.port, "127.0.0.1", done);
    });
  } catch (error) {
    store.close();
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new StoreRefused(`Port ${options.port} is in use: give another with --port.`);
  }
  const { port } = server.address() as AddressInfo;
  store.announce(port);
  pusher.start();
  const endCopies = keepDailyCopies(store, say);
  return {
    address: `http://localhost:${port}`,
    store,
    pusher,
    async stop() {
      await pusher.stop();
      await endCopies();
      const closed = new Promise((done) => server.close(done));
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 2000).unref();
      await closed;
      store.close();
    },
  };
}
