import test from "ava";
import { errorCode } from "../_support/database.ts";
import { outcomes, type Row } from "./_metering.ts";
import { drain, leaveToJobs, withBooks } from "./_rerating.ts";

test("what the books would refuse is refused at the start, and nothing is recorded", async (t) => {
  const { metering, sites, call } = await withBooks(t);
  await leaveToJobs(metering);
  await metering.root(
    "update saldo_private.book_state set closed_through = $1, locked_through = $1",
    ["2025-01-31"],
  );
  const before = await metering.digest();
  const add = (args: Row) => call("add_tariff_version", { price: 11, ...args });
  t.is(await errorCode(add({ effective_from: "2025-01-20" })), "SB108");
  t.is(await errorCode(call("start_rerating", { customer_id: 999 })), "SB401");
  t.deepEqual(await metering.digest(), before);
  // A version that reaches into a locked month, and changes nothing there, is taken.
  t.is(await errorCode(add({ effective_from: "2025-01-26" })), "none");
  await drain(metering);
  const [site] = sites.slice(2);
  await call("add_deposit", { customer_id: site?.customer.id, amount: 1 });
  const [{ balance } = {}] = await metering.root(
    "select -balance - 1 as balance from saldo.account where id = $1",
    [site?.customer.account_id],
  );
  await call("add_deposit", { customer_id: site?.customer.id, amount: Number(balance) + 1 });
  await call("close_account", { account_id: site?.customer.account_id });
  t.is(await errorCode(add({ effective_from: "2025-03-01", customer_id: 3 })), "SB102");
  t.deepEqual(await metering.findings(), []);
});

test("a slice that the books refuse fails its re-rating, which goes on once that is mended", async (t) => {
  const { metering, call } = await withBooks(t);
  await leaveToJobs(metering);
  await call("add_tariff_version", { price: 11, effective_from: "2025-01-02" });
  await call("continue_rerating", { row_limit: 12 });
  const lock = (day: string | null) =>
    metering.root("update saldo_private.book_state set closed_through = $1, locked_through = $1", [
      day,
    ]);
  await lock("2025-01-31");
  const before = await metering.digest();
  const failed = await call("continue_rerating", { row_limit: 12 });
  t.like(failed, { status: "failed", done_count: "12" });
  t.regex(String(failed.error), /^SB108 The period is locked.* date 2025-01-25/);
  t.deepEqual(await metering.digest(), before);
  t.is((await call("continue_rerating", {})).id, null);
  const rules = new Set((await metering.findings()).map(({ rule }) => rule));
  t.deepEqual([...rules].sort(), ["rule_reading_rated", "rule_rerating"]);
  await lock(null);
  t.is((await call("retry_rerating", { rerating_id: failed.id })).status, "waiting");
  const slices = await drain(metering);
  t.is((await call("retry_rerating", { rerating_id: failed.id })).status, "done");
  t.like(slices.at(-1), { status: "done", done_count: "72", line_count: "64" });
  t.deepEqual(await metering.findings(), []);
});

test("a month is not closed while readings of it wait, unless that is waived", async (t) => {
  const { metering, call } = await withBooks(t);
  await leaveToJobs(metering);
  await call("add_tariff_version", { price: 11, effective_from: "2025-02-01" });
  const item = async (month: string) =>
    (await metering.rows("operator", "period_checklist", { month })).find(
      (row) => row.item === "reratings",
    );
  t.like(await item("2025-01-01"), { is_passed: true, open_count: "0" });
  t.like(await item("2025-02-01"), { is_passed: false, open_count: "1" });
  t.is(await errorCode(call("close_period", { month: "2025-01-01" })), "none");
  t.is(await errorCode(call("close_period", { month: "2025-02-01" })), "SB110");
  const waived = { month: "2025-02-01", waive: ["reratings"], reason: "late differences" };
  t.is(await errorCode(call("close_period", waived)), "none");
  await drain(metering);
  // They stand in the first open month, with the month that they are about.
  const [late] = await metering.root(
    `select count(*) from saldo.journal_entry
    where source = 'rating' and origin_month = '2025-02-01' and posting_date = '2025-03-01'`,
  );
  t.is(late?.count, "6");
  t.like(await item("2025-03-01"), { is_passed: true });
  t.deepEqual(await metering.findings(), []);
});

test("bad input is refused, and only administrators rate", async (t) => {
  const { metering, call } = await withBooks(t);
  for (const row_limit of [0, -1, 100_001, null]) {
    t.is(await errorCode(call("continue_rerating", { row_limit })), "SB010", String(row_limit));
  }
  t.is(await errorCode(call("retry_rerating", { rerating_id: 1 })), "SB007");
  t.is(await errorCode(call("start_rerating", { from_date: "infinity" })), "SB010");
  t.is(await errorCode(call("start_rerating", { from_date: null })), "none");
  for (const value of ["-1", "x", "1000001", ""]) {
    const set = call("set_setting", { name: "rerate_at_once_max", value });
    t.is(await errorCode(set), "SB010", value);
  }
  for (const name of ["continue_rerating", "start_rerating"]) {
    t.is(await errorCode(metering.rows("operator", name, {})), "42501");
  }
  const seen = await metering.query("operator", "select status::text from saldo.rerating");
  t.deepEqual(seen, [{ status: "waiting" }]);
  const repeatable = metering.pool.connect().then(async (client) => {
    try {
      await client.query("begin isolation level repeatable read");
      return await errorCode(client.query("select saldo.continue_rerating()"));
    } finally {
      await client.query("rollback");
      client.release();
    }
  });
  t.is(await repeatable, "SB020");
  t.deepEqual(await outcomes([drain(metering)]), { none: 1 });
});
