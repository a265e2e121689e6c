import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { exportWaiting, importAnswers } from "../../src/branch/push/by_file.ts";
import type { Store } from "../../src/branch/store/store.ts";
import { asOperator, errorCode } from "../_support/database.ts";
import { runProgram } from "../_support/process.ts";
import { type Centre, openCentre } from "./_branch.ts";
import { makePlace, openStore, sell, sellMany } from "./_till.ts";

/** A till that never sees a network: a stick goes to the centre and comes back. */

let centre: Centre;
test.before(async () => {
  centre = await openCentre();
});
test.after.always(() => centre?.close());

async function branchFile(words: string[]) {
  const environment = { DATABASE_URL: centre.connectionString };
  const program = runProgram("bin/saldo.js", ["branch-file", ...words], environment);
  return { code: await program.ended, output: program.output() };
}

function writeExport(store: Store, file: string): void {
  writeFileSync(file, JSON.stringify(exportWaiting(store)));
}

const verdictsOf = (text: string) =>
  JSON.parse(text).answers.flatMap((each: { data: { verdicts: object[] } }) => each.data.verdicts);

test("a till without any network is enrolled, hands over, and hears of what is decided, by file", async (t) => {
  const branch = await centre.branch("F1");
  const frozen = await centre.call("open_account", { code: "f", name: "f", type: "expense" });
  await centre.call("set_posting_rule", {
    flow: "OUT",
    category: "Penjualan",
    account_id: frozen.id,
    branch_id: branch.id,
  });
  await centre.call("freeze_account", { account_id: frozen.id, reason: "under review" });
  const place = makePlace(t);
  const [out, back] = [join(place.root, "out.json"), join(place.root, "back.json")];
  const store = openStore(place, () => new Date());
  sellMany(store, 300);
  const held = sell(store, 70, "OUT");

  writeExport(store, out);
  const unknown = await branchFile([out, back]);
  t.not(unknown.code, 0);
  t.regex(unknown.output, /SB502/);
  const { code } = await centre.call("issue_enrolment_code", { branch_id: branch.id });
  const taken = await branchFile([out, back, "--code", code]);
  t.deepEqual(taken, { code: 1, output: "301 rows: 300 accepted, 1 quarantined\n" });
  t.is(store.queue().waiting, 301, "they wait until the stick is back");
  const first = readFileSync(back, "utf8");
  t.is(importAnswers(store, JSON.parse(first)), 2);
  t.deepEqual(store.queue(), { waiting: 0, oldest_waiting_at: null, attention: 1 });
  t.is(store.branchName(), "Toko F1");
  t.is(store.findOne(held.id).receipt_no, "F1-1-1-301");
  t.is(await centre.balance(branch.cash), String((300 * 301) / 2));

  // The same stick again, at either end.
  t.is((await branchFile([out, back])).code, 1);
  t.deepEqual(verdictsOf(readFileSync(back, "utf8")), verdictsOf(first));
  importAnswers(store, JSON.parse(first));
  t.is(store.queue().waiting, 0);

  // A person decides; nothing new waits, and the till hears of it all the same.
  await centre.call("unfreeze_account", { account_id: frozen.id, reason: "looked at" });
  const ids = [
    await centre.value("select id from saldo.branch_intake where row_id = $1", [held.id]),
  ];
  await centre.call("accept_quarantined", { intake_ids: ids, note: "looked at" });
  writeExport(store, out);
  t.deepEqual(await branchFile([out, back]), { code: 0, output: "0 rows\n" });
  importAnswers(store, JSON.parse(readFileSync(back, "utf8")));
  t.is(store.findOne(held.id).verdict, "accepted");
  t.is(store.queue().attention, 0);
  t.is(await centre.balance(branch.cash), String(store.summary().balance));
  const [device] = await centre.rows(
    "select clock_offset_ms, protocol from saldo.branch_device where id = $1",
    [store.chain.device],
  );
  t.deepEqual(device, { clock_offset_ms: null, protocol: 1 });
  t.deepEqual(await centre.rows("select from saldo.branch_gaps()"), []);
  store.close();
});

test("more decisions than one answer holds come back in one file", async (t) => {
  const branch = await centre.branch("F2");
  const place = makePlace(t);
  const [out, back] = [join(place.root, "out.json"), join(place.root, "back.json")];
  const store = openStore(place, () => new Date());
  sell(store, 1);
  writeExport(store, out);
  const { code } = await centre.call("issue_enrolment_code", { branch_id: branch.id });
  t.is((await branchFile([out, back, "--code", code])).code, 0);
  await centre.call("close_branch_device", { device_id: store.chain.device, reason: "to test" });
  sellMany(store, 600);
  writeExport(store, out);
  t.is((await branchFile([out, back])).code, 1);
  importAnswers(store, JSON.parse(readFileSync(back, "utf8")));
  t.is(store.queue().attention, 600);
  const ids = await centre.value(
    "select array_agg(id) from saldo.branch_intake where branch_id = $1 and verdict = 'quarantined'",
    [branch.id],
  );
  await centre.call("accept_quarantined", { intake_ids: ids, note: "all good" });
  writeExport(store, out);
  t.is((await branchFile([out, back])).code, 0);
  t.is(importAnswers(store, JSON.parse(readFileSync(back, "utf8"))), 3);
  t.is(store.queue().attention, 0);
  store.close();
});

test("a whole machine that came back from a copy hears of it by file too", async (t) => {
  const branch = await centre.branch("F3");
  const place = makePlace(t);
  const copy = `${place.root}-copy`;
  t.teardown(() => rmSync(copy, { recursive: true, force: true }));
  let store = openStore(place, () => new Date());
  sell(store, 1);
  const { code } = await centre.call("issue_enrolment_code", { branch_id: branch.id });
  const exchange = async (enrolmentCode: string | null = null) => {
    const answers = [];
    for (const body of exportWaiting(store).pushes) {
      answers.push(
        await centre.value("select saldo.take_branch_push($1, $2)", [body, enrolmentCode]),
      );
    }
    importAnswers(store, { saldo_branch_answers: 1, answers });
    return answers.at(-1).data.device_state;
  };
  t.is(await exchange(code), "ok");
  store.close();
  cpSync(place.root, copy, { recursive: true });
  store = openStore(place, () => new Date());
  sell(store, 20);
  t.is(await exchange(), "ok");
  t.is(store.chain.epoch_no, 1);
  store.close();
  rmSync(place.root, { recursive: true });
  cpSync(copy, place.root, { recursive: true });
  store = openStore(place, () => new Date());
  t.is(await exchange(), "restored");
  t.is(store.chain.epoch_no, 2);
  sell(store, 300);
  t.is(await exchange(), "ok");
  t.is(store.queue().waiting, 0);
  t.is(await centre.balance(branch.cash), "321");
  store.close();
});

test("a row of a file that no database can keep holds back no other", async (t) => {
  const branch = await centre.branch("F4");
  const till = await centre.till(branch.id);
  till.add({ description: "nul \u0000" });
  till.add();
  const place = makePlace(t);
  const file = join(place.root, "x.json");
  writeFileSync(file, JSON.stringify({ saldo_branch_export: 1, pushes: [till.body()] }));
  t.deepEqual(await branchFile([file, `${file}.out`]), {
    code: 1,
    output: "2 rows: 1 quarantined, 1 accepted\n",
  });
  t.is(await centre.balance(branch.cash), "1000");
});

test("only an administrator hands a file in, and only what is an export is taken", async (t) => {
  const call = "select saldo.take_branch_push('{}')";
  t.is(await errorCode(asOperator(centre.pool, (client) => client.query(call))), "42501");
  t.is(await errorCode(centre.rows("select saldo.take_branch_push('[]')")), "SB507");
  t.is(await errorCode(centre.rows(call)), "SB507");
  t.is(await errorCode(centre.rows("select saldo.take_branch_push(null)")), "SB010");
  const place = makePlace(t);
  const file = join(place.root, "x.json");
  t.is((await branchFile([file, file])).code, 2);
  writeFileSync(file, '{"pushes": []}');
  t.is((await branchFile([file, `${file}.out`])).code, 2);
  t.is((await branchFile([file])).code, 2);
  writeFileSync(file, '{"saldo_branch_export": 1, "pushes": [{"have": {}, "rows": [{}]}]}');
  t.regex((await branchFile([file, `${file}.out`])).output, /SB507/);
});
