import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";
import { runProgram } from "../_support/process.ts";

let database: TestDatabase;
test.before(async () => {
  database = await openTestDatabase(5);
  await database.pool.query(`select saldo.create_customer('A', 'Ayu');
    select saldo.add_deposit((select id from saldo.customer where code = 'A'), 100,
      '2025-02-01 08:00+07')`);
});
test.after.always(() => database?.close());

async function saldo(...words: string[]) {
  const program = runProgram("bin/saldo.js", words, {
    DATABASE_URL: database.connectionString,
  });
  const code = await program.ended;
  return { code, output: program.output() };
}

test.serial("init shows a plan, and makes the months only when the plan still holds", async (t) => {
  // As in a database that had customers before it had stored months.
  await forced(database.pool, (client) => client.query("delete from saldo.customer_month_total"));
  const dry = await saldo("init", "--customer", "A");
  t.is(dry.code, 0, dry.output);
  const plan = /^plan (\S+)$/m.exec(dry.output)?.[1] ?? "";
  t.not(plan, "");
  t.is((await saldo("init", "--customer", "A", "--apply", "--plan", "another")).code, 2);
  const done = await saldo("init", "--customer", "A", "--apply", "--plan", plan);
  t.is(done.code, 0, done.output);
});

test.serial("compare finds nothing after init, and sync has nothing to do", async (t) => {
  t.deepEqual(await saldo("compare", "--all"), { code: 0, output: "0 differences in 1 months\n" });
  t.is((await saldo("sync", "--all", "--dry-run")).code, 0);
  t.is((await saldo("sync", "--all", "--apply", "--force")).code, 0);
});

test.serial("whom it is about must be said, once and rightly", async (t) => {
  for (const words of [[], ["--all", "--customer", "A"]]) {
    const { code, output } = await saldo("sync", ...words);
    t.is(code, 2);
    t.regex(output, /^Say --customer CODE or --all\./);
  }
  const { code, output } = await saldo("compare", "--customer", "nobody");
  t.is(code, 2);
  t.regex(output, /^SB401: /);
});

test.serial("report tells a month and a year of all, and the bill of one", async (t) => {
  const month = await saldo("report", "month", "2025-02");
  t.is(month.code, 0, month.output);
  const [, customer, total] = month.output.split("\r\n");
  t.is(customer, '"A","Ayu",IDR,2025-02,0,100,0,0,0,0,100,0,1');
  t.is(total, "TOTAL,,IDR,2025-02,0,100,0,0,0,0,100,0,1");
  const bill = await saldo("report", "bill", "A", "2025-02");
  t.is(
    bill.output,
    "Ayu (A), 2025-02\nopening balance 0, deposits 100, total 0, closing balance 100 IDR\n",
  );
  const folder = await mkdtemp(join(tmpdir(), "saldo-report-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, "year.csv");
  t.is((await saldo("report", "year", "2025", "--csv", path)).code, 0);
  t.is((await readFile(path, "utf8")).split("\r\n").length, 1 + 13 + 1 + 1);
  t.regex((await saldo("report", "bill", "nobody", "2025-02")).output, /^SB401: /);
  t.is((await saldo("report", "month", "2025-2")).code, 2);
});
