import test from "ava";
import type { PoolClient } from "pg";
import { asAdmin, errorCode, openTestDatabase, type TestDatabase } from "../_support/database.ts";
import type { Finding } from "../_support/faults.ts";
import {
  accessFaults,
  type ConfigurationFault,
  structureFaults,
  valueFaults,
} from "./_configuration_faults.ts";
import { typeFaults } from "./_type_faults.ts";

let database: TestDatabase;

test.before(async () => {
  database = await openTestDatabase(4);
  await database.pool.query(`
    select from saldo.open_account('old', 'Old', 'asset');
    select from saldo.open_account('capital', 'Capital', 'equity');
    select from saldo.open_account('purse', 'Purse', 'liability', min_balance => 0)`);
  await database.pool.query(`
    select from saldo.transfer(
      (select id from saldo.account where code = 'old'),
      (select id from saldo.account where code = 'capital'), 50, occurred_at => '2020-01-15'
    );
    select from saldo.close_period('2020-01-01')`);
});

test.after.always(() => database.close());

async function found(client: PoolClient): Promise<Finding[]> {
  const run = await client.query("select id from saldo.check_balance_health()");
  const { rows } = await client.query<Finding>(
    `select * from saldo.finding
    where check_run_id = $1 and rule = 'engine_configuration' order by key`,
    [run.rows[0].id],
  );
  return rows;
}

/** Roles belong to all databases of the server: what is planted is rolled back, and nobody sees it. */
async function rolledBack(work: (client: PoolClient) => Promise<void>): Promise<void> {
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    await work(client);
  } finally {
    await client.query("rollback");
    client.release();
  }
}

async function attempt(client: PoolClient, query: string, values: unknown[]): Promise<string> {
  await client.query("savepoint attempt");
  const code = await errorCode(client.query(query, values));
  await client.query(code === "none" ? "release attempt" : "rollback to attempt");
  return code;
}

const accept = "select from saldo.accept_configuration($1, 'on purpose')";

for (const fault of [...accessFaults, ...structureFaults, ...typeFaults, ...valueFaults]) {
  test.serial(`a check finds ${fault.name}`, async (t) => {
    await rolledBack(async (client) => {
      t.deepEqual(await found(client), []);
      await client.query(fault.plant);
      t.is(await whatDiffers(client, fault, t.log), "nothing");
      const [finding] = (await found(client)).filter(({ key }) => fault.key.test(key));
      const code = await attempt(client, accept, [finding?.key]);
      t.is(code, fault.isAcceptable ? "none" : "SB007", "accepted");
      const left = (await found(client)).filter(({ key }) => fault.key.test(key));
      t.is(left.length, fault.isAcceptable ? 0 : 1);
    });
  });
}

/** What is not as the fault says of what was found. */
async function whatDiffers(
  client: PoolClient,
  fault: ConfigurationFault,
  log: (...values: unknown[]) => void,
): Promise<string> {
  const findings = await found(client);
  const ours = findings.filter(({ key }) => fault.key.test(key));
  const [first] = ours;
  if (ours.length === 1 && first?.cause === fault.cause && fault.tells.test(first.explanation)) {
    return "nothing";
  }
  log(findings.map(({ key, stored, cause, explanation }) => ({ key, stored, cause, explanation })));
  return `${ours.length} findings of it`;
}

test.serial("what was accepted is a finding again when it changes, or is withdrawn", async (t) => {
  await rolledBack(async (client) => {
    await client.query("create role reports; grant select on saldo.account to reports");
    const key = "grant SELECT on table account to reports";
    await client.query(accept, [key]);
    t.deepEqual(await found(client), []);
    await client.query("grant select on saldo.account to reports with grant option");
    t.deepEqual(
      (await found(client)).map((finding) => finding.key),
      [key],
    );
    await client.query(accept, [key]);
    t.deepEqual(await found(client), []);
    await client.query("select from saldo.withdraw_configuration_acceptance($1, 'no more')", [key]);
    t.is((await found(client)).length, 1);
    const withdraw = "select from saldo.withdraw_configuration_acceptance($1, 'x')";
    t.is(await attempt(client, withdraw, [key]), "SB007");
    await client.query("revoke all on saldo.account from reports");
    t.deepEqual(await found(client), []);
    t.is(await attempt(client, accept, [key]), "SB007");
  });
});

test.serial("what somebody has added leaves nothing behind after an upgrade", async (t) => {
  await rolledBack(async (client) => {
    await client.query(`create function saldo.mine() returns integer language sql as 'select 1';
      grant execute on function saldo.mine to public`);
    await client.query(accept, ["%"]);
    t.deepEqual(await found(client), []);
    await client.query("select saldo_private.record_build()");
    t.deepEqual(await found(client), []);
    await client.query("drop function saldo.mine()");
    t.deepEqual(await found(client), []);
  });
});

test.serial("only an administrator accepts", async (t) => {
  const call = (client: PoolClient) => client.query(accept, ["no such key"]);
  t.is(await errorCode(asAdmin(database.pool, call)), "SB007");
  await rolledBack(async (client) => {
    for (const role of ["saldo_operator", "saldo_member", "saldo_anonymous", "saldo_branch"]) {
      await client.query(`set local role ${role}`);
      t.is(await attempt(client, accept, ["x"]), "42501", role);
    }
  });
});

test.serial(
  "settings that were set through the engine are no finding, and each change is kept",
  async (t) => {
    await rolledBack(async (client) => {
      await client.query("select saldo.set_setting('business_time_zone', 'Europe/Berlin')");
      await client.query("select saldo.set_setting('business_time_zone', 'Europe/Berlin')");
      t.deepEqual(await found(client), []);
      const { rows } = await client.query(
        `select value from saldo.setting_change where name = 'business_time_zone' order by number`,
      );
      t.deepEqual(
        rows.map(({ value }) => value),
        ["Asia/Jakarta", "Europe/Berlin"],
      );
    });
  },
);

test.serial("a check finds ids that would be given again", async (t) => {
  const turn = (to: string) =>
    database.pool.query(`select setval('saldo.account_id_seq', ${to}) from saldo.account`);
  // No transaction takes a number back.
  await turn("1");
  try {
    await rolledBack(async (client) => {
      const [finding] = await found(client);
      t.like(finding, { key: "sequence account_id_seq value", cause: "engine_changed" });
      t.regex(finding?.explanation ?? "", /is 1, and the engine has set it to 3 or more/);
      t.is(await attempt(client, accept, [finding?.key]), "SB007");
    });
  } finally {
    await turn("(select max(id) from saldo.account)");
  }
  await rolledBack(async (client) => {
    t.deepEqual(await found(client), []);
  });
});
