import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { runProgram } from "../_support/process.ts";

const database = await openTestDatabase(4);
await database.pool.query(`
  select saldo.create_customer('acme', 'Acme');
  select saldo.add_deposit(1, 700);
  select saldo.check_balance_health();
  select saldo_private.record_worker_seen()`);
test.after.always(() => database.close());

async function testSystem(...words: string[]) {
  const program = runProgram("bin/saldo.js", ["test-system", ...words], {
    DATABASE_URL: database.connectionString,
  });
  const code = await program.ended;
  return { code, output: program.output() };
}

/** One text for the content of all tables. */
async function digest(): Promise<string> {
  const { rows } = await database.pool.query(
    `select md5(string_agg(
      (xpath('/row/t/text()', query_to_xml(format(
        'select md5(string_agg(t::text, '';'' order by t::text)) as t from %I.%I as t',
        schemaname, tablename), true, true, '')))[1]::text, ',' order by schemaname, tablename)) as all
    from pg_tables
    where schemaname in ('saldo', 'saldo_private')`,
  );
  return rows[0].all;
}

test.serial(
  "a system that works is told so part by part, and nothing of the test stays",
  async (t) => {
    const before = await digest();
    t.regex(before, /^[0-9a-f]{32}$/);
    const { code, output } = await testSystem("--customer", "acme");
    t.is(code, 0, output);
    const names = [...output.matchAll(/^ok {4}(\S.*?) {2}/gm)].map(([, name]) => name);
    t.deepEqual(names, [
      ...["posting", "wallet", "hot accounts", "metering"],
      ...["books", "last check", "jobs", "settlement", "seals", "alerts", "customer acme"],
    ]);
    t.regex(output, /customer acme +balance 700 IDR; 1 months are as derived/);
    t.regex(output, /\nAll 11 parts work\. Nothing of this test stays\.\n$/);
    t.is(await digest(), before);
  },
);

test.serial("what does not work is named, and the others are tried all the same", async (t) => {
  await database.pool.query(`
    alter table saldo.journal_line disable trigger auto_sync_balance_on_posting;
    update saldo_private.alert_state set worker_seen_at = now() - interval '1 hour'`);
  const before = await digest();
  const { code, output } = await testSystem("--customer", "nobody");
  t.is(code, 1);
  for (const line of [
    /^FAIL {2}posting +\S/m,
    /^FAIL {2}wallet /m,
    /^ok {4}hot accounts /m,
    /^FAIL {2}jobs +they stand still since \d{4}-/m,
    /^FAIL {2}customer nobody +there is no such customer$/m,
    /^\d of 11 parts do not work\. Nothing of this test stays\.$/m,
  ]) {
    t.regex(output, line);
  }
  t.is(await digest(), before);
});

test.serial("a check that takes its time shows how far it is", async (t) => {
  const holder = await database.pool.connect();
  await holder.query("begin");
  // A rule of the check waits for it.
  await holder.query("lock table saldo.customer_charge in access exclusive mode");
  const program = runProgram("bin/saldo.js", ["check", "--progress"], {
    DATABASE_URL: database.connectionString,
  });
  await program.printed(/lines checked 100 %/);
  await holder.query("rollback");
  holder.release();
  await program.ended;
  t.regex(program.output(), /^\w+: \d+ findings of \d+ rules/m);
});
