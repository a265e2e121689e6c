import test from "ava";
import { asMember, errorCode } from "../_support/database.ts";
import { type Centre, openCentre } from "./_branch.ts";

let centre: Centre;
test.before(async () => {
  centre = await openCentre();
});
test.after.always(() => centre?.close());

const gapsOf = async (branchId: string) =>
  (await centre.rows("select first_seq, last_seq from saldo.branch_gaps($1)", [branchId])).map(
    ({ first_seq, last_seq }) => `${first_seq}-${last_seq}`,
  );
const item = async (month: string) =>
  (
    await centre.rows(
      "select open_count, evidence from saldo.period_checklist($1) where item = 'branches'",
      [month],
    )
  )[0];

test("what a till has told of and not sent is listed, inside and at the tail", async (t) => {
  const branch = await centre.branch("C1");
  const till = await centre.till(branch.id);
  for (let n = 0; n < 10; n++) till.add();
  const [, second, , , fifth] = till.rows;
  const answer = await centre.push(till, till.body([second, fifth]));
  t.deepEqual(answer.seen, {
    seq: 5,
    hash: fifth?.hash ?? "",
    missing: [
      [1, 1],
      [3, 4],
      [6, 10],
    ],
  });
  t.deepEqual(await gapsOf(branch.id), ["1-1", "3-4", "6-10"]);
  const waive = (first_seq: number, last_seq: number) =>
    centre.call("waive_branch_gap", {
      device_id: till.device,
      epoch_no: 1,
      first_seq,
      last_seq,
      reason: "the till burnt",
    });
  t.is(await errorCode(waive(2, 2)), "SB007");
  t.is(await errorCode(waive(6, 11)), "SB007");
  await waive(7, 8);
  t.deepEqual(await gapsOf(branch.id), ["1-1", "3-4", "6-6", "9-10"]);
  t.deepEqual((await centre.push(till, till.body())).seen.missing, []);
  t.deepEqual(await gapsOf(branch.id), []);
  t.is(await centre.balance(branch.cash), "10000");
});

test("gaps, silence and rows to be decided are an item of the checklist, and findings in time", async (t) => {
  const branch = await centre.branch("C2");
  const till = await centre.till(branch.id);
  till.add();
  till.add({ currency: "SAR" });
  till.add();
  await centre.push(till, till.body(till.rows.slice(0, 2)));
  const march = await item("2026-03-01");
  t.regex(JSON.stringify(march?.["evidence"]), /"missing": ?"C2-1-1"/);
  t.regex(JSON.stringify(march?.["evidence"]), /waits_for_decision/);
  t.deepEqual(await centre.findings("branch_gap"), []);
  await centre.rows(
    `update saldo.branch_head set told_at = told_at - interval '25 hours'
    where epoch_id = (select id from saldo.branch_epoch where device_id = $1)`,
    [till.device],
  );
  t.deepEqual(
    (await centre.findings("branch_gap")).map(({ key }) => key),
    ["C2-1-1 3 to 3"],
  );
  await centre.rows(
    `update saldo.branch_device set last_push_at = '2026-03-20', enrolled_at = '2026-03-01' where id = $1`,
    [till.device],
  );
  t.regex(JSON.stringify(await item("2026-03-01")), /"not_heard_of": ?"C2-1"/);
  t.notRegex(JSON.stringify(await item("2026-02-01")), /"not_heard_of": ?"C2-1"/);
  const alerts = await centre.rows("select key, text from saldo_private.alert_branch_silent()");
  t.true(alerts.some(({ key }) => key === "C2"));
  const waiting = await centre.rows("select key from saldo_private.alert_branch_row_waits()");
  t.true(waiting.some(({ key }) => key === "C2"));
});

/** What is done past the engine, and the rules that find it. */
const faults: { title: string; plant: string; rules: string[] }[] = [
  {
    title: "an amount that was changed in the intake",
    plant: "update saldo.branch_intake set amount = 999 where device_id = $1 and seq = 2",
    rules: ["branch_entry", "branch_cash", "branch_totals", "branch_chain"],
  },
  {
    title: "a row that is gone",
    plant: "delete from saldo.branch_intake where device_id = $1 and seq = 2",
    rules: ["branch_entry", "branch_cash", "branch_totals"],
  },
  {
    title: "a row that is counted as posted without an entry",
    plant: `update saldo.branch_intake set entry_id = saldo_private.uuid_v7()
      where device_id = $1 and seq = 2`,
    rules: ["branch_entry"],
  },
  {
    title: "a verdict that was changed",
    plant: `update saldo.branch_intake set verdict = 'refused', entry_id = null
      where device_id = $1 and seq = 2`,
    rules: ["branch_entry", "branch_cash"],
  },
  {
    title: "a hash that was changed",
    plant: `update saldo.branch_intake set hash = repeat('0', 64)
      where device_id = $1 and seq = 2`,
    rules: ["branch_chain"],
  },
  {
    title: "a void whose original is not reversed",
    plant: "update saldo.branch_intake set voided_by = null where device_id = $1 and seq = 3",
    rules: ["branch_entry"],
  },
  {
    title: "sums that the till did not tell",
    plant: `update saldo.branch_head set in_total = 1
      where epoch_id = (select id from saldo.branch_epoch where device_id = $1)`,
    rules: ["branch_totals"],
  },
  {
    title: "an entry of tills without a row",
    plant: `select saldo_private.post_pair(saldo_private.uuid_v7(), b.cash_account_id,
        b.suspense_account_id, 5, 'x', 'branch', metadata => jsonb_build_object('branch', b.code))
      from saldo.branch as b
      where b.id = (select branch_id from saldo.branch_device where id = $1)`,
    rules: ["branch_entry", "branch_cash"],
  },
];

const rules = ["branch_entry", "branch_cash", "branch_totals", "branch_chain", "branch_gap"];

for (const [index, { title, plant, rules: expected }] of faults.entries()) {
  test(`the rules find ${title}`, async (t) => {
    const branch = await centre.branch(`F${index}`);
    const till = await centre.till(branch.id);
    till.add({ category: "entah" });
    till.add({ amount: "50.5" });
    till.void(till.add());
    till.add({ kind: "count", type: null, category: "close", amount: "0", expected: "5" });
    await centre.push(till, till.body());
    const found = async (client: { query: typeof centre.pool.query }) => {
      const names: string[] = [];
      for (const rule of rules) {
        const { rows } = await client.query(
          `select from saldo_private.rule_${rule}() where account_id = $1`,
          [branch.cash],
        );
        if (rows.length > 0) names.push(rule);
      }
      return names;
    };
    t.deepEqual(await found(centre.pool), []);
    const client = await centre.pool.connect();
    try {
      await client.query("begin");
      await client.query("set local session_replication_role = replica");
      await client.query(plant, [till.device]);
      t.deepEqual(await found(client as unknown as typeof centre.pool), expected);
    } finally {
      await client.query("rollback");
      client.release();
    }
  });
}

const states = (branchId: string | null) =>
  centre.rows("select * from saldo.branch_states($1)", [branchId]);

test("a branch's state tells what it lacks, what waits, and whether it is heard of", async (t) => {
  const branch = await centre.branch("S1");
  const other = await centre.branch("S2");
  const till = await centre.till(branch.id);
  t.like((await states(branch.id))[0], { device_count: "1", last_push_at: null, is_silent: false });
  const first = till.add();
  till.add();
  const third = till.add({ currency: "SAR" });
  const fourth = till.add({ category: "parkir" });
  const clash = till.add({ id: first.id, amount: "999" });
  till.add();
  await centre.push(till, till.body([first, third, fourth, clash]));
  const [state] = await states(branch.id);
  t.like(state, {
    branch_code: "S1",
    branch_name: "Toko S1",
    device_count: "1",
    forked_count: "0",
    is_silent: false,
    missing_count: "2",
    quarantined_count: "1",
    conflict_count: "1",
    suspense_count: "1",
  });
  t.true(state?.last_push_at instanceof Date);
  t.true(state?.missing_since instanceof Date);
  t.true(state?.waiting_since instanceof Date);
  t.like((await states(other.id))[0], { missing_count: "0", waiting_since: null });
  const codes = (await states(null)).map((row) => row.branch_code);
  t.deepEqual(codes, codes.toSorted());
  t.true(codes.includes("S1") && codes.includes("S2"));
  await centre.rows(
    "update saldo.branch_device set last_push_at = now() - interval '1 year' where id = $1",
    [till.device],
  );
  t.like((await states(branch.id))[0], { is_silent: true });
  await centre.call("close_branch_device", { device_id: till.device, reason: "lost" });
  t.like((await states(branch.id))[0], { device_count: "0", is_silent: false });
  const asAMember = asMember(centre.pool, "1", (client) =>
    client.query("select * from saldo.branch_states()"),
  );
  t.is(await errorCode(asAMember), "42501");
});
