import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { migrate } from "../../src/database/migrate.ts";
import { openTestDatabase } from "../_support/database.ts";
import { withClient, withEmptyDatabase, withSqlFolder } from "./_databases.ts";

async function withAfterFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "saldo-after-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const notes =
  "select name, is_run from saldo_private.after_migration where name ~ 'example|next' order by name";

test("a step of data is run once, after the logic that it needs", async (t) => {
  const database = await openTestDatabase(3);
  try {
    await withAfterFolder((afterFolder) =>
      withSqlFolder(async (sql) => {
        await sql.append(
          "wallet/product.sql",
          `create or replace function saldo_private.example() returns text language sql
as $$ select 'from the logic' $$;`,
        );
        await writeFile(
          join(afterFolder, "000008-example.sql"),
          `insert into saldo.setting (name, value, description)
          values ('example', saldo_private.example(), 'Twice would be refused.');`,
        );
        const options = { logicFolder: sql.path, afterFolder };
        await migrate(database.connectionString, options);
        await migrate(database.connectionString, options);
        const { rows } = await database.pool.query(
          "select value from saldo.setting where name = 'example'",
        );
        t.deepEqual(rows, [{ value: "from the logic" }]);
        t.deepEqual((await database.pool.query(notes)).rows, [
          { name: "000008-example.sql", is_run: true },
        ]);
      }),
    );
  } finally {
    await database.close();
  }
});

test("a new database notes the steps and runs none; one that fails is named and not noted", async (t) => {
  await withAfterFolder(async (afterFolder) => {
    await writeFile(join(afterFolder, "000008-example.sql"), "select 1 / 0;");
    await withEmptyDatabase(async (url) => {
      await migrate(url, { afterFolder });
      await withClient(url, async (client) => {
        t.deepEqual((await client.query(notes)).rows, [
          { name: "000008-example.sql", is_run: false },
        ]);
        await writeFile(
          join(afterFolder, "000009-next.sql"),
          "select 1;\nselect 1 from saldo.nothing;",
        );
        await t.throwsAsync(migrate(url, { afterFolder }), {
          message: /^migrations\/after\/000009-next\.sql:2: .*does not exist/,
        });
        await writeFile(join(afterFolder, "000009-next.sql"), "select 1;");
        await migrate(url, { afterFolder });
        t.is((await client.query(notes)).rows.length, 2);
      });
    });
  });
});
