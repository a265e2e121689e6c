import test from "ava";
import type { Browser, Locator, Page } from "playwright-core";
import type { Api } from "../_support/api.ts";
import { books } from "./_books.ts";
import { chromiumPath, launch, noChromium } from "./_browser.ts";
import { openConsole, serveConsole, type Visit } from "./_console.ts";

/** Every place of the console by role, and its main tasks by the keyboard alone. */

const inBrowser = chromiumPath === undefined ? test.serial.skip : test.serial;
let browser: Browser;
let api: Api;
test.before(async (t) => {
  api = await serveConsole({ prepare: books });
  if (chromiumPath === undefined) t.log(`skipped: ${noChromium}`);
  else browser = await launch();
});
test.after.always(async () => {
  await browser?.close();
  await api.close();
});

const open = (t: Parameters<typeof openConsole>[0], visit: Visit) =>
  openConsole(t, browser, api, visit);

/** Goes to a place as its link does, without loading the page again. */
async function go(page: Page, path: string): Promise<void> {
  await page.evaluate(
    `history.pushState(null, "", "/console${path}"); dispatchEvent(new PopStateEvent("popstate"))`,
  );
}

/** Each place with its title, and what is there for who may act, and for nobody else. */
const table: readonly [path: string, title: string, act?: string][] = [
  ["/", "Overview"],
  ["/accounts", "Accounts", "Open an account"],
  ["/journal", "Journal", "Post an entry"],
  ["/members", "Members and purchases", "New member"],
  ["/customers", "Customers", "New customer"],
  ["/prices", "Prices and factors", "New price"],
  ["/health", "Health"],
  ["/heal", "Heal", "Make a plan"],
  ["/decisions", "Decisions"],
  ["/own-tables", "Own tables", "Proposals"],
  ["/hot", "Hot accounts", "Settle now"],
  ["/closing", "Closing"],
  ["/statements", "Balance sheet"],
  ["/branches", "Branches", "New branch"],
  ["/jobs", "Jobs"],
  ["/alerts", "Alerts", "Send a test alert"],
  ["/seals", "Seals", "Seal now"],
  ["/sessions", "Sessions"],
];

// A member is shown no more of them than the own row.
const ownOnly = ["/members", "/sessions"];

/** Waits until a place is there, with all that it asks for. */
async function stand(page: Page, title: string): Promise<void> {
  await page.locator("main h1", { hasText: title }).waitFor();
  await page.locator("main .animate-pulse").first().waitFor({ state: "detached" });
}

// The menu is by role; who follows a link that somebody sent is told.
const refusal = "Your role may not see this.";

for (const role of ["admin", "operator", "member"] as const) {
  inBrowser(`every place is right for the role ${role}`, async (t) => {
    const member = role === "member" ? await api.member("budi", "700") : undefined;
    const { page, errors } = await open(t, {
      role,
      subject: role,
      ...(member && { memberId: member.id }),
    });
    await stand(page, role === "member" ? "My wallet" : "Overview");
    const menu = page.getByRole("navigation", { name: "Screens" }).getByRole("link");
    const links = await Promise.all((await menu.all()).map((link) => link.getAttribute("href")));
    const places = links.map((href) => `/${String(href).split("/")[2]}`);
    const seen = role === "member" ? ["/", "/sessions"] : table.map(([path]) => path);
    t.deepEqual(places, seen, "the table has each place");
    for (const [path, title, act] of table) {
      if (path === "/" && role === "member") continue;
      await go(page, path);
      await stand(page, title);
      t.is(await page.locator("main [role=alert]").count(), 0, `${path} has an error`);
      const isRefused = role === "member" && !ownOnly.includes(path);
      if (isRefused) await page.getByText(refusal).first().waitFor();
      else t.is(await page.getByText(refusal).count(), 0, `${path} is shown`);
      if (act === undefined) continue;
      const doers = page.locator("main :is(a, button)", { hasText: act });
      t.is(await doers.count(), role === "admin" ? 1 : 0, `${path}: ${act}`);
    }
    await go(page, "/members");
    await stand(page, "Members and purchases");
    if (role === "member") t.is(await page.locator("main tbody tr").count(), 1, "the own row");
    t.deepEqual(errors, []);
  });
}

/** Goes on from field to field until what is meant has the focus: it can be reached by keys. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  await target.waitFor();
  for (let count = 0; count < 120; count += 1) {
    if ((await page.locator(":focus").and(target).count()) > 0) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`no key leads to ${target}`);
}

/** Goes to a button or link by keys, and presses it. */
async function pressByKey(page: Page, target: Locator): Promise<void> {
  await tabTo(page, target);
  await page.keyboard.press("Enter");
}

inBrowser("money, an entry, a heal and a month are dealt with by the keyboard alone", async (t) => {
  await api.member("keys", "500");
  const { page, errors } = await open(t, { path: "/members" });
  const button = (name: string) => page.locator("main").getByRole("button", { name, exact: true });
  const dialog = page.getByRole("dialog");
  const submit = (name: string) => dialog.getByRole("button", { name, exact: true });
  const fill = async (field: Locator, text: string) => {
    await tabTo(page, field);
    await page.keyboard.type(text);
  };

  await pressByKey(page, page.getByRole("link", { name: "keys" }).first());
  await pressByKey(page, button("Top up"));
  await fill(dialog.getByLabel("Amount"), "20.000");
  await page.keyboard.press("Enter");
  await page.getByText("Topped up.").waitFor();
  await page
    .getByText(/20,500/)
    .first()
    .waitFor();

  await page.keyboard.press("g");
  await page.keyboard.press("j");
  await pressByKey(page, page.getByRole("link", { name: "Post an entry" }));
  await fill(page.getByLabel("What happened"), "Rent by keys");
  const line = (number: number) => page.getByRole("group", { name: `Line ${number}` });
  await fill(line(1).getByLabel("Account"), "rent");
  await fill(line(1).getByLabel("Debit"), "450");
  await fill(line(2).getByLabel("Account"), "owed");
  await fill(line(2).getByLabel("Credit"), "450");
  await page.getByText("It balances: debits equal credits.").waitFor();
  await pressByKey(page, button("Post an entry"));
  await page.getByRole("heading", { name: "Rent by keys", level: 1 }).waitFor();

  await api.root(`set session_replication_role = replica;
    update saldo.account set debit_total = debit_total + 7 where code = 'rent';
    reset session_replication_role`);
  await api.root("select saldo.check_balance_health()");
  await page.keyboard.press("g");
  await page.keyboard.press("h");
  await pressByKey(page, button("Make a plan"));
  await pressByKey(page, submit("Make a plan"));
  await pressByKey(page, button("Apply this plan"));
  await pressByKey(page, submit("Apply this plan"));
  await page.getByRole("heading", { name: "Heal that was done" }).waitFor();
  const [rent] = await api.root("select balance from saldo.account where code = 'rent'");
  t.is(String(rent?.["balance"]), "450");

  await go(page, "/closing?year=2025");
  await pressByKey(page, page.getByRole("link", { name: "July 2025" }));
  await pressByKey(page, button("Close"));
  await fill(dialog.getByLabel("Type 2025-07 to confirm"), "2025-07");
  await tabTo(page, dialog.getByLabel("No drafts"));
  await page.keyboard.press("Space");
  await fill(dialog.getByLabel("Reason"), "the rent is disputed");
  await pressByKey(page, submit("Close"));
  await page.getByText("July 2025 is closed and sealed.").waitFor();
  t.deepEqual(errors, []);
});
