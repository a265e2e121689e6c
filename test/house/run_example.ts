import { type ExecFileException, execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { type Api, openApi } from "../_support/api.ts";
import { openTestDatabase } from "../_support/database.ts";
import { type Example, masked, operationsOf, statementsOf } from "./examples.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What runs the examples of one document, all on one fresh database. */
export interface Stage {
  /** What the example prints, masked; undefined where its runtime is not to be had. */
  outputOf(example: Example): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Where the API of a document's examples is, and an administrator's token for it. */
interface Address {
  readonly url: string;
  readonly token: string;
}

/** Makes a database and a session for the examples of a document, and an API where they ask one. */
export async function openStage(examples: Example[]): Promise<Stage> {
  const logins = loginsOf(examples);
  const asksApi = examples.some(
    ({ language, source }) =>
      ["graphql", "http"].includes(language) || /\$CENTRE_URL|SALDO_URL/.test(source),
  );
  const api = asksApi ? await openApi() : undefined;
  const database = api ?? (await openTestDatabase(1));
  const client = new Client({ connectionString: database.connectionString });
  client.on("error", () => {});
  await client.connect();
  await dropLogins(client, logins);
  const token = (await api?.token({}, "1h")) ?? "";
  const address = { url: api?.url ?? "", token };
  return {
    async outputOf({ language, source, caller }) {
      const url = urlOf(database.connectionString, caller, logins);
      switch (language) {
        case "sql":
          return masked(await outputOfSql(client, source));
        case "graphql":
          return masked(await outputOfGraphql(api as Api, source, caller));
        case "http":
          return masked(await outputOfHttp(api as Api, source));
        case "sh":
          await linkOwnCommand();
          return masked(await outputOfProgram("sh", ["-c", `exec 2>&1\n${source}`], url, address));
        default:
          return outputOfSnippet(language, source, url, address);
      }
    },
    async close() {
      await client.query("reset all");
      // What a document grants its logins goes with them.
      for (const name of logins.keys()) await client.query(`drop owned by ${name} cascade`);
      await dropLogins(client, logins);
      await client.end();
      await database.close();
    },
  };
}

/** Logins belong to the cluster, so that a document's own have to go when it ends. */
function loginsOf(examples: Example[]): Map<string, string> {
  const text = examples.map(({ source }) => source).join("\n");
  const made = text.matchAll(
    /(?:create role |create_report_login\(')(\w+)(?: login(?: noinherit)? password '([^']+)')?/g,
  );
  return new Map([...made].map(([, name = "", password = ""]) => [name, password]));
}

async function dropLogins(client: Client, logins: Map<string, string>): Promise<void> {
  for (const name of logins.keys()) await client.query(`drop role if exists ${name}`);
}

function urlOf(connectionString: string, caller: string | undefined, logins: Map<string, string>) {
  const url = new URL(connectionString);
  const password = logins.get(caller ?? "");
  if (caller !== undefined && password !== undefined) {
    url.username = caller;
    url.password = password;
  }
  return url.href;
}

async function outputOfSql(client: Client, source: string): Promise<string> {
  const printed: string[] = [];
  for (const statement of statementsOf(source)) {
    try {
      const result = await client.query({ text: statement, rowMode: "array" });
      // As in psql, only what gives columns is shown.
      if (result.fields.length === 0) continue;
      printed.push(result.fields.map(({ name }) => name).join(" | "));
      for (const row of result.rows as unknown[][]) printed.push(row.map(cell).join(" | "));
    } catch (error) {
      printed.push(`ERROR ${(error as { code: string }).code}: ${(error as Error).message}`);
    }
  }
  return printed.map((line) => `${line}\n`).join("");
}

function cell(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value ?? "");
}

/** An administrator calls, by the name that the block gives. */
async function outputOfGraphql(api: Api, source: string, caller = "developer"): Promise<string> {
  const token = await api.token({ sub: caller });
  let printed = "";
  for (const operation of operationsOf(source)) {
    const { text } = await api.post(operation, {}, token);
    printed += `${jsonText(JSON.parse(text))}\n`;
  }
  return printed;
}

/** JSON in which whatever fits on a line stands on one. */
function jsonText(value: unknown, indent = ""): string {
  const flat = JSON.stringify(value, null, 1).replace(/\n\s*/g, " ");
  if (indent.length + flat.length <= 90 || typeof value !== "object" || value === null) return flat;
  const deeper = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map((each) => jsonText(each, deeper))
    : Object.entries(value).map(([key, each]) => `"${key}": ${jsonText(each, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${parts.map((part) => deeper + part).join(",\n")}\n${indent}${close}`;
}

async function outputOfHttp(api: Api, source: string): Promise<string> {
  let printed = "";
  for (const request of source.trim().split(/\n{2,}/)) {
    const [method = "", path = ""] = request.split(" ");
    const { status, text } = await api.request(path, { method });
    printed += `${status}\n${text.trim()}\n`;
  }
  return printed;
}

// Debian's Python is the one that has Debian's driver, whichever comes first on the path.
const runtimes = {
  js: { commands: [process.execPath], ending: "mjs", probe: ["-e", "0"] },
  python: {
    commands: ["python3", "/usr/bin/python3"],
    ending: "py",
    probe: ["-c", "import psycopg"],
  },
  php: {
    commands: ["php"],
    ending: "php",
    probe: ["-r", "exit((int) !extension_loaded('pdo_pgsql'));"],
  },
};

async function outputOfSnippet(
  language: keyof typeof runtimes,
  source: string,
  url: string,
  address: Address,
): Promise<string | undefined> {
  const { commands, ending, probe } = runtimes[language];
  for (const command of commands) {
    const isThere = await outputOfProgram(command, probe, url).catch(() => undefined);
    if (isThere === undefined) continue;
    // Below the packages, so that Node finds them from there.
    const folder = await mkdtemp(
      join(language === "js" ? `${root}node_modules` : tmpdir(), ".doc-"),
    );
    try {
      await writeFile(join(folder, `snippet.${ending}`), source);
      const words = [join(folder, `snippet.${ending}`)];
      return masked(await outputOfProgram(command, words, url, address));
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  return undefined;
}

let linking: Promise<string> | undefined;

/** npx links a checkout's own command at its first use: once, before documents do so at a time. */
function linkOwnCommand(): Promise<string> {
  linking ??= outputOfProgram("sh", ["-c", "npx saldo --help"], "");
  return linking;
}

function outputOfProgram(
  command: string,
  words: string[],
  databaseUrl: string,
  { url, token }: Address = { url: "", token: "" },
): Promise<string> {
  const own = { DATABASE_URL: databaseUrl, CENTRE_URL: url, SALDO_URL: `${url}/graphql` };
  const env = { ...process.env, ...own, SALDO_TOKEN: token };
  return new Promise((done, refuse) => {
    execFile(command, words, { cwd: root, env }, (error, stdout, stderr) => {
      // What a document shows may well end with another code than 0; what cannot start is no output.
      const isStarted = typeof (error as ExecFileException | null)?.code !== "string";
      if (error === null || (command === "sh" && isStarted)) done(stdout);
      else refuse(new Error(`${error.message}\n${stderr}`));
    });
  });
}
