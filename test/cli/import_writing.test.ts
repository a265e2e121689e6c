import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { runProgram } from "../_support/process.ts";

let database: TestDatabase;
let folder: string;
test.before(async () => {
  database = await openTestDatabase(5);
  folder = await mkdtemp(join(tmpdir(), "saldo-writing-"));
  await database.pool.query(`
    select saldo.create_customer('A', 'Ayu');
    select saldo.install_meter(1, 'm', 'volume', '2025-01-01 00:00+07');
  `);
});
test.after.always(async () => {
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

let written = 0;
/** Imports a file of these lines; the exit code, all that was printed, and the report. */
async function imported(kind: string, lines: string[], ...words: string[]) {
  written += 1;
  const path = join(folder, `${written}.csv`);
  const report = join(folder, `${written}.report.csv`);
  await writeFile(path, `${lines.join("\n")}\n`);
  const program = runProgram(
    "bin/saldo.js",
    ["import", kind, path, "--apply", "--delimiter", ";", "--report", report, ...words],
    { DATABASE_URL: database.connectionString },
  );
  const code = await program.ended;
  const output = program.output();
  return {
    code,
    output,
    last: output.trim().split("\n").at(-1),
    report: (await readFile(report, "utf8")).trim().split("\r\n"),
  };
}

const deposits = (...rows: string[]) => ["customer;amount;occurred_at;description", ...rows];
const readings = (...rows: string[]) => ["customer;meter;read_at;volume;quality", ...rows];
const all = async (text: string) => (await database.pool.query(text)).rows;
const amounts = async (month: number) =>
  (
    await all(
      `select trim_scale(amount)::text as amount from saldo.deposit
      where extract(month from occurred_at at time zone 'Asia/Jakarta') = ${month} order by id`,
    )
  ).map(({ amount }) => amount);

test.serial("a file that a spreadsheet saved again says the same", async (t) => {
  const first = await imported(
    "deposits",
    deposits(
      "A;5000;2025-02-01T08:00;Caf\u00e9",
      "A;5000;2025-02-01T08:00;Caf\u00e9",
      "A;7;2025-02-02T09:30;",
    ),
  );
  t.is(first.last, "3 rows, 3 imported, 0 imported before, 0 refused");
  // Zeros, seconds, offsets, and the other form of the same letter.
  for (const rows of [
    ["A;5000.00;2025-02-01 08:00:00;Caf\u00e9", "A;5000.0;2025-02-01T08:00:00.000;Cafe\u0301"],
    ["A;05000;2025-02-01T08:00:00+07:00;Caf\u00e9 ", "A;5000;2025-02-01T01:00:00Z;Caf\u00e9"],
  ]) {
    const again = await imported("deposits", deposits(...rows, "A;7.00;2025-02-02T02:30:00Z;"));
    t.is(again.last, "3 rows, 0 imported, 3 imported before, 0 refused", again.output);
  }
  t.deepEqual(await amounts(2), ["5000", "5000", "7"]);
});

test.serial("readings of a file that was saved again are the same, too", async (t) => {
  const first = await imported("readings", readings("A;m;2025-02-01T08:00;12.5;"));
  t.is(first.last, "1 rows, 1 imported, 0 imported before, 0 refused, 1 not rated");
  const again = await imported("readings", readings("A;m;2025-02-01T01:00:00Z;12.500;actual"));
  t.is(again.last, "1 rows, 0 imported, 1 imported before, 0 refused");
});

test.serial("rows that are there under another key are told as possibly the same", async (t) => {
  const [known] = await all("select id from saldo.deposit where amount = 7");
  const keyed = ["customer;amount;occurred_at;key", "A;7.00;2025-02-02T09:30;bank-1"];
  const deposit = await imported("deposits", keyed);
  t.is(deposit.code, 0);
  t.true(deposit.output.includes(`row 2: possibly the same as deposit ${known.id}\n`));
  t.is(deposit.last, "1 rows, 1 imported, 0 imported before, 0 refused, 1 possibly the same");
  t.regex(
    deposit.report[1] ?? "",
    new RegExp(`^2,true,.*possibly the same as deposit ${known.id}$`),
  );

  const [reading] = await all("select id from saldo.reading");
  const read = await imported("readings", [
    "customer;meter;read_at;volume;key",
    "A;m;2025-02-01T08:00:00;12.50;book-1",
  ]);
  t.is(read.code, 0);
  t.is(read.last, "1 rows, 0 imported, 1 imported before, 0 refused, 1 possibly the same");
  t.true(read.report[1]?.startsWith(`2,true,${reading.id},`));
  t.is((await all("select from saldo.reading")).length, 1);
});

test.serial(
  "thousands are never read as decimals, and nothing of such a file is taken",
  async (t) => {
    const cases: [sb: string, kind: string, lines: string[], words: string[]][] = [
      ["SB003", "deposits", deposits("A;500;2025-03-01T08:00;", "A;250.000;2025-03-01T08:00;"), []],
      [
        "SB435",
        "deposits",
        deposits("A;500;2025-03-01T08:00;", "A;1.250.000;2025-03-01T08:00;"),
        [],
      ],
      ["SB435", "deposits", deposits("A;500;2025-03-01T08:00;", "A;12,50;2025-03-01T08:00;"), []],
      [
        "SB435",
        "readings",
        readings("A;m;2025-03-01T08:00;1.250;", "A;m;2025-03-02T08:00;1,5;"),
        [],
      ],
      // Said to have a decimal comma, and nothing between thousands.
      ["SB435", "deposits", deposits("A;250.000;2025-03-01T08:00;"), ["--decimal-comma"]],
      ["SB003", "deposits", deposits("A;250,000;2025-03-01T08:00;"), ["--decimal-comma"]],
      [
        "SB435",
        "deposits",
        deposits("A;1.25;2025-03-01T08:00;"),
        ["--decimal-comma", "--thousands"],
      ],
    ];
    for (const [sb, kind, lines, words] of cases) {
      const { code, output } = await imported(kind, lines, ...words).catch((error) => error);
      t.is(code, 2, output);
      t.true(output.startsWith(`${sb}: `), output);
      t.regex(output, new RegExp(`row ${lines.length}: `));
      t.regex(output, /--thousands/);
    }
    t.deepEqual(await amounts(3), []);
  },
);

test.serial("--decimal-comma and --thousands say how numbers are written", async (t) => {
  const at = (day: number) => `2025-04-0${day}T08:00`;
  for (const [lines, ...words] of [
    [deposits(`A;250.000;${at(1)};`, `A;1.250.000,5;${at(1)};`), "--decimal-comma", "--thousands"],
    [deposits(`A;250,000;${at(2)};`, `A;1250000.50;${at(2)};`), "--thousands"],
    [deposits(`A;12,5;${at(3)};`, `A;500;${at(3)};`), "--decimal-comma"],
  ] as [string[], ...string[]][]) {
    const { code, output } = await imported("deposits", lines, ...words);
    t.is(code, 0, output);
  }
  t.deepEqual(await amounts(4), ["250000", "1250000.5", "250000", "1250000.5", "12.5", "500"]);
  const plain = await imported("deposits", deposits(`A;250000;${at(1)};`));
  t.is(plain.last, "1 rows, 0 imported, 1 imported before, 0 refused", "the same as 250.000 said");
});

test.serial("readings that have no price are told, with their reason and how many", async (t) => {
  await database.pool.query("select saldo.add_tariff_version(10, '2025-04-02')");
  const lines = readings("A;m;2025-04-01T08:00;5;actual", "A;m;2025-04-03T08:00;5;actual");
  const dry = await imported("readings", lines, "--dry-run");
  t.is(dry.code, 0, dry.output);
  t.regex(dry.output, /^not rated, no price and no correction factor: 1$/m);
  t.regex(dry.output, /^not rated, no correction factor: 1$/m);
  t.is(
    dry.last,
    "dry run, nothing written: 2 rows, 2 imported, 0 imported before, 0 refused, 2 not rated",
  );
  const done = await imported("readings", lines);
  t.is(done.last, "2 rows, 2 imported, 0 imported before, 0 refused, 2 not rated");
  t.regex(String(done.report[1]), /,not rated: no price and no correction factor for 2025-04-01$/);
});
