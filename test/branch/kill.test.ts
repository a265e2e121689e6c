import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Program, runProgram } from "../_support/process.ts";
import { bodies, makePlace, openStore, type Place, sellMany } from "./_till.ts";

/** The till's program as a process: kill -9 at any moment, two of them, and how it starts. */

async function start(t: ExecutionContext, place: Place, words: string[] = []) {
  const program = runProgram("src/branch/run.ts", ["--port", "0", ...words], {
    SALDO_BRANCH_DIR: place.folder,
    SALDO_BRANCH_ANCHOR_DIR: place.anchorFolder,
  });
  t.teardown(() => void program.child.kill("SIGKILL"));
  const [, address = ""] = await program.printed(/The till is at (http\S+)\./);
  return { program, address: address.replace("localhost", "127.0.0.1") };
}

async function enter(address: string, amount: number): Promise<boolean> {
  try {
    const response = await fetch(`${address}/api/v1/transactions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "IN", amount, category: "a" }),
      signal: AbortSignal.timeout(20_000),
    });
    return response.status === 201;
  } catch {
    return false;
  }
}

async function killed(program: Program): Promise<void> {
  program.child.kill("SIGKILL");
  await program.ended;
}

test("kill -9 in the middle of sales loses none that was confirmed, and goes on in its epoch", async (t) => {
  const place = makePlace(t);
  let confirmed = 0;
  for (let round = 0; round < 4; round += 1) {
    const { program, address } = await start(t, place);
    const target = confirmed + 15 + round * 7;
    const selling = (async () => {
      for (;;) {
        if (!(await enter(address, 1))) return;
        confirmed += 1;
        // The kill comes while the next one is on its way.
        if (confirmed === target) program.child.kill("SIGKILL");
      }
    })();
    await selling;
    await program.ended;
  }
  const store = openStore(place);
  const rows = bodies(store);
  // At most one sale of each round was stored and not yet confirmed.
  t.true(rows.length >= confirmed && rows.length <= confirmed + 4, `${rows.length} ${confirmed}`);
  t.true(confirmed >= 15 * 4);
  t.deepEqual(
    rows.map(({ seq }) => seq),
    rows.map((_, index) => index + 1),
  );
  t.is(new Set(rows.map(({ epoch }) => epoch)).size, 1);
  t.is(store.summary().balance, rows.length);
  store.close();
});

test("a second program on one store says who has it, and ends; after a kill the store is free", async (t) => {
  const place = makePlace(t);
  const { program, address } = await start(t, place);
  const second = runProgram("src/branch/run.ts", ["--port", "0"], {
    SALDO_BRANCH_DIR: place.folder,
    SALDO_BRANCH_ANCHOR_DIR: place.anchorFolder,
  });
  t.is(await second.ended, 1);
  t.regex(second.output(), new RegExp(`in use by process ${program.child.pid}, at http`));
  t.true(await enter(address, 5));
  await killed(program);
  const { address: later } = await start(t, place);
  t.true(await enter(later, 5));
});

test("it stops on a signal with 0, and its words are understood or refused", async (t) => {
  const place = makePlace(t);
  const { program } = await start(t, place);
  program.child.kill("SIGTERM");
  t.is(await program.ended, 0);
  for (const words of [["--port", "x"], ["--currency", "rupiah"], ["dance"], ["key"], ["--no"]]) {
    const refused = runProgram("src/branch/run.ts", words, { SALDO_BRANCH_DIR: place.folder });
    t.is(await refused.ended, 2, words.join(" "));
    t.notRegex(refused.output(), /\n {4}at /);
  }
});

test("it is there after less than two seconds of work, with thousands of sales in its store", async (t) => {
  const place = makePlace(t);
  const store = openStore(place);
  sellMany(store, 5000);
  store.close();
  const { program, address } = await start(t, place);
  t.is((await fetch(`${address}/api/v1/dashboard/summary`)).status, 200);
  // Processor time, as other work of this machine makes a clock say anything. Ticks are 10 ms.
  if (process.platform === "linux") {
    const stat = readFileSync(`/proc/${program.child.pid}/stat`, "utf8");
    const [user, system] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12, 14).map(Number);
    const used = ((user ?? Number.NaN) + (system ?? Number.NaN)) * 10;
    t.log(`${used} ms`);
    t.true(used > 0 && used < 2000, `${used} ms`);
  }
});

test("export to a file works through the running program and without it", async (t) => {
  const place = makePlace(t);
  const { program, address } = await start(t, place);
  t.true(await enter(address, 5));
  const environment = {
    SALDO_BRANCH_DIR: place.folder,
    SALDO_BRANCH_ANCHOR_DIR: place.anchorFolder,
  };
  const exported = async (name: string) => {
    const file = join(place.root, name);
    const command = runProgram("src/branch/run.ts", ["export", file], environment);
    t.is(await command.ended, 0, command.output());
    return JSON.parse(readFileSync(file, "utf8")).pushes[0].rows;
  };
  const running = await exported("a.json");
  await killed(program);
  t.deepEqual(await exported("b.json"), running);
  t.is(running.length, 1);
});

test("it needs nothing of Saldo but what a till's package has", async (t) => {
  const place = makePlace(t);
  const { program } = await start(t, place);
  const { pid } = program.child;
  const maps = process.platform === "linux" ? readFileSync(`/proc/${pid}/maps`, "utf8") : "";
  t.notRegex(maps, /postgres/);
  t.false(program.output().includes("Warning"), program.output());
});
