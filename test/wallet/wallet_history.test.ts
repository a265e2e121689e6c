import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const history = (member: Row) => wallet.rows("admin", "wallet_history", { member_id: member.id });
const brief = (lines: Row[]) =>
  lines.map((line) => [line.kind, line.status, line.amount, line.balance]);

/** The wallet of the incident that started this project: what came when, in its order. */
const incident: [at: string, kind: "top_up" | "purchase" | "pending", amount: number][] = [
  ["2025-11-16 05:44:21+07", "top_up", 500_000],
  ["2025-11-17 05:44:21+07", "purchase", 150_000],
  ["2025-11-17 12:01:41+07", "top_up", 1_000_000],
  ["2025-11-17 12:01:41+07", "top_up", 500_000],
  ["2025-11-17 12:01:41+07", "purchase", 250_000],
  ["2025-11-17 12:01:41+07", "pending", 150_000],
  ["2025-11-18 05:44:21+07", "purchase", 250_000],
  ["2025-11-19 00:08:06+07", "purchase", 250_000],
  ["2025-11-19 02:08:06+07", "top_up", 1_000_000],
  ["2025-11-19 03:54:18+07", "purchase", 450_000],
  ["2025-11-19 05:24:18+07", "top_up", 500_000],
  ["2025-11-19 05:49:18+07", "purchase", 150_000],
  ["2025-11-19 16:19:29+07", "purchase", 100_000],
];

test("the incident replays through the public functions to 1,900,000 and 1,750,000", async (t) => {
  const member = await wallet.member();
  for (const [occurred_at, kind, amount] of incident) {
    if (kind === "top_up") {
      await wallet.call("admin", "top_up", { member_id: member.id, amount, occurred_at });
    } else {
      const product = await wallet.product(amount);
      await wallet.buy(member, product, { occurred_at, hold_only: kind === "pending" });
    }
  }
  t.like(await wallet.balance(member), {
    balance: "1900000",
    held: "150000",
    available: "1750000",
  });

  const lines = await history(member);
  const running = [500, 350, 1350, 1850, 1600, 1600, 1350, 1100, 2100, 1650, 2150, 2000, 1900];
  t.deepEqual(
    lines.map((line) => line.balance),
    running.map((thousands) => String(thousands * 1000)),
  );
  t.deepEqual(
    lines.map((line) => (line.occurred_at as Date).getTime()),
    incident.map(([at]) => new Date(at).getTime()),
  );
  t.deepEqual(await wallet.findings(), []);
});

test("every kind of line shows, and only posted ones move the balance", async (t) => {
  const member = await wallet.member(1000);
  const [cheap, dear] = [await wallet.product(100), await wallet.product(300)];
  const purchase = await wallet.buy(member, cheap, { quantity: 2 });
  const failed = await wallet.buy(member, dear, { hold_only: true });
  await wallet.call("admin", "fail_purchase", { purchase_id: failed.id, reason: "Late" });
  await wallet.buy(member, dear, { hold_only: true });
  await wallet.call("admin", "refund_purchase", { purchase_id: purchase.id, reason: "Broken" });
  const [other] = await wallet.root("select id from saldo.account where code = 'cash:IDR'");
  await wallet.call("admin", "transfer", {
    debit_account_id: member.account_id,
    credit_account_id: other?.id,
    amount: 50,
    description: "Fee",
  });
  const lines = await history(member);
  t.deepEqual(brief(lines), [
    ["top_up", null, "1000", "1000"],
    ["purchase", "refunded", "-200", "800"],
    ["purchase", "failed", "-300", "800"],
    ["purchase", "pending", "-300", "800"],
    ["refund", "refunded", "200", "1000"],
    ["adjustment", null, "-50", "950"],
  ]);
  const newestFirst = await wallet.rows("admin", "wallet_history", {
    member_id: member.id,
    is_newest_first: true,
  });
  t.deepEqual(newestFirst, lines.toReversed());
  t.is(lines[1]?.description, `2 x ${cheap.name}`);
  t.is(lines[4]?.description, "Refund: Broken");
  t.is(lines[4]?.purchase_id, purchase.id);
});

test("the parts of a balance add up to it, and leave out what posted nothing", async (t) => {
  const parts = (who: Parameters<typeof wallet.rows>[0], member: Row) =>
    wallet.rows(who, "wallet_balance_parts", { member_id: member.id });
  const member = await wallet.member(1000);
  const other = await wallet.member();
  t.deepEqual(await parts("admin", other), []);
  const product = await wallet.product(100);
  await wallet.call("admin", "top_up", { member_id: member.id, amount: 500 });
  const purchase = await wallet.buy(member, product, { quantity: 2 });
  await wallet.buy(member, product);
  await wallet.buy(member, product, { hold_only: true });
  const failed = await wallet.buy(member, product, { hold_only: true });
  await wallet.call("admin", "fail_purchase", { purchase_id: failed.id, reason: "Late" });
  await wallet.call("admin", "refund_purchase", {
    purchase_id: purchase.id,
    reason: "Broken",
    amount: 50.5,
  });
  const found = await parts({ memberId: member.id }, member);
  t.deepEqual(
    found.map((part) => [part.kind, part.line_count, part.amount, part.total]),
    [
      ["top_up", "2", "1500", "1500"],
      ["purchase", "2", "-300", "1200"],
      ["refund", "1", "50.5", "1250.5"],
    ],
  );
  t.is((await wallet.balance(member)).balance, "1250.5");
  t.is(await errorCode(parts({ memberId: other.id }, member)), "SB007");
  t.is(await errorCode(parts("admin", { id: "999999999" })), "SB304");
});

test("a purchase that was pending shows at the time it was paid", async (t) => {
  const member = await wallet.member();
  const product = await wallet.product(100);
  await wallet.call("admin", "top_up", {
    member_id: member.id,
    amount: 500,
    occurred_at: "2025-11-01",
  });
  const held = await wallet.buy(member, product, { hold_only: true, occurred_at: "2025-11-02" });
  await wallet.buy(member, product, { occurred_at: "2025-11-03", quantity: 2 });
  await wallet.call("admin", "complete_purchase", {
    purchase_id: held.id,
    occurred_at: "2025-11-04",
  });
  t.deepEqual(
    brief(await history(member)).map((line) => line[3]),
    ["500", "300", "200"],
  );
});

test("things of one moment stand in the order in which they were recorded", async (t) => {
  const member = await wallet.member();
  const occurred_at = "2025-11-17T12:01:41Z";
  const product = await wallet.product(1);
  for (let round = 0; round < 10; round++) {
    await wallet.call("admin", "top_up", { member_id: member.id, amount: 1, occurred_at });
    await wallet.buy(member, product, { occurred_at });
  }
  t.deepEqual(
    (await history(member)).map((line) => line.balance),
    Array.from({ length: 20 }, (_, index) => String((index + 1) % 2)),
  );
});

test("a late fact stands on the day on which it was posted, as in the account statement", async (t) => {
  // Books of its own: a month that is closed past the engine is a finding.
  const wallet = await openWallet();
  t.teardown(() => wallet.close());
  const member = await wallet.member();
  const topUp = (amount: number, occurred_at: string) =>
    wallet.call("admin", "top_up", { member_id: member.id, amount, occurred_at });
  await topUp(100, "2025-01-20T08:00:00+07:00");
  await wallet.root("update saldo_private.book_state set closed_through = '2025-01-31'");
  await topUp(50, "2025-01-15T08:00:00+07:00");
  await topUp(7, "2025-02-01T08:00:00+07:00");
  const lines = (await wallet.rows("admin", "wallet_history", { member_id: member.id })).map(
    ({ amount, balance }) => [amount, balance],
  );
  t.deepEqual(lines, [
    ["100", "100"],
    ["50", "150"],
    ["7", "157"],
  ]);
  const stated = await wallet.root(
    `select trim_scale(credit)::text as amount, balance::text
    from saldo.account_statement($1, '2025-01-01', '2025-02-28') where line_no > 0`,
    [member.account_id],
  );
  t.deepEqual(
    stated.map(({ amount, balance }) => [amount, balance]),
    lines,
  );
});

test("the history can be read in pages", async (t) => {
  const member = await wallet.member(10);
  for (let round = 0; round < 4; round++) await wallet.buy(member, await wallet.product(1));
  const page = await wallet.query(
    "admin",
    "select balance from saldo.wallet_history($1) limit 2 offset 2",
    [member.id],
  );
  t.deepEqual(page, [{ balance: "8" }, { balance: "7" }]);
});

test("a member reads the own history; another's answers like an absent one's", async (t) => {
  const [own, other] = [await wallet.member(10), await wallet.member(20)];
  const read = (member_id: unknown) =>
    wallet.rows({ memberId: own.id }, "wallet_history", { member_id });
  t.deepEqual(brief(await read(own.id)), [["top_up", null, "10", "10"]]);
  t.is(await errorCode(read(other.id)), "SB007");
  t.is(await errorCode(read("999999")), "SB007");
  t.is(await errorCode(wallet.rows("admin", "wallet_history", { member_id: 999_999 })), "SB304");
  t.is((await wallet.rows("operator", "wallet_history", { member_id: own.id })).length, 1);
});
