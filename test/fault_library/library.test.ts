import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { rooms } from "./_rooms.ts";

const faults = rooms.flatMap((room) => room.faults);

test("there are at least 120 faults, each with its name, rule, cause and outcome", (t) => {
  t.true(faults.length >= 120, `${faults.length}`);
  t.is(new Set(faults.map(({ fault }) => fault)).size, faults.length);
  for (const { fault, rules, cause, outcome } of faults) {
    t.true(rules.length > 0, fault);
    t.regex(cause, /^[a-z_]+ (certain|likely|possible)(, [a-z_]+ (certain|likely|possible))*$/);
    t.notRegex(cause, /unknown/, fault);
    t.truthy(outcome, fault);
  }
});

test("every rule of the engine finds one of them, and every outcome is among them", async (t) => {
  const database = await openTestDatabase(1);
  const { rows } = await database.pool.query("select name from saldo.balance_rule order by name");
  await database.close();
  const found = new Set<string>(faults.flatMap(({ rules }) => rules));
  t.deepEqual(
    rows.map(({ name }) => name).filter((name) => !found.has(name)),
    [],
  );
  t.deepEqual([...new Set(faults.map(({ outcome }) => outcome))].sort(), [
    "escalated",
    "frozen",
    "healed",
    "needs approval",
    "refused",
    "reported",
  ]);
});
