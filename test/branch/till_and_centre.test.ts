import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { systemStatus } from "../../src/branch/http/system_status.ts";
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
  // The row after the copy is with the centre, though the till has lost it.
  t.is(await cashAtCentre(cashAccountId), 11_100);
  restored.close();
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
