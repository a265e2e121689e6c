/**
 * A wallet that changes its mode while a purchase is under way: the purchase sees it in one mode, and
 * what it does next in another. Triggers in the engine's own schema hold the purchase where it matters.
 */
import test from "ava";
import { openWallet } from "./_wallet.ts";

const wallet = await openWallet();
test.after.always(() => wallet.close());

const afterStripe = 420_001;
const beforeLines = 420_002;

test("a wallet that is hot for a moment is debited by a purchase of that moment", async (t) => {
  const member = await wallet.member(1000);
  const product = await wallet.product(100);
  await wallet.buy(member, product);
  await wallet.root(`
    create function saldo_private.test_wait() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock_shared(TG_ARGV[0]::bigint);
      return null;
    end $$;
    create trigger test_wait after update on saldo_private.account_stripe for each statement
      execute function saldo_private.test_wait('${afterStripe}');
    create trigger test_wait before insert on saldo.journal_line for each statement
      execute function saldo_private.test_wait('${beforeLines}')`);
  const holder = await wallet.pool.connect();
  try {
    await holder.query("select pg_advisory_lock($1), pg_advisory_lock($2)", [
      afterStripe,
      beforeLines,
    ]);
    const purchase = wallet.buy(member, product);
    await wallet.waitForWaiters(1);
    await wallet.call("admin", "make_account_hot", { account_id: member.account_id });
    await holder.query("select pg_advisory_unlock($1)", [afterStripe]);
    await t.notThrowsAsync(waitsFor(beforeLines));
    await wallet.call("admin", "make_account_immediate", { account_id: member.account_id });
    await holder.query("select pg_advisory_unlock($1)", [beforeLines]);
    t.like(await purchase, { status: "completed" });
  } finally {
    await holder.query("select pg_advisory_unlock_all()");
    holder.release();
    await wallet.root("drop function saldo_private.test_wait cascade");
  }
  t.like(await wallet.balance(member), { balance: "800", available: "800" });
  t.deepEqual(await wallet.findings(), []);
});

/** Resolves once a session waits for this lock. */
async function waitsFor(key: number): Promise<void> {
  for (let look = 0; look < 200; look += 1) {
    const rows = await wallet.root(
      `select from pg_locks where locktype = 'advisory' and not granted and objid = $1
      and database = (select oid from pg_database where datname = current_database())`,
      [key],
    );
    if (rows.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nobody waits for ${key}`);
}
