import { execFileSync } from "node:child_process";
import { chmod, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { closeDataFolder, openDataFolder } from "../../src/database/data_folder.ts";
import { locatePrograms } from "../../src/database/postgres_programs.ts";
import {
  endPostmaster,
  launchPostmaster,
  portIfFree,
  waitUntilReady,
} from "../../src/database/postmaster.ts";

/** A PostgreSQL that follows another one. */
export interface Standby {
  /** The primary's login and database, at the standby. */
  connectionString: string;
  /** Waits until it has what the primary has committed by now. */
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
}

const settings = { shared_buffers: "32MB" };

/**
 * Copies the running embedded PostgreSQL of a data folder, as pg_basebackup would, which does not
 * come with it, and starts the copy as its standby.
 */
export async function startStandby(folder: string, primaryUrl: string): Promise<Standby> {
  const { root, identity } = await openDataFolder(await mkdtemp(join(tmpdir(), "saldo-standby-")));
  await closeDataFolder({ root, identity });
  const cluster = join(root, "data");
  await withClient(primaryUrl, async (primary) => {
    await primary.query("select pg_backup_start('standby', fast => true)");
    await cp(join(folder, "postgres", "data"), cluster, {
      recursive: true,
      preserveTimestamps: true,
      filter: (source) => !/postmaster\.(pid|opts)$/.test(source),
    });
    const { rows } = await primary.query<{ labelfile: string }>(
      "select labelfile from pg_backup_stop(wait_for_archive => false)",
    );
    await writeFile(join(cluster, "backup_label"), rows[0]?.labelfile ?? "");
  });
  await writeFile(join(cluster, "standby.signal"), "");
  await chmod(cluster, 0o700);
  if (identity.uid !== undefined) {
    execFileSync("chown", ["-R", `${identity.uid}:${identity.gid}`, cluster]);
  }
  const port = (await portIfFree(0)) ?? 0;
  const { postgres } = await locatePrograms(identity, import.meta.url);
  const { hostname, port: primaryPort, username, password } = new URL(primaryUrl);
  const postmaster = launchPostmaster(postgres, cluster, identity, port, {
    ...settings,
    primary_conninfo: `host=${hostname} port=${primaryPort} user=${username} password=${password}`,
  });
  const url = new URL(primaryUrl);
  url.port = String(port);
  const lastWords = await waitUntilReady(postmaster, url.href);
  if (lastWords !== undefined) throw new Error(`the standby does not start: ${lastWords}`);
  return {
    connectionString: url.href,
    async caughtUp() {
      const { rows } = await withClient(primaryUrl, (primary) =>
        primary.query<{ lsn: string }>("select pg_current_wal_flush_lsn() as lsn"),
      );
      await withClient(url.href, async (client) => {
        const query = "select pg_last_wal_replay_lsn() >= $1::pg_lsn as is_there";
        while (!(await client.query(query, [rows[0]?.lsn])).rows[0].is_there) await sleep(20);
      });
    },
    async stop() {
      await endPostmaster(postmaster);
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
