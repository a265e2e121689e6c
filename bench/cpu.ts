import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Client } from "pg";

/** Processor time in seconds: of processes on this machine, by Linux's own account. */
export interface CpuClock {
  /** Of one process with all its threads. */
  ofProcess(pid: number): number;
  /** Of PostgreSQL: its first process, and all its children, ended ones too. */
  ofPostgres(): number;
}

/** Where there is no /proc, or the server is elsewhere, there is none. */
export async function cpuClock(client: Client): Promise<CpuClock | undefined> {
  const { rows } = await client.query<{ pid: number; address: string | null }>(
    "select pg_backend_pid() as pid, host(inet_client_addr()) as address",
  );
  const backend = rows[0]?.pid ?? 0;
  const isLocal = ["127.0.0.1", "::1", null].includes(rows[0]?.address ?? null);
  if (!isLocal || !existsSync(`/proc/${backend}/stat`)) return undefined;
  const ticks = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  const postmaster = statOf(backend)?.parent ?? 0;
  return {
    ofProcess: (pid) => (statOf(pid)?.own ?? 0) / ticks,
    ofPostgres() {
      const first = statOf(postmaster);
      const children = readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map((name) => statOf(Number(name)))
        .filter((stat) => stat?.parent === postmaster)
        .reduce((sum, stat) => sum + (stat?.own ?? 0), 0);
      return ((first?.own ?? 0) + (first?.ended ?? 0) + children) / ticks;
    },
  };
}

/** Parent of a process, its own ticks, and those of its children that have ended. */
function statOf(pid: number): { parent: number; own: number; ended: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything; what follows is counted from behind it.
    const [, parent, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const at = (place: number) => Number(rest[place - 5]);
    return { parent: Number(parent), own: at(14) + at(15), ended: at(16) + at(17) };
  } catch {
    return undefined;
  }
}
