import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { openTestDatabase } from "../_support/database.ts";
import { logicOf } from "./catalogue.ts";

const root = fileURLToPath(new URL("../../sql/", import.meta.url));

/** All of sql/, in its load order, as one text. */
async function allLogic(): Promise<string> {
  const index = await readFile(`${root}index.sql`, "utf8");
  const files = [...index.matchAll(/^--!include (\S+)$/gm)].map((match) => match[1] ?? "");
  const texts = await Promise.all(files.map((file) => readFile(`${root}${file}`, "utf8")));
  return texts.join("\n");
}

test("sql/ can be run again, twice, and equals what the migrations made of it", async (t) => {
  const database = await openTestDatabase(1);
  try {
    const migrated = await logicOf(database.pool);
    const logic = await allLogic();
    for (let round = 0; round < 2; round += 1) {
      await database.pool.query(`begin; set local role saldo_owner; ${logic}; commit`);
      const again = await logicOf(database.pool);
      t.deepEqual(
        {
          onlyInMigrations: migrated.filter((line) => !again.includes(line)),
          onlyInSql: again.filter((line) => !migrated.includes(line)),
        },
        { onlyInMigrations: [], onlyInSql: [] },
      );
      t.is(again.length, migrated.length);
    }
    t.true(migrated.length > 100);
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
