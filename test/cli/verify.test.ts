import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { verifyCopy } from "../../src/journal_copy/verify_copy.ts";
import type { TestDatabase } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";
import { runProgram } from "../_support/process.ts";
import { openSealedBooks, tamperings } from "../closing/_sealed_books.ts";

let folder: string;
let database: TestDatabase;
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), "saldo-verify-"));
  database = await openSealedBooks();
});
test.after.always(async () => {
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `saldo`; its exit code and all that it printed. */
async function saldo(words: string[], url?: string) {
  const program = runProgram("bin/saldo.js", words, { ...(url ? { DATABASE_URL: url } : {}) });
  const code = await program.ended;
  return { code, output: program.output() };
}

let made = 0;
async function copyOf(url: string): Promise<string> {
  made += 1;
  const to = join(folder, `copy ${made}`);
  const { code, output } = await saldo(["export", "--to", to], url);
  if (code !== 0) throw new Error(output);
  return to;
}

const kindsOf = async (copy: string) => [
  ...new Set((await verifyCopy(copy)).differences.map(({ kind }) => kind)),
];

/** Changes a file of a copy. */
async function edit(copy: string, name: string, change: (text: string) => string): Promise<void> {
  const path = join(copy, name);
  const text = await readFile(path, "utf8");
  const changed = change(text);
  if (changed === text) throw new Error(`nothing of ${name} was changed`);
  await writeFile(path, changed);
}

test.serial("database and copy verify alike, and have the same head", async (t) => {
  const url = database.connectionString;
  const here = await saldo(["verify"], url);
  t.is(here.code, 0, here.output);
  t.regex(
    here.output,
    /^no differences; 6 entries sealed, 0 not yet; head: seal \d+ [0-9a-f]{64}\n$/,
  );
  const copy = await copyOf(url);
  const there = await saldo(["verify", "--from", copy]);
  t.deepEqual(there, here, "two implementations, one result");
  const head = await saldo(["verify", "--head"], url);
  t.deepEqual(await saldo(["verify", "--head", "--from", copy]), head);
  const hash = head.output.trim().split(" ").at(-1) ?? "";
  t.is((await saldo(["verify", "--expect", hash], url)).code, 0);
  t.is((await saldo(["verify", "--from", copy, "--expect", hash])).code, 0);
  const other = "0".repeat(64);
  for (const words of [
    ["verify", "--expect", other],
    ["verify", "--from", copy, "--expect", other],
  ]) {
    const { code, output } = await saldo(words, url);
    t.is(code, 1);
    t.regex(output, /^chain_broken the expected seal: 0{64}, not no seal has this hash/);
  }
});

test.serial("what cannot run ends with 2", async (t) => {
  const copy = await copyOf(database.connectionString);
  t.is((await saldo(["verify", "--from", join(folder, "nowhere")])).code, 2);
  t.is((await saldo(["verify", "--expect", "abc"], database.connectionString)).code, 2);
  t.is((await saldo(["verify"], "postgres://nobody:x@127.0.0.1:1/none")).code, 2);
  t.is((await saldo(["export"], database.connectionString)).code, 2);
  const again = await saldo(["export", "--to", copy], database.connectionString);
  t.is(again.code, 2);
  t.regex(again.output, /is not empty/);
  await edit(copy, "journal.ndjson", (text) => text.replace("{", "("));
  const broken = await saldo(["verify", "--from", copy]);
  t.is(broken.code, 2);
  t.regex(broken.output, /^Row 1 of journal.ndjson is no JSON/);
  await rm(join(copy, "journal.ndjson"));
  t.is((await saldo(["verify", "--from", copy])).code, 2);
});

const texts: [name: string, file: string, change: (text: string) => string, kind: string][] = [
  ["an amount", "journal", (s) => s.replaceAll('"300"', '"301"'), "line_changed"],
  ["other words", "journal", (s) => s.replace("February", "x"), "entry_changed"],
  ["a row that is gone", "journal", (s) => s.slice(s.indexOf("\n") + 1), "entry_missing"],
  ["a row twice", "journal", (s) => s.slice(0, s.indexOf("\n") + 1) + s, "entry_doubled"],
  ["a balance", "account", (s) => s.replace('"605.25"', '"605.26"'), "account_differs"],
  ["a month", "month_movement", (s) => s.replace('"300.25"', '"300.26"'), "month_differs"],
  ["a closed month", "closing_snapshot", (s) => s.replace('"300.25"', '"3"'), "snapshot_differs"],
  ["a seal's actor", "journal_seal", (s) => s.replace('"admin"', '"x"'), "seal_changed"],
  ["a seal that is gone", "journal_seal", (s) => s.slice(s.indexOf("\n") + 1), "seal_missing"],
  ["a row of a list", "journal_seal_entry", (s) => s.slice(s.indexOf("\n") + 1), "seal_changed"],
];
for (const [name, file, change, kind] of texts) {
  test.serial(`a copy with a change of ${name} does not verify`, async (t) => {
    const copy = await copyOf(database.connectionString);
    await edit(copy, `${file}.ndjson`, change);
    const kinds = await kindsOf(copy);
    t.true(kinds.includes(kind), `${kind} in ${kinds}`);
    t.true(kinds.includes("file_changed"), "nor is it the file of the manifest");
  });
}

for (const { name, kinds, plant } of tamperings) {
  test.serial(`a copy of books with ${name} does not verify`, async (t) => {
    const books = await openSealedBooks();
    await forced(books.pool, (client) => client.query(plant));
    const copy = await copyOf(books.connectionString);
    const found = await kindsOf(copy);
    // A copy cannot know which unsealed entry the engine never posted; the books show it as well.
    const wanted = kinds.filter((kind) => !["entry_doubled", "entry_inserted"].includes(kind));
    t.deepEqual(
      wanted.filter((kind) => !found.includes(kind)),
      [],
      `found ${found.join(", ")}`,
    );
    await books.close();
  });
}
