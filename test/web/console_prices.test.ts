import test from "ava";
import type { Browser } from "playwright-core";
import type { Api } from "../_support/api.ts";
import { books } from "./_books.ts";
import { chromiumPath, launch, noChromium, picture, violations } from "./_browser.ts";
import { openConsole, overhang, serveConsole, type Visit } from "./_console.ts";

/** Prices, factors and charges, as they are changed in a browser. */

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

inBrowser("a price is changed after it was seen whose bills it would change", async (t) => {
  const { page, errors } = await open(t, { path: "/prices" });
  await page.getByRole("cell", { name: "Rp 5,200" }).waitFor();
  await picture(page, "prices");
  t.deepEqual(await violations(page), []);
  await page.getByRole("link", { name: "Change" }).click();
  await page.getByLabel("Price per Sm³").fill("5.300");
  await page.keyboard.press("Enter");
  const inAll = page.getByRole("row", { name: /^IDR 10/ });
  await inAll.waitFor();
  const told = /\+Rp\s([\d,.]+)/.exec(String(await inAll.textContent()))?.[1]?.replaceAll(",", "");
  t.true(Number(told) > 0);
  t.is(await page.getByText("closed: posted as adjustment").count(), 1);
  await picture(page, "price_preview");
  t.deepEqual(await violations(page), []);
  const cost = async () => {
    const [row] = await api.root(
      "select sum(amount)::text as cost from saldo.rated_line where superseded_at is null",
    );
    return Number(row?.["cost"]);
  };
  const before = await cost();
  await page.getByLabel("Price per Sm³").fill("5.250");
  await page.getByText("You have changed the fields").waitFor();
  t.is(await page.getByRole("button", { name: "Make the change" }).count(), 0);
  await page.getByLabel("Price per Sm³").fill("5.300");
  await page.getByRole("button", { name: "Make the change" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Type 10 to confirm").fill("10");
  await dialog.getByRole("button", { name: "Make the change" }).click();
  await page.getByRole("cell", { name: "Rp 5,300" }).waitFor();
  t.is(await cost(), before + Number(told));
  t.deepEqual(errors, []);
});

inBrowser(
  "a factor and a tax change after it was seen whose bills they would change",
  async (t) => {
    await api.root("select saldo.charge_customers('2025-07-01')");
    const { page, errors } = await open(t, { path: "/prices?view=factors" });
    await page.getByRole("link", { name: "Change", exact: true }).click();
    await page.getByLabel("Pressure (bar)").fill("0,95");
    await page.getByText("= 0.95").waitFor();
    await page.getByRole("button", { name: "What would it change?" }).click();
    await page.getByRole("row", { name: /^IDR 10/ }).waitFor();
    await picture(page, "factor_preview");
    t.deepEqual(await violations(page), []);
    const dialog = page.getByRole("dialog");
    const make = page.getByRole("button", { name: "Make the change" });
    await make.click();
    await dialog.getByLabel("Type 10 to confirm").fill("10");
    await dialog.getByRole("button", { name: "Make the change" }).click();
    await page.getByRole("cell", { name: "0.95", exact: true }).waitFor();
    await page.getByRole("link", { name: "New charge or tax" }).click();
    await page.getByLabel("Kind").selectOption("tax");
    await page.getByLabel("Name").fill("PPN");
    await page.getByLabel("Percent").fill("11");
    await page.getByLabel("From", { exact: true }).fill("2025-01-01");
    await page.keyboard.press("Enter");
    await page.getByRole("row", { name: /^IDR 2/ }).waitFor();
    await picture(page, "part_preview");
    t.deepEqual(await violations(page), []);
    await make.click();
    await dialog.getByLabel("Type 2 to confirm").fill("2");
    await dialog.getByRole("button", { name: "Make the change" }).click();
    await page.getByRole("cell", { name: "11 %" }).waitFor();
    await picture(page, "parts");
    await page.getByRole("link", { name: "Take out of use" }).click();
    await page.getByRole("button", { name: "What would it change?" }).click();
    await page.getByRole("row", { name: /^IDR 2/ }).waitFor();
    const [tax] = await api.root("select balance from saldo.account where code = 'tax:PPN:IDR'");
    t.true(Number(tax?.["balance"]) > 0, "it was only looked at");
    t.deepEqual(errors, []);
    const visit = { path: "/prices/part", language: "id", viewport: phone } as const;
    const { page: small } = await open(t, visit);
    await small.getByRole("button", { name: "Apa yang akan berubah?" }).waitFor();
    t.true((await overhang(small)) <= 0);
    t.deepEqual(await violations(small), []);
    await picture(small, "part_phone");
    await small.goto("/console/prices?view=parts");
    await small.getByText("11 %").waitFor();
    t.true((await overhang(small)) <= 0);
    t.deepEqual(await violations(small), []);
    await picture(small, "parts_phone");
    const operator = await open(t, { role: "operator", path: "/prices/part" });
    await operator.page.getByText("Who may: admin, biller.").waitFor();
  },
);

inBrowser("a re-rating is followed while it runs", async (t) => {
  await api.root("select saldo.start_rerating()");
  const { page } = await open(t, {
    path: "/prices?view=reratings",
    language: "id",
    viewport: phone,
  });
  await page.getByText("menunggu").waitFor();
  await picture(page, "rerating_phone");
  t.true((await overhang(page)) <= 0);
  t.deepEqual(await violations(page), []);
  await api.root("select saldo.continue_rerating()");
  await page.getByText("selesai").waitFor();
  await page.goto("/console/prices?view=factors");
  await page.getByText("gas pada 300 K").waitFor();
  t.true((await overhang(page)) <= 0);
  t.deepEqual(await violations(page), []);
});
