import test, { type ExecutionContext } from "ava";
import type { Browser, Page } from "playwright-core";
import { keyProof } from "../../src/branch/protocol/key.ts";
import type { Api } from "../_support/api.ts";
import { tillOf } from "../branch/_branch.ts";
import { chromiumPath, launch, noChromium, picture, violations } from "./_browser.ts";
import { openConsole, overhang, serveConsole, type Visit } from "./_console.ts";

/** Members, their wallets and branches on screen: for staff, and for the member alone. */

const inBrowser = chromiumPath === undefined ? test.serial.skip : test.serial;
let api: Api;
let browser: Browser;
let siti: string;

const seed = `
select saldo.create_member('MB-0001', 'Siti Nurhaliza');
select saldo.create_member('MB-0002', 'Budi <img src=x onerror=alert(1)> Santoso');
select saldo.create_member('M-3', repeat('Wolfeschlegelsteinhausen', 6));
select saldo.create_product('GAS-12', 'Gas 12 kg', 205000);
select saldo.create_product('VOUCHER', 'Voucher', 25000.50, is_stock_tracked => true);
select saldo.add_stock_items(id, array['V-001', 'V-002', 'V-003'])
from saldo.product where code = 'VOUCHER';
select saldo.top_up(m.id, 1000000, occurred_at => now() - interval '3 days')
from saldo.member as m where m.code = 'MB-0001';
select saldo.purchase_with_balance_deduction(
  m.id, p.id, 205000, occurred_at => now() - interval '2 days')
from saldo.member as m, saldo.product as p where m.code = 'MB-0001' and p.code = 'GAS-12';
select saldo.purchase_with_balance_deduction(m.id, p.id, 25000.50, hold_only => true)
from saldo.member as m, saldo.product as p where m.code = 'MB-0001' and p.code = 'VOUCHER';
select saldo.open_account('loss', 'Charge-backs that we bear', 'expense');
`;

test.before(async (t) => {
  if (chromiumPath === undefined) {
    t.log(`skipped: ${noChromium}`);
    return;
  }
  api = await serveConsole();
  await api.root(seed);
  siti = String((await api.root("select id from saldo.member where code = 'MB-0001'"))[0]?.["id"]);
  browser = await launch();
});
test.after.always(async () => {
  await browser?.close();
  await api?.close();
});

/** A branch whose till has told of a row that did not come, and sent some that nobody can post. */
async function seedBranch(): Promise<string> {
  const [made] = await api.root("select id from saldo.create_branch('JKT-01', 'Toko Satu')");
  const [answer] = await api.root(
    `select saldo_private.enrol_branch_device(
      (select code from saldo.issue_enrolment_code($1)), 'kasir depan', 'till/1') as a`,
    [made?.["id"]],
  );
  const till = tillOf(answer?.["a"] as never);
  const first = till.add({ amount: "20000" });
  till.add();
  till.add();
  const rows = [
    first,
    till.add({ currency: "SAR", amount: "75000" }),
    till.add({ currency: "SAR", type: "OUT", amount: "5000.50", description: "Es batu" }),
    till.add({ id: first.id, amount: "99000" }),
  ];
  const proof = keyProof(till.key);
  await api.root("select saldo_private.push_branch_rows($1, $2, $3)", [
    proof?.id,
    proof?.secretHash,
    JSON.stringify(till.body(rows)),
  ]);
  return String(made?.["id"]);
}

const phone = { width: 360, height: 780 };

async function visit(t: ExecutionContext, options: Visit) {
  const visitor = await openConsole(t, browser, api, options);
  await visitor.page.locator("main h1").waitFor();
  return visitor;
}

/** Presses a button of the page, and gives the dialog that it opens. */
async function open(page: Page, button: string) {
  await page.getByRole("button", { name: button, exact: true }).first().click();
  return page.getByRole("dialog");
}

const text = async (page: Page, selector = "main") =>
  ((await page.textContent(selector)) ?? "").replaceAll("\u00a0", " ");

/** Lines of the file behind the link CSV. */
async function csvOf(page: Page): Promise<string[]> {
  const href = await page.getByRole("link", { name: "CSV" }).getAttribute("href");
  const { ok, body } = await page.evaluate(async (path) => {
    const answer = await fetch(path);
    return { ok: answer.ok, body: await answer.text() };
  }, href ?? "");
  if (!ok) throw new Error(`${href}: ${body}`);
  return body.trimEnd().split("\n").slice(1);
}

/** What a screen must be, whoever looks at it, and on whatever. */
async function isWellMade(t: ExecutionContext, page: Page, name: string) {
  t.deepEqual(await violations(page), [], name);
  await picture(page, name);
  await page.setViewportSize(phone);
  t.true((await overhang(page)) <= 0, `${name} scrolls sideways`);
  await picture(page, `${name}-phone`);
  await page.setViewportSize({ width: 1280, height: 900 });
}

inBrowser("staff find a member by name or code, and a name with HTML is a name", async (t) => {
  const { page, errors } = await visit(t, {
    role: "operator",
    path: "/members",
    colorScheme: "dark",
  });
  await page.getByRole("link", { name: "MB-0002" }).waitFor();
  await isWellMade(t, page, "members");
  t.regex(await text(page), /Budi <img src=x onerror=alert\(1\)> Santoso/);
  t.is(await page.getByRole("button", { name: "New member" }).count(), 0, "an operator only looks");
  await page.getByLabel("Search").fill("nurh");
  await page.waitForURL(/search=nurh/);
  await page.getByRole("link", { name: "MB-0002" }).waitFor({ state: "detached" });
  await page.getByText("Siti Nurhaliza").waitFor();
  t.regex(await text(page), /Siti Nurhaliza[\s\S]*795,000[\s\S]*25,000\.50[\s\S]*769,999\.50/);
  t.is((await csvOf(page)).length, 1, "the file has what the screen has");
  await page.getByLabel("Search").fill("nobody at all");
  await page.getByText("No member has a code or a name that begins so.").waitFor();
  t.deepEqual(errors, []);
});

inBrowser("an administrator tops up, sells, pays back, holds, captures and reverses", async (t) => {
  const { page, errors } = await visit(t, { path: `/members/${siti}` });
  // By keyboard alone: the field has the focus, Enter sends, and the focus goes back.
  await page.getByRole("button", { name: "Top up", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.type("20.000");
  t.regex(await text(page, "[role=dialog]"), /Rp 20,000 \(20 thousand\)/);
  await picture(page, "member-top-up");
  await page.keyboard.press("Enter");
  await page.getByText("Topped up.").waitFor();
  await page.locator("button:focus", { hasText: "Top up" }).waitFor();
  await page
    .getByText(/815,000/)
    .first()
    .waitFor();

  const buy = await open(page, "Buy");
  await buy.getByLabel("Product").selectOption({ label: "VOUCHER · Voucher" });
  await buy.getByLabel("Number").fill("2");
  await buy.getByText(/50,001/).waitFor();
  await picture(page, "member-buy");
  await buy.getByRole("button", { name: "Buy" }).click();
  await page.getByText("Bought.").waitFor();
  await page
    .getByText(/764,999/)
    .first()
    .waitFor();
  await isWellMade(t, page, "member");

  const hold = await open(page, "Hold funds");
  await hold.getByLabel("Amount").fill("100rb");
  await hold.getByLabel(/Description/).fill("Deposit for a cylinder");
  await hold.getByRole("button", { name: "Hold funds" }).click();
  await page.getByText("Held.", { exact: true }).waitFor();
  await page.getByRole("tab", { name: "Holds" }).click();
  await page.getByText("Deposit for a cylinder").waitFor();
  await isWellMade(t, page, "member-holds");
  const capture = await open(page, "Capture");
  await capture.getByLabel("Amount to take").fill("40.000");
  await capture.getByLabel(/Keep the rest/).check();
  await capture.getByRole("button", { name: "Capture" }).click();
  await page.getByText("Captured.").waitFor();
  const giveUp = await open(page, "Void");
  await giveUp.getByRole("button", { name: "Void" }).click();
  await giveUp.getByText("Say why").waitFor();
  await giveUp.getByLabel("Reason").fill("Cylinder is back");
  await giveUp.getByRole("button", { name: "Void" }).click();
  await page.getByText("Cylinder is back").waitFor();

  await page.getByRole("tab", { name: "Why this balance" }).click();
  await page.getByText("The lines add up to the balance.").waitFor();
  t.regex(await text(page), /Adjustment[\s\S]*-Rp 40,000/);
  await isWellMade(t, page, "member-why");

  await page.getByRole("tab", { name: "History" }).click();
  const reverse = await open(page, "Reverse");
  await reverse.getByLabel("Reason").fill("card was stolen");
  await reverse.getByRole("button", { name: "Reverse" }).click();
  await page.getByText("Charged back.").waitFor();
  await page.getByText("Charge-back: card was stolen").waitFor();
  const [kept] = await api.root(
    "select balance, held from saldo.wallet_balance((select id from saldo.member where code = 'MB-0001'))",
  );
  t.deepEqual(kept, { balance: "704999", held: "25000.5" });
  t.deepEqual(errors, []);
});

inBrowser(
  "a purchase is paid back in part, with what is left of it said by the server",
  async (t) => {
    const { page, errors } = await visit(t, { path: "/members?tab=purchases" });
    await page.getByLabel("Status").selectOption("completed");
    await page.waitForURL(/status=completed/);
    await page.getByText("pending", { exact: true }).waitFor({ state: "hidden" });
    t.is((await csvOf(page)).length, await page.locator("tbody tr").count());
    await isWellMade(t, page, "purchases");
    await page.locator("tbody tr", { hasText: "Gas 12 kg" }).getByRole("link").first().click();
    await page.getByRole("heading", { name: "Purchase: Gas 12 kg" }).waitFor();
    const refund = await open(page, "Refund");
    await refund.getByLabel("Amount to pay back").fill("300.000");
    await refund.getByLabel("Reason").fill("cylinder was leaking");
    await refund.getByRole("button", { name: "Refund" }).click();
    await refund.getByText("SB307").waitFor();
    await refund.getByLabel("Amount to pay back").fill("5.000");
    await refund.getByRole("button", { name: "Refund" }).click();
    await page.getByText("partly refunded").waitFor();
    await page.getByText("cylinder was leaking").waitFor();
    await isWellMade(t, page, "purchase");
    t.deepEqual(errors, []);
  },
);

inBrowser(
  "what an accountant may not post alone is a draft that somebody else posts",
  async (t) => {
    const visit = { role: "accountant", subject: "wati", path: "/journal/new" } as const;
    const { page } = await openConsole(t, browser, api, visit);
    const line = (number: number) => page.getByRole("group", { name: `Line ${number}` });
    await page.getByLabel("What happened").fill("A new shop");
    await line(1).getByLabel("Account").fill("loss");
    await line(1).getByLabel("Debit").fill("200jt");
    await line(2).getByLabel("Account").fill("cash:IDR");
    await line(2).getByLabel("Credit").fill("200jt");
    await page.getByText("It balances: debits equal credits.").waitFor();
    await page.getByRole("button", { name: "Post an entry" }).click();
    await page.getByText("It is more than you may post alone today.").waitFor();
    await page.getByRole("button", { name: "Save as a draft" }).click();
    await page.getByRole("button", { name: "Post", exact: true }).waitFor();
    const place = new URL(page.url()).pathname.replace("/console", "");
    const other = await openConsole(t, browser, api, {
      role: "accountant",
      subject: "ani",
      path: place,
    });
    await other.page
      .getByRole("definition")
      .filter({ hasText: /^wati$/ })
      .waitFor();
    await other.page.getByRole("button", { name: "Post", exact: true }).click();
    await other.page.getByRole("dialog").getByRole("button", { name: "Post" }).click();
    await other.page.getByRole("button", { name: "Reverse" }).waitFor();
    const [entry] = await api.root(
      "select posted_by from saldo.journal_entry where description = 'A new shop'",
    );
    t.deepEqual(entry, { posted_by: "ani" });
  },
);

inBrowser("a member sees the own wallet only, live, in both languages", async (t) => {
  for (const language of ["en", "id"] as const) {
    const { page, errors } = await visit(t, { role: "member", memberId: siti, language });
    const tab = language === "en" ? "Why this balance" : "Asal saldo ini";
    await page.getByText("Siti Nurhaliza").waitFor();
    t.is(await page.locator("nav a").count(), 2, "the wallet, and where one is signed in");
    t.is(await page.getByRole("button", { name: /Top up|Isi saldo/ }).count(), 0);
    t.regex((await csvOf(page)).at(-1) ?? "", /,\d+$/);
    await isWellMade(t, page, `wallet-${language}`);
    await page.getByRole("tab", { name: tab }).press("Enter");
    await page.getByText(language === "en" ? /add up/ : /sama dengan saldo/).waitFor();
    await isWellMade(t, page, `wallet-why-${language}`);
    await page.getByRole("tab").first().press("Enter");
    await page.locator("tbody tr").first().waitFor();
    const before = await text(page, "main");
    await api.root(`select saldo.top_up(${siti}, 1234, description => 'Live ${language}')`);
    await page.getByText(`Live ${language}`).waitFor();
    t.not(await text(page, "main"), before);
    t.deepEqual(errors, []);
  }
});

inBrowser("a branch: what is missing, what waits, its tills and keys", async (t) => {
  const branch = await seedBranch();
  const { page, errors } = await visit(t, { path: "/branches", role: "admin" });
  await page.getByRole("link", { name: "JKT-01" }).waitFor();
  await isWellMade(t, page, "branches");
  await page.getByRole("link", { name: "JKT-01" }).click();
  await page.getByRole("tab", { name: "To decide (3)" }).waitFor();
  await page.getByLabel("Choose row 1-5").press("Space");
  await page.getByLabel("Choose row 1-4").check();
  await page.getByText(/Rows chosen: 2, could not be read: 1, in SAR.75,000/).waitFor();
  await isWellMade(t, page, "branch");
  const refuse = await open(page, "Refuse");
  await refuse.getByLabel("Reason").fill("riyals by mistake");
  await refuse.getByRole("button", { name: "Refuse" }).click();
  await picture(page, "branch-refuse");
  await refuse.getByLabel("Type 2 to confirm").fill("2");
  await refuse.getByRole("button", { name: "Refuse" }).click();
  await page.getByText("Refused.").waitFor();
  const resolve = await open(page, "Resolve");
  await resolve.getByText(/99,000/).waitFor();
  await resolve.getByText(/20,000/).waitFor();
  await picture(page, "branch-resolve");
  await resolve.getByLabel("Is it a fact of its own?").selectOption("yes");
  await resolve.getByLabel("Reason").fill("two sales under one number");
  await resolve.getByRole("button", { name: "Resolve" }).click();
  await page.getByText("No row waits for a decision.").waitFor();
  const verdicts = await api.root(
    "select verdict::text from saldo.branch_intake where branch_id = $1 order by id",
    [branch],
  );
  t.deepEqual(
    verdicts.map(({ verdict }) => verdict),
    ["accepted", "refused", "refused", "accepted"],
  );

  await page.getByRole("tab", { name: "Missing rows (2)" }).click();
  const waive = await open(page, "Waive");
  await waive.getByLabel("Reason").fill("the till burnt");
  await waive.getByLabel("Type 2 to confirm").fill("2");
  await waive.getByRole("button", { name: "Waive" }).click();
  await page.getByText("Nothing is missing").waitFor();

  await page.getByRole("tab", { name: "Tills" }).click();
  await page.getByText("kasir depan").first().waitFor();
  await isWellMade(t, page, "branch-tills");
  await (await open(page, "New key")).getByRole("button", { name: "New key" }).click();
  await page.getByText("It is kept nowhere").waitFor();
  t.regex((await page.locator("output").textContent()) ?? "", /^sbk_/);
  await page.keyboard.press("Escape");
  const close = await open(page, "Close till");
  await close.getByLabel("Reason").fill("burnt");
  await close.getByRole("button", { name: "Close till" }).click();
  await page.getByText("closed", { exact: true }).waitFor();
  await (await open(page, "Enrol a till")).getByRole("button", { name: "Issue the code" }).click();
  await page.getByText("npx saldo branch enrol").waitFor();
  t.regex((await page.locator("output").textContent()) ?? "", /^[0-9A-F]{5}(-[0-9A-F]{5}){3}$/);
  await page.keyboard.press("Escape");
  await page.getByRole("tab", { name: "All rows" }).click();
  await page.getByText("riyals by mistake").first().waitFor();
  await page.getByLabel("Verdict").selectOption("refused");
  await page.waitForURL(/verdict=refused/);
  t.is((await csvOf(page)).length, 2);
  await isWellMade(t, page, "branch-rows");
  t.deepEqual(errors, []);
});

inBrowser(
  "an operator sees a branch and changes nothing; its words are Indonesian too",
  async (t) => {
    const [row] = await api.root("select id from saldo.branch where code = 'JKT-01'");
    const { page, errors } = await visit(t, {
      role: "operator",
      language: "id",
      colorScheme: "dark",
      path: `/branches/${row?.["id"]}?tab=devices`,
    });
    await page.getByText("kasir depan").first().waitFor();
    const texts = await page.locator("main button").allTextContents();
    const buttons = texts.map((each) => each.replace(/ \(\d+\)$/, ""));
    t.deepEqual(buttons, [
      "Salin",
      "Perlu diputuskan",
      "Baris yang belum ada",
      "Mesin kasir",
      "Semua baris",
      // Of its tills.
      "Salin",
    ]);
    await isWellMade(t, page, "branch-id");
    t.deepEqual(errors, []);
  },
);
