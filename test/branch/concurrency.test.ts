import test from "ava";
import fc from "fast-check";
import { Client } from "pg";
import { keyProof } from "../../src/branch/protocol/key.ts";
import { errorCode } from "../_support/database.ts";
import { type Centre, openCentre, type Till, totalsOf } from "./_branch.ts";

let centre: Centre;
test.before(async () => {
  centre = await openCentre();
});
test.after.always(() => centre?.close());

/** How many rows of a branch are filed, how many entries they have, and the cash. */
const stateOf = async (branch: { id: string; cash: string }) => ({
  rows: await centre.value("select count(*)::int from saldo.branch_intake where branch_id = $1", [
    branch.id,
  ]),
  entries: await centre.value(
    "select count(distinct entry_id)::int from saldo.branch_intake where branch_id = $1",
    [branch.id],
  ),
  cash: await centre.balance(branch.cash),
});

test("pushes of one device at once, all of the same rows, have their effect once", async (t) => {
  const branch = await centre.branch("X1");
  const till = await centre.till(branch.id);
  for (let n = 0; n < 40; n++) till.add();
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => centre.push(till, till.body())),
  );
  for (const answer of answers) t.deepEqual(answer.verdicts, answers[0]?.verdicts);
  t.deepEqual(await stateOf(branch), { rows: 40, entries: 40, cash: "40000" });
});

test("pushes of devices of one branch and of others run at once without deadlock", async (t) => {
  const branches = await Promise.all(["X2", "X3"].map((code) => centre.branch(code)));
  const tills: Till[] = [];
  for (const { id } of branches) {
    for (let n = 0; n < 3; n++) {
      const till = await centre.till(id);
      for (let row = 0; row < 20; row++) till.add(row % 3 === 0 ? { category: "entah" } : {});
      tills.push(till);
    }
  }
  await Promise.all(
    tills.flatMap((till) => [
      centre.push(till, till.body(till.rows.slice(0, 12))),
      centre.push(till, till.body(till.rows.slice(8))),
    ]),
  );
  for (const branch of branches) {
    t.deepEqual(await stateOf(branch), { rows: 60, entries: 60, cash: "60000" });
  }
});

test("a code that two tills use at once makes one device", async (t) => {
  const branch = await centre.branch("X4");
  const { code } = await centre.call("issue_enrolment_code", { branch_id: branch.id });
  const enrol = () =>
    centre.value("select saldo_private.enrol_branch_device($1, 'k', 't')", [code]);
  const results = await Promise.all([errorCode(enrol()), errorCode(enrol()), errorCode(enrol())]);
  t.deepEqual(results.sort(), ["SB506", "SB506", "none"]);
});

test("a push whose connection is killed in the middle leaves nothing, and is sent again", async (t) => {
  const branch = await centre.branch("X5");
  const till = await centre.till(branch.id);
  for (let n = 0; n < 30; n++) till.add();
  const proof = keyProof(till.key);
  const client = new Client({ connectionString: centre.connectionString });
  client.on("error", () => {});
  await client.connect();
  const ended = new Promise((resolve) => client.once("end", resolve));
  const pid = (await client.query("select pg_backend_pid() as pid")).rows[0].pid;
  await client.query("begin");
  await client.query("select saldo_private.push_branch_rows($1, $2, $3)", [
    proof?.id,
    proof?.secretHash,
    JSON.stringify(till.body()),
  ]);
  await centre.rows("select pg_terminate_backend($1)", [pid]);
  await ended;
  t.deepEqual(await stateOf(branch), { rows: 0, entries: 0, cash: "0" });
  await centre.push(till, till.body());
  t.deepEqual(await stateOf(branch), { rows: 30, entries: 30, cash: "30000" });
});

test("verdict numbers that are told have none below them that comes later", async (t) => {
  const branch = await centre.branch("X6");
  const till = await centre.till(branch.id);
  for (let n = 0; n < 60; n++) till.add();
  const told: { cursor: number; numbers: number[] }[] = [];
  await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const { verdict_no, verdicts } = await centre.push(
        till,
        till.body(till.rows.slice(n * 5, n * 5 + 5)),
      );
      told.push({ cursor: verdict_no, numbers: verdicts.map((each) => each.verdict_no) });
    }),
  );
  for (const { cursor, numbers } of told) {
    t.true(numbers.every((number) => number <= cursor));
    const others = told.filter((each) => each.cursor < cursor).flatMap((each) => each.numbers);
    t.true(others.every((number) => number < Math.min(...numbers)));
  }
});

/** What the network makes of a stream of batches, and the till of its rows. */
const history = fc.record({
  rows: fc.array(
    fc.record({
      kind: fc.constantFrom("in", "out", "unknown", "void", "count", "foreign"),
      amount: fc.integer({ min: 1, max: 99 }).map(String),
      of: fc.nat(),
    }),
    { minLength: 1, maxLength: 20 },
  ),
  deliveries: fc.array(
    fc.record({ from: fc.nat(), length: fc.integer({ min: 1, max: 8 }), reverse: fc.boolean() }),
    { maxLength: 12 },
  ),
});

test("rows that come twice, out of order and in pieces end as they would in order", async (t) => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(history, async ({ rows, deliveries }) => {
      run += 1;
      const [clean, rough] = [await centre.branch(`P${run}`), await centre.branch(`Q${run}`)];
      const tills = [await centre.till(clean.id), await centre.till(rough.id)] as const;
      for (const till of tills) {
        for (const { kind, amount, of } of rows) {
          const entries = till.rows.filter((row) => row.kind === "entry");
          const original = entries[of % Math.max(entries.length, 1)];
          if (kind === "void" && original !== undefined) till.void(original);
          else if (kind === "count")
            till.add({ kind: "count", type: null, category: "close", amount, expected: "0" });
          else if (kind === "out") till.add({ type: "OUT", category: "belanja", amount });
          else if (kind === "foreign") till.add({ currency: "SAR", amount });
          else till.add({ category: kind === "unknown" ? "entah" : "penjualan", amount });
        }
      }
      const [inOrder, mixed] = tills;
      for (const row of inOrder.rows) await centre.push(inOrder, inOrder.body([row]));
      for (const { from, length, reverse } of deliveries) {
        const start = from % mixed.rows.length;
        const piece = mixed.rows.slice(start, start + length);
        await centre.push(mixed, mixed.body(reverse ? piece.reverse() : piece));
      }
      const last = await centre.push(mixed, mixed.body());
      t.deepEqual(last.seen.missing, []);
      const figures = (branch: { id: string; cash: string; suspense: string }) =>
        centre.rows(
          `select (select balance from saldo.account where id = $2) as cash,
            (select balance from saldo.account where id = $3) as suspense,
            (select count(*) from saldo.branch_intake where branch_id = $1) as rows,
            (select count(*) from saldo.branch_intake
              where branch_id = $1 and voided_by is not null and verdict = 'accepted') as voided`,
          [branch.id, branch.cash, branch.suspense],
        );
      t.deepEqual(await figures(rough), await figures(clean));
      for (const rule of ["entry", "cash", "totals", "chain"]) {
        t.deepEqual(await centre.findings(`branch_${rule}`), [], rule);
      }
      t.is(totalsOf(mixed.rows).count, rows.length);
    }),
    { numRuns: 15 },
  );
});
