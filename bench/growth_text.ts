/** The report of `npm run bench -- growth`: what each call costs at each size. */

/** What a call costs at one size: processor time, and that of a plain insert in the same rounds. */
export interface Figure {
  name: string;
  micros: number;
  /** Of a plain insert: the median of the rounds. */
  ratio: number;
}

/** What is measured at one size. */
export interface Stage {
  lines: number;
  keys: number;
  figures: Figure[];
  /** Milliseconds of statements that jobs or people run now and then. */
  statements: [name: string, millis: number][];
  tables: TableSize[];
  load: string;
}

/** How large a table is. */
export interface TableSize {
  name: string;
  rows: number;
  bytes: number;
  indexBytes: number;
}

/** A whole number for people. */
export const counted = (value: number) => Math.round(value).toLocaleString("en");

/** How much dearer it is at the last size than at the first. */
const change = (values: number[]) => {
  const share = (values.at(-1) ?? Number.NaN) / (values[0] ?? Number.NaN) - 1;
  return `${share > 0 ? "+" : ""}${(share * 100).toFixed(0)}%`;
};

/** How a run was made. */
interface Settings {
  head: string;
  accounts: number;
  connections: number;
  rounds: number;
  seconds: number;
}

/** The report. */
export function growthText(settings: Settings, stages: Stage[]): string {
  const { head, accounts, connections, rounds, seconds } = settings;
  const columns = stages.map(({ lines }) => counted(lines));
  const rule = (count: number) => `|---|${"---:|".repeat(count)}`;
  const calls = (stages[0]?.figures ?? []).map(({ name }, place) => {
    const taken = stages.map(({ figures }) => figures[place] as Figure);
    const cells = taken.map(({ micros, ratio }) => `${micros.toFixed(1)} (${ratio.toFixed(2)})`);
    return `| ${[name, ...cells, change(taken.map(({ ratio }) => ratio))].join(" | ")} |`;
  });
  const rare = (stages[0]?.statements ?? []).map(([name], place) => {
    const taken = stages.map((stage) => stage.statements[place]?.[1] ?? Number.NaN);
    return `| ${[name, ...taken.map((value) => value.toFixed(value < 10 ? 2 : 0))].join(" | ")} |`;
  });
  const space = (stages[0]?.tables ?? []).map(({ name }, place) => {
    const cells = stages.map(({ tables }) => {
      const { rows, bytes, indexBytes } = tables[place] as TableSize;
      return `${counted(rows)}: ${counted(bytes / 1e6)} + ${counted(indexBytes / 1e6)}`;
    });
    return `| ${[name, ...cells].join(" | ")} |`;
  });
  return [
    "# Growth",
    "",
    head,
    `- one database that grows: months of ${counted(accounts)} accounts with about 40 lines of each ` +
      "in a month; submitted rows, each under an idempotency key of its own: " +
      stages.map(({ keys }) => counted(keys)).join(", "),
    `- ${connections} connections; all calls in turns, ${rounds} rounds of ${seconds} s each`,
    "- what it is grown by is not sealed: the sealer is moved past it, and what it seals is new",
    `- load of the machine at the end of each size (1, 5, 15 minutes): ${stages
      .map(({ load }) => load)
      .join("; ")}`,
    "",
    "Processor time of PostgreSQL for a call, in microseconds, with all that it does in the " +
      "background; in parentheses of a plain insert in the same round. The change is that of the " +
      "latter, from the first size to the last.",
    "",
    `| call | ${columns.join(" | ")} | change |`,
    rule(stages.length + 1),
    ...calls,
    "",
    "Processor time of statements that jobs and people ask for, in milliseconds:",
    "",
    `| statement | ${columns.join(" | ")} |`,
    rule(stages.length),
    ...rare,
    "",
    "Rows, and megabytes of the table and of its indexes:",
    "",
    `| table | ${columns.join(" | ")} |`,
    rule(stages.length),
    ...space,
    "",
  ].join("\n");
}
