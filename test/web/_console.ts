import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { type Api, type ApiOptions, openApi } from "../_support/api.ts";
import { buildPages } from "./_browser.ts";

/** Folder of the built console. */
export const consoleFolder = join(
  fileURLToPath(new URL("../../", import.meta.url)),
  "dist/web/console",
);

/** A server with the console on a database of its own; one is enough for a file of tests. */
export async function serveConsole(options: ApiOptions = {}): Promise<Api> {
  buildPages();
  // Rows as a server gives them that was told nothing else.
  const config = { pageSizeMax: 200, ...options.config };
  return await openApi({ consoleFolder, ...options, config });
}

/** How somebody comes to the console. */
export interface Visit {
  /** A role of the API; null = nobody has signed in. */
  readonly role?: string | null;
  readonly subject?: string;
  readonly memberId?: string;
  /** Below /console. */
  readonly path?: string;
  readonly language?: "en" | "id";
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: "light" | "dark";
}

/** A window of its own at the console, with what went wrong in it. */
export interface Visitor {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly errors: string[];
}

/** Opens the console in a browser of its own kind: cookies of one visitor are not another's. */
export async function openConsole(
  t: ExecutionContext,
  browser: Browser,
  api: Api,
  visit: Visit = {},
): Promise<Visitor> {
  const { role = "admin", subject = "ani", path = "/", language = "en" } = visit;
  const context = await browser.newContext({
    viewport: visit.viewport ?? { width: 1280, height: 900 },
    colorScheme: visit.colorScheme ?? "light",
    baseURL: api.url,
  });
  t.teardown(() => context.close());
  await context.addInitScript(`localStorage.setItem("language", "${language}")`);
  if (role !== null) {
    const claims = { sub: subject, role, ...(visit.memberId && { member_id: visit.memberId }) };
    const token = await api.token(claims as never);
    const answer = await context.request.post("/console/session", { data: { token } });
    if (!answer.ok()) throw new Error(`no session: ${await answer.text()}`);
  }
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(`/console${path}`);
  return { page, context, errors };
}

/** How far a page is wider than its window: what is below zero or zero does not scroll sideways. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
}
