import test from "ava";
import { errorCode } from "../_support/database.ts";
import { brokenRules, check, forced } from "../_support/faults.ts";
import { openHot } from "./_hot.ts";

const hot = await openHot();
test.after.always(() => hot.close());

const open = (args: Record<string, unknown>) =>
  hot.call("admin", "open_account", { code: "c", name: "n", type: "liability", ...args });
const systemAccount = async (code: string) =>
  (await hot.root("select * from saldo.account where code = $1", [code]))[0];

test.serial("codes of the engine's own accounts are refused", async (t) => {
  for (const code of ["clearing:USD", "suspense:IDR", "revenue:IDR", "cash:EUR"]) {
    t.is(await errorCode(open({ code, type: "asset" })), "SB010", code);
  }
  t.is((await open({ code: "revenue:coffee", type: "revenue" })).code, "revenue:coffee");
});

test.serial("the engine's own accounts stay open, and suspense stays immediate", async (t) => {
  const account = await hot.account({ slots: 2 });
  await hot.submit(account, 1, "credit");
  const clearing = await systemAccount("clearing:IDR");
  t.is(await errorCode(hot.call("admin", "close_account", { account_id: clearing?.id })), "SB102");
  await hot.settle();
  const [suspense] = await hot.root("select saldo_private.system_account('suspense', 'IDR') as id");
  t.is(await errorCode(hot.call("admin", "close_account", { account_id: suspense?.id })), "SB102");
  t.is(
    await errorCode(hot.call("admin", "make_account_hot", { account_id: suspense?.id })),
    "SB010",
  );
});

test.serial("an account that cannot be settled holds up none of the others", async (t) => {
  const [bad, good] = [
    await hot.account({ slots: 2, currency: "USD" }),
    await hot.account({ slots: 2, currency: "EUR" }),
  ];
  await hot.submit(bad, 5, "credit");
  await hot.submit(good, 7, "credit");
  // Somebody closes the counter account and the one that would take its place, by hand.
  await forced(hot.pool, (client) =>
    client
      .query(`select saldo_private.system_account('suspense', 'USD')`)
      .then(() =>
        client.query(
          "update saldo.account set closed_at = now() where code in ('clearing:USD', 'suspense:USD')",
        ),
      ),
  );
  const client = await hot.pool.connect();
  const warnings: string[] = [];
  client.on("notice", ({ severity, message }) => warnings.push(`${severity} ${message}`));
  const { rows } = await client.query("select * from saldo.settle_sub_balances()");
  client.release();
  t.deepEqual(
    rows.map(({ account_id }) => account_id),
    [good],
  );
  t.deepEqual(warnings, [
    `WARNING account ${bad} cannot be settled now: The account is closed, or cannot be closed yet.`,
  ]);
  t.is((await hot.balances(bad)).pending_count, "1");

  await forced(hot.pool, (client) =>
    client.query("update saldo.account set closed_at = null where code like '%:USD'"),
  );
  await hot.settle();
  t.is((await hot.balances(bad)).settled_balance, "5");
  t.deepEqual(await hot.findings(), []);
});

test.serial("a clearing account that cannot be a counter account is not used", async (t) => {
  const account = await hot.account({ slots: 2, currency: "SGD" });
  await hot.submit(account, 5, "credit");
  await hot.settle();
  await forced(hot.pool, (client) =>
    client.query("update saldo.account set min_balance = 0 where code = 'clearing:SGD'"),
  );
  await hot.truncateSlots();
  t.is(await errorCode(hot.submit(account, 5, "credit")), "SB203");
  t.deepEqual(
    (await hot.submitMany([{ account_id: account, amount: 1, direction: "credit" }])).map(
      (answer) => answer.error_code,
    ),
    ["SB203"],
  );
  const counter = await hot.account({ minBalance: null, currency: "SGD" });
  await hot.submit(account, 5, "credit", { counter_account_id: counter });
  await forced(hot.pool, (client) =>
    client.query("update saldo.account set min_balance = null where code = 'clearing:SGD'"),
  );
});

test.serial("an account is opened as hot, or immediate", async (t) => {
  const account = await open({
    code: "campaign",
    min_balance: 0,
    mode: "hot",
    slots: 3,
    is_pending_available: false,
  });
  t.like(account, { mode: "hot", slots: 3, is_pending_available: false });
  await hot.submit(String(account.id), 5, "credit");
  t.is(await errorCode(hot.submit(String(account.id), 5, "debit")), "SB001");
  t.is((await hot.slots(String(account.id))).length, 3);
  t.like(await open({ code: "float", mode: "hot" }), { slots: 64, is_pending_available: true });
  t.like(await open({ code: "till" }), { mode: "immediate", slots: null });
  for (const args of [{ slots: 4 }, { mode: "hot", slots: 0 }, { mode: "hot", slots: 1001 }]) {
    t.is(await errorCode(open({ code: "wrong", ...args })), "SB010", JSON.stringify(args));
  }
});

test.serial("holds that are not named are refused by code", async (t) => {
  const key = { idempotency_key: "k" };
  t.is(
    await errorCode(hot.call("admin", "place_hold", { account_id: null, amount: 1, ...key })),
    "SB101",
  );
  t.is(await errorCode(hot.call("admin", "capture_hold", { hold_id: null, ...key })), "SB204");
});

test.serial("slots are not healed from totals that are in question", async (t) => {
  const account = await hot.account({ slots: 2, funds: 100 });
  await hot.submit(account, 10, "debit");
  await hot.settle();
  // Nobody sees how an entry of the journal becomes larger: totals and months agree without it.
  const changeEntry = (change: string) =>
    forced(hot.pool, (client) =>
      client.query(`
        alter table saldo.journal_line disable trigger record_bypass;
        update saldo.journal_line set debit = debit ${change}, credit = credit ${change}
        where entry_id = (
          select l.entry_id from saldo.journal_line as l
          where l.account_id = ${account} and l.credit in (100, 1100)
        );
        alter table saldo.journal_line enable always trigger record_bypass`),
    );
  await changeEntry("* 11");
  await forced(hot.pool, (client) =>
    client.query(
      `update saldo_private.account_slot set credit_total = credit_total + 1000
      where (account_id, slot_no) = ($1, 1)`,
      [account],
    ),
  );
  const found = (await check(hot.pool)).findings.filter((each) => each.account_id === account);
  t.true(found.some(({ rule }) => rule === "account_slot"));
  await hot.root("select saldo.auto_heal(false)");
  t.is(await errorCode(hot.submit(account, 91, "debit")), "SB121");
  const [action] = await hot.root(
    "select outcome from saldo.heal_action where account_id = $1 and rule = 'account_slot'",
    [account],
  );
  t.is(action?.outcome, "refused");
  await hot.root("select saldo.unfreeze_account($1, 'the journal is right')", [account]);
  t.is(await errorCode(hot.submit(account, 1091, "debit")), "SB001");

  // With the journal as it was they are healed.
  await changeEntry("/ 11");
  await forced(hot.pool, (client) => client.query("delete from saldo_private.account_slot"));
  await hot.submit(account, 1, "debit");
  await hot.root("select saldo.auto_heal(false)");
  t.deepEqual(
    (await brokenRules(hot.pool)).filter((rule) => rule !== "engine_configuration"),
    [],
  );
  t.is(await errorCode(hot.submit(account, 90, "debit")), "SB001");
});
