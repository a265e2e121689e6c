import test from "ava";
import type { Browser } from "playwright-core";
import type { Api } from "../_support/api.ts";
import { books } from "./_books.ts";
import { chromiumPath, launch, noChromium, picture, violations } from "./_browser.ts";
import { openConsole, overhang, serveConsole, type Visit } from "./_console.ts";

/** Customers, their prices, statements and closing, as people work with them in a browser. */

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

const phone = { width: 360, height: 740 };
const open = (t: Parameters<typeof openConsole>[0], visit: Visit) =>
  openConsole(t, browser, api, visit);
const idOf = async (code: string) => {
  const [row] = await api.root("select id from saldo.customer where code = $1", [code]);
  return String(row?.["id"]);
};

inBrowser("customers are found, and a month that was closed is shown on both bases", async (t) => {
  const { page, errors } = await open(t, { path: "/customers" });
  await page.getByRole("link", { name: "bakery" }).waitFor();
  await picture(page, "customers");
  t.deepEqual(await violations(page), []);
  await page.getByLabel("Search").fill("roti mel");
  await page.getByRole("link", { name: "c101" }).waitFor({ state: "detached" });
  await page.getByRole("link", { name: "bakery" }).click();
  await page.getByRole("heading", { name: "Toko Roti Melati" }).waitFor();
  await page.goto(`/console/customers/${await idOf("bakery")}?year=2025&basis=both`);
  const june = page.getByRole("row").filter({ hasText: "June 2025" });
  await june.getByText("differs").waitFor();
  t.regex(String(await june.textContent()), /9,271,500.*9,642,360/);
  await page.locator("svg.recharts-surface").first().waitFor();
  await picture(page, "customer_months");
  t.deepEqual(await violations(page), []);
  t.deepEqual(errors, []);
});

inBrowser(
  "a month of a customer is explained, down to a reading that was rated twice",
  async (t) => {
    const id = await idOf("bakery");
    const { page, errors } = await open(t, { path: `/customers/${id}?tab=bill&month=2025-07` });
    await page.getByText("adjustments of earlier", { exact: false }).first().waitFor();
    await page.getByRole("cell", { name: "+Rp 370,860" }).waitFor();
    await picture(page, "customer_bill");
    t.deepEqual(await violations(page), []);
    await page.getByRole("tab", { name: "Readings" }).click();
    await page.getByRole("button", { name: "Revision 2" }).last().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("superseded").waitFor();
    t.regex(
      String(await dialog.textContent()),
      /1,000 m³ × 1.8543 = 1,854.3 Sm³ × 5,200 = Rp\s9,642,360/,
    );
    await picture(page, "customer_reading");
    t.deepEqual(await violations(page), []);
    t.deepEqual(errors, []);
  },
);

inBrowser(
  "a deposit is recorded once, by the keyboard, and who may not sees no button",
  async (t) => {
    const id = await idOf("c110");
    const { page } = await open(t, { path: `/customers/${id}?tab=deposits` });
    const button = page.getByRole("button", { name: "Record a deposit" });
    await button.focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Amount").fill("20.000");
    await page.keyboard.press("Enter");
    await page.getByRole("cell", { name: "Rp 20,000" }).waitFor();
    const rows = await api.root("select amount from saldo.deposit where amount = 20000");
    t.is(rows.length, 1);
    const operator = await open(t, { role: "operator", path: `/customers/${id}` });
    await operator.page.getByRole("heading", { name: "Warung 110" }).waitFor();
    t.is(await operator.page.getByRole("button", { name: "Record a deposit" }).count(), 0);
  },
);

inBrowser(
  "the figures of all customers add up, on a phone and in Indonesian as well",
  async (t) => {
    const { page } = await open(t, {
      path: "/customers?view=year&year=2025",
      language: "id",
      viewport: phone,
    });
    await page.getByText("Setahun penuh IDR").waitFor();
    await page.locator("svg.recharts-surface").first().waitFor();
    await picture(page, "customers_year_phone");
    t.true((await overhang(page)) <= 0);
    t.deepEqual(await violations(page), []);
    await page.goto("/console/customers?view=month&month=2025-06");
    await page.getByText("Semua 61 pelanggan").waitFor();
    t.true((await overhang(page)) <= 0);
    await page.goto(`/console/customers/${await idOf("bakery")}?year=2025&basis=both`);
    await page.getByText("berbeda").waitFor();
    t.true((await overhang(page)) <= 0);
    await picture(page, "customer_phone");
  },
);

inBrowser(
  "statements are made for any date, add up, and lead to the account behind a figure",
  async (t) => {
    // More than all pages that are fetched at once, before those that have a figure.
    await api.root(
      "select from generate_series(1, 1010) as n, saldo.open_account('aaa' || n, 'Empty', 'liability')",
    );
    const path = "/statements?to=2025-06-30&from=2025-06-01";
    const { page, errors } = await open(t, { path });
    const row = (name: string | RegExp) => page.getByRole("row", { name });
    await row(/^Total assets/).waitFor();
    t.regex(String(await row(/^Total assets/).textContent()), /40,000,000/);
    t.regex(String(await row(/^Total liabilities and equity/).textContent()), /40,000,000/);
    t.regex(String(await row(/Current-year earnings/).textContent()), /18,543,000/);
    await page.getByRole("link", { name: "customer:bakery" }).waitFor();
    await picture(page, "sheet");
    t.deepEqual(await violations(page), []);
    await page.getByLabel("Figures").selectOption("restated");
    await page.getByText("19,284,720").first().waitFor();
    await page.getByRole("tab", { name: "Income statement" }).click();
    t.regex(String(await row(/^Net income/).textContent()), /19,284,720/);
    await picture(page, "income");
    t.deepEqual(await violations(page), []);
    await page.getByRole("tab", { name: "Trial balance" }).click();
    t.regex(String(await row(/^Total IDR/).textContent()), /40,000,000.*40,000,000/);
    await picture(page, "trial");
    t.deepEqual(await violations(page), []);
    await page.getByRole("tab", { name: "Movements" }).click();
    const account = page.getByRole("link", { name: "customer:bakery" });
    const place = await account.getAttribute("href");
    t.regex(String(place), /accounts\/\d+\?from=2025-06-01&to=2025-06-30/);
    t.deepEqual(await violations(page), []);
    t.deepEqual(errors, []);
  },
);

inBrowser(
  "statements fit a phone and paper, and are not for those who may not see them",
  async (t) => {
    const path = "/statements?to=2025-06-30&from=2025-06-01";
    const { page } = await open(t, { path, language: "id", viewport: phone });
    await page.getByRole("row", { name: /^Jumlah aset/ }).waitFor();
    await picture(page, "sheet_phone");
    t.true((await overhang(page)) <= 0);
    await page.emulateMedia({ media: "print" });
    await page.setViewportSize({ width: 680, height: 960 });
    t.false(await page.getByRole("tab", { name: "Mutasi" }).isVisible());
    t.true(await page.getByText("sesuai laporan").first().isVisible());
    await picture(page, "sheet_print");
    const shots = process.env["SALDO_SCREENSHOTS"];
    if (shots) await page.pdf({ path: `${shots}/sheet.pdf`, format: "A4" });
    const biller = await open(t, { role: "biller", path });
    await biller.page.getByText("Your role may not see this.").first().waitFor();
  },
);

inBrowser(
  "a month is closed with its evidence, reopened, and put to a second person",
  async (t) => {
    const { page, errors } = await open(t, { path: "/closing?year=2025" });
    await page.getByRole("row", { name: /June 2025.*closed/ }).waitFor();
    await picture(page, "closing");
    t.deepEqual(await violations(page), []);
    await page.getByRole("link", { name: "July 2025" }).click();
    await page.getByText("description: Rent of July").waitFor();
    await picture(page, "period");
    t.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Close", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Type 2025-07 to confirm").fill("2025-07");
    await dialog.getByRole("button", { name: "Close", exact: true }).click();
    await dialog.getByText("Code SB110").waitFor();
    await picture(page, "period_refused");
    t.deepEqual(await violations(page), []);
    await dialog.getByLabel("No drafts").check();
    await dialog.getByLabel("Reason").fill("the rent is disputed");
    await dialog.getByRole("button", { name: "Close", exact: true }).click();
    await page.getByText("July 2025 is closed and sealed.").waitFor();
    await page.getByRole("cell", { name: "the rent is disputed" }).first().waitFor();
    await page.getByText("8/9 in order").click();
    await page.getByText("waived").waitFor();
    await picture(page, "period_closed");
    t.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Reopen" }).click();
    await dialog.getByLabel("Reason").fill("a bill is missing");
    await dialog.getByRole("button", { name: "Reopen" }).click();
    await page.getByRole("button", { name: "Ask a second person" }).click();
    await dialog.getByLabel("No drafts").check();
    await dialog.getByLabel("Reason").fill("two of us agree");
    await dialog.getByRole("button", { name: "Ask a second person" }).click();
    await page.getByText("Proposed: another administrator decides.").waitFor();
    await page.goto("/console/closing?year=2025");
    await page.getByText("ani asks to close 2025-07: two of us agree").waitFor();
    t.deepEqual(errors, []);
  },
);

inBrowser("closing fits a phone, and who only looks sees no button", async (t) => {
  const { page } = await open(t, {
    role: "operator",
    path: "/closing/2025-08",
    language: "id",
    viewport: phone,
  });
  await page.getByRole("heading", { name: "Agustus 2025" }).waitFor();
  await page.getByText("Tidak ada penahanan dana terbuka").waitFor();
  t.is(await page.getByRole("button", { name: "Tutup", exact: true }).count(), 0);
  await picture(page, "period_phone");
  t.true((await overhang(page)) <= 0);
  t.deepEqual(await violations(page), []);
  await page.goto("/console/closing/2025-14");
  await page.getByText("Tidak ada periode seperti itu.").waitFor();
});

inBrowser(
  "a file of deposits is tried, imported, and the same again records nothing twice",
  async (t) => {
    const { page, errors } = await open(t, { path: "/customers/import" });
    await page.getByLabel("What is in the file").selectOption("deposits");
    const lines = Array.from({ length: 120 }, (_, n) => `c120,${n + 1},2026-10-01T09:00:00+07:00`);
    lines[9] = "nobody,5,2026-10-01T09:00:00+07:00";
    const choose = (text: string) =>
      page.locator("input[type=file]").setInputFiles({
        name: "deposits.csv",
        mimeType: "text/csv",
        buffer: Buffer.from(text),
      });
    await choose("customer,sum\na,1");
    await page.getByText("The columns are not right").waitFor();
    await choose(`customer,amount,occurred_at\n${lines.join("\n")}\n`);
    await page.getByRole("button", { name: "Try it, write nothing" }).click();
    await page.getByText("Tried: nothing was written").waitFor();
    await page.getByText("120 of 120 rows").waitFor();
    const count = async () =>
      (await api.root("select from saldo.deposit where amount < 121")).length;
    const before = await count();
    t.is(await page.getByRole("row", { name: /^11 refused SB401/ }).count(), 1);
    await picture(page, "import");
    t.deepEqual(await violations(page), []);
    const run = async () => {
      await page.getByLabel("Type 120 to import that many rows").fill("120");
      await page.getByRole("button", { name: "Import", exact: true }).click();
    };
    await run();
    await page.getByText("Imported", { exact: true }).waitFor();
    await page.getByText("120 of 120 rows").waitFor();
    t.is(await count(), before + 119);
    await run();
    await page.getByText("Imported before").locator("..").getByText("119").waitFor();
    t.is(await count(), before + 119);
    t.deepEqual(errors, []);
    const operator = await open(t, {
      role: "operator",
      path: "/customers/import",
      viewport: phone,
    });
    await operator.page.getByText("Who may: admin, biller.").waitFor();
    t.true((await overhang(operator.page)) <= 0);
  },
);

inBrowser(
  "stored months that differ are compared, and put right by the plan that was shown",
  async (t) => {
    await api.root(`set session_replication_role = replica;
    update saldo.customer_month_total set deposits = deposits + 7
    where account_id = (select account_id from saldo.customer where code = 'bakery')
    and month = '2025-08-01';
    reset session_replication_role`);
    const { page, errors } = await open(t, { path: "/customers?view=upkeep" });
    await page.getByRole("button", { name: "Compare now" }).click();
    await page.getByText(/^1 of \d+ months differ/).waitFor();
    await page.getByLabel("What to do").last().selectOption("sync");
    await page.getByLabel("Code of the customer").fill("bakery");
    await page.keyboard.press("Enter");
    await page.getByText("Hash of the plan").waitFor();
    await picture(page, "stored");
    t.deepEqual(await violations(page), []);
    await page.getByRole("button", { name: "Apply the plan" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Apply the plan" }).click();
    await page.getByText("The plan is applied.").waitFor();
    const [left] = await api.root("select difference_count from saldo.compare_monthly_balances()");
    t.is(Number(left?.["difference_count"]), 0);
    t.deepEqual(errors, []);
  },
);
