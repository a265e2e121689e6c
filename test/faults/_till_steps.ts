import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { DatabaseSync } from "node:sqlite";

/*
 * `node _till_steps.ts STEP`: a till that sells, takes back, counts and pushes once, and is killed
 * with SIGKILL before this step. A step is a statement in its store, a call that writes its anchor,
 * a call to the centre, or an answer of it. Without a kill it says how many steps there are.
 */

const killAt = Number(process.argv[2]);
let step = 0;
const say = (line: string) => fs.writeSync(1, `${line}\n`);

function count(): void {
  step += 1;
  if (step === killAt) process.kill(process.pid, "SIGKILL");
}

// biome-ignore lint/suspicious/noExplicitAny: any method of any object can be a step
function countCalls(target: any, names: string[]): void {
  for (const name of names) {
    const original = target[name];
    target[name] = function counted(...args: unknown[]) {
      count();
      return original.apply(this, args);
    };
  }
}

const memory = new DatabaseSync(":memory:");
countCalls(DatabaseSync.prototype, ["exec"]);
countCalls(Object.getPrototypeOf(memory.prepare("select 1")), ["run", "get", "all"]);
memory.close();
countCalls(fs, ["openSync", "writeFileSync", "fsyncSync", "renameSync"]);
syncBuiltinESMExports();
const call = globalThis.fetch;
globalThis.fetch = async (...args) => {
  count();
  const response = await call(...args);
  count();
  return response;
};
step = 0;

const { Store } = await import("../../src/branch/store/store.ts");
const { Pusher } = await import("../../src/branch/push/pusher.ts");

const store = Store.open({
  folder: process.env["SALDO_BRANCH_DIR"] ?? "",
  anchorFolder: process.env["SALDO_BRANCH_ANCHOR_DIR"] ?? "",
  clock: () => new Date(),
  program: "saldo-branch/test",
  assumed: { name: "Kas", currency: "IDR", timeZone: "Asia/Jakarta" },
});
const attempt = (write: (id: string) => unknown) => {
  const id = randomUUID();
  say(`sent ${id}`);
  write(id);
  say(`saved ${id}`);
  return id;
};
const sale = { type: "IN", amount: 1000n, category: "sale" } as const;
const taken = attempt((id) => store.addEntry({ ...sale, id }));
attempt((id) => store.addEntry({ ...sale, id, amount: 70n }));
attempt((id) => store.addVoid({ id, voids: taken, reason: "wrong" }));
attempt((id) => store.addCount({ id, at: "close", counted: 70n }));
const pace = { intervalMs: 1e9, retryBaseMs: 1e9, retryMaxMs: 1e9, timeoutMs: 60_000 };
const pusher = new Pusher(store, { pace });
await pusher.pushNow();
await pusher.stop();
store.close();
say(`steps ${step}`);
