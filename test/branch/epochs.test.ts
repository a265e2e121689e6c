import { randomUUID } from "node:crypto";
import test from "ava";
import { keyProof } from "../../src/branch/protocol/key.ts";
import type { Row } from "../../src/branch/protocol/schema.ts";
import { errorCode } from "../_support/database.ts";
import { type Centre, openCentre } from "./_branch.ts";

let centre: Centre;
test.before(async () => {
  centre = await openCentre();
});
test.after.always(() => centre?.close());

const outcomes = (answer: { verdicts: { verdict: string; reason: string | null }[] }) =>
  answer.verdicts.map(({ verdict, reason }) => reason ?? verdict);

test("a store that was restored is told so, and goes on in a new epoch", async (t) => {
  const branch = await centre.branch("E1");
  const till = await centre.till(branch.id);
  for (let n = 0; n < 5; n++) till.add();
  const backup = till.clone();
  backup.rows = backup.rows.slice(0, 3);
  await centre.push(till, till.body());
  const told = await centre.push(backup, backup.body([]));
  t.is(told.device_state, "restored");
  t.is(told.seen.seq, 5);
  backup.beginEpoch(3);
  backup.add({ amount: "7" });
  const answer = await centre.push(backup, backup.body());
  t.is(answer.device_state, "ok");
  t.deepEqual(outcomes(answer), ["accepted"]);
  t.is(await centre.balance(branch.cash), "5007");
  const broken = await centre.findings("branch_chain");
  t.deepEqual(
    broken.filter(({ account_id }) => account_id === branch.cash),
    [],
  );
});

test("rows that were lost with a store before any push told of them are missing", async (t) => {
  const branch = await centre.branch("E12");
  const till = await centre.till(branch.id);
  till.add();
  await centre.push(till, till.body());
  for (let n = 0; n < 4; n++) till.add();
  // The copy has the first row; the anchor beside it knows of five.
  till.beginEpoch(5);
  till.add();
  await centre.push(till, till.body());
  const gaps = () =>
    centre.rows("select epoch_no, first_seq, last_seq from saldo.branch_gaps($1)", [branch.id]);
  t.deepEqual(await gaps(), [{ epoch_no: 1, first_seq: "2", last_seq: "5" }]);
  await centre.call("waive_branch_gap", {
    device_id: till.device,
    epoch_no: 1,
    first_seq: 2,
    last_seq: 5,
    reason: "entered again from the receipts",
  });
  t.deepEqual(await gaps(), []);
});

test("two programs on one store are noticed, and nothing of either is lost", async (t) => {
  const branch = await centre.branch("E2");
  const till = await centre.till(branch.id);
  till.add();
  await centre.push(till, till.body());
  const twin = till.clone();
  till.add({ amount: "20" });
  twin.add({ amount: "300" });
  twin.add({ amount: "4000" });
  await centre.push(till, till.body());
  const answer = await centre.push(twin, twin.body());
  t.is(answer.device_state, "forked");
  t.deepEqual(outcomes(answer), ["accepted", "sequence_reused", "device_forked"]);
  till.add({ amount: "50000" });
  t.deepEqual(outcomes(await centre.push(till, till.body([till.rows[2]]))), ["sequence_reused"]);
  t.is(await centre.balance(branch.cash), "1020");
  t.is(
    await centre.value("select count(*) from saldo.branch_intake where branch_id = $1", [
      branch.id,
    ]),
    "5",
  );
  const alerts = await centre.rows("select key from saldo_private.alert_branch_forked()");
  t.true(alerts.some(({ key }) => key === "E2"));
});

test("a head that is another row's is a fork, without any row being sent", async (t) => {
  const branch = await centre.branch("E3");
  const till = await centre.till(branch.id);
  const twin = till.clone();
  till.add();
  twin.add();
  await centre.push(till, till.body());
  t.is((await centre.push(twin, twin.body([]))).device_state, "forked");
  t.true((await centre.findings("branch_chain")).length > 0);
});

test("rows of an epoch that was left count up to where the next one began", async (t) => {
  const branch = await centre.branch("E4");
  const till = await centre.till(branch.id);
  for (let n = 0; n < 4; n++) till.add();
  const old = till.clone();
  await centre.push(old, old.body(old.rows.slice(0, 2)));
  till.beginEpoch(3);
  till.add();
  await centre.push(till, till.body());
  const late = await centre.push(old, old.body(old.rows.slice(2, 3)));
  t.deepEqual(outcomes(late), ["accepted"]);
  t.is(late.device_state, "ok");
  const more = await centre.push(old, old.body(old.rows.slice(3)));
  t.deepEqual(outcomes(more), ["epoch_superseded"]);
  t.is(more.device_state, "forked");
  t.is(await centre.balance(branch.cash), "4000");
  // What came after the end is of another program, and no history of this one.
  const proof = keyProof(till.key);
  const returned = await centre.value("select saldo_private.return_branch_rows($1, $2, $3)", [
    proof?.id,
    proof?.secretHash,
    { protocol: 1, have: [{ epoch: old.epoch, seq: 1 }] },
  ]);
  t.deepEqual(
    returned.rows.map(({ row }: { row: Row }) => row),
    old.rows.slice(1, 3),
  );
  t.false(returned.more);
});

test("two epochs with one number are a fork", async (t) => {
  const branch = await centre.branch("E5");
  const till = await centre.till(branch.id);
  till.add();
  await centre.push(till, till.body());
  const twin = till.clone();
  for (const each of [till, twin]) {
    each.beginEpoch(1);
    each.add();
  }
  t.is((await centre.push(till, till.body())).device_state, "ok");
  const answer = await centre.push(twin, twin.body());
  t.is(answer.device_state, "forked");
  t.deepEqual(outcomes(answer), ["epoch_superseded"]);
});

// The epoch of the centre is everybody's: no other test may page through verdicts meanwhile.
test.serial(
  "a centre that was restored is told by a till what it gave, and asks again",
  async (t) => {
    const branch = await centre.branch("E6");
    const till = await centre.till(branch.id);
    till.add();
    till.add();
    const first = await centre.push(till, till.body());
    t.is(first.verdict_no, 2);
    // The database as it was before the push.
    await centre.rows(
      `begin; set local session_replication_role = replica;
    delete from saldo.branch_intake where device_id = '${till.device}';
    update saldo.branch_epoch set whole_to = 0 where device_id = '${till.device}';
    update saldo.branch_device set verdict_no = 0 where id = '${till.device}';
    update saldo.centre_epoch set began_at = began_at - interval '2 hours';
    commit`,
    );
    till.have = { centre_epoch: first.centre_epoch, verdict_no: first.verdict_no };
    const told = await centre.push(till, till.body([]));
    t.not(told.centre_epoch, first.centre_epoch);
    t.deepEqual(told.seen.missing, [[1, 2]]);
    const again = await centre.push(till, till.body());
    t.deepEqual(outcomes(again), ["accepted", "accepted"]);
    t.is(again.centre_epoch, told.centre_epoch);
    // A till that tells nonsense changes it once an hour at most.
    till.have = { centre_epoch: again.centre_epoch, verdict_no: 1_000_000 };
    t.is((await centre.push(till, till.body([]))).centre_epoch, again.centre_epoch);
    const begun = await centre.call("begin_centre_epoch", { reason: "restored" });
    t.is((await centre.push(till, till.body([]))).centre_epoch, begun.epoch);
  },
);

test("changes come back in pages that leave none out", async (t) => {
  const branch = await centre.branch("E7");
  const till = await centre.till(branch.id);
  for (let n = 0; n < 600; n++) till.add();
  for (let from = 0; from < 600; from += 200) {
    await centre.push(till, till.body(till.rows.slice(from, from + 200)));
  }
  till.have = { centre_epoch: randomUUID(), verdict_no: 600 };
  const seen: number[] = [];
  for (let more = true; more; ) {
    const answer = await centre.push(till, till.body([]));
    seen.push(...answer.changes.map(({ verdict_no }) => verdict_no));
    till.have = { centre_epoch: answer.centre_epoch, verdict_no: answer.verdict_no };
    more = answer.more;
  }
  t.deepEqual(
    seen,
    Array.from({ length: 600 }, (_, n) => n + 1),
  );
});

test("a closed device stays closed, and one that is not there is not found", async (t) => {
  const branch = await centre.branch("E8");
  const till = await centre.till(branch.id);
  const close = (device_id: string) =>
    errorCode(centre.call("close_branch_device", { device_id, reason: "x" }));
  t.is(await close(till.device), "none");
  t.is(await close(till.device), "SB503");
  t.is(await close(randomUUID()), "SB502");
});
