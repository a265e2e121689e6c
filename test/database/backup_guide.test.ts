import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import type { Client } from "pg";
import { migrate } from "../../src/database/migrate.ts";
import { portIfFree } from "../../src/database/postmaster.ts";
import { errorCode } from "../_support/database.ts";
import { logicOf } from "../house/catalogue.ts";
import { readDocument, root } from "../house/docs.ts";
import { withClient } from "./_databases.ts";

/*
 * The commands of docs/guides/backup-restore-upgrade.md, run as they stand there, with the programs
 * of Debian's PostgreSQL 15: what comes with the embedded one has none of them.
 */

const bin = "/usr/lib/postgresql/15/bin";
const needed = ["initdb", "pg_ctl", "pg_dump", "pg_restore", "psql", "pg_basebackup", "pg_upgrade"];
const missing = needed.filter((name) => !existsSync(join(bin, name)));
const reason = `the programs of PostgreSQL 15 in ${bin} are needed (apt-get install postgresql-15)`;
if (missing.length > 0) console.log(`skipped: ${missing.join(", ")} missing; ${reason}`);
const withPrograms = missing.length > 0 ? test.serial.skip : test.serial;

const isRoot = process.getuid?.() === 0;
const guide = await readDocument("docs/guides/backup-restore-upgrade.md");

/** The commands of a step of the guide. */
function commandsOf(story: string): string[] {
  const block = new RegExp(`<!-- story: ${story} -->\\n\`\`\`sh\\n([^]*?)\`\`\``).exec(guide)?.[1];
  if (block === undefined) throw new Error(`the guide has no step ${story}`);
  return block.trim().split("\n");
}

let folder: string;
const clusters: string[] = [];
const variables: Record<string, string> = { PGUSER: "keeper" };

/** Runs a command of a shell; those that work on a cluster's files run as its owner. */
async function run(command: string): Promise<string> {
  const isServers = /^(pg_basebackup|pg_ctl|pg_upgrade|initdb) /.test(command);
  const words =
    isServers && isRoot ? ["runuser", "-u", "postgres", "--", "sh", "-c"] : ["sh", "-c"];
  const { stdout, stderr } = await promisify(execFile)(
    words[0] ?? "",
    [...words.slice(1), command],
    {
      cwd: isServers ? folder : root,
      env: { ...process.env, ...variables, PATH: `${bin}:${process.env["PATH"]}`, LC_ALL: "C" },
    },
  );
  return stdout + stderr;
}

async function follow(story: string): Promise<string> {
  let output = "";
  for (const command of commandsOf(story)) output += await run(command);
  return output;
}

const urlOf = (port: number | string, name = "books") =>
  `postgres://keeper@127.0.0.1:${port}/${name}`;

/** Makes a cluster of its own, with a login that is not called postgres. */
async function makeCluster(name: string): Promise<string> {
  const data = join(folder, name);
  await run(
    `initdb --pgdata=${data} --username=keeper --auth=trust --encoding=UTF8 --locale=C.UTF-8`,
  );
  await appendFile(
    join(data, "postgresql.conf"),
    `listen_addresses = '127.0.0.1'\nunix_socket_directories = '${folder}'\nfsync = off\n`,
  );
  clusters.push(data);
  return data;
}

async function startCluster(name: string): Promise<number> {
  const data = await makeCluster(name);
  const port = (await portIfFree(0)) ?? 0;
  await run(`pg_ctl --pgdata=${data} --log=${data}.log --options="-p ${port}" --wait start`);
  return port;
}

const stopCluster = (data: string) =>
  run(`pg_ctl --pgdata=${data} --mode=fast --wait stop`).catch(() => ""); // it does not run

const query = async (url: string, text: string): Promise<Record<string, unknown>[]> =>
  (await withClient(url, (client: Client) => client.query(text))).rows;

const hot = "(select id from saldo.account where code = 'shop')";

/** What must be the same afterwards. */
const figures = (url: string) =>
  query(
    url,
    `select (select to_jsonb(w) from saldo.wallet_balance(1) as w) as wallet,
      (select to_jsonb(b) from saldo.balances(${hot}) as b) as shop,
      (select head_hash from saldo.seal_status()) as head,
      (select count(*) from saldo.journal_line) as lines`,
  );

test.before(async () => {
  if (missing.length > 0) return;
  folder = await mkdtemp(join(tmpdir(), "saldo-guide-"));
  await chmod(folder, 0o711);
  if (isRoot) execFileSync("chown", ["postgres", folder]);
  const port = await startCluster("primary");
  await query(urlOf(port, "postgres"), "create database books");
  Object.assign(variables, {
    DATABASE_URL: urlOf(port),
    BACKUP: await mkdtemp(join(tmpdir(), "saldo-backup-")),
  });
  await migrate(urlOf(port));
  await query(
    urlOf(port),
    `select from saldo.create_member('ayu', 'Ayu');
    select from saldo.top_up(1, 500);
    select from saldo.open_account('shop', 'Shop', 'liability', min_balance => 0, mode => 'hot')`,
  );
  await query(urlOf(port), `select saldo.make_account_hot(${hot}, 4)`);
  await query(
    urlOf(port),
    `select from saldo.submit_transaction(${hot}, 100, 'credit');
    select from saldo.place_hold(${hot}, 10);
    select from saldo.set_setting('settlement_lag_max_seconds', '86400');
    select from saldo.accept_configuration('setting fsync', 'clusters for tests');
    select from saldo.check_balance_health()`,
  );
  await query(urlOf(port), "select from saldo.seal_journal()");
});

test.after.always(async () => {
  for (const data of clusters) await stopCluster(data);
  for (const each of [folder, variables["BACKUP"]]) {
    if (each) await rm(each, { recursive: true, force: true });
  }
});

for (const kind of ["custom", "plain"]) {
  withPrograms(`a ${kind} dump in another cluster is as good as the original`, async (t) => {
    await follow("dump roles");
    await follow(`dump ${kind}`);
    const port = await startCluster(kind);
    await query(urlOf(port, "postgres"), "create database books");
    variables["TARGET_URL"] = urlOf(port);
    await follow("restore roles");
    const output = await follow(`restore ${kind}`);
    t.regex(output, /^Owners put right, as after a restore: \d+$/m);
    t.regex(output, /^The database is up to date\.$/m);
    t.is(
      await run('DATABASE_URL="$TARGET_URL" npx saldo migrate'),
      "The database was up to date.\n",
    );
    t.deepEqual(await figures(urlOf(port)), await figures(variables["DATABASE_URL"] ?? ""));

    // Transaction numbers began again: a whole check, then what is new.
    const check = "select scope, status, line_count from saldo.reconcile()";
    t.like((await query(urlOf(port), check))[0], { scope: "full", status: "healthy" });
    await query(urlOf(port), "select from saldo.top_up(1, 5)");
    t.deepEqual(await query(urlOf(port), check), [
      { scope: "incremental", status: "healthy", line_count: "2" },
    ]);
    await query(urlOf(port), `select from saldo.submit_transaction(${hot}, 90, 'debit')`);
    t.is(
      await errorCode(
        query(urlOf(port), `select from saldo.submit_transaction(${hot}, 1, 'debit')`),
      ),
      "SB001",
    );
    // As a role, with the rights that the start has given again.
    const asMember = `begin; set local role saldo_member; set local saldo.member_id = '1';
      select from saldo.wallet_balance(1)`;
    t.is(await errorCode(query(urlOf(port), asMember)), "none");
    const asAnybody = "begin; set local role saldo_anonymous; select from saldo.wallet_balance(1)";
    t.is(await errorCode(query(urlOf(port), asAnybody)), "42501");
  });
}

withPrograms(
  "a dump that was restored before there were roles is mended by the start",
  async (t) => {
    await follow("dump custom");
    const port = await startCluster("bare");
    await query(urlOf(port, "postgres"), "create database books");
    const restored = await run(`pg_restore --dbname=${urlOf(port)} "$BACKUP/saldo.dump"`).catch(
      (error: { stderr: string }) => error.stderr,
    );
    t.regex(restored, /role "saldo_owner" does not exist/);
    t.regex(await run(`DATABASE_URL=${urlOf(port)} npx saldo migrate`), /^Owners put right/m);
    t.deepEqual(await figures(urlOf(port)), await figures(variables["DATABASE_URL"] ?? ""));
    t.deepEqual(
      await withClient(urlOf(port), logicOf),
      await withClient(variables["DATABASE_URL"] ?? "", logicOf),
    );
    t.regex(await run(`DATABASE_URL=${urlOf(port)} npx saldo check`), /^healthy: 0 findings/m);
  },
);

withPrograms(
  "a standby of a base backup follows, and is as good once it is promoted",
  async (t) => {
    const port = String((await portIfFree(0)) ?? 0);
    const data = join(folder, "standby");
    Object.assign(variables, { STANDBY: data, STANDBY_PORT: port, STANDBY_URL: urlOf(port) });
    clusters.push(data);
    await follow("standby");
    const [{ lsn }] = (await query(
      variables["DATABASE_URL"] ?? "",
      "select pg_current_wal_flush_lsn()::text as lsn",
    )) as [{ lsn: string }];
    const isThere = `select pg_last_wal_replay_lsn() >= '${lsn}'::pg_lsn as is_there`;
    while (!(await query(urlOf(port), isThere))[0]?.["is_there"]) {
      await new Promise((done) => setTimeout(done, 50));
    }
    const before = await figures(variables["DATABASE_URL"] ?? "");
    t.deepEqual(await figures(urlOf(port)), before);
    t.is(await errorCode(query(urlOf(port), "select saldo.top_up(1, 5)")), "25006");
    t.regex(await follow("promote"), /^healthy: 0 findings/m);
    t.deepEqual(await figures(urlOf(port)), before);
    await query(urlOf(port), "select from saldo.top_up(1, 5)");
    await query(urlOf(port), `select from saldo.submit_transaction(${hot}, 90, 'debit')`);
    t.like((await query(urlOf(port), "select scope, status from saldo.reconcile()"))[0], {
      scope: "incremental",
      status: "healthy",
    });
  },
);

withPrograms("a cluster that pg_upgrade moves is as good as before", async (t) => {
  const before = await figures(variables["DATABASE_URL"] ?? "");
  const old = join(folder, "primary");
  await stopCluster(old);
  const port = String((await portIfFree(0)) ?? 0);
  // To its own version: the programs of a newer one are not to be had from Debian.
  Object.assign(variables, {
    OLD: old,
    NEW: await makeCluster("new"),
    OLD_BIN: bin,
    NEW_BIN: bin,
    NEW_PORT: port,
    PGHOST: folder,
  });
  await follow("upgrade");
  delete variables["PGHOST"];
  t.deepEqual(await figures(urlOf(port)), before);
  variables["DATABASE_URL"] = urlOf(port);
  t.is(await run("npx saldo migrate"), "The database was up to date.\n");
  t.like((await query(urlOf(port), "select scope, status from saldo.reconcile()"))[0], {
    scope: "full",
    status: "healthy",
  });
  await query(urlOf(port), "select from saldo.top_up(1, 5)");
  t.like((await query(urlOf(port), "select scope, status, line_count from saldo.reconcile()"))[0], {
    scope: "incremental",
    status: "healthy",
    line_count: "2",
  });
});
