import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import test from "ava";
import type { Browser } from "playwright-core";
import { jobs } from "../../src/jobs/job_list.ts";
import {
  adviceInIndonesian,
  alertsInIndonesian,
  decisionKinds,
  jobWords,
  rulesInIndonesian,
} from "../../src/web/console/parts/engine_names.ts";
import type { Api } from "../_support/api.ts";
import { linkCode } from "../http/_console.ts";
import { chromiumPath, launch, noChromium, picture, violations } from "./_browser.ts";
import { consoleFolder, openConsole, overhang, serveConsole } from "./_console.ts";

/** The frame of the console in a real browser: signing in, moving about, and trouble. */

const inBrowser = chromiumPath === undefined ? test.serial.skip : test.serial;
let browser: Browser;
let api: Api;
test.before(async (t) => {
  api = await serveConsole();
  if (chromiumPath === undefined) t.log(`skipped: ${noChromium}`);
  else browser = await launch();
});
test.after.always(async () => {
  await browser?.close();
  await api.close();
});

test.serial(
  "the first screen needs at most 200 KB of JavaScript, and names no other place",
  (t) => {
    const page = readFileSync(join(consoleFolder, "index.html"), "utf8");
    const first = [...page.matchAll(/"\/console\/(assets\/[^"]+\.js)"/g)].map(([, file]) => file);
    const texts = first.map((file) => readFileSync(join(consoleFolder, file ?? "")));
    const overview = /assets\/Overview-[\w-]+\.js/.exec(texts.map(String).join());
    t.truthy(overview, "the overview is fetched when it is shown");
    texts.push(readFileSync(join(consoleFolder, overview?.[0] ?? "")));
    const size = texts.reduce((sum, each) => sum + gzipSync(each).length, 0);
    t.true(size > 80_000 && size <= 200 * 1024, `${size} bytes`);
    t.notRegex(page, /https?:\/\//);
  },
);

inBrowser("a stranger is asked to sign in, in both languages, and a token does it", async (t) => {
  const { page, errors } = await openConsole(t, browser, api, { role: null });
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  t.deepEqual(await violations(page), []);
  await page.getByRole("button", { name: "Bahasa Indonesia" }).click();
  await page.getByRole("button", { name: "Masuk", exact: true }).click();
  await page.getByText("Tempelkan token.").waitFor();
  await page.getByLabel("Token").fill(await api.token({ sub: "ani" }));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Ringkasan" }).waitFor();
  await page.getByText("ani, admin").waitFor();
  t.deepEqual(errors, []);
});

inBrowser("the overview tells how things stand, and of a change without being asked", async (t) => {
  const { page, errors } = await openConsole(t, browser, api);
  await page.getByText("No check has run yet").waitFor();
  await page.getByText("Nothing waits for a person.").waitFor();
  await api.root("select from saldo.check_balance_health()");
  await page.getByText("All is in order").waitFor();
  const { accountId } = await api.member("ayu", "500000");
  await api.root("select from saldo.freeze_account($1, 'looks odd')", [accountId]);
  await api.root("select from saldo.propose_unfreeze($1, 'it is fine')", [accountId]);
  await page.getByText("asked for by").first().waitFor();
  await picture(page, "overview");
  t.deepEqual(await violations(page), []);
  await page.getByRole("button", { name: "Run a check" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Run a check" }).click();
  await page.getByText("The check has run. Findings: 0.").waitFor();
  t.deepEqual(errors, []);
});

inBrowser("keys alone lead everywhere, and say what they do", async (t) => {
  const { page } = await openConsole(t, browser, api);
  await page.getByRole("heading", { name: "Overview", exact: true }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  t.deepEqual(await violations(page), []);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").waitFor();
  await page.keyboard.type("heal");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/heal");
  const { accountId } = await api.member("sari");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("wallet:sari");
  await page.getByRole("option", { name: "wallet:sari · Wallet of sari" }).click();
  await page.waitForURL(`**/console/accounts/${accountId}`);
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await page.waitForURL("**/console/");
  t.is(await page.evaluate("document.activeElement.id"), "content");
});

inBrowser(
  "a session that ends is begun again over the form, which keeps what was typed",
  async (t) => {
    const { page, context } = await openConsole(t, browser, api);
    await page.getByRole("button", { name: "Run a check" }).click();
    const cookies = await context.cookies();
    await context.clearCookies();
    await page.getByRole("dialog").getByRole("button", { name: "Run a check" }).click();
    await page.getByRole("dialog", { name: "Sign in" }).waitFor();
    await page.getByText("The session has ended.").waitFor();
    await picture(page, "signed_out");
    t.true(cookies.every(({ httpOnly, sameSite }) => httpOnly && sameSite === "Strict"));
    await page.getByLabel("Token").fill(await api.token({ sub: "ani" }));
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Sign in" }).waitFor({ state: "detached" });
    await page.getByRole("dialog").getByRole("button", { name: "Run a check" }).click();
    await page.getByText("The check has run.").first().waitFor();
    await page.getByText("Assets", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    t.deepEqual(await context.cookies(), []);
  },
);

inBrowser("an end of the session is noticed at once, and events come again after it", async (t) => {
  const { page, context } = await openConsole(t, browser, api);
  await page.getByText("Assets", { exact: true }).waitFor();
  await context.request.delete("/console/session", { headers: { origin: api.url } });
  await page.getByRole("dialog", { name: "Sign in" }).waitFor();
  await page.getByLabel("Token").fill(await api.token({ sub: "ani" }));
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Sign in" }).waitFor({ state: "detached" });
  await page.getByText("Assets", { exact: true }).waitFor();
  const asked = page.getByText("asked for by");
  const count = await asked.count();
  const { accountId } = await api.member("heard", "700");
  await api.root("select from saldo.freeze_account($1, 'looks odd')", [accountId]);
  await api.root("select from saldo.propose_unfreeze($1, 'it is fine')", [accountId]);
  await asked.nth(count).waitFor();
  t.is(await asked.count(), count + 1);
});

inBrowser("a link to sign in counts for whoever is signed in already", async (t) => {
  const code = await linkCode(api, "operator", "oki");
  const { page } = await openConsole(t, browser, api, { path: `/sign-in#${code}` });
  const used =
    "select from saldo_private.console_link where subject = 'oki' and used_at is not null";
  await page.getByText("This link signs you in once.").waitFor();
  t.deepEqual(await violations(page), []);
  t.is((await api.root(used)).length, 0, "a page that is opened uses nothing up");
  await page.keyboard.press("Enter");
  await page.getByText("oki, operator").waitFor();
  t.is(page.url(), `${api.url}/console/`);
  await page.goto(`${api.url}/console/sign-in#${code}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This link has been used or is too old.").waitFor();
  t.is(page.url(), `${api.url}/console/sign-in`, "no history keeps the code");
  await page.getByRole("link", { name: "To the overview" }).click();
  await page.getByText("oki, operator").waitFor();
});

inBrowser("sessions are seen and ended: an administrator's all, anybody else's own", async (t) => {
  const member = await api.member("budi", "700");
  const visit = { role: "member", subject: "budi", memberId: member.id, path: "/sessions" };
  const budi = await openConsole(t, browser, api, {
    ...visit,
    language: "id",
    viewport: { width: 360, height: 740 },
  });
  await budi.page.getByText("sesi ini").waitFor();
  t.is(await budi.page.getByRole("row").count(), 2, "the head, and one");
  t.true((await overhang(budi.page)) <= 0);
  await picture(budi.page, "sessions_phone");
  const { page, errors } = await openConsole(t, browser, api, { path: "/sessions" });
  const row = page.getByRole("row", { name: /^budi \(budi\) member a token/ });
  await row.waitFor();
  await page.getByRole("row", { name: /^oki operator a one-time link/ }).waitFor();
  await picture(page, "sessions");
  t.deepEqual(await violations(page), []);
  await row.getByRole("button", { name: "End" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End" }).click();
  await row.waitFor({ state: "detached" });
  await budi.page.reload();
  await budi.page.getByLabel("Token").waitFor();
  t.deepEqual(errors, []);
});

inBrowser("an identity provider leads back to the filters, and takes no form away", async (t) => {
  const { page, context } = await openConsole(t, browser, api, { path: "/accounts?search=ca" });
  await page.route("**/console/session", async (route) => {
    const response = await route.fetch();
    const sign_in = { oidc: { name: "the bank" } };
    await route.fulfill({ response, json: { ...(await response.json()), sign_in } });
  });
  const cookies = await context.cookies();
  await page.getByLabel("Currency").fill("IDR");
  await context.clearCookies();
  await page.getByLabel("Search").fill("cash");
  const way = page.getByRole("link", { name: "Sign in with the bank" });
  await way.waitFor();
  t.is(await way.getAttribute("target"), "_blank");
  const back = new URL((await way.getAttribute("href")) ?? "", api.url);
  t.regex(back.searchParams.get("return_to") ?? "", /^\/console\/accounts\?.*search=/);
  await context.addCookies(cookies);
  await page.evaluate("dispatchEvent(new Event('focus'))");
  await way.waitFor({ state: "detached" });
});

inBrowser(
  "a server that is gone is said, what was shown stays, and it comes back by itself",
  async (t) => {
    const { page } = await openConsole(t, browser, api);
    await page.getByText("Assets", { exact: true }).waitFor();
    await page.route(/\/(graphql|console\/session)/, (route) => route.abort());
    await page.getByRole("button", { name: "Run a check" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Run a check" }).click();
    await page.getByText("nobody knows yet whether this was done").waitFor();
    await page.getByText("The server does not answer.").first().waitFor({ timeout: 30_000 });
    t.true(await page.getByText("Assets", { exact: true }).isVisible());
    await page.unroute(/\/(graphql|console\/session)/);
    await page.getByRole("dialog").getByRole("button", { name: "Run a check" }).click();
    await page.getByText("The check has run.").first().waitFor();
    await page.getByText("The server does not answer.").first().waitFor({ state: "detached" });
  },
);

inBrowser("over plain http, without randomUUID and clipboard, forms and copies work", async (t) => {
  const { id } = await api.member("plain");
  const { page, errors } = await openConsole(t, browser, api);
  await page.addInitScript(
    `delete Crypto.prototype.randomUUID; delete Navigator.prototype.clipboard`,
  );
  await page.goto(`${api.url}/console/members/${id}`);
  await page.getByRole("button", { name: "Top up" }).click();
  await page.getByLabel("Amount").fill("5000");
  await page.keyboard.press("Enter");
  await page.getByText("Rp 5,000").first().waitFor();
  await page.getByRole("button", { name: "Copy", exact: true }).first().click();
  await page.getByRole("menuitem").first().click();
  await page.getByText("The browser does not let this page copy.").waitFor();
  t.deepEqual(errors, []);
});

inBrowser("an old tab is asked to reload when the server has a newer page", async (t) => {
  const { page } = await openConsole(t, browser, api);
  await page.getByText("Assets", { exact: true }).waitFor();
  // The page asks each minute, and after each refusal for want of a session.
  await page.route("**/graphql", (route) =>
    route.fulfill({
      status: 401,
      json: { errors: [{ message: "Sign in.", extensions: { condition: "unauthenticated" } }] },
    }),
  );
  await page.route("**/console/session", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), version: "newer" } });
  });
  await page.getByRole("button", { name: "Run a check" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Run a check" }).click();
  await page.getByText("The server has a newer console.").waitFor();
  t.true(await page.getByText("Reload", { exact: true }).isVisible());
});

inBrowser(
  "a phone, a dark theme and the other zone: readable, and nothing to scroll sideways",
  async (t) => {
    const { page } = await openConsole(t, browser, api, {
      viewport: { width: 360, height: 740 },
      colorScheme: "dark",
      language: "id",
    });
    await page.getByRole("heading", { name: "Ringkasan" }).waitFor();
    await page.getByText("Aset", { exact: true }).waitFor();
    t.true((await overhang(page)) <= 0);
    t.deepEqual(await violations(page), []);
    await picture(page, "overview_phone_dark");
    // More than there is room for: the list itself has all of them.
    await api.root(
      "select from generate_series(1, 21) as n, saldo.open_account('odd' || n, 'Odd', 'asset')",
    );
    for (const act of ["freeze_account", "propose_unfreeze"]) {
      const odd = `saldo.account as a, saldo.${act}(a.id, 'odd') where a.code like 'odd%'`;
      await api.root(`select from ${odd}`);
    }
    await page.getByText("Di sini 20 yang terbaru.").waitFor();
    t.true((await overhang(page)) <= 0);
    await page.getByRole("link", { name: "Semua keputusan yang menunggu" }).click();
    const reasons = page.getByText("odd", { exact: true });
    await reasons.nth(20).waitFor();
    t.is(await reasons.count(), 21);
    await page.goto("/console/");
    await page.getByText("Di sini 20 yang terbaru.").waitFor();
    await page.getByRole("button", { name: "Menu" }).click();
    t.deepEqual(await violations(page), []);
    await page.getByRole("link", { name: "Akun", exact: true }).waitFor();
    t.true((await overhang(page)) <= 0);
  },
);

test.serial(
  "rules, alerts, jobs and kinds of decisions have words in both languages",
  async (t) => {
    const names = async (text: string) =>
      (await api.root(`select name from (${text}) as each (name) order by name collate "C"`)).map(
        ({ name }) => name,
      );
    const keys = (words: object) => Object.keys(words).sort();
    t.deepEqual(keys(rulesInIndonesian), await names("select name from saldo.balance_rule"));
    const conditions = await names("select name from saldo.alert_condition");
    t.deepEqual(keys(alertsInIndonesian), conditions);
    t.deepEqual(keys(adviceInIndonesian), conditions);
    for (const words of Object.values(jobWords)) {
      t.deepEqual(keys(words), jobs.map(({ name }) => name).sort());
    }
    const known = `select (regexp_matches(pg_get_constraintdef(oid), '''(\\w+)''', 'g'))[1]
    from pg_constraint where conname = 'decision_action_is_known'`;
    t.deepEqual([...decisionKinds].sort(), await names(known));
  },
);

inBrowser("an address that names nothing says so, and leads to the list", async (t) => {
  const { page, errors } = await openConsole(t, browser, api);
  const folder = new URL("../../src/web/console/screens/", import.meta.url);
  const files = readdirSync(folder).map((name) => new URL(`${name}/routes.ts`, folder));
  const texts = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, "utf8"));
  const paths = [...texts.join("").matchAll(/screen\("([^"]*\$[^"]*)"/g)].map(
    ([, path]) => path ?? "",
  );
  t.true(paths.length >= 13);
  const uuid = "00000000-0000-4000-8000-000000000000";
  for (const path of paths) {
    for (const [number, id] of [
      ["abc", "xyz'--"],
      ["999999", uuid],
    ] as const) {
      const isNumber = /^(accounts|branches|customers|members|seals)\//.test(path);
      const place = path
        .replace("$account", number)
        .replace("$period", "2026-14")
        .replace(/\$\w+/, isNumber ? number : id);
      await page.goto(`/console/${place}`);
      await page.getByRole("link", { name: "To the list of all" }).waitFor();
      t.regex((await page.getByRole("status").first().textContent()) ?? "", /no such/, place);
      t.is(await page.getByRole("alert").count(), 0, place);
    }
  }
  t.deepEqual(await violations(page), []);
  await page.goto("/console/journal?from=2026-02-30&to=abc");
  // The day that is none is left out, and the server asked for all.
  const entries = page.getByRole("table", { name: "Journal" });
  await entries.or(page.getByText("No entry matches.")).waitFor();
  t.is(await page.getByRole("alert").count(), 0);
  t.deepEqual(errors, []);
});

inBrowser("without JavaScript the page says what it needs", async (t) => {
  const context = await browser.newContext({ javaScriptEnabled: false, baseURL: api.url });
  t.teardown(() => context.close());
  const page = await context.newPage();
  await page.goto("/console/");
  t.regex((await page.textContent("body")) ?? "", /needs JavaScript/);
});
