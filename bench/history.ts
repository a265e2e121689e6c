/** The figures of earlier commits, a line for each run: so a loss is seen, and since when. */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

/** What one scenario came to at one number of connections. Times are for one unit of work. */
export interface Figure {
  scenario: string;
  connections: number;
  perSecond: number;
  /** Of the rate of plain inserts in the same run. */
  ratio: number;
  /** Processor time of PostgreSQL, in microseconds; NaN (null in the file) where it cannot be read. */
  postgresMicros: number;
  clientMicros: number;
  walBytes: number;
}

/** One run. */
export interface HistoryLine {
  commit: string;
  /** When it was measured, UTC. */
  at: string;
  machine: { cores: number; processor: string; postgres: string; driver: string };
  figures: Figure[];
}

const file = new URL("./history.jsonl", import.meta.url);

/** All runs, oldest first. */
export function history(): HistoryLine[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as HistoryLine);
}

const keyOf = (figure: Figure) => `${figure.connections} ${figure.scenario}`;

/** How PostgreSQL's time has changed since the last run that stands in the history. */
export function sinceLast(runs: HistoryLine[]): {
  name: string;
  changeOf(figure: Figure): number | undefined;
} {
  const last = runs.at(-1);
  const known = new Map(last?.figures.map((figure) => [keyOf(figure), figure.postgresMicros]));
  return {
    name: last === undefined ? "the last recorded run (there is none)" : `commit ${last.commit}`,
    changeOf(figure) {
      const before = known.get(keyOf(figure));
      if (!before || Number.isNaN(figure.postgresMicros)) return undefined;
      return figure.postgresMicros / before - 1;
    },
  };
}

/** Adds a run. What is not committed has no name that its figures could be found under. */
export function record(figures: Figure[], postgres: string, driver: string): HistoryLine {
  const git = (...words: string[]) => execFileSync("git", words, { encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain", "--", "sql", "migrations", "src", "bench", "tasks");
  if (changed !== "") {
    throw new Error(`Commit first: figures are recorded under a commit. Changed:\n${changed}`);
  }
  const line: HistoryLine = {
    commit: git("rev-parse", "--short=10", "HEAD"),
    at: new Date().toISOString(),
    machine: {
      cores: cpus().length,
      processor: cpus()[0]?.model ?? "unknown",
      postgres,
      driver,
    },
    figures,
  };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
  return line;
}
