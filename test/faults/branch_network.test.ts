import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import { Pool } from "pg";
import { enrol } from "../../src/branch/push/enrol.ts";
import { Pusher } from "../../src/branch/push/pusher.ts";
import type { Store } from "../../src/branch/store/store.ts";
import { type Api, openApi } from "../_support/api.ts";
import { asAdmin } from "../_support/database.ts";
import { brokenRules } from "../_support/faults.ts";
import { bodies, makePlace, openStore, type Place } from "../branch/_till.ts";
import { type Fault, faults, RoughNetwork } from "./_rough_network.ts";

/*
 * Tills of two branches that sell and push over a network which loses, repeats, delays, cuts and
 * answers for the centre. Whatever it did, at the end each row is at the centre once, till and
 * centre say the same of it, cash is equal, and nothing is missing.
 */

/** Repeat a run with BRANCH_SEED=<what it printed>; more of them with BRANCH_RUNS. */
const seed = Number(process.env["BRANCH_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env["BRANCH_RUNS"] ?? 4);

let api: Api;
let pool: Pool;
test.before(async () => {
  api = await openApi();
  pool = new Pool({ connectionString: api.connectionString, max: 4 });
  pool.on("error", () => {});
});
test.after.always(async () => {
  await pool?.end();
  await api?.close();
});

const acts = ["sale", "sale", "cost", "unknown", "stuck", "void", "correct", "count"] as const;
const events = [...acts, "restart", "rotate", "decide"] as const;

const day = fc.array(
  fc.record({
    events: fc.array(
      fc.record({
        what: fc.constantFrom(...events),
        amount: fc.integer({ min: 1, max: 99 }),
        of: fc.nat(),
      }),
      { maxLength: 9 },
    ),
    faults: fc.array(fc.constantFrom(...faults), { maxLength: 8 }),
  }),
  { minLength: 2, maxLength: 6 },
);

// What is never answered takes this long, so it is short; the last pushes have all their time.
const roughPace = { intervalMs: 1e9, retryBaseMs: 1e9, retryMaxMs: 1e9, timeoutMs: 700 };
const calmPace = { ...roughPace, timeoutMs: 60_000 };

interface Branch {
  id: string;
  cash: string;
  stuckAccount: string;
}

interface Till {
  place: Place;
  store: Store;
  branch: Branch;
  device: string;
}

async function makeBranch(code: string): Promise<Branch> {
  return await asAdmin(pool, async (client) => {
    const one = async (text: string, values: unknown[]) =>
      (await client.query(text, values)).rows[0];
    const { id, cash_account_id } = await one(
      "select id, cash_account_id from saldo.create_branch($1, $1)",
      [code],
    );
    const rule = async (flow: string, category: string, type: string) => {
      const account = await one("select id from saldo.open_account($1, 'x', $2)", [
        `${category}:${code}`,
        type,
      ]);
      await client.query("select saldo.set_posting_rule($1, $2, $3, $4)", [
        flow,
        category,
        account.id,
        id,
      ]);
      return account.id as string;
    };
    await rule("IN", "sale", "revenue");
    await rule("OUT", "cost", "expense");
    const stuckAccount = await rule("OUT", "stuck", "expense");
    await client.query("select saldo.freeze_account($1, 'under review')", [stuckAccount]);
    return { id, cash: cash_account_id, stuckAccount };
  });
}

async function makeTill(t: ExecutionContext, branch: Branch, centre: string): Promise<Till> {
  const place = makePlace(t);
  const store = openStore(place, () => new Date());
  const code = await asAdmin(pool, async (client) => {
    const { rows } = await client.query("select code from saldo.issue_enrolment_code($1)", [
      branch.id,
    ]);
    return rows[0].code as string;
  });
  // What an enrolment does in such a network is told in push.test.ts: its code is good once.
  await enrol(store, { centre: api.url, code });
  store.settings.set("centre", centre);
  return { place, store, branch, device: store.chain.device };
}

/** Rows of a category that is frozen wait for a person, who takes those of an even amount. */
async function decide({ id, stuckAccount }: Branch): Promise<void> {
  await asAdmin(pool, async (client) => {
    await client.query("select saldo.unfreeze_account($1, 'looked at')", [stuckAccount]);
    for (const [verb, rest] of [
      ["accept", 0],
      ["refuse", 1],
    ] as const) {
      await client.query(
        `with waiting as (
          select array_agg(i.id) as ids from saldo.branch_intake as i
          where i.branch_id = $1 and i.verdict = 'quarantined' and i.amount % 2 = $2
          having count(*) > 0
        )
        select d.id from waiting, saldo.${verb}_quarantined(waiting.ids, 'looked at') as d`,
        [id, rest],
      );
    }
    await client.query("select saldo.freeze_account($1, 'under review')", [stuckAccount]);
  });
}

/** The centre wants another key at the next push. */
async function ageKeys({ device }: Till): Promise<void> {
  await api.root(
    "update saldo.branch_key set created_at = '2020-01-01' where device_id = $1 and ended_at is null",
    [device],
  );
}

type Event = { what: (typeof events)[number]; amount: number; of: number };

async function act(till: Till, { what, amount, of }: Event): Promise<void> {
  const { store, branch, place } = till;
  const common = { amount: BigInt(amount), category: what };
  const free = bodies(store).filter(
    ({ kind, id, category }, _, all) =>
      kind === "entry" && category !== "stuck" && !all.some(({ voids }) => voids === id),
  );
  const original = free[of % Math.max(free.length, 1)];
  if (what === "restart") {
    store.close();
    till.store = openStore(place, () => new Date());
  } else if (what === "rotate") await ageKeys(till);
  else if (what === "decide") await decide(branch);
  else if (what === "count") store.addCount({ at: "close", counted: BigInt(amount) });
  else if (what === "cost" || what === "stuck") store.addEntry({ ...common, type: "OUT" });
  else if (what === "void" || what === "correct") {
    if (original === undefined) return;
    if (what === "void") store.addVoid({ voids: original.id, reason: "wrong" });
    else {
      const input = { ...common, category: "sale", corrects: original.id, reason: "wrong" };
      store.addEntry({ ...input, type: "IN" });
    }
  } else store.addEntry({ ...common, type: "IN" });
}

async function push(store: Store, pace: typeof roughPace): Promise<void> {
  const pusher = new Pusher(store, { pace });
  await pusher.pushAgain();
  await pusher.stop();
}

/** What the till says of its rows; the centre has to say the same. */
function ofTill({ store, device }: Till) {
  return store.database
    .prepare(
      `select fact.id, chain.epoch_no, fact.seq, fact.hash, fact_state.state as verdict,
        fact_state.reason, fact_state.posting_date
      from fact join fact_state using (position) join chain using (epoch)
      where chain.device = ? order by fact.seq`,
    )
    .all(device)
    .map((row) => ({ ...row }));
}

async function ofCentre({ device }: Till) {
  return await api.root(
    `select i.row_id as id, e.epoch_no, i.seq::int, i.hash, i.verdict::text,
      i.verdict_reason as reason, to_char(j.posting_date::timestamp, 'YYYY-MM-DD') as posting_date
    from saldo.branch_intake as i
    join saldo.branch_epoch as e on e.id = i.epoch_id
    left join saldo.journal_entry as j on j.id = i.entry_id
    where i.device_id = $1 order by i.seq`,
    [device],
  );
}

/** Cash as the tills have it, without what a person refused. */
function cashOf(tills: Till[]): number {
  return tills
    .flatMap(({ store }) => bodies(store))
    .filter(({ category, amount }) => !(category === "stuck" && Number(amount) % 2 === 1))
    .reduce((sum, { type, amount }) => {
      if (type === null) return sum;
      return sum + (type === "IN" ? Number(amount) : -Number(amount));
    }, 0);
}

async function verify(t: ExecutionContext, tills: Till[], branches: Branch[]): Promise<void> {
  for (const till of tills) {
    const rows = ofTill(till);
    t.deepEqual(await ofCentre(till), rows);
    for (const { id, verdict } of rows) {
      const { category, amount } = till.store.findOne(String(id));
      t.is(verdict, category === "stuck" && amount % 2 === 1 ? "refused" : "accepted");
    }
    t.is(till.store.queue().waiting, 0);
    t.is(till.store.chain.epoch_no, 1);
  }
  for (const branch of branches) {
    const of = tills.filter((till) => till.branch === branch);
    const [figures] = await api.root(
      `select (select balance::int from saldo.account where id = $2) as cash,
        (select count(*)::int from saldo.branch_gaps($1)) as gaps,
        (select count(*)::int from saldo.branch_device where branch_id = $1 and state <> 'ok')
          as not_ok,
        (select count(*) - count(distinct entry_id) from saldo.branch_intake
          where branch_id = $1 and verdict = 'accepted' and kind = 'entry')::int as not_posted_once`,
      [branch.id, branch.cash],
    );
    t.deepEqual(figures, { cash: cashOf(of), gaps: 0, not_ok: 0, not_posted_once: 0 });
  }
  for (const rule of ["entry", "cash", "totals", "chain", "gap"]) {
    t.deepEqual(await api.root(`select * from saldo_private.rule_branch_${rule}()`), [], rule);
  }
}

test("whatever the network does, each row is at the centre once, and both say the same", async (t) => {
  t.timeout(120_000 + numRuns * 20_000);
  t.log(`seed ${seed}`);
  const network = new RoughNetwork(api.url);
  const address = await network.start();
  t.teardown(() => network.stop());
  let run = 0;
  let rowCount = 0;
  await fc.assert(
    fc.asyncProperty(day, async (rounds) => {
      run += 1;
      const branches = [await makeBranch(`N${run}A`), await makeBranch(`N${run}B`)];
      const [first, second] = branches as [Branch, Branch];
      const tills: Till[] = [];
      for (const branch of [first, first, second]) {
        tills.push(await makeTill(t, branch, address));
      }
      try {
        for (const round of rounds) {
          for (const [index, event] of round.events.entries()) {
            await act(tills[index % 3] as Till, event);
          }
          network.fail(round.faults as Fault[]);
          await Promise.all(tills.map(({ store }) => push(store, roughPace)));
        }
        await network.calm();
        for (const till of tills) await push(till.store, calmPace);
        for (const branch of branches) await decide(branch);
        for (const till of tills) await push(till.store, calmPace);
        await verify(t, tills, branches);
      } finally {
        for (const { store } of tills) {
          rowCount += bodies(store).length;
          store.close();
        }
      }
    }),
    { seed, numRuns, endOnFailure: numRuns < 10, includeErrorInReport: true },
  );
  t.deepEqual(await brokenRules(pool), []);
  const done = [...network.counts].map(([fault, count]) => `${fault} ${count}`);
  t.log(`${run} runs, ${rowCount} rows; ${done.join(", ")}`);
});
