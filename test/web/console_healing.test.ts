import test from "ava";
import pg from "pg";
import type { Browser, Page } from "playwright-core";
import { forceBalance, replayIncident, type Victim } from "../../demo/incident.ts";
import { addCustomers, createShop, shopGrants, shopRule } from "../../demo/shop.ts";
import type { Api } from "../_support/api.ts";
import { journalDigest } from "../_support/faults.ts";
import { chromiumPath, launch, noChromium, picture, violations } from "./_browser.ts";
import { openConsole, overhang, serveConsole } from "./_console.ts";

/** Health, heals, decisions, own tables, jobs and alerts: the console of those called at night. */

const inBrowser = chromiumPath === undefined ? test.serial.skip : test.serial;
let api: Api;
let browser: Browser;
let root: pg.Client;
let victim: Victim;

test.before(async (t) => {
  if (chromiumPath === undefined) return t.log(`skipped: ${noChromium}`);
  api = await serveConsole();
  browser = await launch();
  const { connectionString } = api;
  root = new pg.Client({ connectionString, application_name: "night-script" });
  await root.connect();
  victim = await replayIncident(root);
  await root.query("select saldo.open_account('cash', 'Cash', 'asset')");
});
test.after.always(async () => {
  await browser?.close();
  await root?.end();
  await api?.close();
});

/** What the schedule does: it checks, and tells. */
async function checkAndTell(): Promise<void> {
  await root.query("select saldo.check_balance_health()");
  await root.query("select saldo.evaluate_alerts()");
}

/** Statements as an administrator of this name. */
async function as(subject: string, ...statements: string[]): Promise<void> {
  await root.query(`begin; set local role saldo_admin; set local saldo.subject = '${subject}'`);
  for (const statement of statements) await root.query(statement);
  await root.query("commit");
}

/** Adds to what is stored of an account, past every trigger. */
const drift = (code: string, by: number) =>
  root.query(`begin; set local session_replication_role = replica;
    update saldo.account set debit_total = debit_total + ${by} where code = '${code}'; commit`);

async function balanceOf(accountId: string): Promise<unknown> {
  const { rows } = await root.query("select balance from saldo.account where id = $1", [accountId]);
  return rows[0]?.balance;
}

const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
const follow = (page: Page, name: string | RegExp) =>
  page.getByRole("link", { name }).first().click();
const heading = (page: Page, name: string | RegExp) =>
  page.getByRole("heading", { name }).first().waitFor();
const tab = (page: Page, name: string) => page.getByRole("tab", { name, exact: true }).click();

/** In the dialog that is open: fills its fields, and presses its button. */
async function answer(page: Page, submit: string, fields: { [label: string]: string } = {}) {
  const dialog = page.getByRole("dialog");
  for (const [label, text] of Object.entries(fields)) await dialog.getByLabel(label).fill(text);
  await dialog.getByRole("button", { name: submit, exact: true }).click();
}

inBrowser("the incident is told from the alert to the heal, and all is well again", async (t) => {
  const journal = await journalDigest(root as never);
  await forceBalance(root, victim);
  await checkAndTell();
  const { page, errors } = await openConsole(t, browser, api, { path: "/alerts" });
  await follow(page, "Stored balances differ from the journal");
  await press(page, "Acknowledge");
  await answer(page, "Acknowledge");
  await page.getByText("Say what you are doing about it.").waitFor();
  await answer(page, "Acknowledge", { Note: "I look at it" });
  await page.getByText("I look at it").waitFor();
  await picture(page, "alert");

  await follow(page, "See the findings");
  await follow(page, `account_balance ${victim.accountId}`);
  await heading(page, /1\. Written past the engine certain/);
  await page.getByText("3500000 → 3100000").first().waitFor();
  await page.getByText("127.0.0.1, night-script").first().waitFor();
  await page.getByText("set credit_total = debit_total + ?").first().waitFor();
  await picture(page, "finding");
  t.deepEqual(await violations(page), []);

  await follow(page, "To the heal");
  await press(page, "Make a plan");
  await answer(page, "Make a plan");
  await heading(page, "Plan of a heal");
  await page.getByRole("cell", { name: "Rp 400,000", exact: true }).waitFor();
  await picture(page, "plan");
  t.is(await balanceOf(victim.accountId), "1500000");
  await press(page, "Apply this plan");
  await page.getByRole("dialog").getByText("Findings that are healed: 1").waitFor();
  await answer(page, "Apply this plan");
  await heading(page, "Heal that was done");
  await page.getByRole("cell", { name: "Rp 1,900,000" }).waitFor();
  t.is(await balanceOf(victim.accountId), "1900000");
  t.is(await journalDigest(root as never), journal);

  await page.goto("/console/health");
  await page.getByText("In order", { exact: true }).waitFor();
  await press(page, "Run a check");
  await answer(page, "Run a check");
  await page.getByText("The check has run: all is in order.").waitFor();
  await tab(page, "Checks");
  await page.getByRole("cell", { name: "in slices" }).waitFor();
  await picture(page, "health-checks");
  await root.query("select saldo.evaluate_alerts()");
  const { rows } = await root.query(
    "select from saldo.alert where condition = 'drift_found' and resolved_at is null",
  );
  t.is(rows.length, 0);
  t.deepEqual(errors, []);
});

inBrowser(
  "what is wrong again takes two people, and a plan is applied as it was seen",
  async (t) => {
    await forceBalance(root, victim);
    const ani = await openConsole(t, browser, api, { path: "/heal" });
    await press(ani.page, "Make a plan");
    await answer(ani.page, "Make a plan");
    await ani.page.getByText("Wrong again: needs an approval").first().waitFor();
    await drift("cash", 7);
    await press(ani.page, "Apply this plan");
    await answer(ani.page, "Apply this plan");
    await ani.page.getByText("Code SB417").waitFor();
    await picture(ani.page, "plan-outdated");
    await drift("cash", -7);
    await answer(ani.page, "Apply this plan");
    await heading(ani.page, "Heal that was done");
    await follow(ani.page, "Show the proposals");
    await ani.page.getByText("You proposed this: another administrator decides.").waitFor();
    const own = ani.page.getByRole("button", { name: "Approve", exact: true });
    t.is(await own.getAttribute("aria-disabled"), "true");
    await own.click({ force: true });
    t.is(await ani.page.getByRole("dialog").count(), 0);
    await picture(ani.page, "own-proposal");

    // Two others look at it at once: one of them is first.
    const budi = await openConsole(t, browser, api, { path: "/decisions", subject: "budi" });
    const citra = await openConsole(t, browser, api, { path: "/decisions", subject: "citra" });
    await press(budi.page, "Approve");
    await press(citra.page, "Approve");
    await answer(budi.page, "Approve");
    await budi.page.getByText("Say why: it is kept with what is done.").waitFor();
    await answer(budi.page, "Approve", { Reason: "the script is stopped" });
    await budi.page.getByText("Approved and healed.").waitFor();
    t.is(await balanceOf(victim.accountId), "1900000");
    await answer(citra.page, "Approve", { Reason: "I was second" });
    await citra.page.getByText("Code SB620").waitFor();

    await budi.page.goto("/console/heal?tab=history");
    await budi.page.getByRole("button", { name: "Undo", exact: true }).first().click();
    await answer(budi.page, "Undo", { Reason: "for the auditor" });
    await budi.page.getByText("Taken back.", { exact: true }).waitFor();
    t.is(await balanceOf(victim.accountId), "1500000");
    for (const each of [ani, budi]) t.deepEqual(each.errors, []);
  },
);

inBrowser(
  "decisions, frozen accounts, jobs and own tables are acted on where they are shown",
  async (t) => {
    await as(
      "ani",
      "select saldo.propose_setting('unfreeze_alone_amount', '50000000', 'we know each other')",
      `select saldo.propose_adjustment(${victim.accountId}, 1900000, 'as the journal has it')`,
    );
    const { page, errors } = await openConsole(t, browser, api, {
      path: "/decisions",
      subject: "budi",
    });
    await heading(page, "Change a setting");
    await picture(page, "decisions");
    const proposal = (name: string) => page.getByRole("region", { name });
    await proposal("Change a setting").getByRole("button", { name: "Reject" }).click();
    await answer(page, "Reject", { Reason: "not while this goes on" });
    await page.getByText("Rejected.").waitFor();
    await page.getByRole("button", { name: "Approve" }).first().click();
    await answer(page, "Approve", { Reason: "I have counted too" });
    await page.getByText("Approved and done.").waitFor();
    t.is(await balanceOf(victim.accountId), "1900000");
    await tab(page, "Decided");
    await page.getByText("by ani and budi").first().waitFor();

    await page.goto("/console/heal?tab=frozen");
    await press(page, "Freeze an account");
    await answer(page, "Freeze", { "Code of the account": "nobody", Reason: "being looked into" });
    await page.getByText("No account has this code.").waitFor();
    await page.getByLabel("Code of the account").fill("wallet:member1");
    await page.getByText("wallet:member1 Wallet of Member 1").waitFor();
    await answer(page, "Freeze");
    await page.getByText("The account is frozen.").waitFor();
    await page.getByRole("cell", { name: "being looked into" }).waitFor();
    await picture(page, "frozen");
    await press(page, "Release");
    await answer(page, "Release", { Reason: "all is explained" });
    await page.getByText("No account is frozen.").waitFor();

    await root.query("select saldo_private.record_jobs($1)", [
      JSON.stringify([
        { name: "settle", schedule: "every 5 seconds", every_seconds: 5 },
        {
          name: "maintenance",
          schedule: "each day at 02:00",
          scheduled_at: "2099-01-01T02:00:00Z",
        },
      ]),
    ]);
    await root.query(
      "select saldo_private.record_job_run('maintenance', now(), 'the disk was full', now())",
    );
    await page.goto("/console/jobs");
    await page.getByText("Jobs whose last run failed: 1").waitFor();
    await page.getByText("the disk was full").waitFor();
    await picture(page, "jobs");
    await press(page, "Try again");
    await answer(page, "Try again");
    await tab(page, "Asked for");
    await page.getByText("waits for a worker").waitFor();
    t.deepEqual(errors, []);
  },
);

inBrowser("a rule over an own table is proposed with its SQL, and registered", async (t) => {
  await createShop(root);
  await addCustomers(root);
  const { page, errors } = await openConsole(t, browser, api, { path: "/own-tables" });
  await follow(page, "Look for balances in your tables");
  await page.getByText("not yet", { exact: true }).first().waitFor();
  const granted = String(await page.locator("pre").textContent());
  t.regex(granted, /^grant usage on schema public to saldo_rule_reader, saldo_owner;/);
  await root.query(granted);
  await root.query(shopGrants);
  await page.reload();
  await page.getByRole("button", { name: "Propose a rule" }).first().click();
  await page.getByText(/^Explains \d+ of \d+ rows \([\d.]+ %\)\.$/).waitFor();
  await picture(page, "own-proposal");
  t.deepEqual(await violations(page), []);
  await press(page, "Register the rule");
  await answer(page, "Register the rule", { "Name of the rule": "proposed" });
  await heading(page, "The SQL to review");
  const told = "select guard from saldo.registered_rule where name = 'proposed'";
  t.deepEqual((await root.query(told)).rows, [{ guard: "record" }]);
  await root.query("select saldo.unregister_balance_rule('proposed')");
  const { page: other } = await openConsole(t, browser, api, { role: "operator" });
  const status = "fetch('/console/proposals/balances').then((answer) => answer.status)";
  t.is(await other.evaluate(status), 403);
  t.is(await other.getByRole("tab", { name: "Proposals" }).count(), 0);
  t.deepEqual(errors, []);
});

inBrowser("a rule over an own table is read, approved and switched off", async (t) => {
  await root.query("update public.users set balance = 1900000 where id = 1");
  const given = Object.entries({ ...shopRule, heal: "update" });
  const list = given.map(([name], index) => `${name} => $${index + 1}`).join(", ");
  await root.query(
    `select saldo.register_balance_rule(${list})`,
    given.map(([, value]) => value),
  );
  await root.query("select saldo.check_balance_health()");
  const { page, errors } = await openConsole(t, browser, api, { path: "/own-tables" });
  await page.getByText("not before somebody approves it").waitFor();
  await picture(page, "own-tables");
  await page.locator("table a").first().click();
  await heading(page, "The SQL to review");
  await picture(page, "own-rule");
  t.deepEqual(await violations(page), []);
  await press(page, "Approve");
  await answer(page, "Approve", { Reason: "the sums are those of the shop" });
  await page.getByText("the sums are those of the shop").waitFor();
  await press(page, "Switch off");
  await answer(page, "Switch off");
  await press(page, "Switch on");
  await answer(page, "Switch on");
  await page.getByText("watched", { exact: true }).waitFor();
  t.deepEqual(errors, []);
});

inBrowser("screens of what needs a person follow what the server tells", async (t) => {
  const { page, errors } = await openConsole(t, browser, api, { path: "/health" });
  for (const [path, title] of [
    ["/health", "Health"],
    ["/heal", "Heal"],
    ["/decisions", "Decisions"],
    ["/alerts", "Alerts"],
  ] as const) {
    // What the page before still opens is not heard.
    await page.goto("/health");
    // The answer may come before the heading does.
    const isHeard = page
      .waitForEvent("websocket")
      .then((socket) =>
        socket.waitForEvent("framereceived", ({ payload }) =>
          String(payload).includes("subscribed"),
        ),
      );
    await page.goto(`/console${path}`);
    await heading(page, title);
    await isHeard;
    // Nothing asks by itself before half a minute is over.
    const asked = page.waitForRequest(/graphql/, { timeout: 15_000 });
    await root.query("select saldo.check_balance_health()");
    t.truthy(await asked, path);
  }
  t.deepEqual(errors, []);
});

const screens = [
  ["/health", "Kesehatan"],
  ["/health?tab=accounts", "Kesehatan"],
  ["/health?tab=findings", "Kesehatan"],
  ["/health?tab=checks", "Kesehatan"],
  ["/heal", "Pemulihan"],
  ["/heal?tab=proposals", "Pemulihan"],
  ["/heal?tab=history", "Pemulihan"],
  ["/heal?tab=frozen", "Pemulihan"],
  ["/heal?tab=limits", "Pemulihan"],
  ["/decisions", "Keputusan"],
  ["/decisions?tab=decided", "Keputusan"],
  ["/own-tables", "Tabel sendiri"],
  ["/own-tables?tab=proposals&table=public.users", "Tabel sendiri"],
  ["/own-tables?tab=writes", "Tabel sendiri"],
  ["/jobs", "Pekerjaan"],
  ["/jobs?tab=requests", "Pekerjaan"],
  ["/jobs?tab=maintenance", "Pekerjaan"],
  ["/alerts", "Peringatan"],
  ["/alerts?tab=messages", "Peringatan"],
] as const;

inBrowser("an operator sees all of it on a phone, and changes nothing", async (t) => {
  await forceBalance(root, victim);
  await as("ani", "select saldo.propose_setting('unfreeze_alone_amount', '60000000', 'again')");
  await checkAndTell();
  const { page, errors } = await openConsole(t, browser, api, {
    role: "operator",
    language: "id",
    viewport: { width: 360, height: 780 },
    path: "/health",
  });
  const acts = /^(Setujui|Tolak|Batalkan|Lepas|Bekukan|Buat rencana|Jalankan|Coba lagi|Tangani)/;
  for (const [path, title] of screens) {
    await page.goto(`/console${path}`);
    await page.getByRole("heading", { name: title, level: 1 }).waitFor();
    await page.locator("[aria-label=Memuat]").first().waitFor({ state: "detached" });
    t.true((await overhang(page)) <= 0, path);
    t.deepEqual(await violations(page), [], path);
    t.is(await page.getByRole("button", { name: acts }).count(), 0, path);
    t.is(await page.getByRole("alert").count(), 0, path);
    await picture(page, `phone${path.replace(/[/?=]/g, "-")}`);
  }
  t.deepEqual(errors, []);
});

inBrowser("a member is told who may see it", async (t) => {
  const visit = { role: "member", memberId: victim.memberId, path: "/health" };
  const { page } = await openConsole(t, browser, api, visit);
  await page.getByText("Your role may not see this.").first().waitFor();
  t.is(await page.getByRole("button", { name: "Run a check" }).count(), 0);
});
