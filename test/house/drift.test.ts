import test from "ava";
import { readLogic } from "../../src/database/logic_source.ts";
import { migrate } from "../../src/database/migrate.ts";
import { openTestDatabase } from "../_support/database.ts";
import { logicOf } from "./catalogue.ts";

/** All of sql/, in its load order, as one text. */
async function allLogic(): Promise<string> {
  const { statements } = await readLogic();
  return statements.map(({ text }) => `${text};\n`).join("");
}

test("sql/ can be run again, twice, as plain text, and changes nothing", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const applied = await logicOf(database.pool);
    const logic = await allLogic();
    for (let round = 0; round < 2; round += 1) {
      await database.pool.query(`begin; set local role saldo_owner; ${logic}; commit`);
      const again = await logicOf(database.pool);
      t.deepEqual(
        {
          onlyApplied: applied.filter((line) => !again.includes(line)),
          onlyInSql: again.filter((line) => !applied.includes(line)),
        },
        { onlyApplied: [], onlyInSql: [] },
      );
      t.is(again.length, applied.length);
    }
    t.true(applied.length > 100);
  } finally {
    await database.close();
  }
});

test("applying all of sql/ again, and what has changed of it, comes to the same", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const applied = await logicOf(database.pool);
    for (const parts of ["parts", "'{}'"]) {
      await database.pool.query(
        `update saldo_private.applied_logic set hash = 'another', parts = ${parts}`,
      );
      await migrate(database.connectionString);
      t.deepEqual(await logicOf(database.pool), applied);
      const { rows } = await database.pool.query(
        "select key from saldo_private.rule_engine_configuration__built()",
      );
      t.deepEqual(rows, [], "and is recorded as built");
    }
  } finally {
    await database.close();
  }
});

test("the database has no function that no file of sql/ makes", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const { rows } = await database.pool.query<{ name: string }>(`
      select format('%s.%s', pronamespace::regnamespace, proname) as name
      from pg_proc
      where pronamespace in ('saldo'::regnamespace, 'saldo_private'::regnamespace)
    `);
    const logic = await allLogic();
    t.deepEqual(
      rows.filter(({ name }) => !logic.includes(`create or replace function ${name}(`)),
      [],
    );
    t.true(rows.length > 80);
  } finally {
    await database.close();
  }
});

test("no function depends on another one or on a view: each can be dropped and made again", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const dependents = async () => {
      const { rows } = await database.pool.query<{ text: string }>(`
        select pg_describe_object(d.classid, d.objid, d.objsubid) || ' depends on '
          || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) as text
        from pg_depend as d
        join pg_proc as p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
          and p.pronamespace::regnamespace::text in ('saldo', 'saldo_private', 'saldo_rule')
        left join pg_type as t on d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid
        left join pg_class as c on c.oid = t.typrelid and c.relkind = 'v'
        where d.refclassid = 'pg_proc'::regclass or c.oid is not null`);
      return rows.map(({ text }) => text);
    };
    t.deepEqual(await dependents(), []);
    await database.pool.query(`
      create function saldo_private.planted() returns text language sql
        return saldo_private.actor()`);
    t.is((await dependents()).length, 1, "the rule sees its plant");
  } finally {
    await database.close();
  }
});
