import { randomUUID } from "node:crypto";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { systemStatus } from "../../src/branch/http/system_status.ts";
import { exportWaiting, importAnswers } from "../../src/branch/push/by_file.ts";
import { enrol, takeKey } from "../../src/branch/push/enrol.ts";
import { defaultPace, untilNextPush, untilRetry } from "../../src/branch/push/pace.ts";
import { Pusher } from "../../src/branch/push/pusher.ts";
import type { Store } from "../../src/branch/store/store.ts";
import { bad, FakeCentre } from "./_fake_centre.ts";
import { bodies, makePlace, openStore, type Place, sell, sellMany } from "./_till.ts";

/** Handing over: whatever happens on the way, the centre has each row once, and the till knows. */

const pace = {
  intervalMs: 3_600_000,
  retryBaseMs: 3_600_000,
  retryMaxMs: 3_600_000,
  timeoutMs: 20_000,
};

interface Till {
  centre: FakeCentre;
  address: string;
  place: Place;
  store: Store;
  pusher: Pusher;
}

async function makeTill(t: ExecutionContext, timeoutMs = pace.timeoutMs): Promise<Till> {
  const centre = new FakeCentre();
  const address = await centre.start();
  const place = makePlace(t);
  const store = openStore(place);
  await enrol(store, { centre: address, code: "ABC" });
  const pusher = new Pusher(store, { pace: { ...pace, timeoutMs } });
  t.teardown(async () => {
    await pusher.stop();
    if (store.database.isOpen) store.close();
    await centre.stop();
  });
  return { centre, address, place, store, pusher };
}

const standings = (store: Store) =>
  store.find({ page: 1, limit: 100 }).facts.map(({ verdict }) => verdict);

test.serial("rows of before the enrolment and after it arrive once, and are marked", async (t) => {
  const place = makePlace(t);
  const centre = new FakeCentre();
  const address = await centre.start();
  const store = openStore(place);
  const early = sell(store, 100);
  t.is(early.receipt_no, "TILL-0-1-1");
  await enrol(store, { centre: address, code: "ABC" });
  sell(store, 200);
  const pusher = new Pusher(store, { pace });
  await pusher.pushNow();
  await pusher.pushNow();
  t.deepEqual(standings(store), ["accepted", "accepted"]);
  t.is(centre.rows.size, 2);
  t.like(centre.pushes[0], { head: { seq: 2 }, totals: { count: 2, in: "300", out: "0" } });
  t.is(centre.pushes[1]?.rows.length, 0, "a heartbeat");
  t.is(store.branchName(), "Toko Satu");
  t.is(store.findOne(early.id).receipt_no, "JKT1-3-1-1");
  t.is(pusher.state().connection, "online");
  await pusher.stop();
  store.close();
  await centre.stop();
});

test.serial(
  "a centre that gives the device another id gets an epoch of its own, from 1",
  async (t) => {
    const { centre, address, store, pusher } = await makeTill(t);
    await pusher.pushNow();
    const { device } = store.chain;
    centre.device = randomUUID();
    await enrol(store, { centre: address, code: "DEF" });
    t.is(store.chain.device, centre.device);
    t.not(store.chain.device, device);
    sell(store, 5);
    await pusher.pushAgain();
    t.like(centre.pushes.at(-1), { epoch_no: 1, previous: null, device: centre.device });
    t.is(centre.pushes.at(-1)?.rows.length, 1);
    t.is(bodies(store)[0].prev, null);
  },
);

test.serial(
  "rows from before an enrolment that took another id are said to wait for a file",
  async (t) => {
    const centre = new FakeCentre();
    const address = await centre.start();
    const store = openStore(makePlace(t));
    sell(store, 100);
    centre.takesDevices = false;
    await enrol(store, { centre: address, code: "ABC" });
    const pusher = new Pusher(store, { pace });
    await pusher.pushNow();
    t.true(systemStatus(store, pusher).warnings.includes("rows_before_enrolment"));
    t.is(store.queue().waiting, 1);
    t.is(exportWaiting(store).pushes.flatMap(({ rows }) => rows).length, 1);
    await pusher.stop();
    store.close();
    await centre.stop();
  },
);

test.serial("without a network nothing changes, and all is sent when it is back", async (t) => {
  const { centre, store, pusher } = await makeTill(t, 2000);
  const ways: FakeCentre["meddle"][] = [
    (request) => Boolean(request.socket.destroy()),
    () => true, // no answer at all: a time-out
    (_request, response) => Boolean(response.writeHead(503, { "retry-after": "1" }).end("busy")),
    (_request, response) =>
      Boolean(response.writeHead(200).end("<html>Log in to the hotel</html>")),
    (_request, response) => Boolean(response.writeHead(401).end("<html>proxy</html>")),
    (_request, response) => Boolean(response.writeHead(200).end('{"success":true,"data":{}}')),
  ];
  for (const [index, way] of ways.entries()) {
    sell(store, 100 + index);
    centre.meddle = way;
    await pusher.pushNow();
    t.is(pusher.state().connection, "offline", `way ${index}`);
    t.is(store.queue().waiting, index + 1);
    t.is(pusher.state().next_push_in_ms !== null, true);
  }
  centre.meddle = () => false;
  await pusher.pushNow();
  t.is(store.queue().waiting, 0);
  t.is(centre.rows.size, ways.length);
});

test.serial("an answer that is lost on the way doubles nothing", async (t) => {
  const { centre, store, pusher } = await makeTill(t);
  sell(store, 100);
  centre.meddle = (request, _response, when) =>
    when === "after" && Boolean(request.socket.destroy());
  await pusher.pushNow();
  t.is(centre.rows.size, 1);
  t.is(store.queue().waiting, 1);
  centre.meddle = () => false;
  await pusher.pushNow();
  t.deepEqual(standings(store), ["accepted"]);
  t.is(centre.rows.size, 1);
});

test.serial("a bad row is marked with its reason and holds back no other", async (t) => {
  const { centre, store, pusher } = await makeTill(t);
  centre.judge = ({ amount }) =>
    amount === "2" ? { verdict: "quarantined", reason: "currency_mismatch", entry_id: null } : {};
  const facts = [1, 2, 3].map((amount) => sell(store, amount));
  await pusher.pushNow();
  t.deepEqual(standings(store), ["accepted", "quarantined", "accepted"]);
  t.like(store.findOne(facts[1]!.id), {
    standing: "attention",
    verdict_reason: "currency_mismatch",
  });
  t.is(store.queue().attention, 1);
  centre.change(facts[1]!.id, "accepted", null);
  await pusher.pushNow();
  t.is(store.findOne(facts[1]!.id).standing, "sent");
  t.is(store.queue().attention, 0);
});

test.serial("a row in trouble that is voided needs nobody any more", async (t) => {
  const { centre, store, pusher } = await makeTill(t);
  centre.judge = ({ kind }) => (kind === "entry" ? { verdict: "refused", reason: "x" } : {});
  const { id } = sell(store, 5);
  await pusher.pushNow();
  t.is(store.queue().attention, 1);
  store.addVoid({ voids: id, reason: "salah" });
  t.is(store.queue().attention, 0);
  t.is(store.find({ page: 1, limit: 9, standing: "attention" }).total, 0);
  t.is(store.find({ page: 1, limit: 9, standing: "sent" }).total, 1);
});

test.serial(
  "a key that is refused stops pushing and not selling, until there is another",
  async (t) => {
    const { centre, store, pusher } = await makeTill(t);
    centre.keys.clear();
    sell(store, 100);
    await pusher.pushNow();
    t.is(pusher.state().connection, "stopped");
    t.is(pusher.state().next_push_in_ms, null);
    const before = centre.pushes.length;
    sell(store, 200);
    await pusher.pushNow();
    t.is(centre.pushes.length, before);
    t.is(store.summary().balance, 300);
    t.throws(() => takeKey(store, "sbk_wrong"), { message: /no key of a branch/ });
    takeKey(store, centre.makeKey());
    await pusher.pushAgain();
    t.is(store.queue().waiting, 0);
    t.is(pusher.state().connection, "online");
  },
);

test.serial(
  "a rotation needs no pause, and a next key that is not taken leaves the one before",
  async (t) => {
    const { centre, store, pusher } = await makeTill(t);
    const { device } = store.chain;
    const first = store.settings.get(`key:${device}`);
    centre.shallRotate = true;
    await pusher.pushNow();
    const next = store.settings.get(`next_key:${device}`) ?? "";
    t.true(centre.keys.has(next));
    t.is(store.settings.get(`key:${device}`), first);
    centre.keys.delete(next);
    centre.shallRotate = false;
    sell(store, 1);
    await pusher.pushNow();
    t.is(store.queue().waiting, 0, "the old key works on");
    centre.shallRotate = true;
    await pusher.pushNow();
    centre.shallRotate = false;
    await pusher.pushNow();
    t.not(store.settings.get(`key:${device}`), first);
    t.is(store.settings.get(`next_key:${device}`), undefined);
  },
);

test.serial("what is too large is halved, and a backlog is drained in one go", async (t) => {
  const { centre, store, pusher } = await makeTill(t);
  sellMany(store, 300);
  const lengths: number[] = [];
  centre.meddle = (request, response, when) => {
    if (when === "after") lengths.push(centre.pushes.at(-1)?.rows.length ?? 0);
    if (when === "after" || Number(request.headers["content-length"]) < 6000) return false;
    response.writeHead(413, { "content-type": "application/json" });
    response.end(JSON.stringify(bad(413, "SB508", "push_too_large")[1]));
    return true;
  };
  await pusher.pushNow();
  t.is(store.queue().waiting, 0);
  t.is(centre.rows.size, 300);
  t.true(Math.max(...lengths) < 256);
});

test.serial("a centre that was restored gets again what it lost, of all epochs", async (t) => {
  const { centre, store, pusher } = await makeTill(t);
  sell(store, 1);
  sell(store, 2);
  await pusher.pushNow();
  store.beginChain(store.chain.device, "restored");
  sell(store, 3);
  await pusher.pushNow();
  t.is(centre.rows.size, 3);
  const [first] = centre.rows.keys();
  for (const id of [...centre.rows.keys()].slice(1)) {
    centre.rows.delete(id);
    centre.verdicts.delete(id);
  }
  centre.epoch = randomUUID();
  centre.verdictNo = 1;
  await pusher.pushNow();
  t.is(centre.rows.size, 3);
  t.true(centre.rows.has(first ?? ""));
  t.deepEqual(standings(store), ["accepted", "accepted", "accepted"]);
});

test.serial("a row that the centre lacks is sent again, though it was accepted once", async (t) => {
  const { centre, store, pusher } = await makeTill(t);
  const facts = [1, 2, 3].map((amount) => sell(store, amount));
  await pusher.pushNow();
  centre.rows.delete(facts[1]!.id);
  centre.verdicts.delete(facts[1]!.id);
  await pusher.pushNow();
  await pusher.pushNow();
  t.is(centre.rows.size, 3);
  t.is(store.queue().waiting, 0);
});

test.serial(
  "a machine that was restored as a whole is told by the centre, and begins an epoch",
  async (t) => {
    const { centre, address, place, store, pusher } = await makeTill(t);
    sell(store, 1);
    await pusher.pushNow();
    await pusher.stop();
    store.close();
    const copies = join(place.root, "copies");
    cpSync(place.folder, join(copies, "store"), { recursive: true });
    cpSync(place.anchorFolder, join(copies, "anchors"), { recursive: true });
    const later = openStore(place);
    sell(later, 2);
    const second = new Pusher(later, { pace });
    await second.pushNow();
    await second.stop();
    const { epoch } = later.chain;
    later.close();
    for (const folder of [place.folder, place.anchorFolder]) rmSync(folder, { recursive: true });
    cpSync(join(copies, "store"), place.folder, { recursive: true });
    cpSync(join(copies, "anchors"), place.anchorFolder, { recursive: true });
    const restored = openStore(place);
    t.is(restored.chain.epoch, epoch, "nothing here can show it");
    const third = new Pusher(restored, { pace });
    await third.pushNow();
    t.like(restored.chain, { epoch_no: 2, reason: "restored", previous_seq: 2 });
    t.is(centre.pushes.at(-1)?.previous?.seq, 2);
    sell(restored, 4);
    await third.pushNow();
    t.deepEqual(
      [...centre.rows.values()].map(({ amount }) => amount),
      ["1", "2", "4"],
    );
    t.is(centre.askedForRows, 1, "an older centre has no such call, and is not asked again");
    t.is(third.state().connection, "online");
    await third.stop();
    restored.close();
    t.truthy(address);
  },
);

test.serial("an answer that belongs to an older push begins no epoch", async (t) => {
  const { centre, store, pusher } = await makeTill(t);
  sell(store, 1);
  centre.state = "restored";
  await pusher.pushNow();
  t.is(store.queue().waiting, 0);
  t.is(store.chain.epoch_no, 1);
});

test.serial(
  "by file: bodies of pushes go out, answers come in, and only this till's",
  async (t) => {
    const { centre, store } = await makeTill(t);
    sellMany(store, 300);
    const { pushes } = exportWaiting(store);
    t.deepEqual(
      pushes.map(({ rows }) => rows.length),
      [256, 44],
    );
    t.is(store.queue().waiting, 300, "they wait on");
    const answers = [];
    for (const push of pushes) {
      const response = await fetch(`${store.settings.get("centre")}/api/v1/sync/push`, {
        method: "POST",
        headers: { authorization: `Bearer ${store.settings.get(`key:${push.device}`)}` },
        body: JSON.stringify(push),
      });
      const { data } = (await response.json()) as { data: object };
      answers.push({ epoch: push.epoch, data });
    }
    const file = { saldo_branch_answers: 1, answers };
    const foreign = { ...file, answers: [...answers, { ...answers[0], epoch: randomUUID() }] };
    t.throws(() => importAnswers(store, foreign), { message: /another till/ });
    t.is(store.queue().waiting, 300);
    t.is(importAnswers(store, file), 2);
    t.is(store.queue().waiting, 0);
    t.is(centre.rows.size, 300);
  },
);

test.serial(
  "the next push is due around the interval, a retry anywhere below a limit that doubles",
  (t) => {
    t.is(
      untilNextPush(defaultPace, () => 0),
      24_000,
    );
    t.is(
      untilNextPush(defaultPace, () => 1),
      36_000,
    );
    const most = (failures: number) => untilRetry(defaultPace, failures, () => 1);
    t.deepEqual([1, 2, 3, 8, 9, 500].map(most), [2000, 4000, 8000, 256_000, 300_000, 300_000]);
    t.is(
      untilRetry(defaultPace, 5, () => 0),
      0,
    );
    t.is(
      untilRetry(defaultPace, 1, () => 0, 60_000),
      60_000,
    );
  },
);
