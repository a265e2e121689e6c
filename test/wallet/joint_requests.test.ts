import test from "ava";
import { errorCode } from "../_support/database.ts";
import { admin, jointOf, KINDS, type Kind, places } from "./_joint.ts";
import { openWallet, type Row } from "./_wallet.ts";

/*
 * Top-ups, transfers, holds and captures of many callers at once: what the server hands over is made as
 * far as it is plain, and each is then as if it had been made alone.
 */

const wallet = await openWallet();
const { make, single, account, place } = jointOf(wallet);
// The first of a kind open the accounts of the other side.
test.before(async () => {
  const { account_id } = await wallet.member(1);
  await single("place_hold", { account_id, amount: 1 });
});
test.after.always(() => wallet.close());

const caller = (subject: string) => ({ ...admin, subject });

const keyCount = async (like: string) =>
  (await wallet.root("select from saldo_private.idempotency_record where key like $1", [like]))
    .length;

/** Who posted an entry, or placed the hold, that a call made. */
async function maker(kind: Kind, result: Row): Promise<unknown> {
  if (kind === "place_hold") return result["created_by"];
  const [entry] = await wallet.root(
    `select e.posted_by, count(l.*)::integer as lines from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    where e.id = $1 or e.metadata ->> 'hold_id' = $1::text group by e.id`,
    [result["id"]],
  );
  return entry?.["lines"] === 2 ? entry["posted_by"] : undefined;
}

for (const kind of KINDS) {
  test(`${kind}: calls of several callers are made at once, each its caller's own`, async (t) => {
    const [one, other, ...more] = await Promise.all(Array.from({ length: 7 }, () => place(kind)));
    const made = await make(kind, [
      { ...caller("ayu"), ...one?.args, idempotency_key: `${kind}-own` },
      { ...caller("budi"), ...other?.args },
      // Not theirs, and no role of the server's.
      ...["saldo_operator", "saldo_owner", "saldo_nobody", "saldo_member"].map((role, index) => ({
        ...more[index]?.args,
        role,
        subject: "o",
        member: "1",
      })),
      { ...caller(""), ...more[4]?.args },
    ]);
    t.deepEqual(places(made), [1, 2]);
    t.is(await maker(kind, made.get(1) ?? {}), "ayu");
    t.is(await maker(kind, made.get(2) ?? {}), "budi");
  });

  test(`${kind}: what is not plain is left out with no trace, and fails nobody`, async (t) => {
    const right = await place(kind);
    const odd = await place(kind);
    const frozen = await place(kind);
    await wallet.root("select saldo.freeze_account($1, 'looked at')", [frozen.account]);
    const nobody = kind === "capture_hold" ? crypto.randomUUID() : "999999";
    const [id = ""] = Object.keys(odd.args);
    const changes: Row[] = [
      { amount: "0" },
      { amount: "10.000" },
      { amount: "NaN" },
      { amount: "1e15" },
      { amount: "1000000" },
      { description: " padded" },
      { description: "" },
      { idempotency_key: "two words" },
      { [id]: nobody },
      { [id]: null },
      frozen.args,
    ].filter((change) => !("description" in change && kind === "capture_hold"));
    const isFine = (change: Row) => kind === "top_up" && change["amount"] === "1000000";
    const calls = changes.map((change, index) => ({
      ...admin,
      ...odd.args,
      idempotency_key: `${kind}-odd-${index}`,
      ...change,
    }));
    const made = await make(kind, [{ ...admin, ...right.args }, ...calls]);
    const fine = changes.flatMap((change, index) => (isFine(change) ? [index + 2] : []));
    t.deepEqual(places(made), [1, ...fine]);
    t.is(await keyCount(`${kind}-odd-%`), fine.length, "they may be tried again");
  });

  test(`${kind}: a key makes one, in a batch, over batches, and with single calls`, async (t) => {
    const { args } = await place(kind);
    const call = { ...admin, ...args, idempotency_key: `${kind}-key` };
    const made = await make(kind, [call, { ...call, amount: "10.00" }]);
    t.deepEqual(places(made), [1]);
    t.is((await make(kind, [call])).size, 0);
    t.is((await single(kind, call))["id"], made.get(1)?.["id"]);
    t.is(await errorCode(single(kind, { ...call, amount: "9" })), "SB005");
    const { args: later } = await place(kind);
    await single(kind, { ...later, idempotency_key: `${kind}-single` });
    t.is((await make(kind, [{ ...admin, ...later, idempotency_key: `${kind}-single` }])).size, 0);
  });

  test(`${kind}: what somebody holds is not waited for, and its key stays free`, async (t) => {
    const [held, free] = [await place(kind), await place(kind)];
    const end = await wallet.open("select from saldo.account where id = $1 for no key update", [
      held.account,
    ]);
    const made = await make(kind, [
      { ...admin, ...held.args, idempotency_key: `${kind}-held` },
      { ...admin, ...free.args },
    ]);
    await end("rollback");
    t.deepEqual(places(made), [2]);
    t.is(await keyCount(`${kind}-held`), 0);
  });
}

test("funds go by the order of the batch, and what comes in does not count", async (t) => {
  const [from, via, to] = [await account(0, 100), await account(0), await account(null)];
  const move = (debit: string, credit: string, amount: string) => ({
    ...admin,
    debit_account_id: debit,
    credit_account_id: credit,
    amount,
  });
  const calls = [move(from, via, "60"), move(from, to, "60"), move(via, to, "60")];
  t.deepEqual(places(await make("transfer", calls)), [1]);
  const hold = (amount: string) => ({ ...admin, account_id: via, amount });
  t.deepEqual(places(await make("place_hold", [hold("40"), hold("30"), hold("20")])), [1]);
  t.is(await errorCode(single("place_hold", hold("30"))), "SB001");
  t.deepEqual(places(await make("transfer", [move(via, to, "21")])), []);
  t.deepEqual(places(await make("transfer", [move(via, to, "20")])), [1]);
});

test("hot accounts without a minimum take part, others are for calls by themselves", async (t) => {
  const [payer, free, limited] = [await account(0, 100), await account(null), await account(0)];
  for (const id of [free, limited]) {
    await wallet.call("admin", "make_account_hot", { account_id: id, slots: 2 });
  }
  const to = (id: string) => ({
    ...admin,
    debit_account_id: payer,
    credit_account_id: id,
    amount: "10",
  });
  t.deepEqual(places(await make("transfer", [to(free), to(limited), to(free)])), [1, 3]);
  t.deepEqual(places(await make("place_hold", [{ ...admin, account_id: free, amount: "1" }])), []);
  const { id } = await single("place_hold", { account_id: free, amount: "1" });
  t.deepEqual(places(await make("capture_hold", [{ ...admin, hold_id: id }])), []);
});

test("a hold is captured in part, with its rest kept, or as a whole", async (t) => {
  const payer = await account(0, 100);
  const [part, kept, whole, twice] = await Promise.all(
    Array.from({ length: 4 }, () => single("place_hold", { account_id: payer, amount: "20" })),
  );
  const made = await make("capture_hold", [
    { ...admin, hold_id: part?.["id"], amount: "5" },
    { ...admin, hold_id: kept?.["id"], amount: "5", keep_rest: true },
    { ...admin, hold_id: whole?.["id"], keep_rest: true },
    { ...admin, hold_id: twice?.["id"], amount: "5", keep_rest: true },
    { ...admin, hold_id: twice?.["id"], amount: "5", keep_rest: true },
    { ...admin, hold_id: kept?.["id"], amount: "21" },
  ]);
  t.deepEqual(places(made), [1, 2, 3, 4]);
  t.like(made.get(1), { status: "CAPTURED", captured_amount: 5, open_amount: 0 });
  t.like(made.get(2), { status: "HELD", captured_amount: 5, open_amount: 15 });
  t.like(made.get(3), { status: "CAPTURED", captured_amount: 20 });
  const [row] = await wallet.root("select balance, held_total from saldo.account where id = $1", [
    payer,
  ]);
  t.deepEqual(row, { balance: "65", held_total: "30" });
});

test("whoever owes something, and whoever has a limit, tops up alone", async (t) => {
  const [debtor, other] = [await wallet.member(), await wallet.member()];
  const paid = await single("top_up", { member_id: debtor.id, amount: 50 });
  await single("transfer", {
    debit_account_id: debtor.account_id,
    credit_account_id: await account(null),
    amount: 50,
  });
  await wallet.call("admin", "reverse_top_up", {
    entry_id: paid["id"],
    reason: "stolen card",
    shortfall: "debt",
  });
  const of = (member: Row) => ({ ...admin, member_id: member["id"], amount: "10" });
  const made = await make("top_up", [
    of(debtor),
    { ...of(other), role: "saldo_cashier", subject: "dewi" },
    of(other),
  ]);
  t.deepEqual(places(made), [3]);
  await single("top_up", of(debtor));
  t.like(await wallet.balance(debtor), { balance: "0", debt: "40" });
});

test("an accountant's transfers are counted by calls of their own", async (t) => {
  const [one, other] = [await place("transfer"), await place("transfer")];
  const made = await make("transfer", [
    { ...admin, role: "saldo_accountant", subject: "sari", ...one?.args },
    { ...admin, ...other?.args },
  ]);
  t.deepEqual(places(made), [2]);
});

test("a hold for a counter account that is not fit is left to a call that says why", async (t) => {
  const payer = await account(0, 100);
  const [limited, frozen, closed, full] = [
    await account(0),
    await account(null),
    await account(null),
    await account(null),
  ];
  const dollars = await wallet.call("admin", "open_account", {
    code: "joint-dollars",
    name: "Dollars",
    type: "liability",
    currency: "USD",
  });
  await wallet.root("select saldo.freeze_account($1, 'looked at')", [frozen]);
  await wallet.call("admin", "close_account", { account_id: closed });
  await wallet.root(`do $$ begin
    set local session_replication_role = replica;
    update saldo.account set debit_total = 9e20, credit_total = 9e20 where id = ${full};
  end $$`);
  const codes: unknown[] = [];
  for (const counter of [limited, frozen, closed, full, dollars["id"], payer, "999999"]) {
    const hold = { ...admin, account_id: payer, amount: "1", counter_account_id: counter };
    const made = await make("place_hold", [hold]);
    codes.push(made.size, await errorCode(single("place_hold", hold)));
  }
  t.deepEqual(codes, [
    ...[0, "SB203", 0, "SB121", 0, "SB203", 0, "SB004"],
    ...[0, "SB104", 0, "SB203", 0, "SB101"],
  ]);
});

test("top-ups wait for cash, which none can do without, and hold no wallet meanwhile", async (t) => {
  const member = await wallet.member();
  const cash = "(select id from saldo.account where code = 'cash:IDR')";
  const end = await wallet.open(`select from saldo.account where id = ${cash} for no key update`);
  const making = make("top_up", [{ ...admin, member_id: member.id, amount: "10" }]);
  await wallet.waitForWaiters(1);
  await wallet.root("select from saldo.account where id = $1 for no key update nowait", [
    member.account_id,
  ]);
  await end("rollback");
  t.is((await making).size, 1);
});

test.serial(
  "where somebody's trigger looks at what is written, each caller calls alone",
  async (t) => {
    await wallet.root(`create function public.look() returns trigger language plpgsql
    as $$ begin return null; end $$`);
    for (const kind of KINDS) {
      const { args } = await place(kind);
      const table = kind === "place_hold" ? "saldo.hold" : "saldo.journal_entry";
      await wallet.root(`create trigger look after insert on ${table} for each row
      execute function public.look()`);
      t.is((await make(kind, [{ ...admin, ...args }])).size, 0, kind);
      await wallet.root(`drop trigger look on ${table}`);
      t.is((await make(kind, [{ ...admin, ...args }])).size, 1, kind);
    }
  },
);
