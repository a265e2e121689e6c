import test from "ava";
import { errorCode } from "../_support/database.ts";
import { type Centre, openCentre, type Till } from "./_branch.ts";

let centre: Centre;
test.before(async () => {
  centre = await openCentre();
});
test.after.always(() => centre?.close());

const intakeId = async (till: Till, seq: number) =>
  String(
    await centre.value(
      "select id from saldo.branch_intake where device_id = $1 and seq = $2 order by id desc",
      [till.device, seq],
    ),
  );

test("a person accepts a quarantined row, and the till hears of it", async (t) => {
  const branch = await centre.branch("D1");
  const till = await centre.till(branch.id);
  await centre.call("close_branch_device", { device_id: till.device, reason: "lost" });
  till.add({ amount: "500" });
  till.add({ amount: "70" });
  const first = await centre.push(till, till.body());
  t.is(first.device_state, "closed");
  t.is(await centre.balance(branch.cash), "0");
  till.have = { centre_epoch: first.centre_epoch, verdict_no: first.verdict_no };
  await centre.call("accept_quarantined", { intake_ids: [await intakeId(till, 1)], note: "seen" });
  await centre.call("refuse_quarantined", { intake_ids: [await intakeId(till, 2)], note: "twice" });
  t.is(await centre.balance(branch.cash), "500");
  const beat = await centre.push(till, till.body([]));
  t.deepEqual(
    beat.changes.map(({ seq, verdict, reason, entry_id, verdict_no }) => [
      seq,
      verdict,
      reason,
      entry_id !== null,
      verdict_no,
    ]),
    [
      [1, "accepted", null, true, 3],
      [2, "refused", "twice", false, 4],
    ],
  );
  const ids = [await intakeId(till, 1)];
  t.is(await errorCode(centre.call("accept_quarantined", { intake_ids: ids, note: "x" })), "SB512");
  t.is(await errorCode(centre.call("refuse_quarantined", { intake_ids: ids, note: "x" })), "SB512");
  t.is(await errorCode(centre.call("accept_quarantined", { intake_ids: [0], note: "x" })), "SB514");
  t.is(await errorCode(centre.call("accept_quarantined", { intake_ids: [], note: "x" })), "SB010");
});

test("a conflict is posted beside the other row, or refused", async (t) => {
  const branch = await centre.branch("D2");
  const till = await centre.till(branch.id);
  const row = till.add();
  till.add({ id: row.id, amount: "20" });
  till.add({ id: row.id, amount: "30" });
  await centre.push(till, till.body());
  t.is(await centre.balance(branch.cash), "1000");
  const [second, third] = [await intakeId(till, 2), await intakeId(till, 3)];
  await centre.call("resolve_conflict", { intake_id: second, is_accepted: true, note: "a sale" });
  await centre.call("resolve_conflict", { intake_id: third, is_accepted: false, note: "no sale" });
  t.is(await centre.balance(branch.cash), "1020");
  t.is(
    await errorCode(
      centre.call("resolve_conflict", { intake_id: third, is_accepted: true, note: "x" }),
    ),
    "SB512",
  );
});

test("what cannot be read, or is accepted already, cannot be accepted", async (t) => {
  const branch = await centre.branch("D3");
  const till = await centre.till(branch.id);
  const row = till.add();
  await centre.push(till, till.body());
  till.add({ id: row.id });
  const [, second] = till.rows;
  await centre.push(
    till,
    till.body([
      { ...second, hash: "0".repeat(64) },
      { ...second, seq: 3, amount: "x" },
    ]),
  );
  for (const seq of [2, 3]) {
    const ids = [await intakeId(till, seq)];
    t.is(
      await errorCode(centre.call("accept_quarantined", { intake_ids: ids, note: "x" })),
      "SB512",
    );
  }
  t.is(await centre.balance(branch.cash), "1000");
});

test("a void in quarantine is carried out when it is accepted, or not accepted", async (t) => {
  const branch = await centre.branch("D4");
  const till = await centre.till(branch.id);
  const row = till.add();
  await centre.push(till, till.body());
  await centre.call("close_branch_device", { device_id: till.device, reason: "lost" });
  till.void(row);
  till.void(row);
  await centre.push(till, till.body());
  const accept = async (seq: number) =>
    centre.call("accept_quarantined", { intake_ids: [await intakeId(till, seq)], note: "seen" });
  await accept(2);
  t.is(await centre.balance(branch.cash), "0");
  t.is(await errorCode(accept(3)), "SB512");
  t.is(await centre.balance(branch.cash), "0");
});

test("suspense is moved when a rule comes, and a void takes both entries back", async (t) => {
  const branch = await centre.branch("D5");
  const till = await centre.till(branch.id);
  const row = till.add({ category: "baru", amount: "300" });
  till.add({ category: "Baru", amount: "40" });
  till.add({ type: "OUT", category: "baru", amount: "1" });
  await centre.push(till, till.body());
  t.is(await centre.balance(branch.suspense), "339");
  t.is(await centre.call("repost_suspense", { branch_id: branch.id }), undefined);
  const { id } = await centre.call("open_account", { code: "baru", name: "x", type: "revenue" });
  await centre.call("set_posting_rule", { flow: "IN", category: "BARU", account_id: id });
  const moved = await centre.call("repost_suspense", { branch_id: branch.id });
  t.deepEqual(
    moved
      .map((each: { row_count: number; amount: number }) => [each.row_count, each.amount])
      .sort(),
    [
      [1, 300],
      [1, 40],
    ].sort(),
  );
  t.is(await centre.balance(branch.suspense), "-1");
  t.is(await centre.balance(String(id)), "340");
  t.is(await centre.call("repost_suspense"), undefined);
  till.void(row);
  await centre.push(till, till.body());
  t.is(await centre.balance(String(id)), "40");
  t.is(await centre.balance(branch.suspense), "-1");
  t.is(await centre.balance(branch.cash), "39");
});

test("a rule of the branch goes before one of all, and one has its day", async (t) => {
  const [one, two] = [await centre.branch("D6"), await centre.branch("D7")];
  const open = async (code: string) =>
    (await centre.call("open_account", { code, name: code, type: "revenue" })).id;
  const [all, own, later] = [await open("r-all"), await open("r-own"), await open("r-later")];
  const rule = { flow: "IN", category: "jasa" };
  const made = await centre.call("set_posting_rule", { ...rule, account_id: all });
  await centre.call("set_posting_rule", { ...rule, account_id: own, branch_id: one.id });
  await centre.call("set_posting_rule", {
    ...rule,
    account_id: later,
    effective_from: "2026-03-11",
  });
  for (const branch of [one, two]) {
    const till = await centre.till(branch.id);
    till.add({ category: "jasa", amount: "1" });
    till.add({
      category: "jasa",
      amount: "10",
      occurred_at: "2026-03-11T05:00:00.000Z",
      business_date: "2026-03-11",
    });
    await centre.push(till, till.body());
  }
  t.is(await centre.balance(String(own)), "11");
  t.is(await centre.balance(String(all)), "1");
  t.is(await centre.balance(String(later)), "10");
  await centre.call("remove_posting_rule", { posting_rule_id: made.id });
  const again = centre.call("remove_posting_rule", { posting_rule_id: made.id });
  t.is(await errorCode(again), "SB007");
});

test("rules that cannot be are refused", async (t) => {
  const branch = await centre.branch("D8");
  const set = (args: object) =>
    errorCode(centre.call("set_posting_rule", { flow: "IN", category: "x", ...args }));
  t.is(await set({ account_id: 999999 }), "SB101");
  t.is(await set({ account_id: branch.cash }), "SB513");
  t.is(await set({ account_id: branch.suspense }), "SB513");
  const dollars = await centre.call("open_account", {
    code: "usd",
    name: "x",
    type: "revenue",
    currency: "USD",
  });
  t.is(await set({ account_id: dollars.id, branch_id: branch.id }), "SB104");
  t.is(await set({ account_id: dollars.id, branch_id: 999999 }), "SB501");
  t.is(await set({ account_id: dollars.id, flow: null }), "SB010");
  await centre.call("close_account", { account_id: dollars.id });
  t.is(await set({ account_id: dollars.id }), "SB102");
});
