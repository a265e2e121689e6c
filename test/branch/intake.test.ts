import test from "ava";
import { errorCode } from "../_support/database.ts";
import { type Centre, openCentre } from "./_branch.ts";

let centre: Centre;
test.before(async () => {
  centre = await openCentre();
});
test.after.always(() => centre?.close());

const outcomes = (answer: { verdicts: { verdict: string; reason: string | null }[] }) =>
  answer.verdicts.map(({ verdict, reason }) =>
    reason === null ? verdict : `${verdict} ${reason}`,
  );

test("rows become entries, once however often they are sent", async (t) => {
  const branch = await centre.branch("A1");
  const till = await centre.till(branch.id);
  till.add({ amount: "20000", description: "Kopi" });
  till.add({ type: "OUT", category: "belanja", amount: "5000.5" });
  till.add({ kind: "count", type: null, category: "close", amount: "0", expected: "-1" });
  const first = await centre.push(till, till.body());
  t.deepEqual(outcomes(first), ["accepted", "accepted", "accepted"]);
  t.is(first.device_state, "ok");
  t.deepEqual(first.seen, { seq: 3, hash: till.rows[2]?.hash ?? "", missing: [] });
  t.is(first.verdict_no, 3);
  t.is(await centre.balance(branch.cash), "14999.5");
  const again = await centre.push(till, till.body());
  t.deepEqual(again.verdicts, first.verdicts);
  t.is(await centre.balance(branch.cash), "14999.5");
  t.is(await errorCode(centre.push({ key: `${till.key}` }, {})), "SB507");
});

test("a bad row holds back no other, and says what is wrong", async (t) => {
  const branch = await centre.branch("A2");
  const till = await centre.till(branch.id);
  const [one, two, three, four, five] = [1, 2, 3, 4, 5].map(() => till.add());
  const answer = await centre.push(
    till,
    till.body([
      one,
      { ...two, amount: "20.000" },
      { ...three, amount: "3000" },
      5,
      null,
      "text",
      [four],
      { ...four, extra: 1 },
      { ...five, occurred_at: "2026-02-30T25:00:00.000Z" },
    ]),
  );
  t.deepEqual(outcomes(answer), [
    "accepted",
    "quarantined row_invalid: amount",
    "quarantined hash_mismatch",
    "quarantined row_invalid: row",
    "quarantined row_invalid: row",
    "quarantined row_invalid: row",
    "quarantined row_invalid: row",
    "quarantined row_invalid: a field that no row has",
    "quarantined row_invalid: occurred_at or business_date",
  ]);
  t.is(await centre.balance(branch.cash), "1000");
});

test("rows of an unknown category, another currency or a locked month are kept", async (t) => {
  const branch = await centre.branch("A3");
  const till = await centre.till(branch.id);
  till.add({ category: "entah", amount: "700" });
  till.add({ currency: "SAR" });
  till.add({ category: "PENJUALAN" });
  const answer = await centre.push(till, till.body());
  t.deepEqual(outcomes(answer), ["accepted", "quarantined currency_mismatch", "accepted"]);
  t.is(await centre.balance(branch.suspense), "700");
  t.is(await centre.balance(branch.cash), "1700");
});

test("the same id with another content is a conflict, with the same content a duplicate", async (t) => {
  const branch = await centre.branch("A4");
  const till = await centre.till(branch.id);
  const first = till.add();
  await centre.push(till, till.body());
  till.add({ id: first.id, amount: "9999" });
  till.add({ ...first });
  const answer = await centre.push(till, till.body());
  t.deepEqual(outcomes(answer), ["accepted", "conflict id_reused", "duplicate duplicate"]);
  t.is(answer.verdicts[2]?.entry_id, answer.verdicts[0]?.entry_id);
  t.is(await centre.balance(branch.cash), "1000");
  t.deepEqual(answer.seen.missing, []);
});

test("rows of one push that contend with each other are taken in their order", async (t) => {
  const branch = await centre.branch("A5");
  const till = await centre.till(branch.id);
  const row = till.add();
  till.add({ id: row.id });
  till.add({ id: row.id, amount: "5" });
  const answer = await centre.push(till, till.body([...till.rows, row]));
  t.deepEqual(outcomes(answer), [
    "accepted",
    "duplicate duplicate",
    "conflict id_reused",
    "accepted",
  ]);
  t.is(await centre.balance(branch.cash), "1000");
});

test("a void is carried out once, before or after its original", async (t) => {
  const branch = await centre.branch("A6");
  const till = await centre.till(branch.id);
  const original = till.add({ amount: "20000" });
  const taken = till.void(original);
  const again = till.void(original);
  const wrong = till.void(till.add({ amount: "300" }), { amount: "200" });
  const early = await centre.push(till, till.body([taken, again]));
  t.deepEqual(outcomes(early), ["quarantined void_waits", "quarantined void_waits"]);
  const late = await centre.push(till, till.body([original, ...till.rows.slice(3)]));
  t.deepEqual(outcomes(late), ["accepted", "accepted", "quarantined void_mismatch"]);
  t.deepEqual(
    late.changes.map(({ id, verdict, reason }) => [id, verdict, reason]),
    [
      [taken.id, "accepted", null],
      [again.id, "quarantined", "already_voided"],
    ],
  );
  t.is(await centre.balance(branch.cash), "300");
  t.is(wrong.voids, till.rows[3]?.id ?? "");
  const entry = late.changes[0]?.entry_id;
  t.is(
    await centre.value("select kind::text from saldo.journal_entry where id = $1", [entry]),
    "reversal",
  );
});

test("a void of a row that was not posted ends both", async (t) => {
  const branch = await centre.branch("A7");
  const till = await centre.till(branch.id);
  const original = till.add({ currency: "SAR" });
  till.void(original);
  const answer = await centre.push(till, till.body());
  t.deepEqual(outcomes(answer), ["refused voided", "accepted original_not_posted"]);
  t.is(await centre.balance(branch.cash), "0");
});

test("a void of a row whose id was another till's takes back its own, and not the other", async (t) => {
  const branch = await centre.branch("A10");
  const [first, second] = [await centre.till(branch.id), await centre.till(branch.id)];
  const sale = first.add({ description: "table 4" });
  await centre.push(first, first.body());
  const own = second.add({ id: sale.id, description: "table 5" });
  await centre.push(second, second.body());
  second.void(own);
  const answer = await centre.push(second, second.body());
  t.deepEqual(outcomes(answer), ["refused voided", "accepted original_not_posted"]);
  t.is(await centre.balance(branch.cash), "1000");
  first.void(sale);
  await centre.push(first, first.body());
  t.is(await centre.balance(branch.cash), "0");
});

test("a row that cannot be posted is quarantined with its code, the others are posted", async (t) => {
  const branch = await centre.branch("A8");
  const till = await centre.till(branch.id);
  const { id } = await centre.call("open_account", {
    code: "closed:A8",
    name: "x",
    type: "expense",
  });
  await centre.call("set_posting_rule", {
    flow: "OUT",
    category: "tutup",
    account_id: id,
    branch_id: branch.id,
  });
  await centre.call("close_account", { account_id: id });
  for (let n = 0; n < 20; n++) till.add(n % 7 === 3 ? { type: "OUT", category: "tutup" } : {});
  const answer = await centre.push(till, till.body());
  t.deepEqual(
    outcomes(answer),
    till.rows.map((_, n) => (n % 7 === 3 ? "quarantined SB102" : "accepted")),
  );
  t.is(await centre.balance(branch.cash), "17000");
});

test("a row about a closed month is posted on the first open day", async (t) => {
  // Books of its own: the gaps of others would keep the month open.
  const centre = await openCentre();
  t.teardown(centre.close);
  const branch = await centre.branch("A9");
  const till = await centre.till(branch.id);
  till.add({ occurred_at: "2020-01-10T05:00:00.000Z", business_date: "2020-01-10" });
  await centre.push(till, till.body());
  await centre.call("close_period", { month: "2020-01-01" });
  till.add({ occurred_at: "2020-01-15T05:00:00.000Z", business_date: "2020-01-15" });
  const answer = await centre.push(till, till.body());
  t.is(answer.verdicts.at(-1)?.posting_date, "2020-02-01");
  t.deepEqual(
    await centre.rows("select origin_month::text from saldo.journal_entry where id = $1", [
      answer.verdicts.at(-1)?.entry_id,
    ]),
    [{ origin_month: "2020-01-01" }],
  );
});

test("a row of a locked month is quarantined, and accepted on the day of now", async (t) => {
  const own = await openCentre();
  t.teardown(own.close);
  const branch = await own.branch("L1");
  const till = await own.till(branch.id);
  const before = till.add({ occurred_at: "2026-01-31T05:00:00.000Z", business_date: "2026-01-31" });
  await own.push(till, till.body());
  for (const month of ["2026-01-01", "2026-02-01"]) {
    await own.call("close_period", { month });
  }
  await own.call("lock_period", { fiscal_year: 2026, number: 1, reason: "audited" });
  till.add({
    amount: "70",
    occurred_at: "2026-01-20T05:00:00.000Z",
    business_date: "2026-01-20",
  });
  till.add({
    amount: "300",
    occurred_at: "2026-02-20T05:00:00.000Z",
    business_date: "2026-02-20",
  });
  till.add({ amount: "5" });
  const answer = await own.push(till, till.body());
  t.deepEqual(outcomes(answer), ["accepted", "quarantined SB108", "accepted", "accepted"]);
  // Only locked months refuse; what belongs to a closed one is posted on the first open day.
  t.deepEqual(
    answer.verdicts.map(({ posting_date }) => posting_date),
    ["2026-01-31", null, "2026-03-01", "2026-03-10"],
  );
  t.is(await own.balance(branch.cash), "1305");
  t.is(before.seq, 1);
  const id = await own.value(
    "select id from saldo.branch_intake where verdict_reason = 'SB108' and entry_id is null",
  );
  const late = { intake_ids: [id], note: "posted late" };
  t.is(await errorCode(own.call("accept_quarantined", late)), "SB108");
  await own.call("accept_quarantined", { ...late, is_dated_now: true });
  t.is(await own.balance(branch.cash), "1375");
  const [entry] = await own.rows(
    `select e.posting_date = saldo_private.business_date(now()) as is_now, e.origin_month
    from saldo.branch_intake as i join saldo.journal_entry as e on e.id = i.entry_id
    where i.id = $1`,
    [id],
  );
  t.deepEqual(entry, { is_now: true, origin_month: null });
});
