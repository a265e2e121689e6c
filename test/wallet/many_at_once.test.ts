import test from "ava";
import { asAdmin, asMember, asPerson, errorCode } from "../_support/database.ts";
import { openWallet, type Row } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

type Work = Parameters<typeof asAdmin>[1];

const many =
  (name: string, type: string, requests: Row[], allOrNone: boolean): Work =>
  async (client) =>
    (
      await client.query(
        `select * from saldo.${name}(array(
          select r from jsonb_populate_recordset(null::saldo.${type}, $1::jsonb) as r), $2)`,
        [JSON.stringify(requests), allOrNone],
      )
    ).rows;

const purchases = (requests: Row[], allOrNone: boolean) =>
  many("purchase_many", "purchase_request", requests, allOrNone);

test("many purchases are all made or none, or each is answered by itself", async (t) => {
  const [rich, poor] = [await wallet.member(1000), await wallet.member(15)];
  const product = await wallet.product(10);
  const tracked = await wallet.product(10, 1);
  const of = (member: Row, more: Row = {}) => ({
    member_id: member["id"],
    product_id: product.id,
    amount: 10,
    ...more,
  });
  const requests = [
    of(rich, { idempotency_key: "m1" }),
    of(rich, { product_id: tracked.id }),
    of(poor),
    of(poor, { idempotency_key: "m2" }),
    of(rich, { amount: 11 }),
    of(rich, { hold_only: true }),
    of(rich, { idempotency_key: "m1" }),
    of(rich, { quantity: 3, amount: 30 }),
  ];
  const code = await errorCode(asAdmin(wallet.pool, purchases(requests, true)));
  t.true(["SB001", "SB303"].includes(code), code);
  t.like(await wallet.balance(rich), { balance: "1000" });
  const rows = (await asAdmin(wallet.pool, purchases(requests, false))) as Row[];
  t.deepEqual(
    rows.map((row) => row["error_condition"]),
    [null, null, null, "insufficient_balance", "price_changed", null, null, null],
  );
  t.is(rows[0]?.["id"], rows[6]?.["id"]);
  t.regex(String(rows[3]?.["detail"]), /available 5, needed 10/);
  t.like(await wallet.balance(rich), { balance: "950", held: "10" });
  t.like(await wallet.balance(poor), { balance: "5" });
  const made = (await asAdmin(wallet.pool, purchases([of(rich), of(rich)], true))) as Row[];
  t.is(new Set(made.map((row) => row["id"])).size, 2);
  t.is(await errorCode(asAdmin(wallet.pool, purchases([], true))), "SB010");
});

test("a member buys many things for the own wallet, and nothing for another's", async (t) => {
  const [own, other] = [await wallet.member(100), await wallet.member(100)];
  const product = await wallet.product(10);
  const of = (member: Row) => ({ member_id: member["id"], product_id: product.id, amount: 10 });
  const rows = (await asMember(
    wallet.pool,
    own.id,
    purchases([of(own), of(other), of(own)], false),
  )) as Row[];
  t.deepEqual(
    rows.map((row) => row["error_code"]),
    [null, "SB007", null],
  );
  t.like(await wallet.balance(other), { balance: "100" });
  t.like(await wallet.balance(own), { balance: "80" });
});

test("limits of a role hold for the top-ups of a batch together", async (t) => {
  const members = [await wallet.member(), await wallet.member(), await wallet.member()];
  await wallet.root("select saldo.set_setting('top_up_max_amount', '100')");
  await wallet.root("select saldo.set_setting('top_up_day_amount', '250')");
  const requests = [90, 110, 90, 90].map((amount, index) => ({
    member_id: members[index % 3]?.id,
    amount,
    idempotency_key: `t${index}`,
  }));
  const topUps = (allOrNone: boolean) => many("top_up_many", "top_up_request", requests, allOrNone);
  const cashier = (work: Work) => asPerson(wallet.pool, "saldo_cashier", "dewi", work);
  t.true(["SB660", "SB661"].includes(await errorCode(cashier(topUps(true)))));
  const rows = (await cashier(topUps(false))) as Row[];
  t.deepEqual(
    rows.map((row) => row["error_code"]).toSorted(),
    [null, null, "SB660", "SB661"].toSorted(),
  );
  const sums = await Promise.all(members.map((member) => wallet.balance(member)));
  t.is(
    sums.reduce((sum, { balance }) => sum + Number(balance), 0),
    180,
  );
  t.is(await errorCode(asMember(wallet.pool, members[0]?.id ?? "", topUps(false))), "42501");
});

test("many top-ups and holds go in a few statements, the unusual ones by themselves", async (t) => {
  const members = await Promise.all(Array.from({ length: 3 }, () => wallet.member(100)));
  await wallet.call("admin", "place_hold", { account_id: members[0]?.account_id, amount: 1 });
  /** How many single calls a batch makes. */
  const callsOf = async (name: string, work: Work) => {
    const client = await wallet.pool.connect();
    const callsSoFar = async () => {
      const counted = await client.query<{ count: number }>(
        `select coalesce(sum(calls), 0)::integer as count
        from pg_stat_xact_user_functions where funcname = $1`,
        [name],
      );
      return counted.rows[0]?.count ?? 0;
    };
    await client.query("begin; set local track_functions = 'pl'; set local role saldo_admin");
    // What the session called before is counted for a while.
    const before = await callsSoFar();
    const rows = (await work(client)) as Row[];
    t.true(rows.every((row) => row["error_code"] === null));
    const calls = (await callsSoFar()) - before;
    await client.query("commit");
    client.release();
    return calls;
  };
  const topUps = members.map(({ id }) => ({ member_id: id, amount: 5 }));
  const late = { ...topUps[0], occurred_at: "2026-11-02 08:00:00+00" };
  t.is(await callsOf("top_up", many("top_up_many", "top_up_request", topUps, true)), 0);
  t.is(await callsOf("top_up", many("top_up_many", "top_up_request", [late, ...topUps], false)), 1);
  const holds = members.map(({ account_id }) => ({ account_id, amount: 5 }));
  const short = { ...holds[0], expires_in: "1 hour" };
  t.is(await callsOf("place_hold", many("place_holds", "hold_request", holds, true)), 0);
  t.is(
    await callsOf("place_hold", many("place_holds", "hold_request", [short, ...holds], false)),
    1,
  );
  t.like(await wallet.balance(members[0] ?? {}), { balance: "115", held: "16" });
});

test("many holds are placed, each by itself where that is asked", async (t) => {
  const member = await wallet.member(100);
  const hold = (amount: number) => ({ account_id: member["account_id"], amount });
  const holds = (allOrNone: boolean) =>
    many("place_holds", "hold_request", [hold(60), hold(60), hold(30)], allOrNone);
  t.is(await errorCode(asAdmin(wallet.pool, holds(true))), "SB001");
  const rows = (await asAdmin(wallet.pool, holds(false))) as Row[];
  t.deepEqual(
    rows.map((row) => row["error_code"]),
    [null, "SB001", null],
  );
  t.like(await wallet.balance(member), { balance: "100", held: "90", available: "10" });
  t.deepEqual(await wallet.findings(), []);
});
