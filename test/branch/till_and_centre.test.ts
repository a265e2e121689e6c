import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { systemStatus } from "../../src/branch/http/system_status.ts";
import type { ReturnAnswer } from "../../src/branch/protocol/schema.ts";
import { enrol } from "../../src/branch/push/enrol.ts";
import { Pusher } from "../../src/branch/push/pusher.ts";
import type { Store } from "../../src/branch/store/store.ts";
import { type Api, openApi } from "../_support/api.ts";
import { makePlace, openStore, sell, sellMany } from "./_till.ts";

/** The till's own program before the real centre: cash is the same at both, whatever happened. */

let api: Api;
test.before(async () => {
  api = await openApi();
});
test.after.always(() => api?.close());

const pace = {
  intervalMs: 3_600_000,
  retryBaseMs: 3_600_000,
  retryMaxMs: 3_600_000,
  timeoutMs: 60_000,
};

async function makeBranch(code: string) {
  const made = await api.post(
    `mutation ($code: String!) {
      createBranch(input: { code: $code, name: $code }) { result { id cashAccountId } }
    }`,
    { code },
  );
  return made.data.createBranch.result as { id: string; cashAccountId: string };
}

async function enrolAt(store: Store, branchId: string): Promise<void> {
  const issued = await api.post(
    `mutation ($id: BigInt!) { issueEnrolmentCode(input: { branchId: $id }) { result { code } } }`,
    { id: branchId },
  );
  await enrol(store, { centre: api.url, code: issued.data.issueEnrolmentCode.result.code });
}

async function cashAtCentre(accountId: string): Promise<number> {
  const rows = await api.root("select balance::text from saldo.account where id = $1", [accountId]);
  return Number(rows[0]?.["balance"]);
}

async function push(store: Store): Promise<void> {
  const pusher = new Pusher(store, { pace });
  await pusher.pushNow();
  await pusher.stop();
}

test("sales, a void, a correction and a count arrive, and cash is equal", async (t) => {
  const { id, cashAccountId } = await makeBranch("E1");
  const store = openStore(makePlace(t), () => new Date());
  await enrolAt(store, id);
  const sale = sell(store, 20_000);
  sell(store, 5000, "OUT");
  const wrong = sell(store, 70_000);
  store.addVoid({ voids: sale.id, reason: "salah" });
  const input = { type: "IN", amount: 7000n, category: "Penjualan", reason: "nol" } as const;
  store.addEntry({ ...input, corrects: wrong.id });
  store.addCount({ at: "close", counted: 1999n });
  sellMany(store, 300);
  await push(store);
  t.deepEqual(store.queue(), { waiting: 0, oldest_waiting_at: null, attention: 0 });
  t.is(store.find({ page: 1, limit: 1, standing: "sent" }).total, 307);
  t.is(await cashAtCentre(cashAccountId), store.summary().balance);
  t.is(store.branchName(), "E1");
  t.regex(store.findOne(sale.id).receipt_no, /^E1-\d+-1-1$/);
  store.close();
});

test("a store that comes back from a copy goes on under a new epoch, and all is in the books", async (t) => {
  const { id, cashAccountId } = await makeBranch("E2");
  const place = makePlace(t);
  const first = openStore(place, () => new Date());
  await enrolAt(first, id);
  sell(first, 100);
  await push(first);
  first.close();
  cpSync(place.folder, join(place.root, "copy"), { recursive: true });
  const later = openStore(place, () => new Date());
  sell(later, 1000);
  await push(later);
  later.close();
  rmSync(place.folder, { recursive: true });
  cpSync(join(place.root, "copy"), place.folder, { recursive: true });
  const restored = openStore(place, () => new Date());
  sell(restored, 10_000);
  await push(restored);
  t.is(restored.chain.epoch_no, 2);
  t.is(restored.queue().waiting, 0);
  t.is(restored.queue().attention, 0);
  t.is(await cashAtCentre(cashAccountId), 11_100);
  restored.close();
});

test("a till that comes back from a copy gets back what it had sent, and its cash is right", async (t) => {
  const { id, cashAccountId } = await makeBranch("E5");
  const place = makePlace(t);
  const keep = (name: string) => cpSync(place.folder, join(place.root, name), { recursive: true });
  const bringBack = (name: string) => {
    rmSync(place.folder, { recursive: true });
    cpSync(join(place.root, name), place.folder, { recursive: true });
    return openStore(place, () => new Date());
  };
  const rowsOf = (store: Store) =>
    store.find({ page: 1, limit: 100 }).facts.map((fact) => `${fact.kind} ${fact.amount}`);

  let store = openStore(place, () => new Date());
  await enrolAt(store, id);
  const early = sell(store, 100);
  await push(store);
  store.close();
  keep("old");
  store = openStore(place, () => new Date());
  const sale = sell(store, 1000);
  store.addVoid({ voids: early.id, reason: "salah" });
  store.addCount({ at: "close", counted: 1000n });
  sellMany(store, 300);
  await push(store);
  sell(store, 7); // never sent: it is on paper only
  const { device } = store.chain;
  store.close();

  // A first time: one epoch is behind the copy, beyond what one answer holds.
  store = bringBack("old");
  sell(store, 20, "OUT");
  await push(store);
  t.is(store.summary().balance, await cashAtCentre(cashAccountId));
  t.is(store.find({ page: 1, limit: 1, standing: "sent" }).total, 305);
  t.deepEqual(store.queue(), { waiting: 0, oldest_waiting_at: null, attention: 0 });
  t.like(store.findOne(sale.id), { amount: 1000, standing: "sent", verdict: "accepted" });
  t.truthy(store.findOne(early.id).voided_by);
  t.throws(() => store.addVoid({ voids: early.id, reason: "sekali lagi" }), {
    message: /voided already/,
  });
  store.close();

  // Again the same copy: it knows nothing of the epoch that came after it.
  store = bringBack("old");
  t.is(store.chain.epoch_no, 3);
  t.is(store.chain.device, device);
  // Sold and taken back once more, before it is known that it was done already.
  store.addVoid({ voids: early.id, reason: "salah" });
  await push(store);
  t.is(store.summary().balance, await cashAtCentre(cashAccountId));
  t.is(store.find({ page: 1, limit: 1 }).total, 306);
  t.is(store.queue().waiting, 0);
  t.true(rowsOf(store).includes("entry 20"));
  const again = store.summary().balance;
  await push(store);
  t.is(store.summary().balance, again, "nothing comes back twice");

  // A centre with another epoch is shown every epoch again, those that came back as well.
  await api.root("select saldo.begin_centre_epoch('test')");
  await push(store);
  t.is(store.queue().waiting, 0);
  store.close();
  for (const rule of ["entry", "cash", "totals", "chain"]) {
    t.deepEqual(await api.root(`select * from saldo_private.rule_branch_${rule}()`), [], rule);
  }
});

test("rows come back to their own device only, and of epochs that it has left", async (t) => {
  const { id } = await makeBranch("E6");
  const [place, other] = [makePlace(t), makePlace(t)];
  const store = openStore(place, () => new Date());
  await enrolAt(store, id);
  for (const amount of [1, 2, 3]) sell(store, amount);
  await push(store);
  const second = openStore(other, () => new Date());
  await enrolAt(second, id);
  sell(second, 50);
  await push(second);
  const ask = async (of: Store, have: object[] = []) => {
    const response = await fetch(`${api.url}/api/v1/sync/rows`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${of.settings.get(`key:${of.chain.device}`)}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ protocol: 1, have }),
    });
    const { data } = (await response.json()) as { data: ReturnAnswer };
    return { status: response.status, amounts: data.rows?.map(({ row }) => row.amount) };
  };
  t.deepEqual(await ask(store), { status: 200, amounts: [] }, "the epoch goes on");
  const left = store.chain.epoch;
  store.beginChain(store.chain.device, "restored");
  await push(store);
  t.deepEqual(await ask(store), { status: 200, amounts: ["1", "2", "3"] });
  t.deepEqual((await ask(store, [{ epoch: left, seq: 2 }])).amounts, ["3"]);
  t.deepEqual(await ask(second), { status: 200, amounts: [] });
  t.is((await ask(store, [{ epoch: left }])).status, 400);
  store.close();
  second.close();
});

test("what was sold before the enrolment is sent after it", async (t) => {
  const { id, cashAccountId } = await makeBranch("E3");
  const store = openStore(makePlace(t), () => new Date());
  const { device } = store.chain;
  const sale = sell(store, 3000);
  await enrolAt(store, id);
  sell(store, 400);
  t.is(store.chain.device, device);
  store.addVoid({ voids: sale.id, reason: "salah" });
  await push(store);
  t.deepEqual(store.queue(), { waiting: 0, oldest_waiting_at: null, attention: 0 });
  t.is(await cashAtCentre(cashAccountId), 400);
  const pusher = new Pusher(store, { pace });
  t.deepEqual(systemStatus(store, pusher).warnings, []);
  await pusher.stop();
  store.close();
});

test("a copy of a store becomes another device, and says that its early rows wait", async (t) => {
  const { id, cashAccountId } = await makeBranch("E4");
  const [place, other] = [makePlace(t), makePlace(t)];
  const store = openStore(place, () => new Date());
  sell(store, 3000);
  store.close();
  cpSync(place.root, other.root, { recursive: true });
  const [first, second] = [place, other].map((each) => openStore(each, () => new Date())) as [
    Store,
    Store,
  ];
  await enrolAt(first, id);
  await push(first);
  await enrolAt(second, id);
  t.not(second.chain.device, first.chain.device);
  sell(second, 50);
  await push(second);
  t.is(await cashAtCentre(cashAccountId), 3050);
  const pusher = new Pusher(second, { pace });
  t.true(systemStatus(second, pusher).warnings.includes("rows_before_enrolment"));
  await pusher.stop();
  first.close();
  second.close();
});
