import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openMetering, outcomes, type Row } from "./_metering.ts";

const metering = await openMetering();
test.after.always(() => metering.close());

const linesOf = (entryId: unknown) =>
  metering.root(
    `select a.code, l.debit, l.credit
    from saldo.journal_line as l
    join saldo.account as a on a.id = l.account_id
    where l.entry_id = $1
    order by l.line_no`,
    [entryId],
  );

const entryOf = async (id: unknown) => {
  const [entry] = await metering.root(
    `select kind, status, source, posting_date::text, origin_month::text
    from saldo.journal_entry where id = $1`,
    [id],
  );
  return entry ?? {};
};

test("a customer has a liability account that may go below zero", async (t) => {
  const { customer } = await metering.site();
  const [account] = await metering.root("select * from saldo.account where id = $1", [
    customer.account_id,
  ]);
  t.like(account, { type: "liability", min_balance: null, code: `customer:${customer.code}` });
  t.is(customer.currency, "IDR");
});

test("bad input for a customer is refused by code", async (t) => {
  const refused = (args: Row) =>
    errorCode(metering.call("create_customer", { code: "x", name: "X", ...args }));
  const { customer } = await metering.site();
  t.is(await refused({ code: null }), "SB010");
  t.is(await refused({ name: "a\u0001" }), "SB008");
  t.is(await refused({ code: "x".repeat(91) }), "SB009");
  t.is(await refused({ currency: "rp" }), "SB010");
  t.is(await refused({ code: customer.code }), "SB014");
});

test("staff see customers, members and strangers see nothing", async (t) => {
  const { customer } = await metering.site();
  const count = (actor: Parameters<typeof metering.query>[0]) =>
    metering.query(actor, "select from saldo.customer where id = $1", [customer.id]);
  t.is((await count("admin")).length, 1);
  t.is((await count("operator")).length, 1);
  t.is(await errorCode(count({ memberId: "1" })), "42501");
  t.is(
    await errorCode(metering.rows("operator", "add_deposit", { customer_id: 1, amount: 1 })),
    "42501",
  );
});

test("a deposit debits cash and credits the customer", async (t) => {
  const site = await metering.site();
  const deposit = await metering.call("add_deposit", {
    customer_id: site.customer.id,
    amount: "500000.50",
    occurred_at: "2025-11-16T05:44:21+07",
  });
  t.like(deposit, { status: "current", revision: 1, amount: "500000.5" });
  t.deepEqual(await linesOf(deposit.entry_id), [
    { code: "cash:IDR", debit: "500000.5", credit: "0" },
    { code: `customer:${site.customer.code}`, debit: "0", credit: "500000.5" },
  ]);
  t.is(await metering.balance(site), "500000.5");
});

test("a changed deposit is a reversal and a new entry, both in its own month", async (t) => {
  const site = await metering.site();
  const first = await metering.call("add_deposit", {
    customer_id: site.customer.id,
    amount: 100,
    occurred_at: "2025-05-10T12:00:00+07",
  });
  const second = await metering.call("change_deposit", { deposit_id: first.id, amount: 70 });
  t.like(second, { revision: 2, supersedes: first.id, amount: "70" });
  const [old] = await metering.root("select * from saldo.deposit where id = $1", [first.id]);
  t.is(old?.status, "superseded");
  t.like(await entryOf(first.entry_id), { status: "reversed" });
  t.like(await entryOf(old?.reversal_entry_id), {
    kind: "reversal",
    posting_date: "2025-05-10",
    origin_month: null,
  });
  t.is(await metering.balance(site), "70");

  const removed = await metering.call("remove_deposit", { deposit_id: second.id, reason: "Typo" });
  t.is(removed.status, "removed");
  t.is(await metering.balance(site), "0");
  t.is(
    await errorCode(metering.call("change_deposit", { deposit_id: first.id, amount: 1 })),
    "SB403",
  );
  t.is(
    await errorCode(metering.call("remove_deposit", { deposit_id: second.id, reason: "x" })),
    "SB403",
  );
  t.deepEqual(await metering.findings(), []);
});

test("bad input for a deposit is refused by code and moves nothing", async (t) => {
  const site = await metering.site();
  const refused = (args: Row) =>
    errorCode(metering.call("add_deposit", { customer_id: site.customer.id, amount: 5, ...args }));
  for (const amount of [null, 0, -5, "NaN"]) t.is(await refused({ amount }), "SB002");
  t.is(await refused({ amount: "0.001" }), "SB003");
  t.is(await refused({ amount: "1e15" }), "SB004");
  t.is(await refused({ occurred_at: "infinity" }), "SB010");
  t.is(await refused({ description: "x".repeat(501) }), "SB009");
  t.is(await refused({ customer_id: 999_999 }), "SB401");
  const nobody = "00000000-0000-7000-8000-000000000000";
  t.is(
    await errorCode(metering.call("change_deposit", { deposit_id: nobody, amount: 1 })),
    "SB402",
  );
  t.is(await metering.balance(site), "0");
});

test("the same key with the same content returns the first deposit", async (t) => {
  const site = await metering.site();
  const args = { customer_id: site.customer.id, amount: 100, idempotency_key: "deposit-1" };
  const first = await metering.call("add_deposit", args);
  t.is((await metering.call("add_deposit", { ...args, amount: "100.00" })).id, first.id);
  t.is(await errorCode(metering.call("add_deposit", { ...args, amount: 200 })), "SB005");
  const change = { deposit_id: first.id, amount: 60, idempotency_key: "change-1" };
  const second = await metering.call("change_deposit", change);
  t.is((await metering.call("change_deposit", change)).id, second.id);
  const retries = Array.from({ length: 10 }, () =>
    metering.call("add_deposit", { ...args, idempotency_key: "deposit-2" }),
  );
  t.deepEqual(await outcomes(retries), { none: 10 });
  t.is(await metering.balance(site), "160");
});

test("ten changes of one deposit at once: one is first, the others are told", async (t) => {
  const site = await metering.site();
  const deposit = await metering.call("add_deposit", {
    customer_id: site.customer.id,
    amount: 100,
  });
  const changes = Array.from({ length: 10 }, (_, index) =>
    metering.call("change_deposit", { deposit_id: deposit.id, amount: 200 + index }),
  );
  t.deepEqual(await outcomes(changes), { none: 1, SB403: 9 });
  t.deepEqual(await metering.findings(), []);
});

test("customers are found by their code and the words of their name", async (t) => {
  await metering.root(`select saldo.create_customer(c.code, c.name)
    from (values ('Q-100', 'Warung Soto Pak Édi'), ('q-101', 'Warung Bakso'),
      ('q%', 'Percent (100%)'), ('q-2', null)) as c (code, name)
    where c.name is not null`);
  const found = async (search: string | null, after: string | null = null) => {
    const rows = await metering.query(
      "operator",
      "select code from saldo.find_customers($1, $2) where lower(code) like 'q%'",
      [search, after],
    );
    return rows.map(({ code }) => code);
  };
  const all = await found(null);
  t.is(all.length, 3);
  t.deepEqual(await found("  "), all);
  t.deepEqual(await found(null, String(all[0])), all.slice(1));
  t.deepEqual(await found("Q-10"), await found("warung"));
  t.deepEqual(await found("so war"), ["Q-100"]);
  t.deepEqual(await found("Éd"), ["Q-100"]);
  t.deepEqual(await found("q%"), ["q%"]);
  t.deepEqual(await found("arung"), []);
  t.deepEqual(await found("' | & ! :* <-> \\"), []);
  t.deepEqual(await found("warung ".repeat(1500)), await found("warung"));
  t.is(
    await errorCode(metering.query({ memberId: "1" }, "select saldo.find_customers()")),
    "42501",
  );
});
