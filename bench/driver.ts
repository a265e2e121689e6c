import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

/** One kind of transaction: a statement whose `:name` variables are drawn again for each call. */
export interface Scenario {
  name: string;
  /** One statement; variables are written `:name` and are integers. */
  sql: string;
  /** Inclusive range of each variable; a skewed one draws the first of them most (Zipf, 1.001). */
  variables: Record<string, readonly [number, number] | readonly [number, number, "skewed"]>;
  /** How many units of work (transfers, say) one statement does. */
  unitsPerCall: number;
  /** How many connections drive it; 32 unless told. */
  connections?: number;
  /** The ratio to the ceiling that is wanted. */
  goal?: number;
}

/** Is told of the seconds that are counted, so that it can measure these and no others. */
export interface Counted {
  /** `pid` is the driver's process. */
  begin(pid: number): void;
  end(): void;
}

/** How a scenario is driven: the same driver serves the ceiling and every candidate of a run. */
export interface Driver {
  name: string;
  /** Runs the scenario for some seconds and returns units of work per second. */
  run(scenario: Scenario, connections: number, seconds: number, counted?: Counted): Promise<number>;
}

/**
 * Seconds before the count begins: what a connection does but once (reading the catalogue,
 * compiling functions, planning) is most of its first second.
 */
const warmUpSeconds = (connections: number) => 2 + Math.floor(connections / 16);

/** Chooses pgbench where it is on the PATH, and `pg` in worker threads where it is not. */
export function chooseDriver(connectionString: string): Driver {
  const found = spawnSync("pgbench", ["--version"], { encoding: "utf8" });
  return found.status === 0
    ? pgbenchDriver(connectionString, found.stdout.trim())
    : workerDriver(connectionString);
}

function pgbenchDriver(connectionString: string, version: string): Driver {
  return {
    name: version,
    async run(scenario, connections, seconds, counted) {
      const folder = await mkdtemp(join(tmpdir(), "saldo-bench-"));
      const file = join(folder, "scenario.sql");
      const draws = Object.entries(scenario.variables).map(([name, [from, to, skewed]]) =>
        skewed === undefined
          ? `\\set ${name} random(${from}, ${to})`
          : `\\set ${name} random_zipfian(${from}, ${to}, 1.001)`,
      );
      await writeFile(file, `${draws.join("\n")}\n${scenario.sql.replaceAll("\n", " ")};\n`);
      const options = ["-n", "-M", "prepared", "-c", `${connections}`, "-j", "2"];
      try {
        const warmUp = warmUpSeconds(connections);
        const last = `${warmUp + seconds + 1}`;
        const output = await execute(
          "pgbench",
          [...options, "-T", last, "-P", "1", "-f", file, connectionString],
          atProgress(warmUp, seconds, counted),
        );
        // Its last line of progress is missing now and then: one second more, and no more are taken.
        const rates = [...output.matchAll(/^progress: .* s, ([0-9.]+) tps/gm)]
          .slice(warmUp, warmUp + seconds)
          .map((match) => Number(match[1]));
        const failed = /number of failed transactions: ([0-9]+)/.exec(output)?.[1] ?? "0";
        if (rates.length === 0 || failed !== "0" || /aborted/.test(output)) {
          throw new Error(`pgbench did not finish "${scenario.name}":\n${output}`);
        }
        return (rates.reduce((sum, rate) => sum + rate, 0) / rates.length) * scenario.unitsPerCall;
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  };
}

/** The counted seconds lie between two lines of progress, which pgbench prints each second. */
function atProgress(warmUp: number, seconds: number, counted: Counted | undefined) {
  let lines = 0;
  return (chunk: string, pid: number) => {
    for (const _ of chunk.matchAll(/^progress: /gm)) {
      lines += 1;
      if (lines === warmUp) counted?.begin(pid);
      if (lines === warmUp + seconds) counted?.end();
    }
  };
}

/** Runs a program and resolves to all that it printed; a failing one rejects with it. */
function execute(
  command: string,
  args: string[],
  heard: (chunk: string, pid: number) => void,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
      heard(chunk.toString(), child.pid ?? 0);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${command} exited ${code}:\n${output}`)),
    );
  });
}

const threads = 2;

function workerDriver(connectionString: string): Driver {
  return {
    name: `pg in ${threads} worker threads`,
    async run(scenario, connections, seconds, counted) {
      const warmUp = warmUpSeconds(connections);
      const timers = [
        setTimeout(() => counted?.begin(process.pid), warmUp * 1000),
        setTimeout(() => counted?.end(), (warmUp + seconds) * 1000),
      ];
      const counts = await Promise.all(
        Array.from({ length: threads }, (_, thread) => {
          const share = Math.floor((connections + thread) / threads);
          const worker = new Worker(new URL("./driver_worker.ts", import.meta.url), {
            workerData: {
              connectionString,
              scenario,
              connections: share,
              seconds,
              warmUpSeconds: warmUp,
            },
          });
          return new Promise<number>((resolve, reject) => {
            worker.once("message", resolve);
            worker.once("error", reject);
          });
        }),
      ).finally(() => {
        for (const timer of timers) clearTimeout(timer);
      });
      return (counts.reduce((sum, count) => sum + count, 0) / seconds) * scenario.unitsPerCall;
    },
  };
}
