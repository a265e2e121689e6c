import test from "ava";
import { openYear } from "./_year.ts";

/** How far a check is, while it runs. */

test("another session sees how far a check is, and the one at it keeps its name", async (t) => {
  const database = await openYear();
  const [checker, other] = [await database.pool.connect(), await database.pool.connect()];
  const seen = async () => (await database.pool.query("select * from saldo.running_checks()")).rows;
  await database.pool.query("select saldo.set_setting('check_slice_lines', '4')");
  await checker.query("set application_name = 'the shop'");
  // The check waits in the midst of the rules.
  await other.query("begin");
  await other.query("lock table saldo.customer_charge in access exclusive mode");
  const running = checker.query("select * from saldo.check_balance_health()");
  let [row] = await seen();
  while (row?.rule !== "customer_charge") [row] = await seen();
  t.like(row, { kind: "manual", line_count: "24", total_line_count: "24" });
  t.true(Math.abs(Date.now() - row.started_at) < 600_000);
  await other.query("rollback");
  t.is((await running).rows[0].status, "healthy");
  t.deepEqual(await seen(), []);
  t.deepEqual((await checker.query("show application_name")).rows, [
    { application_name: "the shop" },
  ]);

  await database.pool.query("select saldo.continue_check()");
  t.deepEqual(
    (await seen()).map(({ kind, total_line_count, pid }) => [kind, total_line_count, pid]),
    [["reconcile", "24", null]],
    "between two slices",
  );
  other.release();
  checker.release();
  await database.close();
});
