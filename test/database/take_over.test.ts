import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import test from "ava";
import type { Client } from "pg";
import { schemaSql } from "../../scripts/schema_sql.ts";
import { migrate } from "../../src/database/migrate.ts";
import { openTestDatabase } from "../_support/database.ts";
import { brokenRules } from "../_support/faults.ts";
import { logicOf } from "../house/catalogue.ts";
import { withClient, withEmptyDatabase } from "./_databases.ts";

/*
 * former/dump.sql.gz is a database as the former chain of migrations left it, with data of all
 * rooms. Every migration since has run over it here: the state of each is upgraded with data.
 */

/** A database with the dump in it. */
async function withFormer<T>(work: (url: string) => Promise<T>): Promise<T> {
  const packed = await readFile(new URL("former/dump.sql.gz", import.meta.url));
  const dump = gunzipSync(packed)
    .toString()
    .replaceAll("OWNER TO postgres", "OWNER TO current_user");
  return await withEmptyDatabase(async (url) => {
    await withClient(url, (client) => client.query(dump));
    return await work(url);
  });
}

/** What logic and build write themselves. */
const written = ["built_object", "error_code", "balance_rule", "alert_condition", "setting"];

/** Of each table a digest of its rows, over the columns that the dump had. */
async function digests(
  client: Client,
  columns?: Map<string, string>,
): Promise<Map<string, string>> {
  const lists = columns ?? (await columnsOf(client));
  const all = new Map<string, string>();
  for (const [table, list] of lists) {
    const { rows } = await client.query(
      `select count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' order by t::text
        collate "C"), '')) as digest from (select ${list} from ${table}) as t`,
    );
    all.set(table, rows[0].digest);
  }
  return all;
}

async function columnsOf(client: Client): Promise<Map<string, string>> {
  const { rows } = await client.query(
    `select c.oid::regclass::text as name,
      string_agg(quote_ident(a.attname), ', ' order by a.attname) as list
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace,
      'public'::regnamespace)
    and c.relkind = 'r' and c.relname <> all ($1)
    -- Statements lose their literals.
    and not (c.relname = 'guard_event' and a.attname = 'statement')
    group by c.oid order by 1`,
    [written],
  );
  return new Map(rows.map(({ name, list }) => [name, list]));
}

type Settings = Record<string, string>;
interface Figures {
  settings: Settings;
  [name: string]: unknown;
}

const pick = (settings: Settings, names: string[]) =>
  Object.fromEntries(Object.entries(settings).filter(([name]) => names.includes(name)));

/** What the functions say of the books, as far as old ones and new ones both say it. */
async function figures(client: Client): Promise<Figures> {
  const { rows } = await client.query(`
    select (select jsonb_agg(t) from saldo.trial_balance() as t) as trial_balance,
      (select jsonb_agg(t) from saldo.balance_sheet_totals() as t) as balance_sheet,
      (select jsonb_agg(to_jsonb(b) - 'last_updated_at' - 'version' order by b.account_id)
        from saldo.account as a, saldo.balances(a.id) as b) as balances,
      (select jsonb_agg(each.w order by m.id) from saldo.member as m, lateral (
        select to_jsonb(b) - 'debt' - 'last_updated_at' - 'version' as w
        from saldo.wallet_balance(m.id) as b) as each) as wallets,
      (select jsonb_agg(to_jsonb(m) order by c.id, m.month) from saldo.customer as c,
        saldo.customer_month(c.id, '2025-09-01', '2025-12-01') as m) as months,
      (select jsonb_agg(p order by p.fiscal_year, p.number) from saldo.period as p) as periods,
      (select jsonb_object_agg(s.name, s.value) from saldo.setting as s) as settings
  `);
  return rows[0];
}

const triggersOfUsers = `select pg_get_triggerdef(oid) as text, tgenabled from pg_trigger
  where tgrelid = 'public.users'::regclass and not tgisinternal order by 1`;

test("a database of the former chain is taken over, and no row of it changes", async (t) => {
  await withFormer(async (url) => {
    await withClient(url, async (client) => {
      const columns = await columnsOf(client);
      const before = await digests(client, columns);
      const figuresBefore = await figures(client);
      const triggers = (await client.query(triggersOfUsers)).rows;
      t.true(triggers.length > 0, "the rule over the user's table has its guard");
      await client.query(
        "update saldo.guard_event set statement = $$update users set password = 'geheim'$$",
      );
      await migrate(url);
      t.deepEqual(await digests(client, columns), before);
      t.deepEqual((await client.query("select distinct statement from saldo.guard_event")).rows, [
        { statement: "update users set password = ?" },
      ]);
      t.true([...before.values()].filter((digest) => !digest.startsWith("0 ")).length > 40);
      const figuresAfter = await figures(client);
      // What was not set by then is as it is for everybody.
      figuresAfter.settings = pick(figuresAfter.settings, Object.keys(figuresBefore.settings));
      t.deepEqual(figuresAfter, figuresBefore);
      t.deepEqual((await client.query(triggersOfUsers)).rows, triggers);
      // The dump is older than its backlog may be; then business goes on.
      await client.query("select saldo.settle_sub_balances(), saldo.expire_holds()");
      await client.query(
        "select saldo.accept_configuration('setting fsync', 'a server for tests')",
      );
      t.deepEqual(await brokenRules(client as never), []);
      await client.query("select saldo.seal_journal()");
      t.deepEqual((await client.query("select key from saldo.verify_journal()")).rows, []);
      await migrate(url);
    });
  });
});

test("the first maintenance of a database that was taken over keeps its years, and figures stay", async (t) => {
  await withFormer(async (url) => {
    await withClient(url, async (client) => {
      const statements = async () =>
        (
          await client.query(`select day::date::text, (
              select jsonb_agg(array[l.debit_total - l.credit_total, l.debit_total]::float8[])
              from saldo.trial_balance(day::date, 'restated') as l
            ) as lines
            from generate_series(date '2025-02-01', '2026-02-01', interval '1 month') as m (month),
              lateral (select m.month - interval '1 day' as day) as d order by 1`)
        ).rows;
      await migrate(url);
      const [before, kept] = [
        await statements(),
        "select count(*)::int as n from saldo_private.year_movement",
      ];
      t.is((await client.query(kept)).rows[0].n, 0);
      await client.query("select saldo.settle_sub_balances(), saldo.expire_holds()");
      await client.query("select saldo.scheduled_maintenance()");
      t.true((await client.query(kept)).rows[0].n > 0);
      t.deepEqual(await statements(), before);
      await client.query(
        "select saldo.accept_configuration('setting fsync', 'a server for tests')",
      );
      t.deepEqual(await brokenRules(client as never), []);
    });
  });
});

test("a database that was taken over has the tables and the logic of a new one", async (t) => {
  await withFormer(async (url) => {
    await migrate(url);
    const fresh = await openTestDatabase(2);
    const isOwn = (line: string) => !line.startsWith("rule (user_balance");
    try {
      await withClient(url, async (client) => {
        t.is(await schemaSql(client), await schemaSql(fresh.pool));
        t.deepEqual((await logicOf(client)).filter(isOwn), await logicOf(fresh.pool));
      });
    } finally {
      await fresh.close();
    }
  });
});

test("a database that the former chain has not brought to its end is refused", async (t) => {
  await withFormer(async (url) => {
    const before = await withClient(url, async (client) => {
      await client.query("delete from graphile_migrate.migrations where filename = '000005.sql'");
      return await digests(client);
    });
    await t.throwsAsync(migrate(url), {
      message:
        /^The database stands at 000004\.sql of an older Saldo: start Saldo 0\.1\.0 of commit/,
    });
    t.deepEqual(await withClient(url, (client) => digests(client)), before);
  });
});
