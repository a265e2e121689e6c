import test from "ava";
import { history, sinceLast } from "../../bench/history.ts";

const figure = {
  scenario: "transfer",
  connections: 8,
  perSecond: 4000,
  ratio: 0.2,
  postgresMicros: 300,
  clientMicros: 20,
  walBytes: 1700,
};
const run = (commit: string, postgresMicros: number) => ({
  commit,
  at: "2026-01-01T00:00:00.000Z",
  machine: { cores: 2, processor: "x", postgres: "18.4", driver: "pgbench" },
  figures: [{ ...figure, postgresMicros }],
});

test("a figure is compared with that of the last recorded run, and of the same connections", (t) => {
  const before = sinceLast([run("older", 100), run("newer", 240)]);
  t.is(before.name, "commit newer");
  t.is(before.changeOf(figure), 0.25);
  t.is(before.changeOf({ ...figure, connections: 1 }), undefined);
  t.is(before.changeOf({ ...figure, scenario: "purchase" }), undefined);
  t.is(sinceLast([]).changeOf(figure), undefined);
});

test("what is recorded can be read, and tells its commit, its machine, and each figure", (t) => {
  const runs = history();
  for (const { commit, at, machine, figures } of runs) {
    t.regex(commit, /^[0-9a-f]{10}$/);
    t.false(Number.isNaN(Date.parse(at)), commit);
    t.true(machine.cores > 0 && machine.postgres !== "", commit);
    for (const { perSecond, ratio, postgresMicros } of figures) {
      t.true(perSecond > 0 && ratio > 0 && postgresMicros > 0, commit);
    }
  }
  t.deepEqual(
    runs.map(({ at }) => at),
    runs.map(({ at }) => at).toSorted(),
    "oldest first",
  );
});
