import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { asAdmin, errorCode, openTestDatabase } from "../_support/database.ts";
import { runProgram } from "../_support/process.ts";

const database = await openTestDatabase(6);
const folder = await mkdtemp(join(tmpdir(), "saldo-drill-"));
test.after.always(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

async function drill(...words: string[]) {
  const program = runProgram("bin/saldo.js", ["drill", "counters", ...words], {
    DATABASE_URL: database.connectionString,
  });
  const code = await program.ended;
  return { code, output: program.output() };
}

test.serial("lost slots are made again by the next request, and nothing is lost", async (t) => {
  const file = join(folder, "report.md");
  const { code, output } = await drill("--seconds", "2", "--report", file);
  t.is(code, 0, output);
  const report = await readFile(file, "utf8");
  const phases = [...report.matchAll(/^\| (T\S*).*? \| ([a-z ]+) \|/gm)].map(
    ([, , phase]) => phase,
  );
  t.deepEqual(phases, ["normal", "slots lost", "fallback", "settlement", "recovered"], report);
  t.regex(report, /\| T\+0 \| slots lost \| [1-9]\d* slots are gone/);
  t.regex(report, /made again from what is durable, 1 time; \d+ transactions, 0 refused/);
  t.regex(report, /\| T\+2 \| recovered \| \d+ transactions acknowledged and there once/);
  t.true(report.endsWith("Recovered: no transaction was lost, doubled or refused.\n"));

  const { rows } = await database.pool.query(
    `select a.closed_at is not null as is_closed, saldo.account_balance(a)::int as balance,
      (select count(*)::int from saldo.guard_event) as events
    from saldo.account as a where a.code like 'drill:%'`,
  );
  t.deepEqual(rows, [{ is_closed: true, balance: 0, events: 0 }]);
  const check = await database.pool.query("select status from saldo.check_balance_health()");
  t.is(check.rows[0].status, "healthy");
});

test.serial("a transaction that nobody was told of is no recovery", async (t) => {
  const running = drill("--seconds", "2");
  let written = 0;
  while (written === 0) {
    const { rows } = await database.pool.query(
      `select saldo.submit_transaction(id, 5, 'credit')
      from saldo.account where code like 'drill:%' and closed_at is null`,
    );
    written = rows.length;
  }
  const { code, output } = await running;
  t.is(code, 1);
  t.regex(output, /\| T\+2 \| not recovered \| (\d+) rows, not \d+; settled/);
  t.regex(output, /\nNot recovered: /);
});

test("only an account of a drill loses its slots", async (t) => {
  await database.pool.query("select saldo.open_account('shop', 'Shop', 'asset', mode => 'hot')");
  const lose = (account: string) =>
    asAdmin(database.pool, (client) =>
      client.query(`select saldo_private.lose_slots((${account}))`),
    );
  t.is(await errorCode(lose("select id from saldo.account where code = 'shop'")), "SB010");
  t.is(await errorCode(lose("null::bigint")), "SB101");
});
