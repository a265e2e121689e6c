import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { type Command, textOption, UsageError } from "./command.ts";
import { connect } from "./connection.ts";
import { type Drill, openDrill } from "./drill_account.ts";

const writerCount = 4;
const normalSeconds = 5;
const settleLimitMs = 60_000;

/** `saldo drill`: lets something break on purpose, on an account of its own, and tells what follows. */
export const drillCommand: Command = {
  usage: "drill counters [--seconds 30] [--report FILE]",
  help: [
    "Takes the slots of a hot account of its own away under load, as a crash does, and follows what",
    "happens until T+30: normal, slots lost, fallback, settlement, recovered. Prints a report in",
    "Markdown, or writes it; 1 when a transaction was lost, doubled or refused.",
  ],
  options: { seconds: { type: "string" }, report: { type: "string" } },
  prepare(words) {
    if (words.positionals.join(" ") !== "counters") throw new UsageError("Say drill counters.");
    const text = textOption(words, "seconds") ?? "30";
    if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError("--seconds takes a whole number.");
    const file = textOption(words, "report");
    return async () => async (client) => {
      const { lines, isGood } = await drillCounters(client, Number(text));
      const report = `${lines.join("\n")}\n`;
      if (file === undefined) process.stdout.write(report);
      else await writeFile(file, report);
      if (file !== undefined) process.stdout.write(`written to ${file}\n`);
      return isGood ? 0 : 1;
    };
  },
};

async function drillCounters(client: Client, seconds: number) {
  const writers = await Promise.all(
    Array.from({ length: writerCount }, () => connect(process.env)),
  );
  try {
    const drill = await openDrill(client, writers);
    try {
      return await follow(drill, seconds);
    } finally {
      await drill.close();
    }
  } finally {
    await Promise.all(writers.map((each) => each.end().catch(() => {})));
  }
}

async function follow(drill: Drill, seconds: number) {
  const startedAt = new Date();
  const rows: string[] = [];
  const tell = (time: string, phase: string, seen: string) =>
    rows.push(`| ${time} | ${phase} | ${seen} |`);

  drill.begin();
  await sleep(Math.min(normalSeconds, seconds) * 1000);
  const normal = drill.figures();
  tell(`T-${Math.min(normalSeconds, seconds)} s`, "normal", wordsOf(normal));

  const rebuildsBefore = await drill.rebuildCount();
  const lostAt = performance.now();
  const since = () => `T+${((performance.now() - lostAt) / 1000).toFixed(1)} s`;
  const before = drill.sent();
  const slotCount = await drill.loseSlots();
  tell("T+0", "slots lost", `${slotCount} slots are gone, and nothing counts what is free`);

  await drill.answersAfter(writerCount);
  const fallback = drill.figures();
  const rebuilds = (await drill.rebuildCount()) - rebuildsBefore;
  tell(
    since(),
    "fallback",
    `made again from what is durable, ${rebuilds} time; ${wordsOf(fallback)}`,
  );

  const isSettled = await drill.settledUpTo(before, settleLimitMs);
  tell(
    since(),
    "settlement",
    isSettled
      ? `all ${before} transactions from before are in the journal, ${drill.settler}`
      : `transactions from before are still pending, ${drill.settler}`,
  );

  const rest = seconds * 1000 - (performance.now() - lostAt);
  if (rest > 0) await sleep(rest);
  await drill.stop();
  const end = await drill.verdict(settleLimitMs);
  const isGood = end.fault === undefined && rebuilds === 1 && isSettled;
  tell(`T+${seconds}`, end.fault === undefined ? "recovered" : "not recovered", end.words);
  const lines = [
    `# Drill: counters lost, ${startedAt.toISOString()}`,
    "",
    `${writerCount} writers on the hot account \`${drill.code}\`; T is when its slots were taken away.`,
    "",
    "| time | phase | seen |",
    "|---|---|---|",
    ...rows,
    "",
    isGood
      ? "Recovered: no transaction was lost, doubled or refused."
      : `Not recovered: ${end.fault ?? "see above"}.`,
  ];
  return { lines, isGood };
}

const wordsOf = ({ count, refusedCount, medianMs, slowestMs }: ReturnType<Drill["figures"]>) =>
  `${count} transactions, ${refusedCount} refused, median ${medianMs.toFixed(1)} ms, ` +
  `slowest ${slowestMs.toFixed(1)} ms`;
