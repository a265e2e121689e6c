/** `saldo branch`: what it can be told, and what it does then. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readVersion, rootFolder } from "../paths.ts";
import { isTimeZone } from "./clock.ts";
import { startTill, type TillOptions } from "./main.ts";
import { exportWaiting, importAnswers } from "./push/by_file.ts";
import { enrol, takeKey } from "./push/enrol.ts";
import { defaultAnchorFolder } from "./store/anchor.ts";
import { Store } from "./store/store.ts";
import { StoreRefused, TillError } from "./till_error.ts";

/** What the command was called with. */
export interface BranchWords {
  values: Record<string, unknown>;
  positionals: string[];
}

/** A call that the command does not understand. */
export class BranchUsage extends Error {}

/** Does what the words say; gives the exit code. */
export async function runBranch(words: BranchWords, environment: NodeJS.ProcessEnv) {
  const options = optionsOf(words, environment);
  const [action, ...rest] = words.positionals;
  try {
    if (action === undefined) return await serve(options, words.values["open"] === true);
    return await act(options, action, rest);
  } catch (error) {
    if (!(error instanceof StoreRefused || error instanceof TillError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

function optionsOf({ values }: BranchWords, environment: NodeJS.ProcessEnv): TillOptions {
  const text = (name: string, variable: string, normal: string) =>
    (values[name] as string | undefined) ?? (environment[variable] || normal);
  const port = Number(text("port", "SALDO_BRANCH_PORT", "8080"));
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new BranchUsage("--port is a number up to 65535.");
  }
  const currency = text("currency", "SALDO_BRANCH_CURRENCY", "IDR");
  if (!/^[A-Z]{3}$/.test(currency)) throw new BranchUsage("--currency has three capitals: IDR.");
  const timeZone = text("time-zone", "SALDO_BRANCH_TIME_ZONE", "Asia/Jakarta");
  if (!isTimeZone(timeZone)) throw new BranchUsage("--time-zone is a name such as Asia/Jakarta.");
  return {
    port,
    folder: text("folder", "SALDO_BRANCH_DIR", defaultFolder(environment)),
    anchorFolder: environment["SALDO_BRANCH_ANCHOR_DIR"] || defaultAnchorFolder(environment),
    clock: () => new Date(),
    program: `saldo-branch/${readVersion()}`,
    assumed: { name: text("name", "SALDO_BRANCH_NAME", "Kas"), currency, timeZone },
    pageFolder: builtPage(),
    password: environment["SALDO_BRANCH_PASSWORD"] || undefined,
    say(message, fields) {
      const line = { at: new Date().toISOString(), level: "info", message, ...fields };
      process.stderr.write(`${JSON.stringify(line)}\n`);
    },
  };
}

function defaultFolder(environment: NodeJS.ProcessEnv): string {
  const configured = environment["XDG_DATA_HOME"] || environment["LOCALAPPDATA"];
  return join(configured || join(homedir(), ".local", "share"), "saldo-branch");
}

/** The page stands in dist/ of a checkout and of the package, or beside the program of a till's own. */
function builtPage(): string | undefined {
  const here = dirname(fileURLToPath(import.meta.url));
  return [join(rootFolder, "dist/web/cashier"), join(here, "web")].find((folder) =>
    existsSync(join(folder, "index.html")),
  );
}

async function serve(options: TillOptions, shallOpen: boolean): Promise<number> {
  // From the first moment: who is told where the till is may end it at once.
  const ended = new Promise<void>((done) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.once(signal, () => done());
  });
  const till = await startTill(options);
  process.stdout.write(`The till is at ${till.address}. Its store: ${till.store.folder}\n`);
  if (shallOpen) openWindow(till.address);
  await ended;
  await till.stop();
  return 0;
}

/** A window of its own where a browser can make one. */
function openWindow(address: string): void {
  const [first, ...others] = ["chromium", "google-chrome", "chrome", "msedge"];
  const attempt = (program: string | undefined) => {
    if (program === undefined) return;
    const child = spawn(program, [`--app=${address}`], { detached: true, stdio: "ignore" });
    child.once("error", () => attempt(others.shift()));
    child.unref();
  };
  attempt(first);
}

/** Does one thing to the store, through the program that has it where one runs. */
async function act(options: TillOptions, action: string, words: string[]): Promise<number> {
  const [first = "", second = ""] = words;
  const count = { enrol: 2, key: 1, export: 1, import: 1 }[action];
  if (count === undefined) throw new BranchUsage(`There is no saldo branch ${action}.`);
  if (words.length !== count) throw new BranchUsage(`saldo branch ${action}: see --help.`);
  const address = addressOf(options.folder);
  if (address !== undefined) await askRunning(address, action, first, second);
  else await actOnStore(Store.open(options), action, first, second);
  process.stdout.write("Done.\n");
  return 0;
}

async function actOnStore(store: Store, action: string, first: string, second: string) {
  try {
    if (action === "enrol") await enrol(store, { centre: first, code: second });
    if (action === "key") takeKey(store, first);
    if (action === "export") writeFileSync(first, JSON.stringify(exportWaiting(store)));
    if (action === "import") importAnswers(store, JSON.parse(readFileSync(first, "utf8")));
  } finally {
    store.close();
  }
}

function addressOf(folder: string): string | undefined {
  try {
    const { pid, port } = JSON.parse(readFileSync(join(folder, "in-use.json"), "utf8"));
    process.kill(pid, 0);
    return `http://localhost:${port}`;
  } catch {
    return undefined;
  }
}

async function askRunning(address: string, action: string, first: string, second: string) {
  const bodies: Record<string, () => unknown> = {
    enrol: () => ({ centre: first, code: second }),
    key: () => ({ key: first }),
    import: () => JSON.parse(readFileSync(first, "utf8")),
  };
  const body = bodies[action]?.();
  const headers: Record<string, string> = { "content-type": "application/json" };
  const password = process.env["SALDO_BRANCH_PASSWORD"];
  if (password) headers["authorization"] = `Basic ${btoa(`till:${password}`)}`;
  const response = await fetch(`${address}/api/v1/system/${action}`, {
    headers,
    ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new TillError("not_allowed", JSON.parse(text).message);
  if (action === "export") writeFileSync(first, text);
}
