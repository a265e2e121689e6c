import test from "ava";
import { Pool } from "pg";
import { withRole } from "../../src/database/with_role.ts";
import { openTestDatabase } from "../_support/database.ts";

const database = await openTestDatabase(5);
test.after.always(() => database.close());

const who = "select current_user as role, current_setting('statement_timeout') as timeout";
const settings = { role: "saldo_member", "saldo.member_id": "7", statement_timeout: "3s" };

test("work is done under the role and the settings, which end with the transaction", async (t) => {
  const client = await database.pool.connect();
  const { rows: before } = await client.query(who);
  const { rows } = await withRole(client, { settings }, (same) => same.query(who));
  t.deepEqual(rows, [{ role: "saldo_member", timeout: "3s" }]);
  const { rows: after } = await client.query(who);
  t.deepEqual(after, before);
  client.release();
});

test("what is done is committed, and undone when the work fails", async (t) => {
  await database.pool.query("create table kept (number integer)");
  await database.pool.query("grant insert on kept to saldo_admin");
  const write = (number: number, failure?: Error) =>
    withRole(database.pool, { settings: { role: "saldo_admin" } }, async (client) => {
      await client.query("insert into kept values ($1)", [number]);
      if (failure) throw failure;
      return number;
    });
  t.is(await write(1), 1);
  const failure = new Error("planted");
  t.is(await t.throwsAsync(write(2, failure)), failure);
  const { rows } = await database.pool.query("select number from kept");
  t.deepEqual(rows, [{ number: 1 }]);
});

test("a transaction that only reads writes nothing", async (t) => {
  await t.throwsAsync(
    withRole(database.pool, { settings: { role: "saldo_admin" }, mode: "read only" }, (client) =>
      client.query("select saldo.set_setting('currency', 'IDR')"),
    ),
    { code: "25006" },
  );
});

test("a pool gets its connection back after a failure, and a new one after a broken one", async (t) => {
  const pool = new Pool({ connectionString: database.connectionString, max: 1 });
  pool.on("error", () => {});
  const pid = async () => (await pool.query("select pg_backend_pid() as pid")).rows[0].pid;
  const first = await pid();
  await t.throwsAsync(
    withRole(pool, { settings }, (client) => client.query("select 1 / 0")),
    {
      code: "22012",
    },
  );
  t.is(await pid(), first);
  await t.throwsAsync(
    withRole(pool, { settings: { role: "saldo_admin" } }, async (client) => {
      client.on("error", () => {});
      await database.pool.query("select pg_terminate_backend($1)", [first]);
      return await client.query("select 1");
    }),
  );
  t.not(await pid(), first);
  await pool.end();
});
