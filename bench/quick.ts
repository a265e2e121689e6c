/**
 * `npm run bench -- quick`: what a posting costs at 1, 8 and 32 connections, beside a plain insert and
 * beside what one could write instead, all in turns on one server, in about three minutes. With
 * `--record` its figures are added to history.jsonl, under the commit that they belong to.
 */
import type { Client } from "pg";
import { type CostMeter, costMeter, indexEntries, type Turn } from "./cost.ts";
import type { Driver, Scenario } from "./driver.ts";
import { type Figure, history, sinceLast } from "./history.ts";
import { drain, prepareHot, submit } from "./hot_scenarios.ts";
import { byHand, preparePeers, versionedEntries } from "./peers.ts";
import { ceiling, growJournal, purchase, transfer } from "./scenarios.ts";

const connectionCounts = [1, 8, 32] as const;
const rounds = Number(process.env["BENCH_QUICK_ROUNDS"] ?? 2);
const seconds = Number(process.env["BENCH_QUICK_SECONDS"] ?? 2);
const journalLines = 10_000;

/** The report and the figures in it. */
export interface Quick {
  text: string;
  figures: Figure[];
}

/** All turns of one scenario at one number of connections, added up. */
function added(turns: Turn[]): Turn {
  const sum = (pick: (turn: Turn) => number) =>
    turns.reduce((total, turn) => total + pick(turn), 0);
  return {
    done: sum((turn) => turn.done),
    seconds: sum((turn) => turn.seconds),
    postgres: sum((turn) => turn.postgres),
    client: sum((turn) => turn.client),
    walBytes: sum((turn) => turn.walBytes),
  };
}

function figureOf(scenario: Scenario, connections: number, turn: Turn, top: Turn): Figure {
  const micros = (spent: number) => Number(((spent / turn.done) * 1e6).toFixed(1));
  return {
    scenario: scenario.name,
    connections,
    perSecond: Math.round(turn.done / turn.seconds),
    ratio: Number((turn.done / turn.seconds / (top.done / top.seconds)).toFixed(3)),
    postgresMicros: micros(turn.postgres),
    clientMicros: micros(turn.client),
    walBytes: Math.round(turn.walBytes / turn.done),
  };
}

/** Every scenario in turn, round after round: what changes on the machine meets them all. */
async function atConnections(
  meter: CostMeter,
  scenarios: Scenario[],
  connections: number,
  between: () => Promise<unknown>,
): Promise<Figure[]> {
  const turns = new Map<Scenario, Turn[]>(scenarios.map((scenario) => [scenario, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const scenario of scenarios) {
      turns.get(scenario)?.push(await meter.turn(scenario, connections, seconds));
      await between();
    }
  }
  const top = added(turns.get(ceiling) ?? []);
  return scenarios.map((scenario) =>
    figureOf(scenario, connections, added(turns.get(scenario) ?? []), top),
  );
}

/** Runs the comparison on accounts and members that have been prepared. */
export async function quickReport(client: Client, driver: Driver, head: string): Promise<Quick> {
  await growJournal([client], journalLines);
  await preparePeers(client);
  const hot = submit(await prepareHot(client), "one hot account: submit_transaction");
  await client.query("vacuum analyze");
  await client.query("checkpoint");
  const scenarios = [ceiling, byHand, versionedEntries, transfer, purchase, hot];
  const meter = await costMeter(client, driver);
  const figures: Figure[] = [];
  for (const connections of connectionCounts) {
    const measured = await atConnections(meter, scenarios, connections, () => drain(client));
    for (const figure of measured) console.log(row(figure, undefined));
    figures.push(...measured);
  }
  const entries: string[] = [];
  for (const scenario of scenarios) {
    const count = await indexEntries(client, scenario);
    if (count !== undefined) entries.push(`${scenario.name} ${count.toFixed(1)}`);
  }
  return { figures, text: report(head, figures, entries) };
}

const NO_FIGURE = "";
const counted = (value: number) => (Number.isNaN(value) ? NO_FIGURE : value.toLocaleString("en"));

function row(figure: Figure, since: number | undefined): string {
  return `| ${[
    figure.scenario,
    figure.connections,
    counted(figure.perSecond),
    figure.ratio.toFixed(2),
    counted(figure.postgresMicros),
    since === undefined ? NO_FIGURE : `${since > 0 ? "+" : ""}${(since * 100).toFixed(0)}%`,
    counted(figure.clientMicros),
    counted(figure.walBytes),
  ].join(" | ")} |`;
}

function report(head: string, figures: Figure[], entries: string[]): string {
  const before = sinceLast(history());
  return [
    "# What a posting costs",
    "",
    head,
    `- all scenarios in turns: ${rounds} rounds of ${seconds} s each; processor time is that of the ` +
      "counted seconds, PostgreSQL's with all that it does in the background",
    `- "since" is the change of PostgreSQL's time since ${before.name}; rates of a shared machine ` +
      "vary twofold, processor time by about a tenth",
    "",
    "| scenario | connections | per second | of plain inserts | PostgreSQL, µs | since | driver, µs | bytes of log |",
    "|---|---:|---:|---:|---:|---:|---:|---:|",
    ...figures.map((figure) => row(figure, before.changeOf(figure))),
    "",
    entries.length > 0 ? `Entries in indexes for each call: ${entries.join("; ")}.` : "",
    "",
  ].join("\n");
}
