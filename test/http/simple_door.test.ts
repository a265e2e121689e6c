import { setTimeout } from "node:timers/promises";
import test from "ava";
import pg from "pg";
import { z } from "zod";
import { DATABASE_ROLES, type TokenRole } from "../../src/auth/caller.ts";
import { openApi } from "../_support/api.ts";

// Two may wait: the last test has more come at once.
const api = await openApi({ config: { poolSize: 2, reportSlotCount: 1, callerQueueMax: 2 } });
const anna = await api.member("anna", "500000");
await api.root(`
  select saldo.open_account('till:1', 'Till 1', 'asset', mode => 'hot', min_balance => 0);
  select saldo.open_account('plain', 'Plain', 'asset');
  select saldo.create_customer('acme', 'Acme');
  select saldo.install_meter((select id from saldo.customer), 'M1',
    installed_at => '2026-01-01T00:00:00+07:00');
  select saldo.add_tariff_version(1000, '2026-01-01');
  select saldo.add_correction_factor('2026-01-01', formula => 'fixed', factor => 2)`);
const ids = Object.fromEntries(
  (await api.root("select code, id::text from saldo.account")).map(({ code, id }) => [code, id]),
) as Record<string, string>;

type Schema = Exclude<Parameters<typeof z.fromJSONSchema>[0], boolean>;

interface Operation {
  operationId: string;
  description: string;
  responses: Record<string, { content: { "application/json": { schema: Schema } } }>;
}
interface Document {
  paths: Record<string, Record<"get" | "post", Operation>>;
  components: { schemas: { Refusal: Schema } };
}
const document: Document = JSON.parse((await api.request("/api/openapi.json")).text);

test.after.always(() => api.close());

/** Statuses of each operation that have been seen. */
const seen = new Map<string, Set<string>>();

type Who = TokenRole | "nobody" | "forger";

interface Asked {
  path: string;
  body?: unknown;
  who?: Who;
  headers?: Record<string, string>;
}

async function bearer(who: Who): Promise<Record<string, string>> {
  if (who === "nobody") return {};
  if (who === "forger") return { authorization: "Bearer a.b.c" };
  const token = await api.token({ role: who, ...(who === "member" && { member_id: anna.id }) });
  return { authorization: `Bearer ${token}` };
}

/** Asks, and holds the answer against what the document says of this operation and status. */
async function ask(operation: string, { path, body, who = "admin", headers }: Asked) {
  const [method, route] = operation.split(" ") as ["get" | "post", string];
  const described = document.paths[route]?.[method];
  if (described === undefined) throw new Error(`not in the document: ${operation}`);
  const answer = await api.request(path, {
    method: method.toUpperCase(),
    headers: {
      ...(await bearer(who)),
      ...(method === "post" && { "content-type": "application/json" }),
      ...headers,
    },
    ...(method === "post" && { body: JSON.stringify(body ?? {}) }),
  });
  const status = String(answer.status);
  const form = described.responses[status] ?? described.responses["default"];
  if (form === undefined) throw new Error(`not described: ${operation} ${status}`);
  const { schema } = form.content["application/json"];
  const read = z.fromJSONSchema("$ref" in schema ? document.components.schemas.Refusal : schema);
  const content = JSON.parse(answer.text);
  const { error } = read.safeParse(content);
  if (error !== undefined) {
    throw new Error(`${operation} ${status}: ${z.prettifyError(error)}\n${answer.text}`);
  }
  seen.set(operation, (seen.get(operation) ?? new Set()).add(status));
  return { ...content, http: answer.status, headers: answer.headers };
}

const SUBMIT = "post /api/v1/transaction";
const credit = (extra: object = {}) => ({
  account: "till:1",
  amount: "100.50",
  direction: "debit",
  ...extra,
});

test.serial("a transaction is submitted once, pending, and shown", async (t) => {
  const path = "/api/v1/transaction";
  const first = await ask(SUBMIT, { path, body: credit({ idempotency_key: "k1" }) });
  t.like(first, { status: "success", data: { status: "PENDING", amount: "100.5" } });
  const again = await ask(SUBMIT, {
    path,
    body: credit({ account: Number(ids["till:1"]) }),
    headers: { "idempotency-key": "k1" },
  });
  t.is(again.data.id, first.data.id);
  const other = await ask(SUBMIT, { path, body: credit({ amount: 7, idempotency_key: "k1" }) });
  t.is(other.data.code, "SB005");
  const two = await ask(SUBMIT, {
    path,
    body: credit({ idempotency_key: "k2" }),
    headers: { "idempotency-key": "k1" },
  });
  t.is(two.data.code, "SB010");

  const balance = await ask("get /api/v1/balance/{account}", { path: "/api/v1/balance/till:1" });
  t.like(balance.data, { settled_balance: "0", pending_debit: "100.5", pending_count: "1" });
  t.is(Date.parse(balance.data.last_updated_at), Date.parse(first.data.created_at));
  t.is(balance.data.version, "0");
  const page = { path: `/api/v1/pending/${ids["till:1"]}?limit=1` };
  const pending = await ask("get /api/v1/pending/{account}", page);
  t.deepEqual(
    pending.data.transactions.map(({ id }: { id: string }) => id),
    [first.data.id],
  );
  const rest = { path: `${page.path}&after=${first.data.id}` };
  t.deepEqual((await ask("get /api/v1/pending/{account}", rest)).data.transactions, []);

  const health = await ask("get /api/v1/health", { path: "/api/v1/health", who: "nobody" });
  t.like(health.data, { is_settling: true, pending_count: "1" });
  await ask("get /api/v1/health", { path: "/api/v1/health", who: "forger" });
});

test.serial("money goes wrong in no way that GraphQL refuses", async (t) => {
  const path = "/api/v1/transaction";
  const before = await api.digest();
  const refused: [body: object | string, code: string][] = [
    [credit({ amount: "1.005" }), "SB003"],
    [credit({ amount: "1e3" }), "SB002"],
    [credit({ amount: 99_999_999_999_999.5 }), "SB002"],
    [credit({ amount: null }), "SB010"],
    [credit({ amount: "-1" }), "SB002"],
    [credit({ amount: "1000000000000000" }), "SB004"],
    [credit({ direction: "up" }), "SB010"],
    [credit({ acount: 1 }), "SB010"],
    [credit({ account: "plain" }), "SB201"],
    [credit({ account: "nobody" }), "SB007"],
    [credit({ counter_account: "nobody" }), "SB007"],
    [credit({ counter_account: anna.accountId }), "SB203"],
    [credit({ direction: "credit", amount: "1000" }), "SB001"],
    [credit({ metadata: { text: "x".repeat(9000) } }), "SB009"],
    ["[]", "SB010"],
  ];
  for (const [body, code] of refused) {
    t.is((await ask(SUBMIT, { path, body })).data.code, code, JSON.stringify(body).slice(0, 80));
  }
  const asForm = await ask(SUBMIT, { path, headers: { "content-type": "text/plain" } });
  t.is(asForm.data.code, "SB010");
  t.is(await api.digest(), before);
});

test.serial("the id of one that is another's code is asked about", async (t) => {
  await api.root(`select saldo.open_account('${ids["till:1"]}', 'Named like an id', 'asset')`);
  const operation = "get /api/v1/balance/{account}";
  const path = `/api/v1/balance/${ids["till:1"]}`;
  t.is((await ask(operation, { path })).data.code, "SB010");
  t.is((await ask(operation, { path: `${path}?by=id` })).data.account_id, ids["till:1"]);
  t.not((await ask(operation, { path: `${path}?by=code` })).data.account_id, ids["till:1"]);
});

const METERING = "/api/realtime-balance";

test.serial("deposits and readings of a customer tell the balance at once", async (t) => {
  const deposit = `post ${METERING}/{customer}/deposit`;
  const path = `${METERING}/acme/deposit`;
  const body = {
    amount: "50000",
    occurred_at: "2026-02-01T00:00:00+07:00",
    idempotency_key: "d1",
  };
  const made = await ask(deposit, { path, body });
  t.like(made.data, { amount: "50000", balance: "50000" });
  t.is((await ask(deposit, { path, body })).data.id, made.data.id);
  t.is((await ask(deposit, { path, body: { ...body, amount: 1 } })).data.code, "SB005");

  const reading = `post ${METERING}/{customer}/reading`;
  const readings = `${METERING}/1/reading`;
  const read = { meter: "M1", read_at: "2026-02-10T00:00:00+07:00", index_value: "10" };
  const taken = await ask(reading, { path: readings, body: read });
  t.like(taken.data, {
    index_value: "10",
    purchase: { volume_m3: "10", volume_sm3: "20", amount: "20000" },
    balance: "30000",
  });
  t.is((await ask(reading, { path: readings, body: read })).data.code, "SB408");
  const lost = { ...read, meter: "M2" };
  t.is((await ask(reading, { path: readings, body: lost })).data.code, "SB007");

  const now = await ask(`get ${METERING}/{customer}`, { path: `${METERING}/acme?by=code` });
  t.like(now.data, { balance: "30000", this_month: { closing_balance: "30000" } });
  const months = await ask(`get ${METERING}/{customer}/months`, {
    path: `${METERING}/acme/months?from=2026-02&to=2026-03`,
  });
  t.like(months.data.months[0], { month: "2026-02", deposits: "50000", purchases: "20000" });
  t.is(months.data.months[1].opening_balance, "30000");
  const purchases = await ask(`get ${METERING}/{customer}/purchases`, {
    path: `${METERING}/acme/purchases?month=2026-02`,
  });
  t.like(purchases.data, { row_count: "1", amount: "20000", purchases: [{ meter: "M1" }] });
});

test.serial("stored months are compared, planned, and put right by the plan", async (t) => {
  await api.root(`do $$ begin
    set local session_replication_role = replica;
    delete from saldo.customer_month_total;
  end $$`);
  const one = `${METERING}/acme`;
  const compared = await ask(`get ${METERING}/{customer}/compare`, { path: `${one}/compare` });
  t.like(compared.data, { difference_count: "1", differences: [{ action: "missing" }] });

  const sync = `post ${METERING}/{customer}/sync`;
  const plan = await ask(sync, { path: `${one}/sync` });
  t.like(plan.data, { is_dry_run: true, change_count: 1, changes: [{ month: "2026-02" }] });
  t.is(plan.data.changes[0].derived.deposits, "50000");
  const apply = { dry_run: false, plan_hash: "of another plan" };
  t.is((await ask(sync, { path: `${one}/sync`, body: apply })).data.code, "SB417");
  for (const name of ["initialize", "sync"]) {
    for (const [operation, path] of [
      [`post ${METERING}/{customer}/${name}`, `${one}/${name}`],
      [`post ${METERING}/${name}`, `${METERING}/${name}`],
    ] as const) {
      t.is((await ask(operation, { path })).data.change_count, 1, operation);
      t.is((await ask(operation, { path, body: apply })).data.code, "SB417", operation);
    }
  }
  const body = { dry_run: false, plan_hash: plan.data.plan_hash };
  t.is((await ask(sync, { path: `${one}/sync`, body })).data.is_dry_run, false);
  t.is((await ask(sync, { path: `${one}/sync` })).data.plan_hash, null);
  const status = await ask(`get ${METERING}`, { path: METERING, who: "operator" });
  t.like(status.data, { customer_count: "1", reading_count: "1", unrated_count: "0" });
});

const HEALTH = "/admin/balance-health";

test.serial("an administrator heals, runs the maintenance and reads the report", async (t) => {
  const check = { path: `${HEALTH}/check` };
  const report = { path: `${HEALTH}/detailed-report` };
  t.like(await ask(`get ${HEALTH}/check`, check), {
    status: "success",
    balance_status: false,
    health: "unchecked",
  });
  t.is((await ask(`get ${HEALTH}/detailed-report`, report)).data.summary, null);
  t.is((await ask(`get ${HEALTH}/check`, { ...check, who: "forger" })).http, 401);
  // A superuser forces the cached balance past every trigger.
  await api.root(`do $$ begin
    set local session_replication_role = replica;
    update saldo.account set credit_total = 1 where id = ${Number(anna.accountId)};
  end $$`);

  const heal = `post ${HEALTH}/auto-heal`;
  const path = `${HEALTH}/auto-heal`;
  const dry = await ask(heal, { path });
  t.true(dry.data.is_dry_run);
  t.true(dry.data.actions.length > 0);
  const found = await ask(`get ${HEALTH}/detailed-report`, { ...report, who: "operator" });
  t.is(found.data.by_account[0].code, "wallet:anna");
  const healed = await ask(heal, { path, body: { dry_run: false } });
  const action = healed.data.actions.find(
    ({ rule }: { rule: string }) => rule === "account_balance",
  );
  t.like(action, { outcome: "healed", before: { credit_total: "1" } });
  t.is(action.after.credit_total, "500000");
  const balance = `/api/v1/balance/${anna.accountId}`;
  t.is(
    (await ask("get /api/v1/balance/{account}", { path: balance })).data.settled_balance,
    "500000",
  );
  t.is((await ask(`get ${HEALTH}/detailed-report`, report)).data.summary.status, "healthy");

  const maintain = `post ${HEALTH}/scheduled-maintenance`;
  const maintenance = { path: `${HEALTH}/scheduled-maintenance` };
  const { data: maintained } = await ask(maintain, maintenance);
  t.is(maintained.status, "healthy");
  t.regex(maintained.message, /^healthy: \d+ lines of \d+ accounts were looked at, 0 findings/);
  const other = new pg.Client({ connectionString: api.connectionString });
  await other.connect();
  await other.query("begin");
  await other.query("select saldo_private.require_sole_maintenance()");
  t.is((await ask(maintain, maintenance)).data.code, "SB604");
  t.is((await ask(heal, { path })).data.code, "SB604");
  await other.end();
});

const BODIES: Record<string, object> = {
  "/api/v1/transaction": credit({ account: anna.accountId }),
  [`${METERING}/{customer}/deposit`]: { amount: 1 },
  [`${METERING}/{customer}/reading`]: { meter: "M1", read_at: "2026-03-01T00:00:00Z" },
};

function* operations() {
  for (const [route, methods] of Object.entries(document.paths)) {
    for (const [method, { responses, description }] of Object.entries(methods)) {
      const roles = /Roles that may: (.*)\./.exec(description)?.[1]?.split(", ") ?? [];
      const answers = Object.keys(responses).filter((status) => status !== "default");
      yield { operation: `${method} ${route}`, route, answers, roles, body: BODIES[route] ?? {} };
    }
  }
}

test.serial("who may not is told so, what is not known too, and nothing is done", async (t) => {
  const before = await api.digest();
  for (const { operation, route, answers, body } of operations()) {
    const at = (customer: string, account: string) =>
      route.replace("{customer}", customer).replace("{account}", account);
    const path = at("acme", "till:1");
    if (answers.includes("403")) {
      t.is((await ask(operation, { path, body, who: "nobody" })).data.code, "SB011", operation);
      t.is((await ask(operation, { path, body, who: "branch" })).data.code, "SB006", operation);
      const odd = await ask(operation, { path: `${path}?nothing=1`, body });
      t.is(odd.data.code, "SB010", operation);
    }
    if (answers.includes("404") && path !== route) {
      const unknown = { path: at("nobody", "nobody"), body };
      t.is((await ask(operation, unknown)).data.code, "SB007", operation);
    }
  }
  t.is(await api.digest(), before);
  const others = { path: "/api/v1/balance/till:1", who: "member" } as const;
  t.is((await ask("get /api/v1/balance/{account}", others)).data.code, "SB007");
});

test.serial("the roles that the document names may, and no others", async (t) => {
  for (const { operation, route, answers, roles, body } of operations()) {
    if (!answers.includes("403")) continue;
    const path = route.replace("{customer}", "acme").replace("{account}", anna.accountId);
    const letIn: string[] = [];
    for (const who of Object.keys(DATABASE_ROLES) as TokenRole[]) {
      // What an administrator may is tried above.
      const isIn = who === "admin" || (await ask(operation, { path, body, who })).http !== 403;
      if (isIn) letIn.push(who);
    }
    t.deepEqual(letIn.toSorted(), roles.toSorted(), operation);
  }
});

test.serial("what is too much waits its turn, or is sent away", async (t) => {
  // One connection for reports, and two that wait: of six at once three are not begun.
  const other = new pg.Client({ connectionString: api.connectionString });
  await other.connect();
  await other.query("begin");
  await other.query("lock table saldo.check_run");
  const path = `${HEALTH}/detailed-report`;
  const refused: Awaited<ReturnType<typeof ask>>[] = [];
  let endRefusals = () => {};
  const threeRefused = new Promise<void>((done) => {
    endRefusals = done;
  });
  const answers = Array.from({ length: 6 }, async () => {
    const answer = await ask(`get ${HEALTH}/detailed-report`, { path });
    if (answer.http === 429 && refused.push(answer) === 3) endRefusals();
    return answer.http;
  });
  await threeRefused;
  await other.end();
  t.deepEqual((await Promise.all(answers)).toSorted(), [200, 200, 200, 429, 429, 429]);
  t.is(refused[0]?.data.code, "SB023");
  t.is(refused[0]?.headers.get("retry-after"), "1");
  t.regex(
    (await api.request("/metrics")).text,
    /duration_seconds_count\{method="GET",route="\/api\/v1\/balance\/\{account\}"/,
  );
});

test.serial("every answer that the document names is real", async (t) => {
  // The record of the last check is kept for five seconds, and was asked for before the heal.
  while ((await ask(`get ${HEALTH}/check`, { path: `${HEALTH}/check` })).http !== 200) {
    await setTimeout(200);
  }
  const all = [...operations()];
  t.true(all.length > 15);
  const missing = all.flatMap(({ operation, answers }) =>
    answers.filter((each) => !seen.get(operation)?.has(each)).map((each) => `${operation} ${each}`),
  );
  t.deepEqual(missing, []);
});
