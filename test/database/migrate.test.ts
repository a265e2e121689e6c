import test from "ava";
import { Client } from "pg";
import { migrate } from "../../src/database/migrate.ts";
import { logicOf } from "../house/catalogue.ts";
import { withClient, withEmptyDatabase } from "./_databases.ts";

test("twenty starts on an empty database at once are one", async (t) => {
  await withEmptyDatabase(async (url) => {
    await Promise.all(Array.from({ length: 20 }, () => migrate(url)));
    const before = await withClient(url, logicOf);
    await migrate(url);
    t.deepEqual(await withClient(url, logicOf), before);
  });
});

test.serial("a start with nothing to apply costs one query", async (t) => {
  await withEmptyDatabase(async (url) => {
    await migrate(url);
    const asked: unknown[] = [];
    const { query } = Client.prototype;
    Client.prototype.query = function counted(this: Client, ...args: unknown[]) {
      asked.push(args[0]);
      return (query as (...args: unknown[]) => unknown).apply(this, args);
    } as typeof query;
    try {
      await migrate(url);
    } finally {
      Client.prototype.query = query;
    }
    // Beside those that make the session ours.
    const looked = asked.filter((text) => !/set_config|boot_val/.test(String(text)));
    t.is(looked.length, 1, asked.join("\n"));
    t.regex(String(looked[0]), /is_up_to_date/);
  });
});

test("a database of a newer Saldo is refused in a sentence", async (t) => {
  await withEmptyDatabase(async (url) => {
    await migrate(url);
    await withClient(url, (client) =>
      client.query(
        `insert into graphile_migrate.migrations (hash, previous_hash, filename)
        select 'sha1:x', hash, '999999.sql' from graphile_migrate.migrations
        order by filename desc limit 1`,
      ),
    );
    await t.throwsAsync(migrate(url), { message: /newer Saldo.*999999/ });
  });
});

test("what a cluster has lost of the roles is given again", async (t) => {
  await withEmptyDatabase(async (url) => {
    await migrate(url);
    await withClient(url, async (client) => {
      const name = new URL(url).pathname.slice(1);
      await client.query(`revoke create on database ${name} from saldo_owner`);
      await migrate(url);
      const { rows } = await client.query(
        "select has_database_privilege('saldo_owner', current_database(), 'create') as may",
      );
      t.deepEqual(rows, [{ may: true }]);
    });
  });
});
