import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import test from "ava";
import { parseAllDocuments } from "yaml";
import { openApi } from "../_support/api.ts";
import { runProgram } from "../_support/process.ts";

const api = await openApi();
const anna = await api.member("anna", "1900000");
test.after.always(() => api.close());

const CHECK = `mutation {
  checkBalanceHealth(input: {}) {
    result { status findingCount findings { nodes { key accountId difference cause } } }
  }
}`;
const HEAL = `mutation ($dryRun: Boolean!) {
  autoHeal(input: { dryRun: $dryRun }) { result { isDryRun healedCount } }
}`;
const MAINTAIN = "mutation { scheduledMaintenance(input: {}) { result { status } } }";

test.serial("a caller that may not heal is told so, and nothing is recorded", async (t) => {
  const before = await api.digest();
  for (const token of [await api.memberToken(anna.id), await api.token({ role: "operator" })]) {
    t.is((await api.post(HEAL, { dryRun: false }, token)).code, "SB006");
    t.is((await api.post(MAINTAIN, {}, token)).code, "SB006");
  }
  t.is((await api.post(HEAL, { dryRun: false }, null)).code, "SB011");
  t.is((await api.post(CHECK, {}, await api.memberToken(anna.id))).code, "SB006");
  t.is(await api.digest(), before);
});

test.serial("a forced balance shows as unhealthy, is found and healed by mutations", async (t) => {
  // A superuser forces the cached balance past every trigger.
  await api.root(`do $$ begin
    set local session_replication_role = replica;
    update saldo.account set credit_total = 1500000 where id = ${Number(anna.accountId)};
  end $$`);

  const check = await api.post(CHECK, {}, await api.token({ role: "operator" }));
  t.is(check.data.checkBalanceHealth.result.status, "unhealthy");
  const findings = check.data.checkBalanceHealth.result.findings.nodes;
  const own = findings.filter(
    (finding: { accountId: string }) => finding.accountId === anna.accountId,
  );
  t.true(own.some((finding: { difference: string }) => finding.difference === "-400000"));

  const unhealthy = await api.request("/admin/balance-health/check");
  t.is(unhealthy.status, 503);
  t.like(JSON.parse(unhealthy.text), { health: "unhealthy", balance: "unbalanced" });
  t.regex((await api.request("/metrics")).text, /^balance_sheet_valid 0$/m);

  // The query of docs/reference/healing.md, for whoever is looking for the cause.
  const [, explain = ""] =
    /```graphql\n([\s\S]*?)```/.exec(readFileSync("docs/reference/healing.md", "utf8")) ?? [];
  const explained = await api.post(explain, {}, await api.token({ role: "operator" }));
  const [finding] = explained.data.checkBalanceHealth.result.findings.nodes.filter(
    ({ rule }: { rule: string }) => rule === "account_balance",
  );
  t.like(finding, { cause: "out_of_band_write", difference: "-400000" });
  t.like(finding.findingExplanations.nodes[0], {
    rank: 1,
    cause: "out_of_band_write",
    confidence: "certain",
  });
  t.regex(finding.findingExplanations.nodes[0].explanation, /credit_total 1900000 -> 1500000/);
  t.is(finding.findingExplanations.nodes.length, 1);

  const dryRun = await api.post(HEAL, { dryRun: true });
  t.true(dryRun.data.autoHeal.result.isDryRun);
  const heal = await api.post(HEAL, { dryRun: false });
  t.true(heal.data.autoHeal.result.healedCount > 0);
  const { data } = await api.post(`{ account(id: "${anna.accountId}") { balance } }`);
  t.is(data.account.balance, "1900000");
  const again = await api.post(CHECK);
  t.is(again.data.checkBalanceHealth.result.status, "healthy");

  // The endpoint asks the database once in five seconds.
  await wait(5100);
  const headers = { authorization: `Bearer ${await api.token({})}` };
  const healthy = await api.request("/admin/balance-health/check", { headers });
  t.is(healthy.status, 200);
  t.regex(healthy.text, /"total_liabilities":1900000[,}]/);
  t.regex((await api.request("/metrics")).text, /^balance_sheet_valid 1$/m);
});

test.serial("maintenance checks, heals and checks again", async (t) => {
  const { data } = await api.post(MAINTAIN);
  t.is(data.scheduledMaintenance.result.status, "healthy");
});

/** Runs what `node -e` is given in deploy/, and tells how it ended and what it printed. */
async function ranInline(script: string, environment: Record<string, string>) {
  const program = runProgram("-e", [script], environment);
  return { code: await program.ended, output: program.output() };
}

test.serial("the nightly call of the Kubernetes manifests fails unless all is well", async (t) => {
  const manifests = parseAllDocuments(readFileSync("deploy/kubernetes.yaml", "utf8"));
  const job = manifests.map((each) => each.toJS()).find(({ kind }) => kind === "CronJob");
  const [container] = job.spec.jobTemplate.spec.template.spec.containers;
  t.deepEqual(container.command.slice(0, 2), ["node", "-e"]);
  const call = (token: string) =>
    ranInline(container.command[2], { SALDO_ADDRESS: api.url, SALDO_TOKEN: token });
  const [made] = await api.root("select saldo.create_service_token('admin', 'nightly') as token");
  const well = await call(String(made?.["token"]));
  t.is(well.code, 0, well.output);
  t.regex(well.output, /"status":"healthy"/);
  const refused = await call(await api.token({ role: "operator" }));
  t.is(refused.code, 1);
  t.regex(refused.output, /SB006/);
});

test.serial("the container's health check asks whether it is ready", async (t) => {
  const [, command = "[]"] =
    /^HEALTHCHECK .*\n\s*(\[.*\])$/m.exec(readFileSync("Dockerfile", "utf8")) ?? [];
  const [program, option, script] = JSON.parse(command);
  t.deepEqual([program, option], ["node", "-e"]);
  const { port } = new URL(api.url);
  t.is((await ranInline(script, { PORT: port })).code, 0);
  const starting = createServer((_request, response) => response.writeHead(503).end());
  await new Promise<void>((listening) => starting.listen(0, "127.0.0.1", listening));
  const own = String((starting.address() as AddressInfo).port);
  t.is((await ranInline(script, { PORT: own })).code, 1);
  starting.close();
  t.is((await ranInline(script, { PORT: "1" })).code, 1);
});

test.serial(
  "jobs that stand still are told by the probes, the check and the metrics",
  async (t) => {
    const own = await openApi({ areJobsRunning: () => true });
    const beside = await openApi({ areJobsRunning: () => false });
    try {
      for (const each of [own, api]) {
        await each.root("select saldo.check_balance_health()");
        await each.root("select saldo_private.record_worker_seen()");
      }
      t.is((await own.request("/ready")).status, 200);
      t.like(JSON.parse((await beside.request("/ready")).text), {
        status: "not ready",
        message: "Jobs are being begun again.",
      });
      t.is((await own.request("/admin/balance-health/check")).status, 200);
      t.regex((await own.request("/metrics")).text, /^saldo_worker_silent 0$/m);
      const silence = `update saldo_private.alert_state
      set worker_seen_at = clock_timestamp() - interval '2 minutes'`;
      for (const each of [own, api]) await each.root(silence);
      await wait(5100); // answers are kept for so long
      const ready = await own.request("/ready");
      t.is(ready.status, 503);
      t.regex(
        ready.text,
        /"jobs":"standing still","message":"Jobs stand still: none was done since 2/,
      );
      // Its jobs are another process's: it answers anyway, and says so.
      const serving = await api.request("/ready");
      t.is(serving.status, 200);
      t.like(JSON.parse(serving.text), { status: "ready", jobs: "standing still" });
      const check = await own.request("/admin/balance-health/check");
      t.is(check.status, 503);
      t.like(JSON.parse(check.text), { health: "jobs_stand_still", balance: "balanced" });
      t.regex((await own.request("/metrics")).text, /^saldo_worker_silent 1$/m);
    } finally {
      await own.close();
      await beside.close();
    }
  },
);
