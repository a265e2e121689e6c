import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { Client } from "pg";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { runProgram, runScript } from "../_support/process.ts";

let database: TestDatabase;
let folder: string;
test.before(async () => {
  database = await openTestDatabase(5);
  // Every reading is rated, or a check would tell of it.
  await database.pool.query(`
    select from saldo.add_tariff_version(1, '2025-01-01');
    select from saldo.add_correction_factor('2025-01-01', 'fixed', factor => 1)`);
  folder = await mkdtemp(join(tmpdir(), "saldo-cli-"));
});
test.after.always(async () => {
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `saldo`; its exit code and all that it printed. */
async function saldo(words: string[], environment: Record<string, string> = {}) {
  const program = runProgram("bin/saldo.js", words, {
    DATABASE_URL: database.connectionString,
    ...environment,
  });
  const code = await program.ended;
  return { code, output: program.output() };
}

let written = 0;
async function file(content: string | Buffer | string[]): Promise<string> {
  written += 1;
  const path = join(folder, `${written}.csv`);
  await writeFile(path, Array.isArray(content) ? `${content.join("\n")}\n` : content);
  return path;
}

async function one(text: string): Promise<string> {
  const { rows } = await database.pool.query(`select (${text})::text as value`);
  return rows[0].value;
}

const lastLine = (output: string) => output.trim().split("\n").at(-1);

test.serial("customers, meters, deposits and readings go in from files, once", async (t) => {
  const files = {
    customers: await file('\ufeffcode,name,currency\r\nA,Ayu,\r\nB,"Budi, the ""second""",IDR\r\n'),
    meters: await file(["customer,code,installed_at", "A,m,2025-01-01T00:00:00"]),
    deposits: await file([
      "customer,amount,occurred_at,description",
      "A,1000.50,2025-02-01T08:00:00+07:00,First",
      "A,1000.50,2025-02-01T08:00:00+07:00,First",
      "B,5,2025-02-02 09:00:00,",
    ]),
    readings: await file([
      "read_at,meter,customer,index_value",
      "2025-02-01T00:00:00,m,A,10",
      "2025-03-01T00:00:00,m,A,25.5",
    ]),
  };
  const counts = { customers: 2, meters: 1, deposits: 3, readings: 2 };
  for (const [kind, path] of Object.entries(files)) {
    const count = counts[kind as keyof typeof counts];
    t.deepEqual(await saldo(["import", kind, path, "--apply"]), {
      code: 0,
      output:
        `importing ${kind} 100 % (${count} of ${count})\n` +
        `${count} rows, ${count} imported, 0 imported before, 0 refused\n`,
    });
    const again = await saldo(["import", kind, path, "--apply"]);
    t.is(again.code, 0);
    t.is(
      lastLine(again.output),
      `${count} rows, 0 imported, ${count} imported before, 0 refused`,
      "the same again",
    );
  }
  t.is(await one("select name from saldo.customer where code = 'B'"), 'Budi, the "second"');
  t.is(await one("select trim_scale(sum(amount)) from saldo.deposit"), "2006");
  t.is(await one("select count(*) from saldo.reading"), "2");

  const longer = await file([
    "customer,amount,occurred_at,description",
    "B,7,2025-02-03 09:00:00,Put in before",
    "A,1000.50,2025-02-01T08:00:00+07:00,First",
  ]);
  t.is(
    lastLine((await saldo(["import", "deposits", longer, "--apply"])).output),
    "2 rows, 1 imported, 1 imported before, 0 refused",
  );
});

test.serial("each refused row is reported with its number, code and reason", async (t) => {
  const path = await file([
    "customer;amount;occurred_at;description;key",
    "A;Rp 20;2025-03-01T08:00:00;;",
    "A;20;01.03.2025;;",
    "A;20;2025-03-01T08:00:00",
    "nobody;20;2025-03-01T08:00:00;;",
    "",
    "A;20;2025-03-01T08:00:00;Good;march",
    "A;21;2025-03-01T08:00:00;Other;march",
    "A;20;2025-03-01T08:00:00;a zero \0 byte;",
  ]);
  const report = join(folder, "report.csv");
  const words = ["import", "deposits", path, "--delimiter", ";", "--report", report];
  const dry = await saldo([...words, "--dry-run"]);
  t.is(dry.code, 1);
  t.is(
    lastLine(dry.output),
    "dry run, nothing written: 7 rows, 1 imported, 0 imported before, 6 refused",
  );
  t.is(await one("select count(*) from saldo.deposit where amount in (20, 21)"), "0");

  const { code, output } = await saldo([...words, "--apply"]);
  t.is(code, 1);
  const refused = [...output.matchAll(/^row (\d+): (SB\d{3}) (.*)$/gm)];
  t.deepEqual(
    refused.map(([, row, sb]) => [Number(row), sb]),
    [
      [2, "SB002"],
      [3, "SB433"],
      [4, "SB432"],
      [5, "SB401"],
      [8, "SB005"],
      [9, "SB008"],
    ],
  );
  t.is(refused[0]?.[3], "The amount is not a positive number in plain digits. amount: 'Rp 20'");
  t.is(lastLine(output), "7 rows, 1 imported, 0 imported before, 6 refused");
  t.is(await one("select count(*) from saldo.deposit where amount in (20, 21)"), "1");
  const lines = (await readFile(report, "utf8")).trim().split("\r\n");
  t.is(lines[0], "row_no,is_accepted,id,error_code,message,detail");
  t.is(
    lines[1],
    "2,false,,SB002,The amount is not a positive number in plain digits.,amount: 'Rp 20'",
  );
  t.regex(lines[5] ?? "", /^7,true,[0-9a-f-]{36},,,$/);
  t.is(lines.length, 8);
});

test.serial("lines end as they like, also within one file", async (t) => {
  for (const content of [
    'code,name\r\nE1,Unix\nE2,Windows\r\nE3,"two\nlines"\n',
    'code,name\nF1,Unix\r\nF2,Windows\nF3,"two\nlines"\r\n',
    'code,name\rG1,Unix\rG2,Windows\rG3,"two\nlines"',
  ]) {
    // An end of a line within quotes is within the row, and a name that has one is refused.
    const { code, output } = await saldo(["import", "customers", await file(content), "--apply"]);
    t.is(code, 1, output);
    t.regex(output, /row 4: SB008 .*\n3 rows, 2 imported, 0 imported before, 1 refused/);
  }
  t.is(
    await one(
      `select jsonb_object_agg(n.name, n.count) from (
        select name, count(*) from saldo.customer where code ~ '^[EFG][123]$' group by name
      ) as n`,
    ),
    '{"Unix": 3, "Windows": 3}',
  );
});

test.serial("a report that cannot be written is refused before any row is used", async (t) => {
  const words = ["import", "customers", await file(["code,name", "R,Rudi"]), "--apply"];
  const nowhere = join(folder, "nowhere", "report.csv");
  const { code, output } = await saldo([...words, "--report", nowhere]);
  t.is(code, 2);
  t.regex(output, /report.*cannot be written \(ENOENT\)/);
  t.is(await one("select count(*) from saldo.customer where code = 'R'"), "0");
});

test.serial("a file that is wrong as a whole is refused before any row is used", async (t) => {
  const latin = Buffer.from("code,name\nL,Jos\xe9\n", "latin1");
  const cases: [string, string | Buffer | string[], RegExp][] = [
    ["SB430", latin, /utf-8/],
    ["SB431", ["code", "X"], /missing: name\n/],
    ["SB431", ["code,name,colour", "X,Y,red"], /unknown: colour\n/],
    ["SB431", ["code,name,name", "X,Y,Z"], /double: name\n/],
    ["SB431", ["Code,name", "X,Y"], /missing: code; unknown: Code\n/],
    ["SB431", "", /missing: code, name\n/],
    ["SB431", ["code;name", "X;Y"], /missing: code, name; unknown: code;name\n/],
    ["SB432", ["code,name", "X,Y", 'Z,"open'], /[Qq]uote/],
  ];
  for (const [sb, content, detail] of cases) {
    const { code, output } = await saldo(["import", "customers", await file(content), "--apply"]);
    t.is(code, 2, output);
    t.true(output.startsWith(`${sb}: `), output);
    t.regex(output, detail);
  }
  t.is(await one("select count(*) from saldo.customer where code in ('L', 'X')"), "0");
  const named = ["import", "customers", await file(latin), "--encoding", "windows-1252", "--apply"];
  t.is((await saldo(named)).code, 0);
  t.is(await one("select name from saldo.customer where code = 'L'"), "José");
});

test.serial("20,000 readings take ten statements, and a bad one costs only itself", async (t) => {
  const lines = ["customer,meter,read_at,index_value"];
  const meters = await file(["customer,code,installed_at", "B,big,2025-01-01T00:00"]);
  await saldo(["import", "meters", meters, "--apply"]);
  for (let index = 0; index < 20_000; index += 1) {
    const at = new Date(Date.UTC(2025, 5, 1, 0, index * 10)).toISOString();
    lines.push(`B,big,${at},${index === 12_345 ? "1" : index}`);
  }
  const path = await file(lines);
  const startedAt = Date.now();
  const { code, output } = await saldo(["import", "readings", path, "--apply"]);
  t.true(Date.now() - startedAt < 60_000, "seconds, not minutes, on a busy machine too");
  t.is(code, 1);
  t.deepEqual(output.match(/^row .*$/gm)?.length, 1);
  t.regex(output, /^row 12347: SB410 /m);
  t.is(lastLine(output), "20000 rows, 19999 imported, 0 imported before, 1 refused");
  t.is(output.match(/^importing/gm)?.length, 10, "a line for each tenth");
  const of =
    "from saldo.reading as r join saldo.meter as m on m.id = r.meter_id where code = 'big'";
  t.is(await one(`select count(*) ${of}`), "19999");
  // Nine whole batches, and eleven or so pieces of the one that had to be halved.
  t.true(Number(await one(`select count(distinct batch_id) ${of}`)) <= 9 + 12);
});

test.serial("check and heal tell what they find, and heal only when told to", async (t) => {
  const healthy = await saldo(["check"]);
  t.is(healthy.code, 0, healthy.output);
  t.regex(healthy.output, /^healthy: 0 findings of \d+ rules/m);
  const drift = (by: number) =>
    database.pool.query(`do $$ begin
        set local session_replication_role = replica;
        update saldo.account set credit_total = credit_total + ${by} where code = 'customer:A';
      end $$`);
  await drift(7);
  const drifted = await saldo(["check"]);
  t.is(drifted.code, 1);
  t.regex(drifted.output, /account_balance/);
  const dry = await saldo(["heal", "--dry-run"]);
  t.regex(dry.output, /^would be healed: [1-9]\d*, refused: 0, escalated: 0, need approval: 0$/m);
  const plan = JSON.parse((await saldo(["heal", "--json"])).output);
  t.true(plan.dry_run && plan.actions.length > 0, "dry by default");
  const forPrograms = await saldo(["check", "--json"]);
  t.is(forPrograms.code, 1);
  const { status, finding_count, findings } = JSON.parse(forPrograms.output);
  t.is(status, "unhealthy");
  t.is(findings.length, Number(finding_count));
  t.true(findings.some(({ rule }: { rule: string }) => rule === "account_balance"));
  const healed = await saldo(["heal", "--apply"]);
  t.regex(healed.output, /^healed: [1-9]\d*, refused: 0, escalated: 0, need approval: 0$/m);
  t.is((await saldo(["check"])).code, 0);

  await drift(7);
  const again = await saldo(["heal", "--apply"]);
  t.is(again.code, 1, "wrong again: it is left for a human");
  t.regex(again.output, /^healed: 0, refused: 0, escalated: 1, need approval: 0$/m);
  await drift(-7);
});

test.serial("wrong usage and missing databases are told in a sentence, with 2", async (t) => {
  const path = await file(["code,name", "Z,Zed"]);
  const none = { DATABASE_URL: "", SALDO_DATA_DIR: join(folder, "none") };
  const gone = { DATABASE_URL: `${database.connectionString}_gone` };
  const cases: [string[], Record<string, string>, RegExp][] = [
    [[], {}, /^Usage:/],
    [["imports"], {}, /^There is no command imports\. Did you mean import\?/],
    [["chekc"], none, /^There is no command chekc\. Did you mean check\?/],
    [["help", "hael"], none, /^There is no command hael\. Did you mean heal\?/],
    [["frobnicate"], none, /^There is no command frobnicate\.\n/],
    [["heal", "--aply"], none, /^Unknown option '--aply'\. Did you mean --apply\?/],
    [["import"], {}, /^Say what to import: customers, deposits, meters, readings\./],
    [["import", "toString", path], {}, /^Say what to import/],
    [["import", "customers"], {}, /^Give one file to import\./],
    [["import", "customers", path, "--force"], {}, /^Unknown option '--force'\.\n/],
    [["import", "customers", path, "--delimiter", ";;"], {}, /^--delimiter takes one character/],
    [["import", "customers", path, "--encoding", "utf-9"], {}, /^There is no encoding utf-9/],
    [["import", "customers", `${path}.none`], {}, /cannot be read \(ENOENT\)/],
    [["check", "all"], {}, /^What is meant by all\?/],
    [["check"], none, /^There is no database: set DATABASE_URL, or run npx saldo start/],
    [["check"], gone, /^DATABASE_URL does not work: /],
    [["check"], { DATABASE_URL: "mysql://x" }, /^DATABASE_URL is not valid/],
  ];
  for (const [words, environment, sentence] of cases) {
    const { code, output } = await saldo(words, environment);
    t.is(code, 2, output);
    t.regex(output, sentence);
  }
  const help = await saldo(["--help"], none);
  t.is(help.code, 0);
  t.regex(help.output, /npx saldo import customers\|deposits\|meters\|readings FILE/);
});

test.serial("without DATABASE_URL it is the server of the data folder", async (t) => {
  await writeFile(join(folder, "database-url"), `${database.connectionString}\n`);
  const { code, output } = await saldo(["check"], { DATABASE_URL: "", SALDO_DATA_DIR: folder });
  t.is(code, 0, output);
});

test.serial("lists and checks are one line of JSON for programs", async (t) => {
  const cases = [["job", "list"], ["rules", "list"], ["compare", "--all"], ["test-system"]];
  for (const words of cases) {
    const { code, output } = await saldo([...words, "--json"]);
    t.true(code === 0 || code === 1, output);
    t.is(output.trim().split("\n").length, 1, output);
    t.is(Array.isArray(JSON.parse(output)), words[0] !== "compare", output);
  }
});

test("the version is that of the package, and a command describes itself alone", async (t) => {
  const { version } = JSON.parse(
    await readFile(new URL("../../package.json", import.meta.url), "utf8"),
  );
  t.deepEqual(await saldo(["--version"]), { code: 0, output: `${version}\n` });
  const { code, output } = await saldo(["check", "--help"]);
  t.is(code, 0);
  t.regex(output, /npx saldo check \[--progress\] \[--json\]\n/);
  t.notRegex(output, /npx saldo heal/);
  t.deepEqual(await saldo(["help", "check"]), { code, output });
});

test("migrate brings a database up to date, and finds nothing to do a second time", async (t) => {
  const own = await openTestDatabase(2);
  t.teardown(() => own.close());
  await own.pool.query("create database migrate_target");
  const url = new URL(own.connectionString);
  url.pathname = "/migrate_target";
  t.teardown(() => database.pool.query("drop database migrate_target with (force)"));
  const first = await saldo(["migrate"], { DATABASE_URL: url.href });
  t.is(first.code, 0);
  t.regex(
    first.output,
    /^(Migration run: \d{6}\.sql\n){4,}Roles and logic applied\.\nThe database is up to date\.\n$/,
  );
  t.deepEqual(await saldo(["migrate"], { DATABASE_URL: url.href }), {
    code: 0,
    output: "The database was up to date.\n",
  });
  await own.pool.query("alter database migrate_target owner to current_user");
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query("alter table saldo.member owner to current_user");
  await client.query("select saldo.accept_configuration('setting fsync', 'a server for tests')");
  await client.end();
  t.deepEqual(await saldo(["migrate"], { DATABASE_URL: url.href }), {
    code: 0,
    output:
      "Owners put right, as after a restore: 1\nRoles and logic applied.\n" +
      "The database is up to date.\n",
  });
  const { code, output } = await saldo(["check"], { DATABASE_URL: url.href });
  t.is(code, 0);
  t.regex(output, /^healthy: 0 findings/);
});

test("start, server and worker run until a signal, as main.ts does", async (t) => {
  const program = runProgram("bin/saldo.js", ["worker"], {
    DATABASE_URL: database.connectionString,
    NODE_ENV: "test",
  });
  await program.printed(/jobs are running/);
  program.child.kill("SIGTERM");
  t.is(await program.ended, 0);
});

test.serial("service tokens are made, listed without their secrets, and revoked", async (t) => {
  await database.pool.query("select saldo.create_member('kiosk', 'Kiosk')");
  const words = ["token", "--role", "member", "--subject", "till", "--member", "kiosk"];
  const made = await saldo([...words, "--expires", "12h"]);
  t.is(made.code, 0);
  const [, secret = ""] = /^sst_[0-9a-f]{32}_([0-9a-f]{64})$/m.exec(made.output) ?? [];
  t.not(secret, "");
  const id = await one("select id from saldo.service_token where expires_at < now() + '13 hours'");
  const listed = await saldo(["token", "list"]);
  t.regex(
    listed.output,
    new RegExp(`^${id}: member of member kiosk, service:till, made by .*good`),
  );
  t.false(listed.output.includes(secret));
  const [row, ...others] = JSON.parse((await saldo(["token", "list", "--json"])).output);
  t.like(row, { id, role: "member", member: "kiosk", subject: "till" });
  t.is(others.length, 0);
  t.is((await saldo(["token", "revoke", id, "lost"])).code, 0);
  t.regex((await saldo(["token", "list"])).output, /revoked .* by .*: lost\n1 tokens/);
  t.regex((await saldo(["token", "--role", "owner", "--subject", "x"])).output, /^SB010/);
  for (const wrong of [
    ["token"],
    ["token", "list", "--role", "x"],
    [...words, "--expires", "1y"],
  ]) {
    t.is((await saldo(wrong)).code, 2);
  }
});

test("a reader who has had enough ends it without a word", async (t) => {
  const program = runScript("node bin/saldo.js --help | true");
  t.is(await program.ended, 0);
  t.is(program.output(), "");
});
