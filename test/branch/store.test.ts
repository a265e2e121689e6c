import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test from "ava";
import { isHashRight } from "../../src/branch/protocol/canonical.ts";
import { rowSchema } from "../../src/branch/protocol/schema.ts";
import { copyToday } from "../../src/branch/store/daily_copy.ts";
import { openDatabase, read } from "../../src/branch/store/database.ts";
import { waitingQuery } from "../../src/branch/store/queue.ts";
import { SCHEMA_VERSION, upgrade } from "../../src/branch/store/schema.ts";
import { StoreRefused, TillError } from "../../src/branch/till_error.ts";
import { bodies, makeClock, makePlace, openStore, sell } from "./_till.ts";

/** The store of a till: what it keeps, and what it does not let happen. */

test("rows have numbers without a gap and a chain of right hashes", (t) => {
  const store = openStore(makePlace(t));
  const first = sell(store, 20_000);
  sell(store, 5000, "OUT");
  store.addVoid({ voids: first.id, reason: "salah" });
  store.addCount({ at: "close", counted: 1n });
  const rows = bodies(store);
  let prev: string | null = null;
  for (const [index, { epoch, ...row }] of rows.entries()) {
    const parsed = rowSchema.parse(row);
    t.is(parsed.seq, index + 1);
    t.is(parsed.prev, prev);
    t.true(isHashRight({ device: store.chain.device, epoch }, parsed));
    prev = parsed.hash;
  }
  t.is(rows.length, 4);
  store.close();
});

test("cash falls at once, a void takes its entry back, a count changes nothing", (t) => {
  const store = openStore(makePlace(t));
  const sale = sell(store, 20_000);
  sell(store, 5000, "OUT");
  t.is(store.summary().balance, 15_000);
  const taken = store.addVoid({ voids: sale.id, reason: "salah ketik" });
  t.is(taken.type, "OUT");
  t.like(store.summary(), { balance: -5000, today: { in: 0, out: 5000, count: 2 } });
  const counted = store.addCount({ at: "close", counted: 100n });
  t.is(counted.expected, "-5000");
  t.is(store.summary().balance, -5000);
  t.is(store.findOne(sale.id).voided_by, taken.id);
  store.close();
});

test("an entry is voided once, and nothing but an entry", (t) => {
  const store = openStore(makePlace(t));
  const sale = sell(store, 100);
  const taken = store.addVoid({ voids: sale.id, reason: "x" });
  const refused = (voids: string) =>
    t.throws(() => store.addVoid({ voids, reason: "x" }), { instanceOf: TillError })?.condition;
  t.is(refused(sale.id), "already_voided");
  t.is(refused(taken.id), "not_allowed");
  t.is(refused("00000000-0000-4000-8000-000000000000"), "not_found");
  t.is(store.find({ page: 1, limit: 10 }).total, 2);
  store.close();
});

test("a correction is a void and an entry, together or not at all", (t) => {
  const store = openStore(makePlace(t));
  const sale = sell(store, 20_000);
  const input = { type: "IN", amount: 2000n, category: "Penjualan", reason: "nol" } as const;
  const corrected = store.addEntry({ ...input, corrects: sale.id });
  t.is(store.summary().balance, 2000);
  t.like(store.findOne(sale.id), { corrected_by: corrected.id });
  t.truthy(store.findOne(sale.id).voided_by);
  t.throws(() => store.addEntry({ ...input, corrects: sale.id }), { message: /voided already/ });
  t.is(store.find({ page: 1, limit: 10 }).total, 3);
  store.close();
});

test("the same request again is the same row, another one under its id is refused", (t) => {
  const store = openStore(makePlace(t));
  const input = {
    id: "0b3c0b1e-58a3-4f0e-9f49-0d8a5a3f2a11",
    type: "IN",
    amount: 100n,
    category: "a",
  } as const;
  const first = store.addEntry(input);
  t.deepEqual(store.addEntry(input), first);
  t.throws(() => store.addEntry({ ...input, amount: 101n }), { message: /this id/ });
  t.is(store.summary().balance, 100);
  store.close();
});

test("no statement changes or deletes a fact", (t) => {
  const store = openStore(makePlace(t));
  sell(store, 100);
  for (const sql of [
    "update fact set amount = 1",
    "delete from fact",
    "update fact set id = 'x'",
  ]) {
    t.throws(() => store.database.exec(sql), { message: /a fact is never/ }, sql);
  }
  t.throws(() => store.database.exec("update verdict set body = ''; delete from fact"));
  store.close();
});

test("the day is the branch's, whatever the machine's zone is", (t) => {
  const { clock, set } = makeClock();
  const store = openStore(makePlace(t), clock);
  set("2026-03-10T16:59:00.000Z");
  t.is(sell(store, 1).business_date, "2026-03-10");
  set("2026-03-10T17:00:00.000Z");
  t.is(sell(store, 1).business_date, "2026-03-11");
  store.close();
});

test("a clock that is a year off stops nothing, and is said when it went back", (t) => {
  const { clock, set } = makeClock();
  const store = openStore(makePlace(t), clock);
  set("2027-03-10T03:00:00.000Z");
  sell(store, 1);
  t.false(store.warnings().includes("clock_went_back"));
  set("2026-03-10T03:00:00.000Z");
  sell(store, 2);
  const [newest, older] = store.find({ page: 1, limit: 2 }).facts;
  t.deepEqual([newest?.amount, older?.amount], [2, 1]);
  set("2025-03-10T03:00:00.000Z");
  t.true(store.warnings().includes("clock_went_back"));
  store.close();
});

test("pages, filters and words find what they should", (t) => {
  const { clock, set } = makeClock();
  const store = openStore(makePlace(t), clock);
  for (let each = 1; each <= 25; each += 1) sell(store, each * 1000, each % 5 ? "IN" : "OUT");
  store.addEntry({ type: "IN", amount: 7n, category: "50%_off", description: "Kopi Susu" });
  set("2026-04-01T03:00:00.000Z");
  const last = sell(store, 20_000);
  const count = (search: object) => store.find({ page: 1, limit: 100, ...search }).total;
  t.is(count({}), 27);
  t.is(count({ type: "OUT" }), 5);
  t.is(count({ q: "kopi" }), 1);
  t.is(count({ q: "20.000" }), 2);
  t.is(count({ q: "Rp 20.000" }), 2);
  t.is(count({ q: "%_" }), 1);
  t.is(count({ q: "'" }), 0);
  t.is(count({ q: last.id }), 1);
  t.is(count({ q: last.receipt_no }), 1);
  t.is(count({ q: last.short_hash }), 1);
  t.is(count({ from: "2026-04-01" }), 1);
  t.is(count({ to: "2026-03-31" }), 26);
  t.is(count({ standing: "waiting" }), 27);
  t.is(count({ standing: "sent" }), 0);
  const { facts } = store.find({ page: 3, limit: 10 });
  t.is(facts.length, 7);
  t.is(facts.at(-1)?.amount, 1000);
  store.close();
});

test("a store is opened by one program, and given back however that ends", (t) => {
  const place = makePlace(t);
  const store = openStore(place);
  store.announce(8080);
  t.throws(() => openStore(place), { instanceOf: StoreRefused, message: /in use by process \d+/ });
  store.close();
  openStore(place).close();
});

test("sync is full and the log is a write-ahead one, by what SQLite says", (t) => {
  const { database, close } = { ...openStoreParts(t) };
  t.is(read(database, "pragma synchronous"), 2);
  t.is(read(database, "pragma journal_mode"), "wal");
  t.is(read(database, "pragma foreign_keys"), 1);
  close();
});

function openStoreParts(t: Parameters<typeof makePlace>[0]) {
  const store = openStore(makePlace(t));
  return { database: store.database, close: () => store.close() };
}

test("an older program does not open a newer store, and leaves it as it is", (t) => {
  const place = makePlace(t);
  const store = openStore(place);
  sell(store, 100);
  store.database.exec(`pragma user_version = ${SCHEMA_VERSION + 1}`);
  store.close();
  t.throws(() => openStore(place), { instanceOf: StoreRefused, message: /newer program/ });
  const database = new DatabaseSync(join(place.folder, "till.db"));
  t.is(read(database, "select count(*) from fact"), 1);
  t.is(read(database, "pragma user_version"), SCHEMA_VERSION + 1);
  database.close();
});

test("an upgrade keeps a copy, and is done as a whole or not at all", (t) => {
  const place = makePlace(t);
  const store = openStore(place);
  sell(store, 100);
  const file = join(place.folder, "till.db");
  const former = Array.from({ length: SCHEMA_VERSION }, () => "");
  const good = [...former, "alter table setting add column changed_at text"];
  const bad = [...former, "create table extra (a integer) strict; select no_such_thing"];
  t.throws(() => upgrade(store.database, file, bad));
  t.is(read(store.database, "select count(*) from sqlite_schema where name = 'extra'"), 0);
  t.is(read(store.database, "pragma user_version"), SCHEMA_VERSION);
  upgrade(store.database, file, good);
  t.is(read(store.database, "pragma user_version"), SCHEMA_VERSION + 1);
  store.close();
  const copy = join(place.folder, "backups", `before-form-${SCHEMA_VERSION + 1}.db`);
  const database = openDatabase(copy);
  t.is(read(database, "pragma user_version"), SCHEMA_VERSION);
  t.is(read(database, "select count(*) from fact"), 1);
  database.close();
});

test("a copy is made once a day, can be opened, and the oldest go", async (t) => {
  const place = makePlace(t);
  const { clock, set } = makeClock();
  const store = openStore(place, clock);
  sell(store, 100);
  await copyToday(store);
  sell(store, 100);
  await copyToday(store);
  const folder = join(place.folder, "backups");
  t.deepEqual(readdirSync(folder), ["daily-2026-03-10.db"]);
  const copy = openDatabase(join(folder, "daily-2026-03-10.db"));
  t.is(read(copy, "select count(*) from fact"), 1);
  copy.close();
  for (let day = 1; day <= 15; day += 1) {
    set(`2026-04-${String(day).padStart(2, "0")}T03:00:00.000Z`);
    await copyToday(store);
  }
  const kept = readdirSync(folder).filter((name) => name.endsWith(".db"));
  t.is(kept.length, 14);
  t.is(kept.sort()[0], "daily-2026-04-02.db");
  store.close();
});

test("a file that is damaged, or is not ours, is refused in one sentence", (t) => {
  const place = makePlace(t);
  openStore(place).close();
  const file = join(place.folder, "till.db");
  writeFileSync(file, "no database at all, but long enough to be looked at".repeat(100));
  t.throws(() => openStore(place), { instanceOf: StoreRefused, message: /damaged/ });
  rmSync(file);
  const other = new DatabaseSync(file);
  other.exec("create table theirs (a integer)");
  other.close();
  t.throws(() => openStore(place), { instanceOf: StoreRefused, message: /not a store of a till/ });
});

test("a store that comes back from a copy begins a new epoch before its first sale", (t) => {
  const place = makePlace(t);
  const store = openStore(place);
  sell(store, 100);
  const { device, epoch } = store.chain;
  store.close();
  cpSync(place.folder, join(place.root, "copy"), { recursive: true });
  const later = openStore(place);
  t.is(later.chain.epoch, epoch, "a plain start goes on");
  const last = sell(later, 200);
  const [, lost] = bodies(later);
  later.close();

  rmSync(place.folder, { recursive: true });
  cpSync(join(place.root, "copy"), place.folder, { recursive: true });
  const restored = openStore(place);
  t.is(restored.chain.device, device);
  t.not(restored.chain.epoch, epoch);
  t.like(restored.chain, { epoch_no: 2, previous_epoch: epoch, previous_seq: 2 });
  t.true(restored.warnings().includes("store_restored"));
  const fresh = sell(restored, 300);
  t.not(fresh.receipt_no, last.receipt_no);
  t.is(bodies(restored).at(-1).seq, 1);
  t.is(bodies(restored).at(-1).prev, lost.hash);
  restored.close();
});

test("a store that is copied to another folder or machine begins a new epoch", (t) => {
  const place = makePlace(t);
  const store = openStore(place);
  sell(store, 100);
  store.close();
  const folder = join(place.root, "clone");
  cpSync(place.folder, folder, { recursive: true });
  const clone = openStore({ ...place, folder });
  t.not(clone.chain.epoch, store.chain.epoch);
  clone.close();
  const elsewhere = openStore({ ...place, folder, anchorFolder: join(place.root, "other") });
  t.is(elsewhere.chain.epoch_no, 3);
  elsewhere.close();
});

test("an anchor that cannot be written is said, and loses no sale", (t) => {
  const place = makePlace(t);
  writeFileSync(place.anchorFolder, "a file where a folder should be");
  const store = openStore(place);
  t.is(sell(store, 100).amount, 100);
  t.true(store.warnings().includes("anchor_not_written"));
  store.close();
});

test("sums that no JSON number holds are refused before they are stored", (t) => {
  const store = openStore(makePlace(t));
  for (let each = 0; each < 9; each += 1) sell(store, 999_999_999_999_999n);
  t.throws(() => sell(store, 999_999_999_999_999n), { message: /^NOT saved/ });
  t.is(store.summary().balance, 8_999_999_999_999_991);
  store.close();
});

test("a full disk says that it is NOT saved, and nothing of it is", (t) => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    t.log("skipped: a small file system is mounted by root on Linux only");
    t.pass();
    return;
  }
  const place = makePlace(t);
  const disk = join(place.root, "disk");
  execFileSync("mkdir", [disk]);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], { stdio: "pipe" });
  } catch {
    t.log("skipped: this machine lets nobody mount a file system");
    t.pass();
    return;
  }
  t.teardown(() => execFileSync("umount", ["-l", disk]));
  const store = openStore({ ...place, folder: join(disk, "store") });
  let saved = 0;
  const error = t.throws(
    () => {
      for (; saved < 10_000; saved += 1) {
        store.addEntry({ type: "IN", amount: 1n, category: "a", description: "x".repeat(400) });
      }
    },
    { instanceOf: TillError },
  );
  t.is(error?.condition, "disk_full");
  t.regex(error?.message ?? "", /^NOT saved/);
  t.true(store.warnings().includes("disk_low"));
  t.is(store.summary().balance, saved);
  t.is(store.queue().waiting, saved);
  store.close();
  t.true(existsSync(join(disk, "store")) && readdirSync(join(disk, "store")).length > 0);
  const again = openStore({ ...place, folder: join(disk, "store") });
  t.is(again.summary().balance, saved);
  again.close();
});

test("what waits is found without a look at all that was ever sold", (t) => {
  const store = openStore(makePlace(t));
  const plan = store.database
    .prepare(`explain query plan ${waitingQuery}`)
    .all("e", 0, 1)
    .map(({ detail }) => String(detail));
  t.regex(plan[0] ?? "", /fact_state USING .*INDEX fact_state_waiting/);
  t.false(
    plan.some((step) => /TEMP B-TREE/.test(step)),
    plan.join("\n"),
  );
  store.close();
});
