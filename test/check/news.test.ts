import { readFile } from "node:fs/promises";
import test from "ava";
import fc from "fast-check";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { faults, found, openNews, steps, take } from "./_news.ts";

/** Each run plants every fault, and each of them is looked at by a full check: more with NEWS_RUNS. */
const numRuns = Number(process.env["NEWS_RUNS"] ?? 2);
const names = Object.keys(steps);
const step = fc.record({ name: fc.constantFrom(...names), number: fc.nat(9999) });
const history = fc.array(step, { minLength: 5, maxLength: 40 });
/** Leaves something to tamper with for every fault, whichever reading or purchase a step picked. */
const again = ["transfer", "buy", "reserve", "submit", "deposit", "settle", "read_index"];
const everything = [...names, ...again, "read_volume"].map((name, index) => ({
  name,
  number: 9000 + index,
}));

const status = async (database: TestDatabase, name: string) => {
  const { rows } = await database.pool.query(`select * from saldo.${name}()`);
  return `${rows[0].scope} ${rows[0].status}`;
};

/** Plants a fault in what came since; what both kinds of check find. Undone at the end. */
async function compare(database: TestDatabase, text: string, since: Date) {
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    await client.query("set local session_replication_role = replica");
    const { rowCount } = await client.query(text.includes("$1") ? text : `${text} -- $1`, [since]);
    await client.query("set local session_replication_role = origin");
    if (rowCount === 0) return undefined;
    return {
      news: await found(client, "reconcile"),
      full: await found(client, "check_balance_health"),
    };
  } finally {
    await client.query("rollback");
    client.release();
  }
}

test("whatever is wrong in the news an incremental check finds as a full one does", async (t) => {
  const database = await openNews();
  await database.pool.query("select saldo.settle_sub_balances()");
  t.is(await status(database, "check_balance_health"), "full healthy");
  const planted = new Set<string>();
  await fc.assert(
    fc.asyncProperty(history, async (happened) => {
      t.is(await status(database, "reconcile"), "incremental healthy");
      const { rows } = await database.pool.query("select clock_timestamp() as since");
      for (const { name, number } of happened) await take(database.pool, name, number);
      for (const { name, rule, text } of faults) {
        const findings = await compare(database, text, rows[0].since);
        if (!findings) continue;
        planted.add(name);
        const [newsScope, ...news] = findings.news;
        const [fullScope, ...full] = findings.full;
        t.deepEqual([newsScope, fullScope], ["incremental", "full"], name);
        t.true(
          news.some((finding) => finding.startsWith(`${rule} `)),
          `${name}: ${news.join(", ")}`,
        );
        // The sums of a mark go back to the first row: they are for full checks.
        const isSumOfMark = (finding: string) => /^settlement_range \d+\/\d+$/.test(finding);
        t.deepEqual(
          news.filter((finding) => !isSumOfMark(finding)),
          full.filter((finding) => !isSumOfMark(finding)),
          name,
        );
      }
    }),
    { numRuns, endOnFailure: true, examples: [[everything]] },
  );
  t.is(await status(database, "reconcile"), "incremental healthy");
  t.is(await status(database, "check_balance_health"), "full healthy");
  t.deepEqual(
    faults.filter(({ name }) => !planted.has(name)).map(({ name }) => name),
    [],
    "each fault was planted at least once",
  );
  await database.close();
});

test("every kind of writer beside the checks makes no false alarm", async (t) => {
  const database = await openNews();
  t.is(await status(database, "check_balance_health"), "full healthy");
  let isWriting = true;
  const write = async (writer: number) => {
    for (let round = 0; round < 3; round++) {
      for (const [index, name] of names.entries()) {
        await take(database.pool, name, writer * 2500 + round * 100 + index);
      }
    }
  };
  const statuses = new Set<string>();
  const look = async (name: string) => {
    while (isWriting) statuses.add(await status(database, name));
  };
  const looking = [look("reconcile"), look("reconcile"), look("check_balance_health")];
  await Promise.all([0, 1, 2, 3].map(write));
  isWriting = false;
  await Promise.all(looking);
  statuses.add(await status(database, "reconcile"));
  t.deepEqual([...statuses].sort(), ["full healthy", "incremental healthy"]);
  await database.close();
});

test("docs/reference/checks.md says of each rule what an incremental check looks at", async (t) => {
  const database = await openTestDatabase(1);
  const { rows } = await database.pool.query(
    "select name, is_incremental from saldo.balance_rule where not is_registered order by name",
  );
  const text = await readFile(new URL("../../docs/reference/checks.md", import.meta.url), "utf8");
  const told = [...text.matchAll(/^\| (`.*`) \| (.*?) \|/gm)].flatMap(([, names, what]) =>
    [...(names ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => ({
      name,
      is_incremental: what !== "nothing",
    })),
  );
  const rules = new Set(rows.map(({ name }) => name));
  t.deepEqual(
    told
      .filter(({ name }) => rules.has(name))
      .sort((one, other) => ((one.name ?? "") < (other.name ?? "") ? -1 : 1)),
    rows,
  );
  await database.close();
});
