import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inflateRawSync } from "node:zlib";
import test from "ava";
import { DATABASE_ROLES } from "../../src/auth/caller.ts";
import { exports as all } from "../../src/http/console/export/routes.ts";
import { verifyCopy } from "../../src/journal_copy/verify_copy.ts";
import { openApi } from "../_support/api.ts";
import { signedIn } from "./_console.ts";

const api = await openApi();
test.after.always(() => api.close());

async function fetchCsv(path: string, token?: string) {
  const authorization = `Bearer ${token ?? (await api.token({}))}`;
  const response = await fetch(`${api.url}/console/export/${path}`, {
    headers: { authorization },
  });
  // As bytes: a text would lose the mark of its order.
  const text = Buffer.from(await response.arrayBuffer()).toString();
  const code = response.status === 200 ? undefined : JSON.parse(text).errors[0].extensions.code;
  return { status: response.status, headers: response.headers, text, code };
}

test.serial(
  "what looks like a formula is a text, amounts are numbers, and texts are whole",
  async (t) => {
    const names = [
      "=cmd|' /C calc'!A0",
      "+1",
      "-1",
      "@SUM(A1)",
      'Ayu, "the" first',
      "Ünï 本",
      "x;=1+1;-2; a-b",
    ];
    for (const [number, name] of names.entries()) {
      await api.root("select from saldo.create_member($1, $2)", [`m-${number}`, name]);
    }
    await api.root("select from saldo.top_up(saldo.id_of_member('m-0'), 1500.50)");
    const { status, headers, text } = await fetchCsv("members.csv");
    t.is(status, 200);
    t.is(headers.get("content-type"), "text/csv; charset=utf-8");
    t.regex(
      headers.get("content-disposition") ?? "",
      /^attachment; filename="saldo-members-\d{4}-\d\d-\d\d\.csv"$/,
    );
    t.is(headers.get("cache-control"), "no-store");
    const [header, ...rows] = text.trimEnd().split("\n");
    t.is(header, "\ufeffid,code,name,created_at,account_id,currency,balance,held");
    const cells = rows.map((row) => /^\d+,m-\d,(.*),\d{4}-\d\d-\d\d /.exec(row)?.[1]);
    t.deepEqual(cells, [
      "'=cmd|' /C calc'!A0",
      "'+1",
      "'-1",
      "'@SUM(A1)",
      '"Ayu, ""the"" first"',
      "Ünï 本",
      "x;'=1+1;'-2; a-b",
    ]);
    t.regex(rows[0] ?? "", /\+07,\d+,IDR,1500\.5,0$/);
    const found = await fetchCsv("members.csv?search=the%20AY");
    t.is(found.text.trimEnd().split("\n").length, 2, "what the screen finds");
    t.regex(found.text, /the/);
    t.is((await fetchCsv("members.csv?search=yu")).text.trimEnd().split("\n").length, 1);
    const debts = await fetchCsv("accounts.csv?type=equity");
    t.true(debts.text.split("\n").length >= 2);
  },
);

test.serial("a member's file has the member's own, an operator's has all", async (t) => {
  const ids = await api.root("select id from saldo.member where code in ('m-0', 'm-1') order by 1");
  const own = await api.memberToken(String(ids[1]?.["id"]));
  const members = await fetchCsv("members.csv", own);
  t.is(members.text.trimEnd().split("\n").length, 2);
  t.true(members.text.includes("m-1"));
  const accounts = await fetchCsv("accounts.csv", own);
  t.is(accounts.text.trimEnd().split("\n").length, 2);
  t.is((await fetchCsv("entries.csv", own)).text.trimEnd().split("\n").length, 1);
  t.is((await fetchCsv("findings.csv", own)).code, "SB006");
  const [row] = await api.root("select account_id as id from saldo.member where code = 'm-0'");
  t.is((await fetchCsv(`statement.csv?account=${row?.["id"]}`, own)).code, "SB101");
  const operator = await api.token({ role: "operator" });
  t.is((await fetchCsv("members.csv", operator)).text.trimEnd().split("\n").length, 8);
  t.regex((await fetchCsv(`statement.csv?account=${row?.["id"]}`, operator)).text, /1500\.5\n$/);
  const lines = async (filters: string) =>
    (await fetchCsv(`entries.csv?${filters}`, operator)).text.trimEnd().split("\n").length - 1;
  const [top] = await api.root(
    "select entry_id as id from saldo.journal_line where credit = 1500.5",
  );
  t.is(await lines(`reference=${top?.["id"]}`), 2);
  t.is(await lines(`reference=${top?.["id"]}&min=1500.51`), 0);
  t.is(await lines("min=1500.5&max=1500.5"), 2);
});

test.serial(
  "holds, decisions, seals and statements are whole, and no text of theirs runs",
  async (t) => {
    const walletOf = async (code: string) =>
      (await api.root("select account_id as id from saldo.member where code = $1", [code]))[0]?.[
        "id"
      ];
    await api.root("select saldo.place_hold($1, 500, '1 day', '=1+1')", [await walletOf("m-0")]);
    const { errors } = await api.post(
      `mutation ($id: BigInt!) {
      proposeAdjustment(input: { accountId: $id, newBalance: "5", reason: "@SUM(A1)" }) {
        result { id }
      }
    }`,
      { id: await walletOf("m-1") },
    );
    t.is(errors, undefined);
    await api.root("select saldo.seal_journal()");
    t.regex((await fetchCsv("holds.csv?status=HELD")).text, /,HELD,500,0,500,.*,'=1\+1,/);
    t.regex((await fetchCsv("decisions.csv?state=waiting")).text, /,'@SUM\(A1\),f,proposed,/);
    t.is((await fetchCsv("decisions.csv?state=decided")).text.trimEnd().split("\n").length, 1);
    t.regex((await fetchCsv("seals.csv")).text, /\n1,\d{4}-\d\d,1,2,.*,[0-9a-f]{64},/);
    const sheet = (await fetchCsv("balance-sheet.csv")).text;
    t.regex(sheet, /\nIDR,liabilities,\d+,wallet:m-0,Wallet of =cmd.*,1500\.5\n/);
    t.regex(sheet, /\nIDR,equity,,,Current-year earnings,0\n/);
    await api.root("select saldo.open_account('sales', '=Sales', 'revenue')");
    const income = (await fetchCsv("income-statement.csv?from=2026-01-01&to=2026-12-31")).text;
    t.regex(income, /\nIDR,revenue,\d+,sales,'=Sales,0\n/);
    t.regex(income, /\nIDR,net_income,,,Net income,0\n$/);
    const without = (await fetchCsv("income-statement.csv?has_zeros=false")).text;
    t.deepEqual(without.trimEnd().split("\n").slice(1), ["IDR,net_income,,,Net income,0"]);
  },
);

/** The files of an archive, by its list of them. */
function unzipped(archive: Buffer): Map<string, Buffer> {
  const ending = archive.length - 22;
  const wide = Number(archive.readBigUInt64LE(ending - 20 + 8));
  const files = new Map<string, Buffer>();
  let at = Number(archive.readBigUInt64LE(wide + 48));
  for (let left = Number(archive.readBigUInt64LE(wide + 32)); left > 0; left -= 1) {
    const [nameLength, extraLength] = [
      archive.readUInt16LE(at + 28),
      archive.readUInt16LE(at + 30),
    ];
    const extra = at + 46 + nameLength;
    const name = archive.toString("utf8", at + 46, extra);
    const packedSize = Number(archive.readBigUInt64LE(extra + 12));
    const local = Number(archive.readBigUInt64LE(extra + 20));
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    files.set(name, inflateRawSync(archive.subarray(start, start + packedSize)));
    at = extra + extraLength;
  }
  return files;
}

test.serial(
  "the copy of the journal comes as one archive, and is one that can be verified",
  async (t) => {
    const ask = async (claims: object) =>
      await fetch(`${api.url}/console/export/journal-copy.zip`, {
        headers: { authorization: `Bearer ${await api.token(claims)}` },
      });
    const response = await ask({ role: "operator" });
    t.is(response.headers.get("content-type"), "application/zip");
    const archive = Buffer.from(await response.arrayBuffer());
    const kept = process.env["SALDO_SCREENSHOTS"];
    if (kept) await writeFile(`${kept}/journal-copy.zip`, archive);
    const folder = await mkdtemp(join(tmpdir(), "saldo-copy-"));
    t.teardown(() => rm(folder, { recursive: true }));
    for (const [name, content] of unzipped(archive)) await writeFile(join(folder, name), content);
    const { differences, entryCount, seals } = await verifyCopy(folder);
    t.deepEqual(differences, []);
    t.true(entryCount >= 1);
    const [head] = await api.root("select head_hash from saldo.seal_status()");
    t.is(seals.at(-1)?.hash, String(head?.["head_hash"]));
    // All of whom some would get a part of the journal get none of it.
    const answers: [string, number, number][] = [];
    for (const [role, database] of Object.entries(DATABASE_ROLES)) {
      if (role === "member") continue;
      const [asked] = await api.root(
        "select has_function_privilege($1, 'saldo.seal_status()', 'execute') as may",
        [database],
      );
      const { status, body } = await ask({ role });
      await body?.cancel();
      answers.push([role, status, asked?.["may"] ? 200 : 403]);
    }
    t.deepEqual(
      answers.filter(([, status, expected]) => status !== expected),
      [],
    );
    t.true(answers.some(([, status]) => status === 403));
    const [row] = await api.root("select id from saldo.member where code = 'm-1'");
    t.is((await ask({ role: "member", member_id: String(row?.["id"]) })).status, 403);
    t.is((await fetch(`${api.url}/console/export/journal-copy.zip`)).status, 401);
  },
);

test.serial("all exports are made, with all of their filters", async (t) => {
  const values: Record<string, string> = {
    search: "ay",
    type: "asset",
    currency: "IDR",
    mode: "hot",
    account: "m-0",
    account_id: "1",
    from: "2026-01-01",
    to: "2026-12-31",
    source: "top_up",
    kind: "normal",
    min: "1",
    max: "2000.5",
    reference: "00000000-0000-4000-8000-000000000000",
    basis: "restated",
    member: "m-0",
    customer: "1",
    year: "2026",
    month: "2026-11",
    check: "00000000-0000-4000-8000-000000000000",
    rule: "balance",
    cause: "unknown",
    condition: "x",
    severity: "info",
    job: "x",
    branch: "A",
    outcome: "changed",
    action: "adjust_balance",
    as_of: "2026-12-31",
    is_before_closing: "true",
    has_zeros: "false",
    has_removed: "true",
    from_month: "2026-01",
    to_month: "2026-12",
    only: "own",
  };
  const states: Record<string, string> = {
    accounts: "frozen",
    findings: "all",
    alerts: "open",
    "branch-rows": "accepted",
    "account-freezes": "frozen",
    decisions: "waiting",
  };
  const statuses: Record<string, string> = {
    holds: "HELD",
    drafts: "open",
    deposits: "current",
    "heal-proposals": "stale",
    decisions: "proposed",
  };
  for (const [name, { filters }] of Object.entries(all)) {
    const given = Object.keys(filters).map((key): [string, string] => [
      key,
      key === "state"
        ? (states[name] ?? "")
        : key === "status"
          ? (statuses[name] ?? "completed")
          : (values[key] ?? ""),
    ]);
    t.false(
      given.some(([, value]) => value === ""),
      name,
    );
    const { status, text } = await fetchCsv(`${name}.csv?${new URLSearchParams(given)}`);
    // Their account is named twice here, and by the code first: there is none.
    const hasNone = name === "statement" || name === "account-months";
    t.is(status, hasNone ? 404 : 200, text);
    const needsOne = ["statement", "customer-months", "account-months"].includes(name);
    if (!needsOne) t.is((await fetchCsv(`${name}.csv`)).status, 200, name);
  }
  t.is((await fetchCsv("customer-months.csv?month=2026-11")).status, 200);
  t.is((await fetchCsv("customer-months.csv")).code, "SB010");
  t.is((await fetchCsv("statement.csv")).code, "SB101");
});

test.serial("months of an account and rules are those that the screens show", async (t) => {
  const months = await fetchCsv("account-months.csv?account=wallet:m-0");
  t.regex(months.text, /\n\d{4}-\d\d,0,0,1500\.5,0,1500\.5,1,open\n/);
  t.is((await fetchCsv("account-months.csv")).code, "SB101");
  const [count] = await api.root("select count(*)::integer as count from saldo.balance_rule");
  t.is(
    (await fetchCsv("rules.csv")).text.trimEnd().split("\n").length - 1,
    Number(count?.["count"]),
  );
});

test.serial("a filter is a value, whatever it says", async (t) => {
  const before = await api.digest();
  for (const value of [
    "' or true --",
    "%L",
    "%s%I",
    "\\'; drop table x --",
    "$1",
    "a%%b",
    "E'\\x'",
  ]) {
    for (const path of ["accounts.csv?search=", "entries.csv?account=", "purchases.csv?member="]) {
      const { status, text } = await fetchCsv(path + encodeURIComponent(value));
      t.is(status, 200, value);
      t.is(text.trimEnd().split("\n").length, 1, value);
    }
  }
  t.is((await fetchCsv("accounts.csv?search=%00")).status, 400);
  t.is(await api.digest(), before);
});

test.serial(
  "unknown names, filters and values are refused, and nobody without a caller is served",
  async (t) => {
    t.is((await fetchCsv("accounts.csv?serach=x")).code, "SB010");
    t.is((await fetchCsv("accounts.csv?search=a&search=b")).code, "SB010");
    t.is((await fetchCsv("accounts.csv?mode=slow")).code, "SB010");
    t.is((await fetchCsv("entries.csv?from=2026-02-31x")).code, "SB010");
    t.is((await fetchCsv("entries.csv?min=1e9")).code, "SB010");
    t.is((await fetchCsv("__proto__.csv")).code, "SB007");
    t.is((await fetchCsv("toString.csv")).code, "SB007");
    t.is((await api.request("/console/export/accounts.csv")).code, "SB011");
    const signed = await signedIn(api, "operator");
    const { cookie } = signed.headers as { cookie: string };
    const ask = (headers: Record<string, string>) =>
      api.request("/console/export/accounts.csv", { headers: { cookie, ...headers } });
    t.is((await ask({ "sec-fetch-site": "same-origin" })).status, 200);
    t.is((await ask({ "sec-fetch-site": "cross-site" })).code, "SB061");
    t.is((await ask({})).code, "SB061");
    const head = { method: "HEAD", headers: { cookie, origin: api.url } };
    t.is((await api.request("/console/export/accounts.csv", head)).status, 405);
  },
);

test.serial("a client that leaves ends the query, and the next one is served", async (t) => {
  // 60 MB: more than all that lies between the database and a client that does not read.
  await api.root(`insert into saldo.job_request (id, job, requested_by)
    select gen_random_uuid(), 'x', repeat('y', 20000) from generate_series(1, 3000)`);
  const headers = { authorization: `Bearer ${await api.token({ role: "operator" })}` };
  const running = async () =>
    Number(
      (
        await api.root(
          `select count(*) from pg_stat_activity
          where query like 'copy (%' and state = 'active' and datname = current_database()`,
        )
      )[0]?.["count"],
    );
  // So many that they would take all connections, if they kept them.
  for (let number = 0; number < 10; number += 1) {
    await new Promise<void>((done, refuse) => {
      const request = get(`${api.url}/console/export/job-runs.csv`, { headers }, (response) => {
        response.once("data", () => {
          request.destroy();
          done();
        });
      });
      request.on("error", (error) => (request.destroyed ? done() : refuse(error)));
    });
  }
  while ((await running()) > 0) await sleep(100);
  const whole = await fetchCsv("job-runs.csv", await api.token({ role: "operator" }));
  t.is(whole.status, 200);
  t.is(whole.text.trimEnd().split("\n").length, 3001);
});
