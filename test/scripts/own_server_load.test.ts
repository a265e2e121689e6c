import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { type OwnLoad, readOptions, runOwnLoad, verdictOf } from "../../bench/own_server.ts";
import { openApi } from "../_support/api.ts";

const api = await openApi();
const token = await api.token({});
const folder = await mkdtemp(join(tmpdir(), "saldo-load-"));
test.after.always(async () => {
  await api.close();
  await rm(folder, { recursive: true, force: true });
});

const load = (more: Partial<OwnLoad>): OwnLoad => ({
  url: api.url,
  token,
  rates: [30],
  accountCounts: [1, 3],
  seconds: 1,
  settleSeconds: 30,
  folder,
  tell() {},
  ...more,
});

/** Settles as a worker would while something else goes on. */
async function settling<Result>(work: () => Promise<Result>): Promise<Result> {
  let isOver = false;
  const settle = (async () => {
    while (!isOver) await api.root("select saldo.settle_sub_balances()");
  })();
  try {
    return await work();
  } finally {
    isOver = true;
    await settle;
  }
}

test.serial(
  "a load on one's own server is reported with its date, and is taken back",
  async (t) => {
    const { file, scenarios } = await settling(() => runOwnLoad(load({})));
    t.deepEqual(
      scenarios.map(({ accounts, sent, verdict, fault }) => ({ accounts, sent, verdict, fault })),
      [1, 3].map((accounts) => ({ accounts, sent: 30, verdict: "excellent", fault: undefined })),
    );
    t.deepEqual(await readdir(folder), [file.slice(folder.length + 1)]);
    t.regex(file, /load-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.md$/);
    const report = await readFile(file, "utf8");
    t.is(
      report.match(/^\| [13] \| 30 \| 30 \| 100\.00% \|.* excellent \| passed \|$/gm)?.length,
      2,
    );
    t.regex(report, /\nIntegrity passed\.\n$/);
    const left = await api.root(
      `select count(*)::int as count, sum((saldo.balances(id)).available_balance)::int as sum
    from saldo.account where code like 'load %'`,
    );
    t.deepEqual(left, [{ count: 4, sum: 0 }]);
  },
);

test.serial(
  "money that nobody was told of fails the integrity, and so does what is not settled",
  async (t) => {
    const late = await runOwnLoad(load({ accountCounts: [1], settleSeconds: 1 }));
    t.is(late.scenarios[0]?.fault, "30 transactions were not settled in 1 s");

    const [before] = await api.root("select max(id) as id from saldo.account");
    // Somebody else writes to the account as soon as it is there.
    const writeMore = async () => {
      let written: unknown[] = [];
      while (written.length === 0) {
        written = await api.root(
          `select saldo.submit_transaction(id, 1.25, 'credit')
        from saldo.account where code like 'load %' and id > $1`,
          [before?.["id"]],
        );
      }
    };
    const work = () => Promise.all([runOwnLoad(load({ accountCounts: [1] })), writeMore()]);
    const [stray] = await settling(work);
    t.regex(stray.scenarios[0]?.fault ?? "", /^account \d+ has 3875 cents, not 3750$/);
  },
);

test("what was acknowledged decides the verdict, at 90 and 70 percent", (t) => {
  t.deepEqual([100, 90, 89.9, 70, 69.9, 0].map(verdictOf), [
    ...(["excellent", "excellent", "good", "good", "poor", "poor"] as const),
  ]);
});

test("options name the server, and what is no number is refused", (t) => {
  t.is(readOptions([]), undefined);
  t.like(readOptions(["--url", "http://x/graphql", "--token", "t", "--rates", "5,7"]), {
    url: "http://x",
    rates: [5, 7],
    accountCounts: [1, 5],
    seconds: 10,
  });
  t.throws(() => readOptions(["--url", "http://x", "--token", "t", "--rates", "5,x"]), {
    message: /--rates takes whole numbers/,
  });
});
