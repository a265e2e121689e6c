import test from "ava";
import { migrate } from "../../src/database/migrate.ts";
import { announced, withLockTimeout } from "../../src/database/start_wait.ts";
import type { Log } from "../../src/log.ts";
import { openTestDatabase } from "../_support/database.ts";
import { runProgram } from "../_support/process.ts";

test("a wait of the start is reported with the sessions that it waits for, and ends", async (t) => {
  const database = await openTestDatabase(5);
  const holder = await database.pool.connect();
  try {
    await holder.query("set application_name = 'a long report'");
    await migrate(database.connectionString);
    await holder.query("begin; update saldo.setting set value = value where name = 'currency'");
    const program = runProgram("src/main.ts", ["server"], {
      DATABASE_URL: database.connectionString,
      SERVER_DATABASE_URL: database.serverConnectionString,
      PORT: "0",
      SALDO_CURRENCY: "USD",
    });
    await program.printed(/waiting for a lock: settings.*session \d+ \(a long report, idle in tr/);
    await holder.query("rollback");
    await program.printed(/listening/);
    program.child.kill("SIGTERM");
    t.is(await program.ended, 0);
  } finally {
    holder.release();
    await database.close();
  }
});

test("a wait has an end, said in a sentence, and so has the statement that waits", async (t) => {
  const database = await openTestDatabase(5);
  const holder = await database.pool.connect();
  const waiter = await database.pool.connect();
  const lines: string[] = [];
  const log = { info() {}, warn: (line: string) => lines.push(line), error() {} } as unknown as Log;
  try {
    await holder.query("begin; lock table saldo.setting in access exclusive mode");
    await waiter.query("set application_name = 'saldo start'");
    const waiting = announced(
      database.connectionString,
      "settings",
      log,
      () => waiter.query("select from saldo.setting"),
      { announceMs: 50, patienceMs: 1000 },
    );
    await t.throwsAsync(waiting, {
      message: /^The start has waited \d+ s for a lock \(settings\): end session \d+ \(.*again\.$/,
    });
    t.deepEqual(lines, ["waiting for a lock: settings"], "told once");
    t.regex(
      withLockTimeout("postgres://a@h/d?options=-c%20x%3D1", 7),
      /x%3D1\+-c\+lock_timeout%3D7/,
    );
  } finally {
    await holder.query("rollback");
    holder.release();
    waiter.release();
    await database.close();
  }
});
