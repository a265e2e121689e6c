import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { type Browser, type BrowserContext, chromium } from "playwright-core";
import { cpuClock } from "./cpu.ts";
import { type Server, startServer } from "./server.ts";

/**
 * `npm run bench -- console`: how soon the console's first screen can be used on a slow machine, and
 * what open consoles cost the server while nothing changes.
 */

const openConsoles = Number(process.env.BENCH_CONSOLES ?? 50);
const watchedSeconds = Number(process.env.BENCH_CONSOLE_SECONDS ?? 120);
const starts = 5;
const slowness = 4;

/** Measures both, and gives the report. */
export async function consoleReport(connectionString: string, head: string[]): Promise<string> {
  const path = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
  if (!existsSync(path)) throw new Error("there is no chromium: apt-get install chromium");
  execFileSync(process.execPath, [
    fileURLToPath(new URL("../scripts/build_web.ts", import.meta.url)),
  ]);
  const client = new Client({ connectionString });
  await client.connect();
  await client.query("select from saldo.check_balance_health()");
  const server = await startServer(connectionString);
  const browser = await chromium.launch({ executablePath: path, args: ["--no-sandbox"] });
  try {
    const times = [];
    for (let start = 0; start < starts; start += 1) times.push(await coldStart(browser, server));
    times.sort((a, b) => a - b);
    const cost = await costOfOpenOnes(browser, server, client);
    return [
      "# Bench: the console",
      "",
      "`npm run bench -- console`. A start is one in a new profile, with nothing cached and the",
      `processor slowed down ${slowness} times, until the state of the books can be read.`,
      "",
      ...head,
      "",
      "| what | measured |",
      "|---|---:|",
      `| first screen, median of ${starts} starts | ${times[Math.floor(starts / 2)]?.toFixed(0)} ms |`,
      `| first screen, slowest | ${times.at(-1)?.toFixed(0)} ms |`,
      `| ${openConsoles} open overviews, server's CPU | ${cost.server.toFixed(2)} % of a core |`,
      `| ${openConsoles} open overviews, PostgreSQL's CPU | ${cost.postgres.toFixed(2)} % of a core |`,
      "| without any, server and PostgreSQL | " +
        `${cost.idleServer.toFixed(2)} % and ${cost.idlePostgres.toFixed(2)} % |`,
      "",
    ].join("\n");
  } finally {
    await browser.close();
    await server.stop();
    await client.end();
  }
}

async function signedIn(browser: Browser, server: Server): Promise<BrowserContext> {
  const context = await browser.newContext({ baseURL: server.url });
  const answer = await context.request.post("/console/session", { data: { token: server.token } });
  if (!answer.ok()) throw new Error(`no session: ${await answer.text()}`);
  return context;
}

async function coldStart(browser: Browser, server: Server): Promise<number> {
  const context = await signedIn(browser, server);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: slowness });
  const begun = performance.now();
  await page.goto("/console/", { waitUntil: "commit" });
  await page.getByText(/All is in order|Semua beres/).waitFor();
  const time = performance.now() - begun;
  await context.close();
  return time;
}

/** Percent of a core while nobody does anything, with consoles open and without. */
async function costOfOpenOnes(browser: Browser, server: Server, client: Client) {
  const clock = await cpuClock(client);
  if (clock === undefined) throw new Error("the processor time of the server cannot be read");
  const spent = async () => {
    const before = [clock.ofProcess(server.pid), clock.ofPostgres()];
    await sleep(watchedSeconds * 1000);
    const after = [clock.ofProcess(server.pid), clock.ofPostgres()];
    return after.map((time, place) => ((time - (before[place] ?? 0)) / watchedSeconds) * 100);
  };
  const [idleServer = 0, idlePostgres = 0] = await spent();
  const context = await signedIn(browser, server);
  for (let open = 0; open < openConsoles; open += 1) {
    const page = await context.newPage();
    await page.goto("/console/");
    await page.getByText(/All is in order|Semua beres/).waitFor();
  }
  const [all = 0, postgres = 0] = await spent();
  await context.close();
  return { server: all - idleServer, postgres: postgres - idlePostgres, idleServer, idlePostgres };
}
