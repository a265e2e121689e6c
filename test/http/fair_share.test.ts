import { setImmediate as settled } from "node:timers/promises";
import test from "ava";
import { type Demand, Lane, type OwnTurn } from "../../src/http/fair_share.ts";

const sizes = { slotCount: 3, callerQueueMax: 100, queueMax: 200, waitMsMax: 60_000 };

const demand = (holder: string, slotCountMax = 3, slotCount = 1): Demand => ({
  shares: [{ holder, slotCountMax }],
  slotCount,
});

/** Enters, and notes under which name it began. */
function enter(lane: Lane, began: [string, OwnTurn][], name: string, asked: Demand) {
  return lane.enter(asked).then((turn) => void began.push([name, turn]));
}

const refused = { name: "Refusal", message: "Too many requests at once; this one was not begun." };

test("what finds a slot begins at once, the rest when one is free", async (t) => {
  const lane = new Lane(sizes);
  const turns = await Promise.all([1, 2, 3].map(() => lane.enter(demand("a"))));
  t.is(lane.runningCount, 3);
  const began: [string, OwnTurn][] = [];
  void enter(lane, began, "fourth", demand("a"));
  await settled();
  t.deepEqual([began.length, lane.waitingCount], [0, 1]);
  turns[0]?.end();
  turns[0]?.end();
  await settled();
  t.deepEqual([began.length, lane.waitingCount, lane.runningCount], [1, 0, 3]);
});

test("callers are served in turns, however many wait of one of them", async (t) => {
  const lane = new Lane({ ...sizes, slotCount: 1 });
  const first = await lane.enter(demand("a"));
  const began: [string, OwnTurn][] = [];
  for (let index = 1; index <= 50; index += 1) void enter(lane, began, `a${index}`, demand("a"));
  for (const name of ["b1", "b2"]) void enter(lane, began, name, demand("b"));
  void enter(lane, began, "c1", demand("c"));
  first.end();
  for (let index = 0; index < 6; index += 1) {
    await settled();
    began[index]?.[1].end();
  }
  t.deepEqual(
    began.slice(0, 6).map(([name]) => name),
    ["a1", "b1", "c1", "a2", "b2", "a3"],
  );
});

test("a caller leaves some slots to others, who begin although it waits", async (t) => {
  const lane = new Lane(sizes);
  const began: [string, OwnTurn][] = [];
  for (const name of ["a1", "a2", "a3"]) void enter(lane, began, name, demand("a", 2));
  void enter(lane, began, "b1", demand("b", 2));
  await settled();
  t.deepEqual(
    began.map(([name]) => name),
    ["a1", "a2", "b1"],
  );
});

test("a request counts against everybody it is held to account for", async (t) => {
  const lane = new Lane(sizes);
  const began: [string, OwnTurn][] = [];
  const from = (subject: string): Demand => ({
    shares: [
      { holder: subject, slotCountMax: 3 },
      { holder: "address", slotCountMax: 2 },
    ],
    slotCount: 1,
  });
  for (const name of ["a", "b", "c"]) void enter(lane, began, name, from(name));
  await settled();
  t.deepEqual([began.length, lane.waitingCount], [2, 1]);
});

test("what wants many slots gets them, and no smaller one goes before it for ever", async (t) => {
  const lane = new Lane(sizes);
  const small = await lane.enter(demand("a"));
  const began: [string, OwnTurn][] = [];
  void enter(lane, began, "large", demand("b", 3, 9));
  void enter(lane, began, "small", demand("c"));
  await settled();
  t.deepEqual([began.length, lane.waitingCount], [0, 2]);
  small.end();
  await settled();
  t.deepEqual(
    began.map(([name]) => name),
    ["large"],
  );
  began[0]?.[1].end();
  await settled();
  t.is(began[1]?.[0], "small");
});

test("lines are bounded, of one caller and in all, and so is the wait", async (t) => {
  const lane = new Lane({ slotCount: 1, callerQueueMax: 2, queueMax: 3, waitMsMax: 1 });
  await lane.enter(demand("a"));
  const waiting = ["a", "a", "b"].map((name) => lane.enter(demand(name)));
  await t.throwsAsync(lane.enter(demand("a")), refused);
  await t.throwsAsync(lane.enter(demand("c")), refused);
  for (const each of waiting) await t.throwsAsync(each, refused);
  t.is(lane.waitingCount, 0);
});

test("a client that leaves gives up its place, and its slots once its work has ended", async (t) => {
  const lane = new Lane({ ...sizes, slotCount: 1 });
  const turn = await lane.enter(demand("a"));
  const left = new AbortController();
  const given = t.throwsAsync(lane.enter(demand("b"), left.signal), refused);
  left.abort();
  await given;
  t.is(lane.waitingCount, 0);

  const endPart = turn.begin();
  turn.end();
  t.is(lane.runningCount, 1, "the database still works for it");
  endPart();
  endPart();
  t.is(lane.runningCount, 0);
});
