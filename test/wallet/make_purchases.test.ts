import test from "ava";
import { errorCode } from "../_support/database.ts";
import { openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const admin = { role: "saldo_admin", subject: "root", member: "" };
const member = (row: Row) => ({
  role: "saldo_member",
  subject: `sub ${row["id"]}`,
  member: String(row["id"]),
});

/** Hands over calls as the server does: the purchases by the places of those that were made. */
async function make(calls: Row[]): Promise<Map<number, Row>> {
  const rows = await wallet.root(
    `select m.request_no, to_jsonb(m.result) as purchase
    from saldo_private.purchases_of_callers($1::json) as m`,
    [JSON.stringify(calls)],
  );
  return new Map(rows.map((row) => [Number(row["request_no"]), row["purchase"] as Row]));
}

const keyCount = async (key: string) =>
  (await wallet.root("select from saldo_private.idempotency_record where key = $1", [key])).length;

test("plain purchases of several callers are made at once, each its caller's own", async (t) => {
  const [ayu, budi] = [await wallet.member(1000), await wallet.member(1000)];
  const product = await wallet.product(100);
  const of = (buyer: Row) => ({ member_id: buyer["id"], product_id: product.id, amount: "100" });
  const made = await make([
    { ...member(ayu), ...of(ayu), idempotency_key: "a1" },
    { ...member(budi), ...of(budi), quantity: 2, amount: "200" },
    { ...admin, ...of(ayu) },
    // Not theirs, not anybody's, and no role of the server's.
    { ...member(ayu), ...of(budi) },
    { ...of(ayu), role: "saldo_operator", subject: "o", member: "" },
    { ...of(ayu), role: "saldo_owner", subject: "o", member: "" },
    { ...of(ayu), role: "saldo_nobody", subject: "o", member: "" },
    { ...admin, ...of(ayu), subject: "" },
  ]);
  t.deepEqual([...made.keys()].toSorted(), [1, 2, 3]);
  t.like(made.get(1), { created_by: `sub ${ayu.id}`, amount: 100, idempotency_key: "a1" });
  t.like(made.get(2), { created_by: `sub ${budi.id}`, amount: 200, quantity: 2 });
  t.like(made.get(3), { created_by: "root", status: "completed", member_id: Number(ayu.id) });
  t.like(await wallet.balance(ayu), { balance: "800" });
  t.like(await wallet.balance(budi), { balance: "800" });
  const entries = await wallet.root(
    `select e.posted_by, e.source, e.description, e.idempotency_key, count(l.*)::integer as lines
    from saldo.journal_entry as e
    join saldo.journal_line as l on l.entry_id = e.id
    where e.id = any ($1::uuid[])
    group by e.id order by e.posted_by`,
    [[...made.values()].map((each) => each["entry_id"])],
  );
  t.deepEqual(
    entries
      .map((each) => [each["posted_by"], each["lines"], each["idempotency_key"]].join())
      .toSorted(),
    ["root,2,", `sub ${ayu.id},2,a1`, `sub ${budi.id},2,`].toSorted(),
  );
});

test("what is not plain is left out with no trace, and fails nobody", async (t) => {
  const buyer = await wallet.member(1000);
  const product = await wallet.product(100);
  const tracked = await wallet.product(100, 2);
  const frozen = await wallet.member(1000);
  await wallet.root("select saldo.freeze_account($1, 'looked at')", [frozen["account_id"]]);
  const poor = await wallet.member(150);
  const right = { ...admin, member_id: buyer.id, product_id: product.id, amount: "100" };
  const odd = [
    { amount: "0" },
    { amount: "99" },
    { amount: "100.000" },
    { amount: "NaN" },
    { amount: null },
    { quantity: 0 },
    { member_id: "999999" },
    { product_id: "999999" },
    { product_id: tracked.id },
    { member_id: frozen.id },
    { idempotency_key: "two words" },
    { idempotency_key: "" },
  ].map((change, index) => ({
    idempotency_key: `odd ${index}`.replace(" ", "-"),
    ...right,
    ...change,
  }));
  const made = await make([
    right,
    ...odd,
    { ...right, member_id: poor.id, idempotency_key: "first" },
    { ...right, member_id: poor.id, idempotency_key: "second" },
    right,
  ]);
  t.deepEqual(
    [...made.keys()].toSorted((one, other) => one - other),
    [1, odd.length + 2, odd.length + 4],
  );
  t.is(await keyCount("first"), 1);
  t.is(await keyCount("second"), 0, "it may be tried again");
  for (let index = 0; index < odd.length; index += 1) t.is(await keyCount(`odd-${index}`), 0);
  t.like(await wallet.balance(poor), { balance: "50" });
  t.like(await wallet.balance(buyer), { balance: "800" });
  const again = { member_id: poor.id, product_id: product.id, amount: 100 };
  t.is(
    await errorCode(
      wallet.call("admin", "purchase_with_balance_deduction", {
        ...again,
        idempotency_key: "second",
      }),
    ),
    "SB001",
  );
});

test("a key makes one purchase, in a batch, over batches, and with single calls", async (t) => {
  const buyer = await wallet.member(1000);
  const product = await wallet.product(100);
  const call = { ...admin, member_id: buyer.id, product_id: product.id, amount: "100.00" };
  const first = await make([
    { ...call, idempotency_key: "twice" },
    { ...call, idempotency_key: "twice" },
    { ...call, idempotency_key: "other" },
  ]);
  t.deepEqual([...first.keys()].toSorted(), [1, 3]);
  t.is((await make([{ ...call, idempotency_key: "twice" }])).size, 0);
  const args = {
    member_id: buyer.id,
    product_id: product.id,
    amount: 100,
    idempotency_key: "twice",
  };
  const same = await wallet.call("admin", "purchase_with_balance_deduction", args);
  t.is(same["id"], first.get(1)?.["id"]);
  t.is(
    await errorCode(
      wallet.call("admin", "purchase_with_balance_deduction", {
        ...args,
        quantity: 2,
        amount: 200,
      }),
    ),
    "SB005",
  );
  await wallet.call("admin", "purchase_with_balance_deduction", { ...args, idempotency_key: "k" });
  t.is((await make([{ ...call, idempotency_key: "k" }])).size, 0);
  t.like(await wallet.balance(buyer), { balance: "700" });
});

test("a wallet that somebody holds is not waited for, and its key stays free", async (t) => {
  const [held, free] = [await wallet.member(1000), await wallet.member(1000)];
  const product = await wallet.product(100);
  const call = { ...admin, product_id: product.id, amount: "100" };
  const end = await wallet.open("select from saldo.account where id = $1 for no key update", [
    held["account_id"],
  ]);
  const made = await make([
    { ...call, member_id: held.id, idempotency_key: "held" },
    { ...call, member_id: free.id },
  ]);
  await end("rollback");
  t.deepEqual([...made.keys()], [2]);
  t.is(await keyCount("held"), 0);
});

test("batches beside each other and beside single purchases lose and double nothing", async (t) => {
  const buyers = await Promise.all(Array.from({ length: 6 }, () => wallet.member(2000)));
  const product = await wallet.product(10);
  let madeCount = 0;
  const run = async (round: number) => {
    const calls = buyers.map((buyer, index) => ({
      ...admin,
      member_id: buyer.id,
      product_id: product.id,
      amount: "10",
      // Every third key is another round's, too.
      idempotency_key: `run-${index}-${round % 3 === 0 ? "shared" : round}`,
    }));
    if (round % 2 === 0) {
      const made = await make(calls);
      madeCount += made.size;
      return;
    }
    for (const { member_id, idempotency_key } of calls.slice(0, 3)) {
      await wallet.call("admin", "purchase_with_balance_deduction", {
        member_id,
        product_id: product.id,
        amount: 10,
        idempotency_key,
      });
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, round) => run(round)));
  const rows = await wallet.root(
    `select count(*)::integer as count, count(distinct (account_id, idempotency_key))::integer as keys
    from saldo.purchase where product_id = $1`,
    [product.id],
  );
  t.is(rows[0]?.["count"], rows[0]?.["keys"]);
  t.true(madeCount > 0);
  t.deepEqual(await wallet.findings(), []);
});

test.serial("where somebody's trigger looks at purchases, each caller calls alone", async (t) => {
  const buyer = await wallet.member(1000);
  const product = await wallet.product(100);
  await wallet.root("create table public.told (by text)");
  await wallet.root(`create function public.tell() returns trigger language plpgsql
    security definer set search_path = public, pg_temp as $$ begin
      insert into public.told values (current_setting('saldo.subject', true));
      return null;
    end $$`);
  await wallet.root(`create trigger tell after insert on saldo.purchase for each row
    execute function public.tell()`);
  const call = { ...member(buyer), member_id: buyer.id, product_id: product.id, amount: "100" };
  t.is((await make([call])).size, 0);
  t.deepEqual(await wallet.root("select * from public.told"), []);
  await wallet.root("drop function public.tell() cascade");
  t.is((await make([call])).size, 1);
});
