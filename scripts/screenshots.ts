import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { type Browser, chromium, type Page } from "playwright-core";
import { startServer } from "../bench/server.ts";
import { forceBalance, replayIncident, type Victim } from "../demo/incident.ts";
import { addCustomers, createShop, shopGrants } from "../demo/shop.ts";
import { startEmbedded } from "../src/database/embedded.ts";
import { migrate } from "../src/database/migrate.ts";

/**
 * `npm run screenshots`: pictures of the console's main screens for docs/images, on the data of the
 * demo's incident, a gas customer's year, a shop's own tables and a month that waits to be closed.
 * `npm run screenshots -- overview heal` takes some of them.
 */
const folder = fileURLToPath(new URL("../docs/images/", import.meta.url));

const year = `
  select saldo.create_customer('CUST-1', 'Dapur Ibu Rini');
  select saldo.install_meter(saldo.id_of_customer('CUST-1'), 'M-1',
    installed_at => '2025-12-31 12:00+07');
  select saldo.add_tariff_version(5000, '2025-12-01');
  select saldo.add_tariff_version(5400, '2026-05-01');
  select saldo.add_correction_factor('2025-12-01', 'fixed', factor => 1.05);
  select saldo.add_deposit(saldo.id_of_customer('CUST-1'), 2500000,
    occurred_at => make_timestamptz(2026, g, 3, 9, 0, 0, 'Asia/Jakarta'))
  from generate_series(1, 10) as g;
  select saldo.add_reading((select id from saldo.meter where code = 'M-1'),
    make_timestamptz(2026, g, 28, 9, 0, 0, 'Asia/Jakarta'), 300 * g + 40 * (g % 4))
  from generate_series(1, 10) as g;
`;

/** A hot account, a branch, parts of the tariff, and a decision that waits for a second person. */
const business = `
  select saldo.make_account_hot(
    (select id from saldo.account where type = 'revenue' order by id limit 1), 4);
  select saldo.add_tariff_part('standing_month', 'Standing charge', 15000, '2025-12-01');
  select saldo.add_tariff_part('tax', 'PPN', 11, '2025-12-01');
  select saldo.create_branch('JKT-01', 'Jakarta Selatan');
  select saldo.open_account('deposits:disputed', 'Disputed deposits', 'liability');
  select from saldo.freeze_account(
    saldo.id_of_account('deposits:disputed'), 'the customer disputes it');
  select from saldo.propose_unfreeze(
    saldo.id_of_account('deposits:disputed'), 'settled with the customer');
`;

type Shot = readonly [
  name: string,
  path: (victim: Victim) => string,
  /** What somebody does there first. */
  act?: (page: Page) => Promise<void>,
];

const shots: readonly Shot[] = [
  ["overview", () => "/"],
  ["accounts", () => "/accounts"],
  ["account", ({ accountId }) => `/accounts/${accountId}`],
  ["journal", () => "/journal"],
  ["post", () => "/journal/new"],
  ["members", () => "/members"],
  ["member", ({ memberId }) => `/members/${memberId}`],
  ["customers", () => "/customers"],
  ["customer", () => "/customers/1"],
  ["prices", () => "/prices"],
  [
    "price-change",
    () => "/prices/change?version=2",
    async (page) => {
      await page.getByLabel("Price per Sm³").fill("5.600");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Make the change" }).waitFor();
    },
  ],
  ["import", () => "/customers/import"],
  ["health", () => "/health"],
  ["findings", () => "/health?tab=findings"],
  ["heal", () => "/heal"],
  ["decisions", () => "/decisions"],
  ["own-tables", () => "/own-tables?tab=proposals&table=public.users"],
  ["hot", () => "/hot"],
  ["closing", () => "/closing"],
  ["period", () => "/closing/2026-09"],
  ["statements", () => "/statements"],
  ["branches", () => "/branches"],
  ["jobs", () => "/jobs"],
  ["alerts", () => "/alerts"],
  ["seals", () => "/seals"],
  ["sessions", () => "/sessions"],
];

const names = process.argv.slice(2);
const wanted = shots.filter(([name]) => names.length === 0 || names.includes(name));

execFileSync(process.execPath, [fileURLToPath(new URL("build_web.ts", import.meta.url))]);
const data = join(tmpdir(), `saldo-screenshots-${randomBytes(4).toString("hex")}`);
const database = await startEmbedded(data);
try {
  await migrate(database.connectionString);
  const client = new Client({ connectionString: database.connectionString });
  // A step that fails is told by itself, not by the end of its connection.
  client.on("error", () => {});
  await client.connect();
  const victim = await replayIncident(client);
  await client.query(year);
  await createShop(client);
  await addCustomers(client);
  await client.query(shopGrants);
  await client.query(business);
  await forceBalance(client, victim);
  await client.query("select from saldo.check_balance_health()");
  await client.query("select from saldo.auto_heal(dry_run => true)");
  await client.query("select from saldo.evaluate_alerts()");
  await client.query("select from saldo.seal_journal()");
  await client.end();
  const server = await startServer(database.connectionString);
  const browser = await chromium.launch({
    executablePath: process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  await mkdir(folder, { recursive: true });
  for (const [device, width, height] of [
    ["desktop", 1280, 860],
    ["phone", 390, 780],
  ] as const) {
    const context = await browser.newContext({
      baseURL: server.url,
      viewport: { width, height },
    });
    await context.addInitScript('localStorage.setItem("language", "en")');
    await context.request.post("/console/session", { data: { token: server.token } });
    const page = await context.newPage();
    for (const [name, path, act] of wanted) {
      await page.goto(`/console${path(victim)}`, { waitUntil: "networkidle" });
      await act?.(page);
      await writeFile(join(folder, `console-${name}-${device}.webp`), await webp(browser, page));
    }
    await context.close();
  }
  await browser.close();
  await server.stop();
} finally {
  await database.stop();
  await rm(data, { recursive: true, force: true });
}
console.log("written: docs/images");

/** What the page shows, as a small file: the browser itself makes WebP of its PNG. */
async function webp(browser: Browser, page: Page): Promise<Buffer> {
  const png = (await page.screenshot()).toString("base64");
  const painter = await browser.newPage();
  const text: string = await painter.evaluate(`(async () => {
    const image = new Image();
    image.src = "data:image/png;base64,${png}";
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.85);
  })()`);
  await painter.close();
  return Buffer.from(text.split(",")[1] ?? "", "base64");
}
