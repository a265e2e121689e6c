import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import type { AxeResults } from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { type RunningTill, startTill } from "../../src/branch/main.ts";
import { makePlace, storeOptions } from "../branch/_till.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The browser of the tests: Debian's, or the one that CHROMIUM_PATH names. */
export const chromiumPath = [process.env["CHROMIUM_PATH"] ?? "", "/usr/bin/chromium"].find(
  (path) => path !== "" && existsSync(path),
);

/** Why the tests of pages are skipped where they are. */
export const noChromium = "there is no chromium: apt-get install chromium, or set CHROMIUM_PATH";

/** Folder of the cashier's page, built when it is missing or stale. */
export const pageFolder = join(root, "dist/web/cashier");

/** Builds the pages as `npm run build:web` does. */
export function buildPages(): void {
  execFileSync(process.execPath, [join(root, "scripts/build_web.ts")], { stdio: "pipe" });
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    ...(chromiumPath !== undefined && { executablePath: chromiumPath }),
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
  });
}

/** A till of its own with its page open in a window of its own. */
export async function openTill(
  t: ExecutionContext,
  browser: Browser,
  options: BrowserContextOptions & { path?: string } = {},
): Promise<{ till: RunningTill; page: Page; errors: string[] }> {
  const place = makePlace(t);
  const till = await startTill({
    ...storeOptions(place, () => new Date()),
    port: 0,
    pageFolder,
    pace: { intervalMs: 500, retryBaseMs: 500, retryMaxMs: 500, timeoutMs: 5000 },
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  t.teardown(async () => {
    await context.close();
    await till.stop();
  });
  await page.goto(`${till.address}${options.path ?? "/"}`);
  return { till, page, errors };
}

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve("axe-core/axe.min.js"),
  "utf8",
);

/** What axe finds wrong with the page as it stands. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const results = (await page.evaluate("axe.run()")) as AxeResults;
  return results.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

/** A picture for a person to look at, where SALDO_SCREENSHOTS names a folder. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env["SALDO_SCREENSHOTS"];
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
