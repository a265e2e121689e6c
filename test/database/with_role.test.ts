import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Pool } from "pg";
import { NobodyClient } from "../../src/database/own_client.ts";
import { callWithRole, isUndone, withRole } from "../../src/database/with_role.ts";
import { openTestDatabase } from "../_support/database.ts";

const database = await openTestDatabase(5);
test.after.always(() => database.close());

const callersPool = (pipeline = true) =>
  new Pool({
    Client: NobodyClient,
    connectionString: database.connectionString,
    max: 1,
    pipeline,
  });
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

for (const pipeline of [true, false]) {
  const how = pipeline ? "sent at once" : "sent one by one";

  test(`a statement, ${how}, has its role, and is committed or undone whole`, async (t) => {
    const pool = callersPool(pipeline);
    const table = pipeline ? "written_at_once" : "written_one_by_one";
    await database.pool.query(
      `create table ${table} (number integer unique deferrable initially deferred)`,
    );
    await database.pool.query(`grant insert on ${table} to saldo_admin`);
    const { rows: before } = await pool.query(`${who}, pg_backend_pid() as pid`);
    const call = (text: string, values: unknown[] = [], role = "saldo_admin", name = text) =>
      callWithRole(
        pool,
        { settings: { ...settings, role } },
        { text, values, name: name.slice(0, 60), rowMode: "array" },
      );
    const write = `insert into ${table} values ($1)`;

    const { rows } = await call(who);
    t.deepEqual(rows, [["saldo_admin", "3s"]]);
    await call(write, [1]);
    const failures = [
      await t.throwsAsync(call(write, ["x"]), { code: "22P02" }),
      await t.throwsAsync(call(write, [2], "saldo_member"), { code: "42501" }),
      // The commit itself fails.
      await t.throwsAsync(call(write, [1]), { code: "23505" }),
      // What sets the role fails: what comes behind it must not be done as the login.
      await t.throwsAsync(call(write, [3], "saldo_nobody"), { code: "22023" }),
    ];
    // One by one a commit that fails is not trusted.
    t.deepEqual(failures.map(isUndone), [true, true, pipeline, true]);
    await t.throwsAsync(call(write, [4], "saldo_admin\0"), { message: /character zero/ });
    // The statement fails of itself, and then is right.
    await t.throwsAsync(call("select number from later"), { code: "42P01" });

    t.deepEqual((await database.pool.query(`select number from ${table}`)).rows, [{ number: 1 }]);
    const { rows: after } = await pool.query(`${who}, pg_backend_pid() as pid`);
    t.deepEqual(after, before, "the same session, as it was");
    await pool.end();
  });
}

/** A way to the server on which the word that an answer is over (`Z`, its state) comes late. */
async function lateEnds(t: ExecutionContext): Promise<string> {
  const there = new URL(database.connectionString);
  const proxy = createServer((near) => {
    const far = connect(Number(there.port), there.hostname);
    for (const socket of [near, far]) socket.on("error", () => {}).setNoDelay(true);
    near.pipe(far);
    let before = Promise.resolve();
    far.on("data", (chunk: Buffer) => {
      before = before.then(async () => {
        near.write(chunk.subarray(0, -6));
        await sleep(20);
        near.write(chunk.subarray(-6));
      });
    });
    far.on("close", () => void before.then(() => near.destroy()));
    near.on("close", () => far.destroy());
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  t.teardown(() => proxy.close());
  const near = new URL(database.connectionString);
  near.hostname = "127.0.0.1";
  near.port = String((proxy.address() as { port: number }).port);
  return near.href;
}

test("a commit that fails is known to have failed, however the network cuts its answer", async (t) => {
  const connectionString = await lateEnds(t);
  const pool = new Pool({ Client: NobodyClient, connectionString, max: 1, pipeline: true });
  t.teardown(() => pool.end());
  await database.pool.query(
    "create table cut (number integer unique deferrable initially deferred)",
  );
  await database.pool.query("grant insert on cut to saldo_admin");
  const pid = async () => (await pool.query("select pg_backend_pid() as pid")).rows[0].pid;
  const first = await pid();
  const write = () =>
    callWithRole(
      pool,
      { settings: { role: "saldo_admin" } },
      { text: "insert into cut values (1)", values: [], name: "cut", rowMode: "array" },
    );
  await write();
  const failure = await t.throwsAsync(write(), { code: "23505" });
  t.true(isUndone(failure));
  t.is(await pid(), first, "the session is as good as it was");
});

test("nothing is done as the login where a begin is not carried out", async (t) => {
  await database.pool.query("create table by_nobody (number integer)");
  const calls = (pool: Pool) =>
    callWithRole(
      pool,
      // The whole message fails, as by a cancel that comes before its first word: no transaction is open.
      { settings: { role: "saldo_member" }, mode: "of no kind" as never },
      { text: "insert into by_nobody values (1)", values: [], name: "write", rowMode: "array" },
    );
  const plain = new Pool({ connectionString: database.connectionString, max: 1, pipeline: true });
  for (const pool of [callersPool(), callersPool(false), plain]) {
    await t.throwsAsync(calls(pool), { code: "42601" });
    await pool.end();
  }
  t.deepEqual((await database.pool.query("select * from by_nobody")).rows, []);
});

test("of the statements that a session has prepared the last hundred stay", async (t) => {
  const pool = callersPool();
  const call = (number: number) =>
    callWithRole(
      pool,
      { settings },
      { text: `select ${number}`, values: [], name: `n${number}`, rowMode: "array" },
    );
  for (let number = 0; number < 120; number += 1) await call(number);
  t.deepEqual((await call(0)).rows, [[0]], "prepared again");
  const { rows } = await pool.query(
    "select count(*)::integer as count from pg_prepared_statements",
  );
  t.is(rows[0].count, 100);
  await pool.end();
});

test("a session that ends within an exchange ends all of it, and another takes its place", async (t) => {
  const pool = callersPool();
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const kill = "select pg_terminate_backend(pg_backend_pid())";
  const failure = await t.throwsAsync(
    callWithRole(
      pool,
      { settings: { role: "none" } },
      { text: kill, values: [], name: "kill", rowMode: "array" },
    ),
  );
  t.false(isUndone(failure), "nobody knows");
  const { rows } = await pool.query("select 1 as one");
  t.is(rows[0].one, 1);
  await pool.end();
});
