import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";

/** Kills a PostgreSQL of ours: its first process, and all children as they are at this moment. */
export async function killPostgres(folder: string): Promise<void> {
  const file = join(folder, "postgres", "data", "postmaster.pid");
  const postmaster = Number((await readFile(file, "utf8")).split("\n")[0]);
  const children = execFileSync("ps", ["-o", "pid=", "--ppid", String(postmaster)], {
    encoding: "utf8",
  });
  for (const pid of [postmaster, ...children.trim().split(/\s+/).map(Number)]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }
}

/** Connects to a server that may be recovering from a kill, as soon as it takes connections. */
export async function connectWhenUp(connectionString: string): Promise<Client> {
  for (;;) {
    const client = new Client({ connectionString });
    client.on("error", () => {}); // it may be killed again
    try {
      await client.connect();
      return client;
    } catch {
      await sleep(100);
    }
  }
}
