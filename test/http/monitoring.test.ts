import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import test from "ava";
import { parse } from "yaml";
import { type Api, openApi } from "../_support/api.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Labels of each metric that /metrics has, with the values they have. */
const exposed = new Map<string, Map<string, Set<string>>>();
let exposition = "";

/** What Prometheus gets with a token. */
async function readMetrics(api: Api): Promise<string> {
  const headers = { authorization: `Bearer ${await api.token({ role: "operator" })}` };
  return (await api.request("/metrics", { headers })).text;
}

test.before(async () => {
  const api = await openApi();
  await api.root("select saldo.check_balance_health()");
  await api.root("select saldo.evaluate_alerts()");
  await api.request("/metrics"); // a request is measured when it has ended
  exposition = await readMetrics(api);
  await api.close();
  for (const line of exposition.split("\n")) {
    const [, name, labels = ""] = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (name === undefined) continue;
    const known = exposed.get(name) ?? new Map<string, Set<string>>();
    for (const [, label = "", value = ""] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      known.set(label, (known.get(label) ?? new Set()).add(value));
    }
    exposed.set(name, known);
  }
});

// What PromQL has of its own, and Prometheus makes for every target.
const own =
  /^(and|or|unless|on|by|time|rate|delta|increase|absent|sum|histogram_quantile|up|le|route)$/;

/** What an expression names that /metrics does not have. */
function unknownIn(expression: string): string[] {
  const unknown: string[] = [];
  for (const [, name = "", matchers = ""] of expression.matchAll(/([a-z_]+)\{([^}]*)\}/g)) {
    if (name === "up") continue;
    for (const [, label = "", value = ""] of matchers.matchAll(/(\w+)=~?"([^"]*)"/g)) {
      const values = exposed.get(name)?.get(label);
      const missing = value.split("|").filter((each) => !values?.has(each));
      unknown.push(...missing.map((each) => `${name} ${label}=${each}`));
    }
  }
  const bare = expression.replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"/g, " ");
  for (const [name] of bare.matchAll(/[a-z_]{2,}/g)) {
    if (!own.test(name) && !exposed.has(name)) unknown.push(name);
  }
  return unknown;
}

interface Rules {
  groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
}

test("the alert rules name metrics and labels that there are, and no amounts", async (t) => {
  const { groups }: Rules = parse(await readFile(`${root}monitoring/alert-rules.yml`, "utf8"));
  const rules = groups.flatMap((group) => group.rules);
  t.true(rules.length > 10);
  for (const { alert, expr, annotations } of rules) {
    t.deepEqual(unknownIn(expr), [], alert);
    t.notRegex(expr, /saldo_(total_|drift_amount)/, alert);
    for (const [, label = ""] of annotations.summary.matchAll(/\$labels\.(\w+)/g)) {
      const [name = ""] = /[a-z_]{3,}/.exec(expr) ?? [];
      t.true(exposed.get(name)?.has(label), `${alert}: ${label}`);
    }
  }
});

interface Panel {
  title: string;
  targets: { expr: string; legendFormat: string }[];
}

test("the dashboard shows metrics that there are", async (t) => {
  const text = await readFile(`${root}monitoring/grafana-dashboard.json`, "utf8");
  const { panels }: { panels: Panel[] } = JSON.parse(text);
  t.true(panels.length > 10);
  for (const { title, targets } of panels) {
    for (const { expr, legendFormat } of targets) {
      t.deepEqual(unknownIn(expr), [], title);
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        const names = [...expr.matchAll(/[a-z_]{3,}/g)].map(([name]) => name);
        t.true(
          names.some((name) => exposed.get(name)?.has(label)),
          `${title}: ${label}`,
        );
      }
    }
  }
});

test("these tests see a metric and a label that there is not", (t) => {
  t.deepEqual(unknownIn("saldo_planted > 0"), ["saldo_planted"]);
  t.deepEqual(unknownIn('saldo_open_alerts{condition="planted"} > 0'), [
    "saldo_open_alerts condition=planted",
  ]);
});

test("labels are few and known beforehand, whatever is in the database", async (t) => {
  const own = [...exposed].filter(([name]) => /^saldo_(?!http)/.test(name));
  const labels = new Set(own.flatMap(([, known]) => [...known.keys()]));
  const expected = ["channel", "condition", "lane", "outcome", "reason", "rule", "status"];
  t.deepEqual([...labels].sort(), expected);
  const seriesCount = exposition.split("\n").filter((line) => /^saldo_(?!http)/.test(line)).length;
  t.true(seriesCount < 200, `${seriesCount} series`);
});

test("metrics of what was found and done show its figures", async (t) => {
  const own = await openApi();
  t.teardown(() => own.close());
  const anna = await own.member("anna", "1900000");
  await own.root(`do $$ begin
    set local session_replication_role = replica;
    update saldo.account set credit_total = 1500000 where id = ${Number(anna.accountId)};
  end $$`);
  await own.root("select saldo.check_balance_health()");
  await own.root("select saldo.evaluate_alerts()");
  const text = await readMetrics(own);
  t.regex(text, /^balance_sheet_valid 0$/m);
  t.regex(text, /^saldo_drift_amount\{rule="account_balance"\} 400000$/m);
  t.regex(text, /^saldo_drift_findings\{rule="account_balance"\} 1$/m);
  t.regex(text, /^saldo_drift_findings\{rule="entry_balance"\} 0$/m);
  t.regex(text, /^saldo_last_check_status\{status="unhealthy"\} 1$/m);
  t.regex(text, /^saldo_open_alerts\{condition="drift_found"\} \d$/m);
  t.regex(text, /^saldo_open_alerts\{condition="check_overdue"\} 0$/m);
  t.regex(text, /^saldo_guard_events_last_day 1$/m);
  t.regex(text, /^saldo_last_check_lines 2$/m);
});

test("what asks how the balances are reads no account and no line", async (t) => {
  const own = await openApi();
  t.teardown(() => own.close());
  await own.member("anna", "1900000");
  await own.root("select count(saldo.top_up(1, 1)) from generate_series(1, 20)");
  await own.root("select saldo.check_balance_health()");
  // Before and after in one session, whose counters are its own and may be of more than this.
  await own.root(
    `create view public.read_count as
      select relname::text, seq_tup_read + coalesce(idx_tup_fetch, 0) as row_count
      from pg_stat_xact_user_tables
      where schemaname = 'saldo'
      and relname in (
        'account', 'journal_line', 'journal_entry', 'month_movement', 'sub_balance', 'check_run'
      )`,
  );
  await own.root(
    `do $$ begin
      create table public.before as select * from public.read_count;
      perform saldo.balance_health();
      perform saldo_private.health_metric();
      perform saldo.evaluate_alerts();
      create table public.after as select * from public.read_count;
    end $$`,
  );
  const counts = await own.root(
    `select relname, (after.row_count - before.row_count)::integer as read_count
    from public.after join public.before using (relname)
    where after.row_count > before.row_count
    order by relname`,
  );
  t.is(counts[0]?.relname, "check_run", "the counters count, and the record of checks was read");
  t.deepEqual(
    counts.slice(1),
    [{ relname: "journal_entry", read_count: 1 }],
    "the last posting tells whether the clock was set back",
  );
});

test("the health check says when, over how much, and 503 when that is too long ago", async (t) => {
  const ask = async (prepare: string) => {
    const own = await openApi({ prepare });
    const headers = { authorization: `Bearer ${await own.token({ role: "operator" })}` };
    const answer = await own.request("/admin/balance-health/check", { headers });
    await own.close();
    return { status: answer.status, body: JSON.parse(answer.text) };
  };
  const unchecked = await ask("select 1");
  t.is(unchecked.status, 503);
  t.like(unchecked.body, { health: "unchecked", balance: "unknown" });

  const checked = await ask("select saldo.check_balance_health()");
  t.is(checked.status, 200);
  t.like(checked.body, { health: "healthy", balance: "balanced" });
  t.regex(checked.body.message, /^Checked at \d{4}-.*Z: \d+ rules over 0 journal lines and 0 acc/);
  t.like(checked.body.data, { line_count: 0, account_count: 0, is_overdue: false });

  const old = await ask(`select saldo.check_balance_health();
    update saldo.check_run set finished_at = finished_at - interval '7 hours 1 second'`);
  t.is(old.status, 503);
  t.like(old.body, { health: "overdue", balance: "balanced" });
  const longer = await ask(`select saldo.check_balance_health();
    select saldo.set_setting('check_overdue_hours', '8');
    update saldo.check_run set finished_at = finished_at - interval '7 hours 1 second'`);
  t.is(longer.status, 200);
});
