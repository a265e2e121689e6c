import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Client, type Pool } from "pg";
import { startEmbedded } from "../../src/database/embedded.ts";
import { migrate } from "../../src/database/migrate.ts";
import { openTestDatabase, type TestDatabase } from "../_support/database.ts";
import { forced } from "../_support/faults.ts";

/* A record of a write never fails the write that it tells of, in whatever context that runs. */

const post = `select saldo.open_account('a' || g, 'A', 'asset') from generate_series(1, 2) as g;
  select saldo.transfer(1, 2, 10)`;

async function openTwo(): Promise<TestDatabase> {
  const database = await openTestDatabase(4);
  await database.pool.query(post);
  return database;
}

const events = async (pool: Pool | Client) =>
  (await pool.query("select * from saldo.guard_event order by occurred_at, id")).rows;

/** A session on a database of this server that ends with the test. */
async function connect(url: string, database: string): Promise<Client> {
  const address = new URL(url);
  address.pathname = `/${database}`;
  const client = new Client({ connectionString: address.href });
  client.on("error", () => {});
  await client.connect();
  return client;
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const endsAt = Date.now() + 30_000;
  while (!(await isTrue())) {
    if (Date.now() > endsAt) throw new Error(`not within 30 s: ${what}`);
    await sleep(50);
  }
}

const published = ["account", "month_movement", "journal_entry", "journal_line"];
const rowsOf = async (client: Client) => {
  const counts: unknown[] = [];
  for (const table of published) {
    const { rows } = await client.query(
      `select count(*) as count, md5(string_agg(t::text, '|' order by t::text)) as digest
      from saldo.${table} as t`,
    );
    counts.push([table, rows[0]]);
  }
  return counts;
};

test("tables of a subscriber fill by logical replication, and what that writes is recorded", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saldo-logical-"));
  const server = await startEmbedded(folder, { shared_buffers: "32MB", wal_level: "logical" });
  const sessions: Client[] = [];
  try {
    const root = await connect(server.connectionString, "postgres");
    sessions.push(root);
    for (const name of ["source", "copy"]) {
      await root.query(`create database ${name}`);
      const url = new URL(server.connectionString);
      url.pathname = `/${name}`;
      await migrate(url.href);
    }
    const source = await connect(server.connectionString, "source");
    const copy = await connect(server.connectionString, "copy");
    sessions.push(source, copy);
    await source.query(post);
    const tables = published.map((name) => `saldo.${name}`).join(", ");
    await source.query(`create publication books for table ${tables}`);
    await source.query("select pg_create_logical_replication_slot('books', 'pgoutput')");
    const address = new URL(server.connectionString);
    // Row security is forced on all tables: only a superuser's worker may write them.
    await copy.query(`create subscription books
      connection 'host=127.0.0.1 port=${address.port} user=postgres dbname=source
        password=${address.password}'
      publication books with (create_slot = false, slot_name = books, run_as_owner = true)`);
    const isInStep = async () => {
      const [ours, theirs] = [await rowsOf(source), await rowsOf(copy)];
      return JSON.stringify(ours) === JSON.stringify(theirs);
    };
    await until("the first copy", isInStep);
    await source.query("select saldo.transfer(2, 1, 4)");
    await until("news, as an update of accounts and months", isInStep);
    await source.query("alter table saldo.journal_line replica identity full");
    await source.query("begin; set local session_replication_role = replica");
    await source.query("update saldo.journal_line set debit = 5 where debit = 4; commit");
    await until("a line that was changed", isInStep);

    const streamed = (await events(copy)).filter((event) => event.statement === null);
    t.deepEqual([...new Set(streamed.map((e) => `${e.operation} ${e.table_name}`))].sort(), [
      ...["insert account", "insert journal_line", "insert month_movement"], // the first copy
      ...["update account", "update journal_line", "update month_movement"],
    ]);
    t.like(streamed.at(-1), { login: "postgres", role: "postgres", client_address: null });
    t.is(streamed.at(-1).new_row.debit, 5);
    const { rows } = await copy.query(
      `select saldo_private.event_text(to_jsonb(g)) as text from saldo.guard_event as g
      where g.statement is null order by g.id desc limit 1`,
    );
    t.regex(rows[0].text, /update of journal_line .* no statement, as in logical replication$/);
  } finally {
    await sessions[2]?.query("drop subscription if exists books").catch(() => {});
    for (const session of sessions) await session.end();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test("whoever may write past the engine is recorded, with no right in Saldo but that", async (t) => {
  const database = await openTwo();
  const { pool, name } = database;
  const role = `writer_${name}`;
  const client = await pool.connect();
  try {
    await client.query(`create role ${role} bypassrls;
      grant usage on schema saldo to ${role};
      grant select, update, truncate on saldo.journal_line, saldo.account to ${role};
      grant set on parameter session_replication_role to ${role}`);
    await client.query(`set session_replication_role = replica; set role ${role}`);
    // A temporary table of this name is in front of the real one on any path that is not pinned.
    await client.query("create temporary table guard_event (id int)");
    await client.query("set search_path = pg_temp, public");
    await client.query("update saldo.account set debit_total = 77 where id = 2");
    await client.query("update saldo.journal_line set debit = 7 where debit > 0");
    await client.query("truncate saldo.journal_line");
    t.deepEqual(
      (await events(pool)).map((e) => [e.role, e.operation, e.table_name]),
      [
        [role, "update", "account"],
        [role, "update", "journal_line"],
        [role, "truncate", "journal_line"],
      ],
    );
  } finally {
    await client.query("reset role; reset session_replication_role").catch(() => {});
    await client.query(`drop owned by ${role} cascade; drop role ${role}`).catch(() => {});
    client.release(true);
    await database.close();
  }
});

test("a statement of a megabyte is recorded by its beginning", async (t) => {
  const database = await openTwo();
  try {
    const begin = `update saldo.account set debit_total = 9 where id in (2${", null".repeat(500)}`;
    const long = `${begin}) -- ${"é".repeat(500_000)}`;
    await forced(database.pool, (client) => client.query(long));
    const kept = begin.replace("9", "?").replace("2", "?").slice(0, 2000);
    t.is((await events(database.pool))[0].statement, kept);
  } finally {
    await database.close();
  }
});

test("a write whose record cannot be kept goes on, and stands in the server's log", async (t) => {
  const database = await openTwo();
  const { pool } = database;
  const warnings: string[] = [];
  try {
    const { rows: logins } = await pool.query("select session_user::text as login");
    const { login } = logins[0];
    const write = () =>
      forced(pool, async (client) => {
        client.on("notice", ({ message }) => warnings.push(message ?? ""));
        await client.query("update saldo.account set debit_total = debit_total + 1 where id = 2");
      });
    await pool.query("alter table saldo.guard_event add constraint small check (old_row is null)");
    await write();
    t.regex(warnings.pop() ?? "", /recorded without its rows: .*"small"/);
    t.like((await events(pool)).at(-1), {
      table_name: "account",
      new_row: null,
      login,
    });

    await pool.query(`create function public.refuse() returns trigger language plpgsql
      as $$ begin raise exception 'no room'; end $$;
      create trigger refuse before insert on saldo.guard_event
        for each row execute function public.refuse();
      alter table saldo.guard_event enable always trigger refuse`);
    await write();
    const warning = new RegExp(`not recorded: update of account by ${login} .*: no room$`);
    t.regex(warnings.pop() ?? "", warning);
    const { rows } = await pool.query("select debit_total from saldo.account where id = 2");
    t.is(rows[0].debit_total, "2");
    t.is((await events(pool)).length, 1);
  } finally {
    await database.close();
  }
});
