import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { Client } from "pg";
import { tellAdoption } from "../../demo/adoption.ts";
import { addCustomers, createShop, shopGrants, shopRule } from "../../demo/shop.ts";
import { openApi } from "../_support/api.ts";
import { openTestDatabase } from "../_support/database.ts";
import { check } from "../_support/faults.ts";
import { runProgram } from "../_support/process.ts";

async function saldo(words: string[], environment: Record<string, string>) {
  const program = runProgram("bin/saldo.js", words, environment);
  const code = await program.ended;
  return { code, output: program.output() };
}

test("adopt's SQL runs whatever tables are called, and rows that are nobody's", async (t) => {
  const database = await openTestDatabase(4);
  const { pool } = database;
  const login = `shop_reader_${database.name}`;
  try {
    for (const schema of ["saldo_one", "two"]) {
      await pool.query(`
        create schema ${schema};
        create table ${schema}.users (id int primary key, balance numeric, "总额 total" numeric);
        create table ${schema}.moves (user_id int references ${schema}.users, amount numeric);
        insert into ${schema}.users values (1, 5, 5);
        insert into ${schema}.moves values (1, 5), (null, 3);
      `);
    }
    const { code, output } = await saldo(["adopt", "--database", database.connectionString], {});
    t.is(code, 0, output);
    await pool.query(output);
    const { rows } = await pool.query("select name from saldo.registered_rule order by name");
    t.deepEqual(
      rows.map(({ name }) => name),
      ["users_balance", "users_balance_2", "users_total", "users_total_2"],
    );
    t.is((await check(pool)).status, "healthy");

    await pool.query(`create role ${login} login password 'reader';
      grant usage on schema two to ${login}; grant select on two.users to ${login}`);
    const url = new URL(database.connectionString);
    url.username = login;
    url.password = "reader";
    const limited = await saldo(["adopt", "--database", url.href], {});
    t.is(limited.code, 0, limited.output);
    t.regex(limited.output, /may not read were left out.*No column looks like a balance/s);
  } finally {
    await pool.query(`drop owned by ${login}; drop role ${login}`).catch(() => {});
    await database.close();
  }
});

test("adopt proposes what fits, prints SQL that runs, and changes nothing", async (t) => {
  const database = await openTestDatabase(4);
  const { pool } = database;
  try {
    await createShop(pool);
    await addCustomers(pool);
    await pool.query(`
      create schema "Ware House";
      create table "Ware House"."Order" (
        "Id" uuid primary key, "Stock" int not null, note text, total_weight numeric
      );
      create table "Ware House".move (
        no int, "order" uuid references "Ware House"."Order" ("Id"), kind text, quantity int
      );
      insert into "Ware House"."Order" values
        ('00000000-0000-0000-0000-000000000001', 7, '', 17.5),
        ('00000000-0000-0000-0000-000000000002', 4, '', 1.25);
      insert into "Ware House".move values
        (1, '00000000-0000-0000-0000-000000000001', 'in', 10),
        (2, '00000000-0000-0000-0000-000000000001', 'out', 3),
        (3, '00000000-0000-0000-0000-000000000002', 'in', 4);
    `);
    const before = await pool.query("select xmin, * from public.users order by id");
    const { code, output } = await saldo(["adopt", "--database", database.connectionString], {});
    t.is(code, 0, output);
    t.regex(output, /public\.users\.balance: the sum fits 42 of 43 rows/);
    t.regex(output, /"Ware House"\."Order"\."Stock": the sum fits 2 of 2 rows/);
    t.regex(output, /case when kind in \('out'\) then -quantity else quantity end/);
    t.regex(output, /total_weight: no simple sum .* \(at best 0 of 2 rows; 95 % are needed\)/);
    t.regex(output, /-- {3}sum\(case when kind .* end\) of "Ware House".move: 0 of 2 rows/);
    t.deepEqual(
      (await pool.query("select xmin, * from public.users order by id")).rows,
      before.rows,
    );
    t.deepEqual((await pool.query("select from saldo.registered_rule")).rows, []);

    await pool.query(output);
    const { findings } = await check(pool);
    t.deepEqual(
      findings.map(({ rule, key, difference }) => [rule, key, difference]),
      [["users_balance", "1", "-400000"]],
    );
    t.is((await pool.query("select from saldo.registered_rule")).rows.length, 2);
  } finally {
    await database.close();
  }
});

test("adopt proposes nothing that fits some rows only, and says what it tried", async (t) => {
  const database = await openTestDatabase(3);
  const { pool } = database;
  const adopt = async () => {
    const { code, output } = await saldo(["adopt", "--database", database.connectionString], {});
    t.is(code, 0, output);
    return output;
  };
  try {
    // Twelve of forty are paid out: the plain sum is right for the other 28.
    await pool.query(`
      create table public.users (
        id int primary key, balance numeric not null, gone boolean not null
      );
      create table public.moves (user_id int references public.users, amount numeric not null);
      insert into public.users
      select g, case when g > 28 then 0 else g * 10 end, g > 28 from generate_series(1, 40) as g;
      insert into public.moves select g, g * 10 from generate_series(1, 40) as g;
    `);
    const nothing = await adopt();
    t.notRegex(nothing, /register_balance_rule/);
    t.regex(nothing, /at best 28 of 40 rows; 95 % are needed/);
    t.regex(nothing, /Tried:\n-- {3}sum\(amount\) of public\.moves: 28 of 40 rows/);

    // A filter that says who they are explains the rest; it leaves out a part, and says so.
    for (const [column, value, filter] of [
      ["deleted_at timestamptz", "now()", /deleted_at is null/],
      ["is_closed boolean", "true", /is_closed is not true/],
      ["active boolean default true", "false", /where active /],
      ["status text default 'open'", "'left'", /status in \('open'\)/],
    ] as const) {
      const name = column.split(" ")[0];
      await pool.query(`alter table public.users add ${column}`);
      await pool.query(`update public.users set ${name} = ${value} where gone`);
      const output = await adopt();
      t.regex(output, /the sum fits 28 of 28 rows\n-- where .*; 12 others it does not look at/);
      t.regex(output, filter);
      await pool.query(output);
      t.is((await check(pool)).status, "healthy", output);
      await pool.query("update public.users set balance = balance + 1 where id in (1, 40)");
      t.deepEqual(
        (await check(pool)).findings.map(({ rule, key }) => [rule, key]),
        [["users_balance", "1"]],
      );
      await pool.query("update public.users set balance = balance - 1 where id in (1, 40)");
      await pool.query("select saldo.unregister_balance_rule('users_balance')");
      await pool.query(`alter table public.users drop ${name}`);
    }

    // Moves that were taken back are left out of the sum, and then it is for the whole table.
    await pool.query(`
      update public.users set balance = id * 10;
      alter table public.moves add voided_at timestamptz;
      insert into public.moves select g, 5, now() from generate_series(1, 12) as g;
    `);
    const whole = await adopt();
    t.regex(whole, /the sum fits 40 of 40 rows\./);
    t.regex(whole, /voided_at is null/);
    t.regex(whole, /guard => 'record'/);
    await pool.query(whole);
    t.is((await check(pool)).status, "healthy");
  } finally {
    await database.close();
  }
});

test("adopt says so when there is nothing to adopt, or no database", async (t) => {
  const database = await openTestDatabase(2);
  try {
    const nothing = await saldo(["adopt"], { DATABASE_URL: database.connectionString });
    t.is(nothing.code, 0);
    t.regex(nothing.output, /No column looks like a balance/);
    const gone = await saldo(["adopt", "--database", `${database.connectionString}_gone`], {});
    t.is(gone.code, 2);
    t.regex(gone.output, /does not answer/);
    t.is((await saldo(["adopt", "now"], {})).code, 2);
  } finally {
    await database.close();
  }
});

test("a file of rules is applied by the command line, and refused where it is no such file", async (t) => {
  const database = await openTestDatabase(3);
  const folder = await mkdtemp(join(tmpdir(), "saldo-rules-"));
  const path = join(folder, "rules.json");
  const environment = { DATABASE_URL: database.connectionString };
  const apply = async (content: unknown) => {
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return await saldo(["rules", "apply", path], environment);
  };
  try {
    await createShop(database.pool);
    const refused = await apply({ rules: [shopRule] });
    t.is(refused.code, 1);
    t.regex(
      refused.output,
      /^user_balance: refused SB645 .*\n .*\n .*grant select on public.users/,
    );
    await database.pool.query(shopGrants);
    t.deepEqual(await apply({ rules: [shopRule] }), {
      code: 0,
      output: "user_balance: registered\n",
    });
    t.deepEqual(await apply({ rules: [shopRule] }), {
      code: 0,
      output: "user_balance: unchanged\n",
    });
    t.deepEqual(await apply({ rules: [{ ...shopRule, tolerance: "0.5" }] }), {
      code: 0,
      output: "user_balance: changed\n",
    });
    t.deepEqual(await apply({ rules: [] }), { code: 0, output: "" });
    t.deepEqual(await saldo(["rules", "list"], environment), {
      code: 0,
      output: "user_balance: public.users.balance, heal none, guard none\n1 rules\n",
    });
    for (const [content, reason] of [
      ["{", /is no JSON/],
      [{ rules: [{ ...shopRule, tolerence: 1 }] }, /not valid: rules.0: .*tolerence/],
      [{ rules: [{ name: "x" }] }, /not valid: rules.0.derived/],
      [{ rules: [shopRule, shopRule] }, /names user_balance twice/],
      [[], /not valid/],
    ] as const) {
      const { code, output } = await apply(content);
      t.is(code, 2, output);
      t.regex(output, reason);
    }
    t.deepEqual(await apply({ rules: [{ ...shopRule, heal: "update" }] }), {
      code: 0,
      output: "user_balance: changed\n",
    });
    const list = async () => (await saldo(["rules", "list"], environment)).output;
    t.regex(await list(), /heal update, .*\n {2}heals nothing: it is to be approved after a check/);
    const { rows } = await database.pool.query("select id from saldo.check_balance_health()");
    t.regex(await list(), new RegExp(`approved: 1 of 3 rows differ in check ${rows[0].id}`));
    const approve = ["rules", "approve", "user_balance", rows[0].id, "member1 is known"];
    t.deepEqual(await saldo(approve, environment), {
      code: 0,
      output: "user_balance: approved, 1 of 3 rows differ\n",
    });
    t.notRegex(await list(), /heals nothing/);
    const unknown = await saldo(["rules", "approve", "nobody", rows[0].id, "why"], environment);
    t.is(unknown.code, 2);
    t.regex(unknown.output, /SB007/);
    t.is((await saldo(["rules", "apply", `${path}.gone`], environment)).code, 2);
    t.is((await saldo(["rules"], environment)).code, 2);
  } finally {
    await rm(folder, { recursive: true });
    await database.close();
  }
});

test("the server applies its file of rules at start; a refused rule does not stop it", async (t) => {
  const database = await openTestDatabase(3);
  const folder = await mkdtemp(join(tmpdir(), "saldo-rules-"));
  const path = join(folder, "rules.json");
  const start = () =>
    runProgram("src/main.ts", ["server"], {
      PORT: "0",
      NODE_ENV: "production",
      DATABASE_URL: database.connectionString,
      SERVER_DATABASE_URL: database.serverConnectionString,
      SALDO_JWT_SECRET: randomBytes(24).toString("base64url"),
      SALDO_RULES_FILE: path,
    });
  try {
    await createShop(database.pool);
    await database.pool.query(shopGrants);
    await writeFile(path, JSON.stringify({ rules: [shopRule, { ...shopRule, name: "No name" }] }));
    const running = start();
    await running.printed(/"message":"listening"/);
    running.child.kill("SIGTERM");
    t.is(await running.ended, 0);
    t.regex(running.output(), /"message":"rule registered","rule":"user_balance"/);
    t.regex(
      running.output(),
      /"level":"error","message":"rule refused","rule":"No name","code":"SB010"/,
    );
    await writeFile(path, "no rules");
    const refused = start();
    t.is(await refused.ended, 1);
    t.regex(refused.output(), /^The file of rules .* is no JSON/);
  } finally {
    await rm(folder, { recursive: true });
    await database.close();
  }
});

test("the demo tells an adoption from drift to guard", async (t) => {
  const database = await openTestDatabase(2);
  const client = await database.pool.connect();
  const lines: string[] = [];
  try {
    await client.query("set application_name = 'night-script'");
    await tellAdoption(client as unknown as Client, (line) => lines.push(line));
  } finally {
    client.release(true);
    await database.close();
  }
  const story = lines.join("\n");
  for (const part of [
    /member1: balance 1,500,000, transactions 1,900,000/,
    /the sum fits 42 of 43 rows/,
    /approved: 1 of 43 rows differ/,
    /stored 1,500,000, derived 1,900,000, difference -400,000/,
    /1\. uncounted_items \(possible\): 150000.00 pending \(\d+\) \+ 250000.00 completed/,
    /would_heal: users_balance of 1, 1,500,000 -> 1,900,000/,
    /healed: users_balance of 1, 1,500,000 -> 1,900,000/,
    /SB648: This balance is guarded/,
    /1\. out_of_band_write \(certain\): Exactly the difference: .*'night-script'/,
    /escalated: users_balance of 1/,
    /healed by another administrator/,
  ]) {
    t.regex(story, part);
  }
  t.regex(lines.at(-1) ?? "", /check: healthy/);
});

test("rules are registered and managed over GraphQL, by administrators only", async (t) => {
  const api = await openApi();
  try {
    await createShop({ query: api.root } as never);
    await api.root(shopGrants);
    const register = `mutation ($derived: String!, $items: String) {
      registerBalanceRule(input: {
        name: "user_balance", storedTable: "public.users", keyColumn: "id", balanceColumn: "balance",
        derived: $derived, items: $items, guard: refuse, heal: update, writerRoles: ["shop"]
      }) { result { name guard heal tolerance writerRoles } }
    }`;
    const variables = { derived: shopRule.derived, items: shopRule.items };
    const operator = await api.token({ role: "operator" });
    t.is((await api.post(register, variables, operator)).code, "SB006");
    t.is((await api.post(register, { derived: "select 1; select 2" })).code, "SB640");
    const made = await api.post(register, variables);
    t.deepEqual(made.data?.registerBalanceRule.result, {
      name: "user_balance",
      guard: "refuse",
      heal: "update",
      tolerance: "0",
      writerRoles: ["shop"],
    });
    const { data } = await api.post(`mutation { checkBalanceHealth(input: {}) { result {
      status findings(first: 5) { nodes { key difference
        findingExplanations(first: 5) { nodes { rank cause confidence explanation } } } } } } }`);
    t.like(data?.checkBalanceHealth.result, { status: "unhealthy" });
    t.like(data?.checkBalanceHealth.result.findings.nodes[0], { key: "1", difference: "-400000" });
    t.like(data?.checkBalanceHealth.result.findings.nodes[0].findingExplanations.nodes[0], {
      rank: 1,
      cause: "uncounted_items",
      confidence: "possible",
    });
    const change = await api.post(`mutation {
      changeBalanceRule(input: { name: "user_balance", tolerance: "400000" }) {
        result { tolerance guard } } }`);
    t.deepEqual(change.data?.changeBalanceRule.result, { tolerance: "400000", guard: "refuse" });
    for (const name of ["disable", "enable", "unregister"]) {
      const mutation = `mutation { ${name}BalanceRule(input: { name: "user_balance" }) {
        result { name } } }`;
      t.is((await api.post(mutation, {}, operator)).code, "SB006", name);
      t.is((await api.post(mutation)).errors, undefined, name);
    }
    const list = await api.post(
      `mutation ($rules: JSON!) { applyBalanceRules(input: { rules: $rules }) {
        result { name outcome errorCode } } }`,
      { rules: [{ ...shopRule }] },
    );
    t.deepEqual(list.data?.applyBalanceRules.result, [
      { name: "user_balance", outcome: "registered", errorCode: null },
    ]);
  } finally {
    await api.close();
  }
});
