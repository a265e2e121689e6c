import type { Driver, Scenario } from "./driver.ts";
import { ceiling } from "./scenarios.ts";

/** What a scenario came to, beside the ceiling of the same minutes. */
export interface Measurement {
  name: string;
  perSecond: number;
  ceilingPerSecond: number;
  ratio: number;
  /** The ratio that is wanted; none for what is only shown for comparison. */
  goal: number | undefined;
}

/** Of the ceiling, and of every candidate that does not say otherwise. */
export const connections = 32;
/** How often candidate and ceiling take turns. */
export const rounds = 3;
/** How long each turn is. */
export const seconds = Number(process.env.BENCH_SECONDS ?? 5);

/** The middle one, so that one bad moment of a shared machine does not count. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/**
 * Lets a candidate and the ceiling take turns and takes the median of the rounds, because the
 * machine is seldom alone. `between` runs after each turn of the candidate.
 */
export async function measure(
  driver: Driver,
  scenario: Scenario,
  between: () => Promise<unknown> = async () => {},
): Promise<Measurement> {
  const ceilings: number[] = [];
  const candidates: number[] = [];
  const ratios: number[] = [];
  // A first short turn, not counted: caches and files warm up.
  const own = scenario.connections ?? connections;
  await driver.run(scenario, own, 1);
  await between();
  for (let round = 0; round < rounds; round += 1) {
    const top = await driver.run(ceiling, connections, seconds);
    const candidate = await driver.run(scenario, own, seconds);
    await between();
    ceilings.push(top);
    candidates.push(candidate);
    ratios.push(candidate / top);
  }
  const measurement = {
    name: scenario.name,
    perSecond: median(candidates),
    ceilingPerSecond: median(ceilings),
    ratio: median(ratios),
    goal: scenario.goal,
  };
  console.log(row(measurement));
  return measurement;
}

/** A line of the table. */
export function row({ name, perSecond, ceilingPerSecond, ratio, goal }: Measurement): string {
  const figures = [perSecond, ceilingPerSecond].map((value) =>
    Math.round(value).toLocaleString("en"),
  );
  const wanted = goal === undefined ? "" : `${goal.toFixed(2)}${ratio < goal ? ", missed" : ""}`;
  return `| ${[name, ...figures, ratio.toFixed(2), wanted].join(" | ")} |`;
}

/** The table of measurements. */
export function table(measurements: Measurement[]): string[] {
  return [
    "| scenario | per second | ceiling per second | ratio | goal |",
    "|---|---:|---:|---:|---:|",
    ...measurements.map(row),
  ];
}
