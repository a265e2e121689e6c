import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import test from "ava";
import type { Browser, Page } from "playwright-core";
import { exportWaiting } from "../../src/branch/push/by_file.ts";
import { enrol } from "../../src/branch/push/enrol.ts";
import { FakeCentre } from "../branch/_fake_centre.ts";
import { bodies, sell } from "../branch/_till.ts";
import {
  buildPages,
  chromiumPath,
  launch,
  noChromium,
  openTill,
  pageFolder,
  picture,
  violations,
} from "./_browser.ts";

/** The cashier's page in a real browser, before a real till. */

const inBrowser = chromiumPath === undefined ? test.serial.skip : test.serial;
let browser: Browser;
test.before(async (t) => {
  buildPages();
  if (chromiumPath === undefined) t.log(`skipped: ${noChromium}`);
  else browser = await launch();
});
test.after.always(async () => {
  await browser?.close();
});

const plain = (text: string | null) => (text ?? "").replaceAll("\u00a0", " ");

async function enter(page: Page, amount: string, category: string): Promise<void> {
  await page.getByLabel("Jumlah").fill(amount);
  await page.getByLabel("Kategori").fill(category);
  await page.getByRole("button", { name: "Simpan", exact: true }).click();
  await page.getByTestId("saved").waitFor();
}

test("the first screen needs at most 120 KB of JavaScript, and names no other place", (t) => {
  const document = readFileSync(join(pageFolder, "index.html"), "utf8");
  const scripts = [...document.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map(
    ([, file]) => gzipSync(readFileSync(join(pageFolder, file ?? ""))).length,
  );
  const size = scripts.reduce((sum, each) => sum + each, 0);
  t.true(size > 50_000 && size <= 120 * 1024, `${size} bytes`);
  t.true(readdirSync(join(pageFolder, "assets")).some((file) => /^MonthChart.*\.js$/.test(file)));
  t.notRegex(document, /https?:\/\//);
});

inBrowser(
  "20.000 is twenty thousand, shown before it is saved, and cash is right at once",
  async (t) => {
    const { till, page, errors } = await openTill(t, browser);
    await page.getByLabel("Jumlah").fill("20.000");
    t.regex(plain(await page.textContent("form")), /Rp 20\.000/);
    await enter(page, "20.000", "Penjualan");
    t.is(plain(await page.getByTestId("balance").textContent()), "Rp 20.000");
    await page.getByText("Keluar", { exact: true }).first().click();
    await enter(page, "5rb", "Bensin");
    t.is(plain(await page.getByTestId("balance").textContent()), "Rp 15.000");
    t.is(till.store.summary().balance, 15_000);
    t.deepEqual(errors, []);
  },
);

inBrowser("what is wrong is said at its field, and nothing is saved", async (t) => {
  const { till, page } = await openTill(t, browser);
  const save = page.getByRole("button", { name: "Simpan", exact: true });
  await save.click();
  await page.getByText("Jumlah belum diisi").waitFor();
  await page.getByLabel("Jumlah").fill("20.5");
  await save.click();
  await page.getByText("Bukan jumlah uang").waitFor();
  await page.getByLabel("Jumlah").fill("20");
  await save.click();
  await page.getByText("Kategori belum diisi").waitFor();
  t.is(till.store.find({ page: 1, limit: 1 }).total, 0);
});

inBrowser("the keyboard alone enters, looks up, voids and comes back", async (t) => {
  const { till, page } = await openTill(t, browser);
  await page.getByTestId("balance").waitFor();
  const { keyboard } = page;
  await keyboard.press("F3");
  await keyboard.type("12.500");
  await keyboard.press("Tab");
  await keyboard.type("Parkir");
  await keyboard.press("Enter");
  await page.getByTestId("saved").waitFor();
  await keyboard.press("F2");
  await keyboard.type("1,5jt");
  await keyboard.press("Tab");
  await keyboard.type("Penjualan");
  await keyboard.press("Enter");
  await page.getByText("Tersimpan: Masuk").waitFor();
  t.is(till.store.summary().balance, 1_487_500);
  await tabTo(page, "Transaksi", "Shift+Tab");
  await keyboard.press("Enter");
  await page.getByRole("heading", { name: "Transaksi" }).waitFor();
  await page.getByRole("button", { name: /^Batalkan Parkir/ }).waitFor();
  await tabTo(page, "Batalkan Parkir", "Tab");
  await keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await keyboard.type("salah");
  await keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  t.is(till.store.summary().balance, 1_500_000);
  await page.getByText("Dibatalkan").first().waitFor();
  await page.goBack();
  await page.getByTestId("balance").waitFor();
});

async function tabTo(page: Page, name: string, key: string): Promise<void> {
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press(key);
    const focused = page.locator("*:focus");
    const label = (await focused.getAttribute("aria-label")) ?? (await focused.textContent()) ?? "";
    if (label.startsWith(name)) return;
  }
  throw new Error(`the focus does not come to ${name}`);
}

inBrowser("a correction takes the old row back and enters the right one", async (t) => {
  const { till, page } = await openTill(t, browser, { path: "/transactions" });
  sell(till.store, 200_000);
  await page.getByRole("button", { name: /^Koreksi/ }).click({ timeout: 60_000 });
  await page.getByRole("dialog").getByLabel("Jumlah").fill("20.000");
  await page.getByRole("button", { name: "Koreksi", exact: true }).click();
  await page.getByText("Alasan belum diisi").waitFor();
  await page.getByLabel("Alasan").fill("kelebihan nol");
  await page.getByRole("button", { name: "Koreksi", exact: true }).click();
  await page.getByText("Dikoreksi", { exact: true }).waitFor();
  t.is(till.store.summary().balance, 20_000);
});

inBrowser(
  "with the centre gone it sells on and says what waits; it is sent when it is back",
  async (t) => {
    const centre = new FakeCentre();
    const address = await centre.start();
    t.teardown(() => centre.stop());
    const { till, page } = await openTill(t, browser);
    await enrol(till.store, { centre: address, code: "A" });
    centre.meddle = (request) => Boolean(request.socket.destroy());
    await till.pusher.pushAgain();
    await page.reload();
    await page.getByText("Tidak terhubung ke pusat").waitFor();
    await enter(page, "7.000", "Penjualan");
    await page.getByText("Menunggu: 1").waitFor();
    t.is(plain(await page.getByTestId("balance").textContent()), "Rp 7.000");
    centre.meddle = () => false;
    centre.judge = () => ({ verdict: "quarantined", reason: "currency_mismatch" });
    await page.getByText("Menunggu: 0").waitFor();
    t.is(centre.rows.size, 1);
    await page.getByRole("link", { name: /Perlu perhatian: 1/ }).click();
    await page.getByText("mata uang lain").waitFor();
    await picture(page, "attention");
  },
);

inBrowser(
  "a reload in the middle keeps the form, and a save that was cut is not doubled",
  async (t) => {
    const { till, page } = await openTill(t, browser);
    await page.getByLabel("Jumlah").fill("9.000");
    await page.getByLabel("Kategori").fill("Penjualan");
    await page.reload();
    t.is(await page.getByLabel("Jumlah").inputValue(), "9.000");
    t.is(await page.getByLabel("Kategori").inputValue(), "Penjualan");
    // The answer is lost on the way: the row is stored, and the page cannot know it.
    await page.route("**/api/v1/transactions", async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.getByRole("button", { name: "Simpan", exact: true }).click();
    await page.getByText("tidak akan tercatat dua kali").waitFor();
    await page.unroute("**/api/v1/transactions");
    await page.reload();
    await page.getByRole("button", { name: "Simpan", exact: true }).click();
    await page.getByTestId("saved").waitFor();
    t.is(till.store.find({ page: 1, limit: 10 }).total, 1);
    t.is(till.store.summary().balance, 9000);
  },
);

inBrowser("a full disk says that it is NOT saved, and the form is kept", async (t) => {
  const { till, page } = await openTill(t, browser);
  const { database } = till.store;
  // SQLite's own word for it: the file may not become larger.
  database.exec("pragma max_page_count = 1");
  const fill = "x".repeat(480);
  await page.getByLabel("Keterangan").fill(fill);
  await page.getByLabel("Jumlah").fill("9.000");
  await page.getByLabel("Kategori").fill("Penjualan");
  let tries = 0;
  const isFull = () => page.getByText("TIDAK tersimpan: disk penuh").isVisible();
  for (; tries < 60 && !(await isFull()); tries += 1) {
    const before = till.store.find({ page: 1, limit: 1 }).total;
    await page.getByRole("button", { name: "Simpan", exact: true }).click();
    await page.getByTestId("saved").or(page.getByRole("alert")).first().waitFor();
    if (till.store.find({ page: 1, limit: 1 }).total === before) continue;
    await page.getByLabel("Jumlah").fill("9.000");
    await page.getByLabel("Kategori").fill("Penjualan");
    await page.getByLabel("Keterangan").fill(fill);
  }
  t.true(await isFull());
  t.is(await page.getByLabel("Jumlah").inputValue(), "9.000");
  t.is(await page.getByLabel("Keterangan").inputValue(), fill);
  t.is(await page.getByTestId("saved").count(), 0);
  await picture(page, "disk-full");
});

inBrowser("a count shows its difference before it is recorded", async (t) => {
  const { till, page } = await openTill(t, browser, { path: "/shift" });
  sell(till.store, 50_000);
  await page.reload();
  await page.getByLabel("Uang di laci").fill("49.000");
  await page.getByText("Rp 50.000").waitFor();
  t.is(plain(await page.getByTestId("difference").textContent()), "-Rp 1.000");
  await page.getByRole("button", { name: "Catat hitungan" }).click();
  await page.getByText(/Tersimpan: TILL/).waitFor();
  t.like(till.store.find({ page: 1, limit: 1 }).facts[0], { kind: "count", expected: "50000" });
});

inBrowser("two tabs save two rows, and one row is voided once", async (t) => {
  const { till, page } = await openTill(t, browser);
  const other = await page.context().newPage();
  await other.goto(till.address);
  for (const [tab, amount] of [
    [page, "1.000"],
    [other, "1.000"],
  ] as const) {
    await tab.getByLabel("Jumlah").fill(amount);
    await tab.getByLabel("Kategori").fill("Penjualan");
  }
  await Promise.all(
    [page, other].map(async (tab) => {
      await tab.getByRole("button", { name: "Simpan", exact: true }).click();
      await tab.getByTestId("saved").waitFor();
    }),
  );
  const numbers = await Promise.all(
    [page, other].map((tab) => tab.getByTestId("saved").textContent()),
  );
  t.is(new Set(numbers).size, 2, "each has a number of its own");
  t.is(till.store.summary().balance, 2000);

  for (const tab of [page, other]) {
    await tab.goto(`${till.address}/transactions`);
    await tab
      .getByRole("button", { name: /^Batalkan / })
      .first()
      .click();
    await tab.getByRole("dialog").getByLabel("Alasan").fill("salah");
  }
  const voidIn = (tab: Page) =>
    tab.getByRole("dialog").getByRole("button", { name: "Batalkan", exact: true }).click();
  await voidIn(page);
  await page.getByText("Dibatalkan", { exact: true }).waitFor();
  await voidIn(other);
  await other.getByText(/TIDAK tersimpan: This row is voided already/).waitFor();
  t.is(till.store.summary().balance, 1000);
});

inBrowser("the cashier's name goes with each row, and is still there after a reload", async (t) => {
  const { till, page } = await openTill(t, browser);
  await page.getByLabel("Kasir").fill("Ayu");
  await enter(page, "1.000", "Penjualan");
  await page.reload();
  t.is(await page.getByLabel("Kasir").inputValue(), "Ayu");
  await enter(page, "2.000", "Penjualan");
  await page.getByLabel("Kasir").fill(" ");
  await enter(page, "3.000", "Penjualan");
  t.deepEqual(
    bodies(till.store).map(({ amount, cashier }) => [amount, cashier]),
    [
      ["1000", "Ayu"],
      ["2000", "Ayu"],
      ["3000", null],
    ],
  );
});

inBrowser("a key is changed, and answers of a file are kept, in the page", async (t) => {
  const centre = new FakeCentre();
  const address = await centre.start();
  t.teardown(() => centre.stop());
  const { till, page } = await openTill(t, browser, { path: "/status" });
  t.is(await page.getByLabel("Kunci baru").count(), 0, "it has none to change");
  await enrol(till.store, { centre: address, code: "A" });
  await page.reload();
  await page.getByLabel("Kunci baru").fill("sbk_typed_wrong");
  await page.getByRole("button", { name: "Pakai kunci ini" }).click();
  await page.getByText(/TIDAK tersimpan: This is no key/).waitFor();
  const key = centre.makeKey();
  await page.getByLabel("Kunci baru").fill(key);
  await page.getByRole("button", { name: "Pakai kunci ini" }).click();
  await page.getByText("Kunci disimpan.").waitFor();
  t.is(till.store.settings.get(`key:${till.store.chain.device}`), key, "it was used at once");

  const file = (content: string) => ({
    name: "answers.json",
    mimeType: "application/json",
    buffer: Buffer.from(content),
  });
  for (const wrong of ["no JSON", '{"saldo_branch_answers": 1}']) {
    await page.getByTestId("answers").setInputFiles(file(wrong));
    await page.getByText(/TIDAK tersimpan: This is no file of answers/).waitFor();
  }
  const answer = await (
    await fetch(`${address}/api/v1/sync/push`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify(exportWaiting(till.store).pushes[0]),
    })
  ).json();
  const { epoch } = till.store.chain;
  const answers = [{ epoch, data: (answer as { data: object }).data }];
  const good = JSON.stringify({ saldo_branch_answers: 1, answers });
  await page.getByTestId("answers").setInputFiles(file(good));
  await page.getByText("Jawaban pusat sudah disimpan.").waitFor();
  await picture(page, "upkeep");
  t.deepEqual(await violations(page), []);
});

for (const [size, width, height] of [
  ["desktop", 1280, 900],
  ["phone", 360, 740],
] as const) {
  for (const colorScheme of ["light", "dark"] as const) {
    inBrowser(`axe finds nothing, and nothing sticks out: ${size}, ${colorScheme}`, async (t) => {
      const { till, page, errors } = await openTill(t, browser, {
        viewport: { width, height },
        colorScheme,
      });
      for (let each = 1; each <= 12; each += 1) {
        sell(till.store, each * 12_345, each % 3 === 0 ? "OUT" : "IN");
      }
      for (const language of ["id", "en"]) {
        for (const path of ["/", "/transactions", "/shift", "/status"]) {
          await page.goto(`${till.address}${path}`);
          await page.getByTestId("waiting").waitFor();
          await page.waitForLoadState("networkidle");
          if (path === "/") await page.locator("svg.recharts-surface").first().waitFor();
          const name = `${size}-${colorScheme}-${language}${path.replace("/", "-")}`;
          t.deepEqual(await violations(page), [], name);
          const spill = await page.evaluate<number>(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth",
          );
          t.true(spill <= 0, `${name}: ${spill} px`);
          t.is(await page.getAttribute("html", "lang"), language);
          await picture(page, name);
        }
        await page.goto(`${till.address}/transactions`);
        await page
          .getByRole("button", { name: /^(Batalkan|Void) / })
          .first()
          .click();
        await page.getByRole("dialog").waitFor();
        t.deepEqual(await violations(page), [], "dialog");
        await page.keyboard.press("Escape");
        await page
          .getByRole("button", { name: /^(Struk|Receipt) / })
          .first()
          .click();
        await page.getByRole("dialog").waitFor();
        t.deepEqual(await violations(page), [], "receipt");
        await picture(page, `${size}-${colorScheme}-${language}-receipt`);
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: /English|Bahasa Indonesia/ }).click();
      }
      t.deepEqual(errors, []);
    });
  }
}
