import test from "ava";
import { Client } from "pg";
import { openTestDatabase } from "../_support/database.ts";

const settings = {
  TimeZone: "Pacific/Auckland",
  DateStyle: "German",
  IntervalStyle: "iso_8601",
  quote_all_identifiers: "on",
  extra_float_digits: "-3",
  bytea_output: "escape",
};

test("how a session writes dates and intervals makes no object look changed", async (t) => {
  const database = await openTestDatabase();
  const client = new Client({ connectionString: database.connectionString });
  await client.connect();
  t.teardown(() => client.end());
  const find = async () =>
    (
      await client.query(
        "select key, stored, derived, detail from saldo_private.rule_engine_configuration() order by key",
      )
    ).rows;
  const before = await find();
  for (const [name, value] of Object.entries(settings)) {
    await client.query("select set_config($1, $2, false)", [name, value]);
    t.deepEqual(await find(), before, name);
  }
});
