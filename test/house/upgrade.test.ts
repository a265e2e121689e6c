import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { Client } from "pg";
import { replayIncident } from "../../demo/incident.ts";
import { migrate } from "../../src/database/migrate.ts";
import { openTestDatabase, urlOf } from "../_support/database.ts";
import { brokenRules } from "../_support/faults.ts";
import { logicOf } from "./catalogue.ts";

const committed = (
  await readdir(fileURLToPath(new URL("../../migrations/committed", import.meta.url)))
)
  .filter((file) => file.endsWith(".sql"))
  .sort();

/** An empty database that is gone after the work. */
async function withEmptyDatabase(work: (url: string) => Promise<void>): Promise<void> {
  const name = `saldo_test_${randomBytes(6).toString("hex")}`;
  const root = new Client({ connectionString: urlOf("postgres") });
  await root.connect();
  await root.query(`create database ${name}`);
  try {
    await work(urlOf(name));
  } finally {
    await root.query(`drop database ${name} with (force)`);
    await root.end();
  }
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

test("there is a committed migration", (t) => {
  t.true(committed.length > 0);
});

for (const last of committed) {
  test(`a database with data at ${last} is upgraded, and all rules are clean`, async (t) => {
    await withEmptyDatabase(async (url) => {
      await migrate(url, { upTo: last });
      await withClient(url, (client) => replayIncident(client));
      await migrate(url, { withCurrent: true });
      const logic = await withClient(url, logicOf);
      const fresh = await openTestDatabase(2);
      t.deepEqual(logic, await logicOf(fresh.pool));
      await fresh.close();
      await withClient(url, async (client) => {
        t.deepEqual(await brokenRules(client as never), []);
        const { rows } = await client.query(
          "select balance from saldo.account join saldo.member on member.account_id = account.id",
        );
        t.deepEqual(rows, [{ balance: "1900000" }]);
        await client.query("select from saldo.seal_journal()");
        const status = await client.query("select * from saldo.seal_status()");
        t.is(status.rows[0].unsealed_entry_count, "0", "what was posted before seals is sealed");
        t.true(Number(status.rows[0].sealed_entry_count) > 0);
        t.deepEqual((await client.query("select key from saldo.verify_journal()")).rows, []);
      });
    });
  });
}

test("migrating again changes nothing, and twenty at once are one", async (t) => {
  await withEmptyDatabase(async (url) => {
    await Promise.all(Array.from({ length: 20 }, () => migrate(url)));
    const before = await withClient(url, logicOf);
    await migrate(url);
    t.deepEqual(await withClient(url, logicOf), before);
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
