import test from "ava";
import { enrol } from "../../src/branch/push/enrol.ts";
import { type Api, openApi } from "../_support/api.ts";
import { runProgram } from "../_support/process.ts";
import { bodies, makePlace, openStore } from "../branch/_till.ts";
import { RoughNetwork } from "./_rough_network.ts";

/** A till killed with SIGKILL at each step from the sale to the answer that is kept. */

/** Before how many of the steps, chosen anew each time; BRANCH_RUNS asks for all of them. */
const killCount = process.env["BRANCH_RUNS"] ? Number.POSITIVE_INFINITY : 6;
const pick = () => Math.random() - 0.5;

let api: Api;
test.before(async () => {
  api = await openApi();
});
test.after.always(() => api?.close());

async function makeBranch(code: string): Promise<{ id: string; cash: string; enrolment: string }> {
  const [branch] = await api.root(
    "select id, cash_account_id as cash from saldo.create_branch($1, $1)",
    [code],
  );
  const [issued] = await api.root("select code from saldo.issue_enrolment_code($1)", [
    branch?.["id"],
  ]);
  return {
    id: String(branch?.["id"]),
    cash: String(branch?.["cash"]),
    enrolment: String(issued?.["code"]),
  };
}

test("a till killed before any step loses nothing that it said was saved, and doubles nothing", async (t) => {
  t.timeout(600_000);
  const branch = await makeBranch("K1");
  const place = makePlace(t);
  let store = openStore(place, () => new Date());
  await enrol(store, { centre: api.url, code: branch.enrolment });
  const { epoch } = store.chain;
  store.close();
  const said = { sent: new Set<string>(), saved: new Set<string>() };
  const run = async (step: number) => {
    // It fetches another key each time, so that a kill falls into that as well.
    await api.root("update saldo.branch_key set created_at = '2020-01-01' where ended_at is null");
    const program = runProgram("test/faults/_till_steps.ts", [String(step)], {
      SALDO_BRANCH_DIR: place.folder,
      SALDO_BRANCH_ANCHOR_DIR: place.anchorFolder,
    });
    t.is(await program.ended, step === 0 ? 0 : "SIGKILL", program.output());
    for (const [, word, id = ""] of program.output().matchAll(/^(sent|saved) (\S+)$/gm)) {
      said[word as "sent" | "saved"].add(id);
    }
    return Number(/^steps (\d+)$/m.exec(program.output())?.[1]);
  };
  const stepCount = await run(0);
  t.true(stepCount > 80, `${stepCount} steps`);
  const chosen = Array.from({ length: stepCount }, (_, index) => index + 1)
    .sort(pick)
    .slice(0, killCount)
    // The last steps first: what an early kill leaves to be pushed makes more of them.
    .sort((a, b) => b - a);
  t.log(`${stepCount} steps, killed before ${chosen.join(", ")}`);
  for (const step of chosen) await run(step);
  await run(0);
  store = openStore(place, () => new Date());
  const rows = bodies(store);
  const held = new Set(rows.map(({ id }) => id));
  t.deepEqual(
    [...said.saved].filter((id) => !held.has(id)),
    [],
  );
  t.deepEqual(
    rows.filter(({ id }) => !said.sent.has(id)),
    [],
  );
  t.deepEqual(
    rows.map((row) => [row.seq, row.epoch]),
    rows.map((_, index) => [index + 1, epoch]),
  );
  t.deepEqual(store.queue(), { waiting: 0, oldest_waiting_at: null, attention: 0 });
  t.deepEqual(
    await api.root(
      "select row_id as id, hash from saldo.branch_intake where branch_id = $1 order by seq",
      [branch.id],
    ),
    rows.map(({ id, hash }) => ({ id, hash })),
  );
  const [cash] = await api.root("select balance::int from saldo.account where id = $1", [
    branch.cash,
  ]);
  t.is(cash?.["balance"], store.summary().balance);
  store.close();
  for (const rule of ["entry", "cash", "totals", "chain", "gap"]) {
    t.deepEqual(await api.root(`select * from saldo_private.rule_branch_${rule}()`), [], rule);
  }
});

test("a till killed while a push is on its way sends it again, and it has its effect once", async (t) => {
  const branch = await makeBranch("K2");
  const place = makePlace(t);
  const store = openStore(place, () => new Date());
  await enrol(store, { centre: api.url, code: branch.enrolment });
  const network = new RoughNetwork(api.url);
  store.settings.set("centre", await network.start());
  store.close();
  t.teardown(() => network.stop());
  const environment = {
    SALDO_BRANCH_DIR: place.folder,
    SALDO_BRANCH_ANCHOR_DIR: place.anchorFolder,
  };
  const stages = ["arrived", "answered", "passed on"] as const;
  for (const stage of stages) {
    const program = runProgram("test/faults/_till_steps.ts", ["0"], environment);
    network.notice = (reached, path) => {
      if (reached === stage && path.endsWith("/push")) program.child.kill("SIGKILL");
    };
    const code = await program.ended;
    await network.idle();
    // After the answer was passed on it may just have ended.
    t.true(code === "SIGKILL" || (code === 0 && stage === "passed on"), `${stage}: ${code}`);
  }
  network.notice = () => {};
  t.is(await runProgram("test/faults/_till_steps.ts", ["0"], environment).ended, 0);
  const again = openStore(place, () => new Date());
  const rows = bodies(again);
  t.is(rows.length, 4 * (stages.length + 1));
  t.is(again.queue().waiting, 0);
  again.close();
  const [at] = await api.root(
    `select count(*)::int as rows, count(distinct entry_id)::int as entries
    from saldo.branch_intake where branch_id = $1 and kind = 'entry'`,
    [branch.id],
  );
  t.deepEqual(at, { rows: 2 * (stages.length + 1), entries: 2 * (stages.length + 1) });
});
