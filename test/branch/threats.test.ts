import { randomUUID } from "node:crypto";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type ExecutionContext } from "ava";
import { rowHash } from "../../src/branch/protocol/canonical.ts";
import type { PushAnswer, Row } from "../../src/branch/protocol/schema.ts";
import { exportWaiting } from "../../src/branch/push/by_file.ts";
import { enrol } from "../../src/branch/push/enrol.ts";
import { Pusher } from "../../src/branch/push/pusher.ts";
import type { Store } from "../../src/branch/store/store.ts";
import { type Api, openApi } from "../_support/api.ts";
import { makePlace, openStore, type Place, sell } from "./_till.ts";

/** What a thief can and cannot do: a test for each row of the table in docs/guides/branches.md. */

let api: Api;
test.before(async () => {
  api = await openApi();
});
test.after.always(() => api?.close());

const pace = { intervalMs: 1e9, retryBaseMs: 1e9, retryMaxMs: 1e9, timeoutMs: 60_000 };

async function push(store: Store): Promise<string | null> {
  const pusher = new Pusher(store, { pace });
  await pusher.pushAgain();
  const { last_error } = pusher.state();
  await pusher.stop();
  return last_error;
}

async function post(path: string, body: unknown, key?: string) {
  const { status, text } = await api.request(`/api/v1/sync/${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify(body),
  });
  return { status, answer: JSON.parse(text).data as PushAnswer & { code: string; device: string } };
}

async function issueCode(branchId: unknown): Promise<string> {
  const [issued] = await api.root("select code from saldo.issue_enrolment_code($1)", [branchId]);
  return String(issued?.["code"]);
}

interface Branch {
  id: unknown;
  place: Place;
  store: Store;
  key: string;
  cash(): Promise<unknown>;
}

/** A branch with a till that has sold and pushed. */
async function openBranch(t: ExecutionContext, code: string): Promise<Branch> {
  const [made] = await api.root("select id, cash_account_id from saldo.create_branch($1, $1)", [
    code,
  ]);
  const place = makePlace(t);
  const store = openStore(place, () => new Date());
  await enrol(store, { centre: api.url, code: await issueCode(made?.["id"]) });
  for (const amount of [100, 20, 3]) sell(store, amount);
  await push(store);
  return {
    id: made?.["id"],
    place,
    store,
    key: store.settings.get(`key:${store.chain.device}`) ?? "",
    async cash() {
      const [account] = await api.root("select balance::int from saldo.account where id = $1", [
        made?.["cash_account_id"],
      ]);
      return account?.["balance"];
    },
  };
}

/** Changes an old row in a stolen store, and all hashes after it, as one who has the file can. */
function forge(file: string, device: string, epoch: string): void {
  const database = new DatabaseSync(file);
  database.exec("drop trigger fact_is_not_changed");
  let prev: string | null = null;
  for (const { position, body } of database
    .prepare("select position, body from fact order by position")
    .all()) {
    const { hash: _, ...old } = JSON.parse(String(body)) as Row;
    const unhashed: Omit<Row, "hash"> = { ...old, prev, ...(position === 1 && { amount: "1" }) };
    const row: Row = { ...unhashed, hash: rowHash({ device, epoch }, unhashed) };
    database
      .prepare("update fact set body = ?, hash = ? where position = ?")
      .run(JSON.stringify(row), row.hash, position as number);
    prev = row.hash;
  }
  database.exec("update fact_state set state = 'waiting'");
  database.close();
}

test("the till, or its folder: a row that is changed is seen, and changes no books", async (t) => {
  const { store, place, cash, id } = await openBranch(t, "T1");
  const { device, epoch } = store.chain;
  store.close();
  const stolen = makePlace(t);
  cpSync(place.root, stolen.root, { recursive: true });
  forge(join(place.folder, "till.db"), device, epoch);
  const forged = openStore(place, () => new Date());
  await push(forged);
  t.is(await cash(), 123);
  const [seen] = await api.root("select state::text from saldo.branch_device where id = $1", [
    device,
  ]);
  t.is(seen?.["state"], "forked");
  t.deepEqual(
    await api.root(
      `select verdict::text, count(*)::int from saldo.branch_intake
      where branch_id = $1 group by 1 order by 1`,
      [id],
    ),
    [
      { verdict: "accepted", count: 3 },
      { verdict: "conflict", count: 3 },
    ],
  );
  forged.close();

  // Taking the last row away is no way either: the centre holds what it had told.
  const cut = openStore(stolen, () => new Date());
  cut.database.exec("drop trigger fact_is_not_deleted; delete from fact_state where position = 3");
  cut.database.exec("delete from verdict where position = 3; delete from fact where position = 3");
  await push(cut);
  t.is(await cash(), 123);

  await api.root("select saldo.revoke_branch_key($1, 'stolen')", [device]);
  sell(cut, 5000);
  t.regex((await push(cut)) ?? "", /^401 SB504/);
  t.is(await cash(), 123);
  t.is(cut.queue().waiting > 0, true, "it goes on selling, for itself");
  cut.close();
});

test("a key alone: it reads no rows of what goes on and no balances, and pushes for no other device", async (t) => {
  const { store, key } = await openBranch(t, "T2");
  const other = await openBranch(t, "T3");
  for (const query of [
    "{ accounts { nodes { balance } } }",
    "{ branchIntakes { nodes { id } } }",
  ]) {
    const { status, data } = await api.post(query, {}, key);
    t.true(status === 401 || data === null || data === undefined, query);
  }
  const [body] = exportWaiting(store).pushes;
  const foreign = { ...body, device: other.store.chain.device };
  t.is((await post("push", foreign, key)).status, 403);

  // Rows that it had nothing to do with are in no answer, also where it claims to know nothing.
  const nothing = { ...body, have: { centre_epoch: null, verdict_no: 0 }, rows: [] };
  const { answer } = await post("push", nothing, key);
  t.is(answer.changes.length, 3);
  t.deepEqual(Object.keys(answer.changes[0] ?? {}).sort(), [
    "entry_id",
    "id",
    "posting_date",
    "reason",
    "seq",
    "verdict",
    "verdict_no",
  ]);

  // The rows of the epoch that goes on are not given back either.
  const rows = await post("rows", { protocol: 1, have: [] }, key);
  t.deepEqual((rows.answer as unknown as { rows: unknown[] }).rows, []);

  // What it pushes as this device, the real till's next push brings to light.
  const thief = randomUUID();
  const begun = {
    ...body,
    epoch: thief,
    epoch_no: 2,
    head: { seq: 0, hash: null },
    totals: { count: 0, in: "0", out: "0" },
    rows: [],
  };
  t.is((await post("push", begun, key)).status, 200);
  const taken = await post("rows", { protocol: 1, have: [] }, key);
  t.is((taken.answer as unknown as { rows: unknown[] }).rows.length, 3);
  sell(store, 7);
  await push(store);
  t.is(store.settings.get(`device_state:${store.chain.device}`), "forked");
  store.close();
  other.store.close();
});

test("the role of keys has its calls and nothing else", async (t) => {
  const tables = await api.root(
    `select c.oid::regclass::text as name from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname like 'saldo%' and c.relkind in ('r', 'p', 'v', 'm')
    and (has_table_privilege('saldo_branch', c.oid, 'select, insert, update, delete, truncate')
      or has_any_column_privilege('saldo_branch', c.oid, 'select, insert, update'))
    order by 1`,
  );
  // What every caller may read: no row of it is anybody's.
  t.deepEqual(
    tables.map(({ name }) => name),
    ["saldo.error_code", "saldo.setting"],
  );
  const calls = await api.root(
    `select p.proname as name from pg_proc as p
    join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname in ('saldo', 'saldo_private') and p.prosecdef
    and has_function_privilege('saldo_branch', p.oid, 'execute')
    and not has_function_privilege('saldo_anonymous', p.oid, 'execute')
    and has_schema_privilege('saldo_branch', n.oid, 'usage') order by 1`,
  );
  t.deepEqual(
    calls.map(({ name }) => name),
    [
      "enrol_branch_device",
      "push_branch_rows",
      "read_branch_config",
      "renew_branch_key",
      "return_branch_rows",
    ],
  );
});

test("an enrolment code: one device, in its branch, once and for a time", async (t) => {
  const { id, store } = await openBranch(t, "T4");
  const enrolment = (code: string) =>
    post("enrol", { protocol: 1, program: "x/1", code, device_name: "x", device: null });
  const code = await issueCode(id);
  const first = await enrolment(code);
  t.is(first.status, 200);
  const [device] = await api.root("select branch_id from saldo.branch_device where id = $1", [
    first.answer.device,
  ]);
  t.is(device?.["branch_id"], id);
  t.is((await enrolment(code)).status, 401);
  const late = await issueCode(id);
  await api.root(
    `update saldo_private.branch_enrolment set expires_at = now() - interval '1 second'
    where device_id is null`,
  );
  t.is((await enrolment(late)).status, 401);
  // The device that nobody knows is closed; the one that is known goes on.
  await api.root("select saldo.close_branch_device($1, 'nobody knows it')", [first.answer.device]);
  sell(store, 4);
  t.is(await push(store), null);
  t.is(store.queue().attention, 0);
  store.close();
});

test("a file of an export: it has no key, and is taken from none", async (t) => {
  const { store, key, cash } = await openBranch(t, "T5");
  sell(store, 4000);
  const file = JSON.stringify(exportWaiting(store));
  t.true(file.includes('"4000"'), "the rows can be read in it");
  for (const secret of [key, key.split("_")[2] ?? "", "sbk_"]) t.false(file.includes(secret));
  const [body] = JSON.parse(file).pushes;
  t.is((await post("push", body)).status, 401);
  t.is(await cash(), 123);
  store.close();
});
